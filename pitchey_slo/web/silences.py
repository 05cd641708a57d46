"""Silences: which alerts are not told, when, who said so and why; once, or again by a rule."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.alert import inbox
from pitchey_slo.alert.matchers import Matcher, parse
from pitchey_slo.alert.silences import Silence, hid, status
from pitchey_slo.alert.why import alert_dict
from pitchey_slo.alert.words import iso
from pitchey_slo.errors import RequestError
from pitchey_slo.web.alerting import alerting_of
from pitchey_slo.web.alerts import time_of, who
from pitchey_slo.web.auth import needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of
from pitchey_slo.workbench import parse_time

router = APIRouter(tags=["silences"])


class NewSilence(Form):
    matchers: list[str] = Field(
        min_length=1, max_length=64, description='such as service="api" or severity=~"info|warning"'
    )
    comment: str = Field(max_length=4_096, description="why, in plain words")
    by: str | None = Field(None, max_length=128, description="owner; the name of the token without it")
    start: str | None = Field(None, max_length=64, description="ISO 8601; now without it")
    end: str | None = Field(None, max_length=64, description="ISO 8601; or `minutes`")
    minutes: float | None = Field(None, gt=0, le=525_600, description="how long, from start; recurring: of each time")
    rrule: str | None = Field(None, max_length=1_024, description="comes again: an RFC 5545 rule; `end` ends it all")
    zone: str = Field("UTC", max_length=64, description="IANA time zone whose wall clock the rule follows")
    until_resolved: bool = Field(False, description="ends as soon as nothing that it matches fires")
    id: str | None = Field(None, max_length=128, description="of a silence to change")


@router.get("/api/monitoring/silences", **needs("read"))
async def silences(request: Request) -> Response:
    """All silences, expired ones too, the newest first."""
    house = house_of(request)
    found = await asyncio.to_thread(inbox.silences, house.opened())
    now = house.clock()
    return answer({"silences": [silence_dict(s) | {"status": status(s, now)} for s in found]})


@router.post("/api/monitoring/silences", **needs("alert", **described(NewSilence)))
async def silence(request: Request) -> Response:
    """Silence alerts. 201 means that it is stored, and that the next message already heeds it."""
    form = await read_form(request, NewSilence)
    house, now = house_of(request), house_of(request).clock()
    start = parse_time(form.start, "start") or now
    if form.rrule is None and (form.end is None) == (form.minutes is None):
        raise RequestError("give `end` or `minutes`")
    if form.rrule is not None and (form.end is None or form.minutes is None):
        raise RequestError("a recurring silence needs `minutes`, the length of each time, and `end`, the end of it all")
    end = time_of(form.end, "end") if form.end else start + timedelta(minutes=form.minutes or 0)
    made = Silence(
        id=form.id or "",
        matchers=tuple(m for text in form.matchers for m in _matchers(text)),
        starts_at=start,
        ends_at=end,
        created_by=form.by or who(request),
        comment=form.comment,
        updated_at=now,
        rrule=form.rrule,
        seconds=form.minutes * 60 if form.rrule and form.minutes else None,
        zone=form.zone,
        until_resolved=form.until_resolved,
    )
    stored = await asyncio.to_thread(inbox.write_silence, house.opened(), made, now)
    alerting_of(request).engine.wake()
    return answer(silence_dict(stored), 201)


@router.delete("/api/monitoring/silences/{id}", **needs("alert"))
async def expire(request: Request) -> Response:
    """End a silence now. It stays in the list, as expired."""
    house = house_of(request)
    ended = await asyncio.to_thread(inbox.expire_silence, house.opened(), request.path_params["id"], house.clock())
    alerting_of(request).engine.wake()
    return answer(silence_dict(ended))


@router.get("/api/monitoring/silences/{id}/hid", **needs("read"))
async def hidden(request: Request) -> Response:
    """What a silence hid so far: each alert that fired meanwhile, and when."""
    house = house_of(request)

    def found() -> list[dict[str, Any]]:
        store, now = house.opened(), house.clock()
        silence = inbox.silence(store, request.path_params["id"])
        fired = inbox.history(store, since=silence.starts_at, until=min(silence.end, now), limit=inbox.MOST)
        return [
            alert_dict(h.alert) | {"hidden": [[iso(start), iso(end)] for start, end in h.spans]}
            for h in hid(silence, fired, now)
        ]

    return answer({"hid": await asyncio.to_thread(found)})


def silence_dict(silence: Silence) -> dict[str, Any]:
    """A silence as the API gives it."""
    times = ("starts_at", "ends_at", "updated_at", "reminded_at", "expired_at")
    plain = ("id", "created_by", "comment", "rrule", "seconds", "zone", "until_resolved", "source")
    return (
        {name: getattr(silence, name) for name in plain}
        | {name: iso(getattr(silence, name)) for name in times}
        | {"matchers": [str(m) for m in silence.matchers]}
    )


def _matchers(text: str) -> tuple[Matcher, ...]:
    try:
        return parse(text)
    except ValueError as error:
        raise RequestError(f"matchers: {error}") from None
