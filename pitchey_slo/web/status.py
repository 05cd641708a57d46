"""The public status page, and what people post to it.

`/status` is plain HTML for everybody, `/status.json` the same as data; both lie ready and may be kept by browsers and
caches for half a minute. An incident is on it once somebody posted an update: `POST .../incidents/{id}/updates`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.alert.words import iso
from pitchey_slo.errors import NotFound, RequestError, StoreUnavailable, did_you_mean
from pitchey_slo.store import Store
from pitchey_slo.tables import INCIDENT_UPDATES
from pitchey_slo.web.auth import needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.corrections import to_lake
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of
from pitchey_slo.web.status_board import Ready, StatusBoard
from pitchey_slo.web.status_told import STATUSES

router = APIRouter(tags=["status"])
log = logging.getLogger(__name__)

HEADERS: Final = {
    # an old page is better than none while this server is away
    "Cache-Control": "public, max-age=30, stale-while-revalidate=60, stale-if-error=86400",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
#: Seconds a post waits until the page shows it.
PATIENCE: Final = 5.0
#: Looking whether an id is taken and writing it are one step.
_WRITING = threading.Lock()


class NewUpdate(Form):
    status: str = Field(max_length=32, description=", ".join(STATUSES))
    message: str = Field(min_length=1, max_length=4_096, description="what people read")
    components: list[str] = Field(
        default_factory=list, max_length=30, description="public names of config/status.yml that it is about"
    )
    id: str | None = Field(None, max_length=128, description="a name of your own: the same sent again changes nothing")
    by: str | None = Field(None, max_length=128, description="who posts it, never shown; the name of the token without")
    source: str = Field("api", max_length=64, description="where it comes from")


@router.head("/status", include_in_schema=False, **needs(None))
@router.get("/status", **needs(None))
async def page(request: Request) -> Response:
    """The status page: components with 90 days behind them, and incidents. 404 without `config/status.yml`."""
    made = _made(request)
    return _kept(request, made.html, made.html_tag, "text/html; charset=utf-8")


@router.head("/status.json", include_in_schema=False, **needs(None))
@router.get("/status.json", **needs(None))
async def data(request: Request) -> Response:
    """The same as JSON, for everybody and from everywhere (CORS)."""
    made = _made(request)
    response = _kept(request, made.json, made.json_tag, "application/json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@router.get("/api/monitoring/incidents/{id}/updates", **needs("read"))
async def updates(request: Request) -> Response:
    """What was said of an incident, oldest first, with who said it."""
    store, incident = house_of(request).opened(), request.path_params["id"]
    found = await asyncio.to_thread(_updates, store, incident)
    return answer({"incident_id": incident, "updates": found})


@router.post("/api/monitoring/incidents/{id}/updates", **needs("alert", **described(NewUpdate)))
async def post(request: Request) -> Response:
    """Tell the public about an incident. The first update puts it on the status page; 201 means that it is stored, and
    (within a few seconds) that the page shows it."""
    form = await read_form(request, NewUpdate)
    house, board, token = house_of(request), board_of(request), request.state.token
    config = board.file.current()
    _check(form, [one.name for one in config.components] if config is not None else [])
    row = {
        "id": form.id or f"upd-{uuid.uuid4().hex[:12]}",
        "incident_id": request.path_params["id"],
        "status": form.status,
        "components": ",".join(form.components) or None,
        "message": form.message,
        "posted_by": form.by or token.name or token.id,
        "created_at": house.clock(),
        "source": form.source,
    }
    told = await asyncio.to_thread(_write, house.opened(), row)
    await asyncio.to_thread(board.renew, PATIENCE)
    return answer(told, 201)


def board_of(request: Request) -> StatusBoard:
    found = request.app.state.status
    assert isinstance(found, StatusBoard)
    return found


def _made(request: Request) -> Ready:
    board = board_of(request)
    if board.ready is not None:
        return board.ready
    if board.file.current() is None:
        raise NotFound("there is no status page; config/status.yml makes one (docs/status.md)")
    raise StoreUnavailable("the status page is being made; try again in a moment")


def _kept(request: Request, body: bytes, tag: str, kind: str) -> Response:
    """304 when the sender has it already."""
    headers = {**HEADERS, "ETag": tag}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def _check(form: NewUpdate, names: list[str]) -> None:
    if form.status not in STATUSES:
        near = did_you_mean(form.status, STATUSES) or f"one of {', '.join(STATUSES)}"
        raise RequestError(f"status: {form.status!r} is none; {near}")
    for name in form.components:
        if name not in names:
            near = did_you_mean(name, names) or f"public components: {', '.join(names) or 'none'}"
            raise RequestError(f"components: the status page has no {name!r}; {near}")
        if "," in name:
            raise RequestError(f"components: {name!r} has a comma in its name; rename it in config/status.yml")
    if not form.message.strip():
        raise RequestError("message: say something that people can read")


def _write(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    with _WRITING:
        known = store.query("SELECT id FROM incidents WHERE id = ?", [row["incident_id"]]).num_rows
        if not known:
            raise NotFound(f"no incident {row['incident_id'][:128]!r}; `pitchey-slo incidents list` shows them")
        before = store.query("FROM incident_updates WHERE id = ?", [row["id"]]).to_pylist()
        if before:
            same = all(before[0][name] == row[name] for name in ("incident_id", "status", "components", "message"))
            if not same:
                raise RequestError(f"id: {row['id']!r} is an update that says something else; what was said stays said")
            return _told(before[0])
        store.append("incident_updates", INCIDENT_UPDATES.of([row]))
    to_lake(store)
    return _told(row)


def _updates(store: Store, incident: str) -> list[dict[str, Any]]:
    if not store.query("SELECT id FROM incidents WHERE id = ?", [incident]).num_rows:
        raise NotFound(f"no incident {incident[:128]!r}; `pitchey-slo incidents list` shows them")
    sql = "FROM incident_updates WHERE incident_id = ? ORDER BY created_at, id"
    return [_told(row) for row in store.query(sql, [incident]).to_pylist()]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "incident_id": row["incident_id"],
        "status": row["status"],
        "message": row["message"],
        "components": row["components"].split(",") if row["components"] else [],
        "posted_by": row["posted_by"],
        "created_at": iso(row["created_at"]),
    }
