"""Decisions about alert rules: taken, applied to the rule file, taken back. Rules change in the server's own files."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.analyse.review import decisions as register
from pitchey_slo.analyse.review.decisions import KINDS, Verdict
from pitchey_slo.errors import RequestError
from pitchey_slo.web.alerting import alerting_of
from pitchey_slo.web.auth import needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.corrections import to_lake
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of
from pitchey_slo.web.slos import parameters

router = APIRouter(tags=["decisions"])

#: Looking at a decision or a rule file and changing it are one step.
_WRITING = threading.Lock()


class NewDecision(Form):
    rule: str = Field(max_length=65_536, description="the rule's name when only one has it, else group/name or its key")
    kind: str = Field(max_length=32, description=", ".join(KINDS))
    reason: str = Field(max_length=4_096, description="why, in plain words")
    by: str | None = Field(None, max_length=128, description="who decides; the name of the token without it")
    threshold: float | None = Field(None, description="the new number; without it the old one stays")
    hold: str | None = Field(None, alias="for", max_length=64, description="the new `for`, such as 5m")
    was: float | None = Field(None, description="the number that is replaced, when the rule compares with several")
    look_again_at: str | None = Field(None, max_length=64, description="ISO 8601: when it is looked at again")
    evidence: dict[str, Any] = Field(default_factory=dict, description="what it rests on, as plain values")
    rule_hash: str | None = Field(None, max_length=64, description="SHA-256 of the rule's text as it was reviewed")
    id: str | None = Field(None, max_length=128, description="a name of your own: the same sent again changes nothing")
    source: str = Field("api", max_length=64, description="where it comes from")


class Doer(Form):
    by: str | None = Field(None, max_length=128, description="who does it; the name of the token without it")


@router.get("/api/monitoring/decisions", **needs("read"))
async def decisions(request: Request) -> Response:
    """All decisions in the order they were taken, with diff and evidence; `due` are those to look at again by now."""
    parameters(request, ())
    house = house_of(request)
    rows = await asyncio.to_thread(register.every, house.opened())
    now = house.clock()
    return answer({"decisions": [register.told(row, now) for row in rows]})


@router.post("/api/monitoring/decisions", **needs("alert", **described(NewDecision)))
async def decide(request: Request) -> Response:
    """Accept, change or reject: written down with the diff it makes. No rule changes before it is applied."""
    form = await read_form(request, NewDecision)
    given = form.model_dump(exclude={"by", "look_again_at"})
    verdict = Verdict(
        **given, decided_by=form.by or _name(request), look_again_at=_time("look_again_at", form.look_again_at)
    )
    return answer(await _written(request, lambda *here: register.decide(here[0], verdict, *here[1:])), 201)


@router.post("/api/monitoring/decisions/{id}/apply", **needs("admin", **described(Doer)))
async def apply(request: Request) -> Response:
    """Change the rule file. The changed rule runs within seconds; an info alert tells it."""
    form = await read_form(request, Doer)
    by, key = form.by or _name(request), request.path_params["id"]
    row = await _written(request, lambda *here: register.apply(here[0], key, by, *here[1:]))
    _reload(request)
    return answer(row)


@router.post("/api/monitoring/decisions/{id}/revert", **needs("admin", **described(Doer)))
async def revert(request: Request) -> Response:
    """Take an applied change back: the rule's text is again what it was."""
    form = await read_form(request, Doer)
    by, key = form.by or _name(request), request.path_params["id"]
    row = await _written(request, lambda *here: register.revert(here[0], key, by, *here[1:]))
    _reload(request)
    return answer(row)


async def _written(request: Request, work: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    house = house_of(request)
    store, folder, now = house.opened(), house.settings.config / "rules", house.clock()

    def run() -> dict[str, Any]:
        with _WRITING:
            row = work(store, folder, now)
        to_lake(store)
        return register.told(row, now)

    return await asyncio.to_thread(run)


def _reload(request: Request) -> None:
    alerting = alerting_of(request)
    if alerting.running:
        alerting.engine.wake()


def _name(request: Request) -> str:
    token = request.state.token
    return str(token.name or token.id)


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(f"{name}: {text!r} is no time; write it as 2026-03-01T09:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
