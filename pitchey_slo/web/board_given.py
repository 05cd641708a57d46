"""Who asks for a dashboard and what they ask for: roles, parameters, definitions in bodies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from fastapi import Request

from pitchey_slo import board
from pitchey_slo.board.model import ROLES
from pitchey_slo.board.shelf import Shown
from pitchey_slo.board.span import between
from pitchey_slo.board.variables import checked
from pitchey_slo.errors import BoardError, ConfigError, Forbidden, RequestError, Unauthorized, did_you_mean
from pitchey_slo.store import Token
from pitchey_slo.web.auth import bearer
from pitchey_slo.web.boards import WAIT_SECONDS, boards_of
from pitchey_slo.web.house import house_of
from pitchey_slo.workbench import milliseconds, parse_time

#: role -> its place, the least first
ORDER: Final = {role: place for place, role in enumerate(ROLES)}
_KNOWN: Final = ("range", "start", "end", "compare", "since", "wait")


async def optional_token(request: Request) -> Token | None:
    """The token of a request that may come without one. Raises as `Guard.check` when there is one that is not good."""
    if not request.headers.getlist("authorization"):
        return None
    house = house_of(request)
    return await house.guard.check(bearer(request), "read", house.opened)


def role_of(token: Token | None) -> str:
    """What a token makes of who holds it."""
    if token is None:
        return "public"
    return "admin" if "admin" in token.scopes else "operator" if "alert" in token.scopes else "viewer"


def may(role: str, shown: Shown) -> bool:
    return ORDER[role] >= ORDER[shown.definition.role]


async def looked_at(request: Request, role: str, name: str | None = None, *, missing: bool = False) -> Shown:
    """The dashboard of the path (or `name`), if this role may look at it. With `missing`, one that is hidden or broken
    is no error: the role alone is checked where there is one. Raises NotFound, Unauthorized, Forbidden."""
    shelf = boards_of(request).shelf
    wanted = name or request.path_params["id"]
    try:
        shown = await asyncio.to_thread(shelf.one, wanted)
    except (BoardError, RequestError):
        if not missing:
            if role == "public":  # what there is is not for everybody to know
                raise Unauthorized("this dashboard is not public; send a token that may read") from None
            raise
        return Shown(board.Definition(wanted, wanted, ()), "", 0)
    if not may(role, shown):
        if role == "public":
            raise Unauthorized("this dashboard is not public; send a token that may read")
        raise Forbidden(f"this dashboard is for the role {shown.definition.role}; this token makes a {role}")
    return shown


def name_of(request: Request) -> str:
    token = request.state.token
    return str(token.name or token.id)


def parameters(request: Request) -> tuple[dict[str, str], dict[str, list[str]]]:
    """(plain parameters, choices by variable). Raises RequestError for one that means nothing here."""
    given: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith("var-"):
            choices.setdefault(name.removeprefix("var-"), []).append(value)
        elif name.lower() in ("token", "access_token", "api_key"):
            raise Unauthorized("a token in the address ends up in logs; send it as a header, and revoke this one")
        elif name not in _KNOWN or name in given:
            near = did_you_mean(name, _KNOWN) or f"known here: {', '.join(_KNOWN)}, var-NAME"
            raise RequestError(f"query parameter {name[:40]!r} has no meaning here, or stands there twice; {near}")
        else:
            given[name] = value
    return given, choices


def view_of(
    request: Request, definition: board.Definition, given: Mapping[str, Any], choices: Mapping[str, list[str]]
) -> board.View:
    """The time and the choices. Raises RequestError."""
    start, end = (parse_time(given.get(name) or None, name) for name in ("start", "end"))
    if (start is None) != (end is None) or (start is not None and given.get("range")):
        raise RequestError("range, start, end: give a range, or start and end")
    span = None if start is None or end is None else between(_ms(start, "start"), _ms(end, "end"))
    chosen = checked(definition, choices)
    length, compare = str(given.get("range") or ""), str(given.get("compare") or "")
    now = house_of(request).clock()
    return board.view_of(definition, now, span=span, length=length, compare=compare, chosen=chosen)


def _ms(moment: datetime, name: str) -> int:
    if not 1970 <= moment.year < 2200:
        raise RequestError(f"{name}: {moment:%Y-%m-%d} is no time that data can be of; 2026-03-01T12:00:00Z works")
    return milliseconds(moment)


def since_of(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise RequestError(f"since: {text[:40]!r}; the watermark of an answer, milliseconds since 1970")
    return int(text)


def wait_of(text: str | None) -> float:
    """Seconds."""
    if text is None:
        return WAIT_SECONDS
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text):
        raise RequestError(f"wait: {text[:40]!r}; a number of seconds, such as 1")
    return float(text)


def read_definition(given: str | dict[str, Any]) -> board.Definition:
    """Raises BoardError with every problem."""
    try:
        return board.read(given if isinstance(given, str) else as_text(given))
    except ConfigError as error:
        raise BoardError(error.message, detail=error.detail) from None


def as_text(given: Mapping[str, Any]) -> str:
    return orjson.dumps(given, option=orjson.OPT_INDENT_2).decode()
