"""Alerts for people and their tools: what fires, what fired, why somebody was told; to take on, to end, to make one.

Reading needs the scope `read`, everything that changes what people are told needs `alert`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.alert import inbox
from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.inbox import View
from pitchey_slo.alert.matchers import Matchers, parse
from pitchey_slo.alert.model import SEVERITIES
from pitchey_slo.alert.pushed import Pushed
from pitchey_slo.alert.why import alert_dict, why
from pitchey_slo.errors import RequestError
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.web.alerting import alerting_of
from pitchey_slo.web.auth import needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of
from pitchey_slo.workbench import parse_time

router = APIRouter(tags=["alerts"])

#: Decisions older than this may be in the lake alone.
HOT_DAYS = 1


class NewAlert(Form):
    name: str = Field(min_length=1, max_length=200, description="what it is called: its `alertname`")
    summary: str = Field(min_length=1, max_length=1_000, description="one line in plain words")
    severity: str = Field("warning", description=", ".join(reversed(SEVERITIES)))
    description: str = Field("", max_length=4_096, description="more words")
    labels: dict[str, str] = Field(default_factory=dict, description="more labels, for routes and silences")
    minutes: float = Field(60, gt=0, le=10_080, description="it ends after so long unless somebody resolves it before")
    by: str | None = Field(None, max_length=128, description="who says so; the name of the token without it")


class Word(Form):
    by: str | None = Field(None, max_length=128, description="who; the name of the token without it")
    comment: str = Field("", max_length=1_000, description="in plain words")


def _query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": description}


_LISTED = [
    _query("state", "active (pending and firing; without it), firing, pending, resolved or all"),
    _query("severity", "only this severity"),
    _query("since", "ISO 8601: active at or after"),
    _query("until", "ISO 8601: active before"),
    _query("filter", 'matchers such as service="api", may be given several times'),
    _query("limit", f"at most {inbox.MOST}; 100 without it"),
]


@router.get("/api/monitoring/alerts", **needs("read", parameters=_LISTED))
async def alerts(request: Request) -> Response:
    """Alerts, the most urgent first (history: the newest first), each with who is told of it and what keeps it from
    being told now."""
    given = request.query_params
    unknown = set(given) - {p["name"] for p in _LISTED}
    if unknown:
        raise RequestError(f"query parameter {sorted(unknown)[0][:40]!r} has no meaning here")
    state, limit = given.get("state", "active"), _limit(given.get("limit", "100"))
    house, wanted = house_of(request), matchers_of(given.getlist("filter"))
    since, until = (parse_time(given.get(name), name) for name in ("since", "until"))

    def found() -> list[View]:
        store = house.opened()
        listed = inbox.history(
            store,
            state=state,
            severity=given.get("severity", ""),
            since=since,
            until=until,
            matchers=wanted,
            limit=limit,
        )
        seen = inbox.views(routes_of(request), listed, inbox.silences(store), house.clock())
        return sorted(seen, key=inbox.by_urgency) if state == "active" else seen

    return answer({"alerts": [view_dict(v) for v in await asyncio.to_thread(found)]})


@router.post("/api/monitoring/alerts", **needs("alert", **described(NewAlert)))
async def create(request: Request) -> Response:
    """Make an alert by hand. It is routed and told like any other; 201 means that it is stored."""
    form = await read_form(request, NewAlert)
    if form.severity not in SEVERITIES:
        raise RequestError(f"severity {form.severity[:40]!r} is none; {', '.join(reversed(SEVERITIES))} are")
    house, by = house_of(request), form.by or who(request)
    now = house.clock()
    pushed = Pushed(
        labels={**form.labels, "alertname": form.name, "severity": form.severity},
        annotations={"summary": form.summary, "description": form.description or f"Made by {by}."},
        ends_at=now + timedelta(minutes=form.minutes),
        source=f"api ({by})",
    )
    engine = alerting_of(request).engine
    (fingerprint,) = await asyncio.to_thread(engine.push, [pushed])
    alert = await asyncio.to_thread(inbox.find, house.opened(), fingerprint)
    return answer(alert_dict(alert), 201)


@router.get("/api/monitoring/alerts/{id}", **needs("read"))
async def one(request: Request) -> Response:
    """One alert by its id, or the newest one of a fingerprint."""
    house = house_of(request)

    def found() -> View:
        store = house.opened()
        alert = inbox.find(store, request.path_params["id"])
        alerting = alerting_of(request)
        others = [a for a in alerting.engine.alerts() if a.id != alert.id] if alerting.running else []
        return inbox.views(routes_of(request), [alert, *others], inbox.silences(store), house.clock())[0]

    return answer(view_dict(await asyncio.to_thread(found)))


@router.get("/api/monitoring/alerts/{id}/why", **needs("read"))
async def explain(request: Request) -> Response:
    """Why somebody was paged, or not: every decision in order, and every message with the channel's answer."""
    house = house_of(request)

    def found() -> dict[str, Any]:
        store = house.opened()
        alert = inbox.find(store, request.path_params["id"])
        old = alert.active_at < house.clock() - timedelta(days=HOT_DAYS)
        return why(alert.id, lake_of(store).query if old else store.query).as_dict()

    return answer(await asyncio.to_thread(found))


@router.post("/api/monitoring/alerts/{id}/ack", **needs("alert", **described(Word)))
async def acknowledge(request: Request) -> Response:
    """Take an alert on: its escalation stops."""
    return await _said(request, Engine.acknowledge)


@router.post("/api/monitoring/alerts/{id}/resolve", **needs("alert", **described(Word)))
async def resolve(request: Request) -> Response:
    """End an alert. A rule whose condition still holds begins it anew."""
    return await _said(request, Engine.resolve)


async def _said(request: Request, verb: Any) -> Response:
    form = await read_form(request, Word)
    house = house_of(request)
    alert = await asyncio.to_thread(inbox.find, house.opened(), request.path_params["id"])
    done = await asyncio.to_thread(verb, alerting_of(request).engine, alert.id, form.by or who(request), form.comment)
    return answer(alert_dict(done))


def who(request: Request) -> str:
    """The name of the token that asks."""
    token = request.state.token
    return str(token.name or token.id)


def routes_of(request: Request) -> RoutesConfig | None:
    """The routes that hold now; None without alerting."""
    alerting = alerting_of(request)
    return alerting.routes.config if alerting.running else None


def lake_of(store: Store) -> LakeReader:
    """A reader of this store's lake, for what hot no longer holds."""
    settings = store.settings
    return LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)


def matchers_of(texts: Sequence[str]) -> Matchers:
    """The matchers of all `filter` parameters. Raises RequestError."""
    try:
        return tuple(m for text in texts for m in parse(text))
    except ValueError as error:
        raise RequestError(f"filter: {error}") from None


def view_dict(view: View) -> dict[str, Any]:
    return alert_dict(view.alert) | {
        "receivers": list(view.receivers),
        "silenced_by": list(view.silenced_by),
        "inhibited_by": list(view.inhibited_by),
        "muted_by": list(view.muted_by),
    }


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= inbox.MOST:
        raise RequestError(f"limit {text[:20]!r}; a number from 1 to {inbox.MOST} works")
    return int(text)


def time_of(text: str | None, name: str) -> datetime:
    """A time that must be there. Raises QueryError, RequestError."""
    found = parse_time(text, name)
    if found is None:
        raise RequestError(f"{name}: missing; ISO 8601 such as 2026-03-01T12:00:00Z")
    return found
