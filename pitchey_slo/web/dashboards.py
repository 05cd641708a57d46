"""Dashboards over HTTP: which there are, each with its data, saved and restored.

Reading needs the role that the dashboard names: public ones need no token, the others a token with the scope `read`
whose role (`read` is a viewer, `alert` an operator, `admin` an admin) is that role or one after it. Saving, hiding and
restoring need the scope `alert`: whoever may silence an alert may move a chart, every version is kept with its name,
and nobody can save what they may not look at.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.alert.words import iso
from pitchey_slo.board.fields import FIELDS, schema
from pitchey_slo.board.kinds import KINDS
from pitchey_slo.board.model import ROLES, STATES, UNITS
from pitchey_slo.board.named import NAMED
from pitchey_slo.board.shelf import Shown
from pitchey_slo.board.write import plain
from pitchey_slo.errors import Forbidden, RequestError
from pitchey_slo.store import Token
from pitchey_slo.web.auth import needs
from pitchey_slo.web.board_given import (
    ORDER,
    as_text,
    looked_at,
    may,
    name_of,
    optional_token,
    parameters,
    read_definition,
    role_of,
    since_of,
    view_of,
    wait_of,
)
from pitchey_slo.web.boards import boards_of
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.corrections import to_lake
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of

router = APIRouter(tags=["dashboards"])


def _query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": description}


_ASKED: Final = [
    _query("range", "the last so long, such as 15m, 1h or 7d; the dashboard's own without it"),
    _query("start", "ISO 8601, with `end` instead of range"),
    _query("end", "ISO 8601"),
    _query("var-NAME", "choice of the variable NAME, may be given several times; $all is everything"),
    _query("compare", "how far back lines and numbers are compared with, such as 1d or 1w"),
    _query("since", "watermark of the answer you have: only what is new comes"),
    _query("wait", "after so many seconds what is ready comes, and `pending` names the rest; 30 without it"),
]


class NewDashboard(Form):
    definition: str | dict[str, Any] = Field(description="the definition, as YAML text or as JSON")
    comment: str = Field("", max_length=4_096, description="what was changed and why")
    version: int | None = Field(None, ge=0, description="the version that was edited; none for a new dashboard")
    by: str | None = Field(None, max_length=128, description="who saves it; the name of the token without it")


class Removal(Form):
    version: int | None = Field(None, ge=0, description="the version you saw; none: whatever it is")
    comment: str = Field("", max_length=4_096, description="why")
    by: str | None = Field(None, max_length=128, description="who; the name of the token without it")


class Restoration(Form):
    version: int = Field(ge=0, description="the version that shall be shown again; 0 is the file")
    by: str | None = Field(None, max_length=128, description="who; the name of the token without it")


class Draft(Form):
    """What an editor wants to see: a widget alone, or a whole definition that is not saved."""

    widget: dict[str, Any] | None = Field(None, description="one widget, as in a definition")
    variables: list[dict[str, Any]] = Field(default_factory=list, description="the variables it uses")
    definition: str | dict[str, Any] | None = Field(None, description="or a whole dashboard, as YAML text or JSON")
    range: str = Field("", max_length=16, description="the last so long; 1h without it")
    start: str | None = Field(None, max_length=64, description="ISO 8601, with `end` instead of range")
    end: str | None = Field(None, max_length=64, description="ISO 8601")
    compare: str = Field("", max_length=16, description="such as 1w")
    choices: dict[str, list[str]] = Field(default_factory=dict, description="choice of each variable")


@router.get("/api/monitoring/dashboards", **needs(None))
async def dashboards(request: Request) -> Response:
    """The dashboards you may look at, in the order of the menu, and (with the scope alert) what is wrong with others.
    Without a token only public ones."""
    token = await optional_token(request)
    role = role_of(token)
    shown, problems = await asyncio.to_thread(boards_of(request).shelf.every)
    listed = [each.as_dict() for each in shown if may(role, each)]
    told = problems if ORDER[role] >= ORDER["operator"] else []
    return answer({"dashboards": listed, "role": role, "problems": told})


@router.get("/api/monitoring/dashboards/catalogue", **needs("read"))
async def catalogue(_: Request) -> Response:
    """What a definition may be made of: types of widgets, named questions with their arguments, units, states, and the
    JSON Schema. For editors."""
    return answer(
        {
            "types": {name: {"doc": k.doc, "shape": k.shape, "queries": k.queries} for name, k in KINDS.items()},
            "named": {
                name: {
                    "shape": q.shape,
                    "doc": q.doc,
                    "arguments": {
                        key: {"doc": a.doc, "type": a.type, "default": a.default, "words": list(a.words)}
                        for key, a in q.arguments.items()
                    },
                }
                for name, q in sorted(NAMED.items())
            },
            "units": UNITS,
            "states": list(STATES),
            "roles": ROLES,
            "keys": {table: {key: f.doc for key, f in fields.items()} for table, fields in FIELDS.items()},
            "schema": schema(),
        }
    )


@router.post("/api/monitoring/dashboards/preview", **needs("alert", **described(Draft)))
async def preview(request: Request) -> Response:
    """A widget, or a whole definition, that nobody saved, with data. 422 `invalid_dashboard` says line and key."""
    form = await read_form(request, Draft)
    if (form.widget is None) == (form.definition is None):
        raise RequestError("widget, definition: give one of them")
    whole: Any = form.definition
    if form.widget is not None:
        row = {"title": "", "widgets": [form.widget]}
        whole = {"name": "preview", "title": "preview", "variables": form.variables, "rows": [row]}
    definition = await asyncio.to_thread(read_definition, whole)
    view = view_of(request, definition, form.model_dump(), form.choices)
    return answer(await boards_of(request).once(definition, view))


@router.get("/api/monitoring/dashboards/{id}", **needs(None, parameters=_ASKED))
async def dashboard(request: Request) -> Response:
    """One dashboard with the data of all its widgets; docs/dashboards.md tells what each looks like."""
    token = await optional_token(request)
    shown = await looked_at(request, role_of(token))
    given, choices = parameters(request)
    view = view_of(request, shown.definition, given, choices)
    since, wait = since_of(given.get("since")), wait_of(given.get("wait"))
    return answer(await boards_of(request).answer(shown, view, since, wait))


@router.get("/api/monitoring/dashboards/{id}/definition", **needs(None))
async def definition_of(request: Request) -> Response:
    """What a dashboard is made of: as text (YAML, or JSON if it was saved so), and as plain values."""
    token = await optional_token(request)
    shown = await looked_at(request, role_of(token))
    return answer(shown.as_dict() | {"text": shown.text, "definition": plain(shown.definition)})


@router.post("/api/monitoring/dashboards", **needs("alert", **described(NewDashboard)))
async def save(request: Request) -> Response:
    """Create a dashboard, or save its next version. 201 means stored; 409 that somebody saved another version since the
    one you edited; 422 `invalid_dashboard` says file, line and key of every problem."""
    form = await read_form(request, NewDashboard)
    text = form.definition if isinstance(form.definition, str) else as_text(form.definition)
    definition = await asyncio.to_thread(read_definition, form.definition)
    role = role_of(request.state.token)
    house, boards = house_of(request), boards_of(request)
    if ORDER[definition.role] > ORDER[role]:
        raise Forbidden(f"a dashboard for the role {definition.role} cannot be saved by an {role}")
    if form.version is not None:
        await looked_at(request, role, definition.name, missing=True)
    store = house.opened()

    def work() -> Shown:
        shown = boards.shelf.save(
            text,
            base=form.version,
            by=form.by or name_of(request),
            comment=form.comment,
            now=house.clock(),
            append=store.append,
            name=definition.name,
        )
        to_lake(store)
        return shown

    return answer((await asyncio.to_thread(work)).as_dict(), 201)


@router.get("/api/monitoring/dashboards/{id}/versions", **needs("read"))
async def versions(request: Request) -> Response:
    """Every version with who saved it, why, and its text, the newest first; version 0 is the file."""
    role, name = role_of(request.state.token), request.path_params["id"]
    await looked_at(request, role, missing=True)
    return answer({"versions": await asyncio.to_thread(boards_of(request).shelf.versions, name)})


@router.post("/api/monitoring/dashboards/{id}/restore", **needs("alert", **described(Restoration)))
async def restore(request: Request) -> Response:
    """Make an older version the newest."""
    form = await read_form(request, Restoration)
    await looked_at(request, role_of(request.state.token), missing=True)
    house, boards, store = house_of(request), boards_of(request), house_of(request).opened()

    def work() -> Shown:
        by, now = form.by or name_of(request), house.clock()
        shown = boards.shelf.restore(request.path_params["id"], form.version, by=by, now=now, append=store.append)
        to_lake(store)
        return shown

    return answer((await asyncio.to_thread(work)).as_dict(), 201)


@router.delete("/api/monitoring/dashboards/{id}", **needs("alert", **described(Removal)))
async def remove(request: Request) -> Response:
    """Hide a dashboard; its versions stay, and any of them can be restored."""
    form = await read_form(request, Removal)
    shown = await looked_at(request, role_of(request.state.token))
    house, boards, store = house_of(request), boards_of(request), house_of(request).opened()

    def work() -> int:
        by, now = form.by or name_of(request), house.clock()
        version = boards.shelf.remove(
            shown.definition.name, base=form.version, by=by, comment=form.comment, now=now, append=store.append
        )
        to_lake(store)
        return version

    return answer({"id": shown.definition.name, "version": await asyncio.to_thread(work)})


@router.get("/api/monitoring/whoami", **needs("read"))
async def whoami(request: Request) -> Response:
    """The name, scopes and role of your token."""
    token: Token = request.state.token
    told = {"id": token.id, "name": token.name, "scopes": sorted(token.scopes), "role": role_of(token)}
    return answer(told | {"expires_at": iso(token.expires_at)})
