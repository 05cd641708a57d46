"""Corrections of SLOs: written down, listed, withdrawn. Every number they touch shows it from the answer on."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.slo import register
from pitchey_slo.slo.corrections import CATEGORIES, check
from pitchey_slo.store import Store
from pitchey_slo.web.auth import needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of
from pitchey_slo.web.slo_numbers import numbers_of
from pitchey_slo.web.slos import parameters

router = APIRouter(tags=["corrections"])
log = logging.getLogger(__name__)

#: Looking whether an id is taken and writing it are one step.
_WRITING = threading.Lock()


class NewCorrection(Form):
    category: str = Field(max_length=64, description=", ".join(CATEGORIES))
    reason: str = Field(max_length=4_096, description="why, in plain words")
    approver: str = Field(max_length=128, description="who agreed")
    start: str = Field(max_length=64, description="ISO 8601; without a zone of its own it is on the clock of `zone`")
    end: str | None = Field(None, max_length=64, description="end of the first or only time; or `minutes`")
    minutes: float | None = Field(None, description="length of each time, 1 to 527,040; or `end`")
    slos: list[str] = Field(default_factory=list, max_length=1_000, description="names of SLOs; none for all of them")
    rrule: str | None = Field(None, max_length=1_024, description="comes again: an RFC 5545 rule, HOURLY at most")
    zone: str = Field("UTC", max_length=64, description="IANA time zone whose wall clock the rule follows")
    id: str | None = Field(None, max_length=128, description="a name of your own: the same sent again changes nothing")
    source: str = Field("api", max_length=64, description="where it comes from")


class Withdrawal(Form):
    by: str | None = Field(None, max_length=128, description="who takes it back; the name of the token without it")


@router.get("/api/monitoring/corrections", **needs("read"))
async def corrections(request: Request) -> Response:
    """All corrections in the order they were written, withdrawn ones too, each with the time that goes on or comes
    next. Those that stand in a spec are not among them."""
    parameters(request, ())
    house = house_of(request)
    rows = await asyncio.to_thread(register.every, house.opened())
    now = house.clock()
    told = await asyncio.to_thread(lambda: [register.told(row, now) for row in rows])
    return answer({"corrections": told})


@router.post("/api/monitoring/corrections", **needs("alert", **described(NewCorrection)))
async def correct(request: Request) -> Response:
    """Take time out of the budgets of some SLOs, or all: once, or again by a rule. 201 means that it is stored and that
    the lake's readers see it."""
    form = await read_form(request, NewCorrection)
    house, numbers = house_of(request), numbers_of(request)
    slos, _ = await numbers.specs()
    names = {slo.name for slo in slos}
    row = await asyncio.to_thread(write, house.opened(), form, names, house.clock())
    numbers.forget()
    return answer(row, 201)


@router.delete("/api/monitoring/corrections/{id}", **needs("alert", **described(Withdrawal)))
async def withdraw(request: Request) -> Response:
    """Take a correction back: the time counts again, in past windows too. It stays in the list, as withdrawn."""
    form = await read_form(request, Withdrawal)
    house, token = house_of(request), request.state.token
    by = form.by or token.name or token.id
    row = await asyncio.to_thread(take_back, house.opened(), request.path_params["id"], by, house.clock())
    numbers_of(request).forget()
    return answer(row)


def write(store: Store, form: NewCorrection, names: set[str], now: Any) -> dict[str, Any]:
    given = form.model_dump(exclude={"start", "end", "minutes", "id"})
    length = {"seconds": None if form.minutes is None else form.minutes * 60, "ends_at": form.end}
    found = check(given | length | {"id": form.id or f"cor-{uuid.uuid4().hex[:12]}", "starts_at": form.start}, names)
    with _WRITING:
        row = register.add(store, found, now)
    to_lake(store)
    return register.told(row, now)


def take_back(store: Store, correction_id: str, by: str, now: Any) -> dict[str, Any]:
    with _WRITING:
        row = register.withdraw(store, correction_id, by, now)
    to_lake(store)
    return register.told(row, now)


def to_lake(store: Store) -> None:
    """Readers of the lake shall see it too; what is stored stays stored when the lake cannot be reached now."""
    try:
        store.flush()
    except Exception as error:  # noqa: BLE001  # the background tries again, and /api/health/ready tells the lag
        log.warning("what was written is stored, but not in the lake yet: %s", error)
