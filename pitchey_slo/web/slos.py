"""SLOs: what is left of each budget, as the same findings that notebooks and commands get."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from pitchey_slo.errors import RequestError, SloError, Unauthorized, did_you_mean
from pitchey_slo.slo.model import TimeWindow
from pitchey_slo.web.auth import needs
from pitchey_slo.web.slo_numbers import numbers_of
from pitchey_slo.workbench import parse_time

router = APIRouter(tags=["slos"])

#: Days in the longest window that may be asked for.
LONGEST_DAYS = 3_660
_DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0, "M": 31.0, "Q": 92.0, "Y": 366.0}


def _parameter(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": description}


WINDOW = _parameter("window", 'such as 28d or "1M Europe/London", instead of the windows of the spec')
END = _parameter("end", "judge what happened before this time (ISO 8601); the minute after the newest row without it")
SERVICE = _parameter("service", "only the SLOs of this service")


@router.get("/api/monitoring/slos", **needs("read", parameters=[WINDOW, END, SERVICE]))
async def all_slos(request: Request) -> Response:
    """Every objective over every window, least budget left first. `reports` are findings as `docs/slos.md` tells them;
    `problems` what could not be read or evaluated."""
    return await told(request, None, ("window", "end", "service"))


@router.get("/api/monitoring/slos/{name}", **needs("read", parameters=[WINDOW, END]))
async def one_slo(request: Request, name: str) -> Response:
    """One SLO: a report per objective and window."""
    return await told(request, name, ("window", "end"))


async def told(request: Request, name: str | None, known: tuple[str, ...]) -> Response:
    given = parameters(request, known)
    window = checked_window(given.get("window", ""))
    end = minute(parse_time(given.get("end"), "end"))
    body = await numbers_of(request).answer(name, given.get("service") or None, window, end)
    return Response(body, media_type="application/json")


def parameters(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """The query parameters. RequestError for one that means nothing here, or stands there twice."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name.lower() in ("token", "access_token", "api_key"):
            raise Unauthorized("a token in the address ends up in logs; send it as a header, and revoke this one")
        if name not in known:
            near = did_you_mean(name, known) or f"known here: {', '.join(known) or 'none'}"
            raise RequestError(f"query parameter {name[:40]!r} has no meaning here; {near}")
        if name in found:
            raise RequestError(f"query parameter {name!r} stands there twice")
        found[name] = value
    return found


def minute(end: datetime | None) -> datetime | None:
    """The start of its minute, which is what is judged: so that those who ask within a minute share one evaluation.
    RequestError for a time that no data can be of."""
    if end is None:
        return None
    if not 1970 <= end.year < 2200:
        raise RequestError(f"end: {end:%Y-%m-%d} is no time that data can be of; write it as 2026-03-01T12:00:00Z")
    return end.replace(second=0, microsecond=0)


def checked_window(text: str) -> str:
    """`text` as windows are written. SloError when it is none, or longer than anybody keeps data for."""
    if not text.strip():
        return ""
    try:
        window = TimeWindow.parse(text)
    except ValueError as error:
        raise SloError(f"window: {error}") from None
    if window.duration.count * _DAYS[window.duration.unit] > LONGEST_DAYS:
        raise SloError(f"window: {window.duration} is longer than ten years; use a shorter one, such as 1Y")
    return window.text
