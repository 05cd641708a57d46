"""Health: of this process as Kubernetes means it (restart me; send me work), and of the components it looks at.

Everybody may ask; without a token the answer holds states alone, no address, reason or number. Answers come from the
last looks, so that asking often costs the components nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from pitchey_slo.alert.words import iso
from pitchey_slo.errors import DiskFull, NotFound, StoreError, StoreUnavailable, did_you_mean
from pitchey_slo.probe import worst
from pitchey_slo.probe.health import Status, down
from pitchey_slo.store import StoreStatus
from pitchey_slo.web.auth import bearer, needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.health_checks import HealthChecks, health_of
from pitchey_slo.web.house import house_of

router = APIRouter(tags=["health"])

#: What `/db` asks for: checks of this component, and of this kind.
DATABASE: Final = ("database", "postgres")


@router.get("/api/health/live", **needs(None))
async def live(request: Request) -> Response:
    """200 as long as this process answers at all, whatever the store does."""
    return answer({"status": "live", "started_at": house_of(request).started_at})


@router.get("/api/health/ready", **needs(None))
async def ready(request: Request) -> Response:
    """200 when deliveries are taken; 503 with the reason while the store is opening, reopening or out of space."""
    status = await asyncio.to_thread(house_of(request).opened().status)
    if not status.ready:
        raise not_ready(status)
    return answer(
        {
            "status": "ready",
            "commit_seq": status.commit_seq,
            "flushed_seq": status.flushed_seq,
            "lake_lag_seconds": status.lake_lag_seconds,
            "gaps": status.gaps,
        }
    )


@router.get("/api/health/all", **needs(None))
async def everything(request: Request, component: str = "") -> Response:
    """Every component that is checked, or `?component=` alone, with the worst state on top.

    200 while all of them work, be it slowly; 503 when one is unhealthy or does not answer. One look without an answer
    in time does not count yet (`unknown_after` in config/health.yml). With a token that may read: reasons, values,
    addresses.
    """
    allowed = await may_read(request)
    health = health_of(request)
    names = None if not component else _named(health, component)
    return _answer(list((await health.current(names)).values()), health, allowed)


@router.get("/api/health/db", **needs(None))
async def databases(request: Request) -> Response:
    """The databases: 200 when at least one answers, 503 when none does, 404 when none is checked."""
    allowed = await may_read(request)
    health = health_of(request)
    names = [
        name
        for name, status in health.runner.status().items()
        if status.planned.component == DATABASE[0] or status.planned.kind.name == DATABASE[1]
    ]
    if not names:
        raise NotFound(f"no database is checked; config/health.yml takes checks of the kind {DATABASE[1]}")
    found = list((await health.current(names)).values())
    return _answer(found, health, allowed, broken=all(s.up is False for s in found))


async def may_read(request: Request) -> bool:
    """Whether the sender may see details. Raises Unauthorized and Forbidden for a token that is sent and is not good
    enough: silence would look like an answer."""
    if "authorization" not in request.headers:
        return False
    house = house_of(request)
    request.state.token = await house.guard.check(bearer(request), "read", house.opened)
    return True


def _named(health: HealthChecks, component: str) -> list[str]:
    known = health.runner.status()
    found = [name for name, status in known.items() if status.planned.component == component]
    if not found:
        components = sorted({status.planned.component for status in known.values()})
        near = did_you_mean(component, components) or f"components: {', '.join(components) or 'none'}"
        raise NotFound(f"no component {component[:64]!r}; {near}")
    return found


def _answer(found: Sequence[Status], health: HealthChecks, allowed: bool, broken: bool | None = None) -> Response:
    """States by component; 503 when something is `broken` (by default anything that is down)."""
    components: dict[str, list[Status]] = {}
    for status in found:
        components.setdefault(status.planned.component, []).append(status)
    state = worst(_state(s) for s in found)
    told: dict[str, Any] = {
        "status": "unhealthy" if down(found) else state,
        "components": {name: _component(some, allowed) for name, some in sorted(components.items())},
    }
    if allowed and health.file.problem is not None:
        told["problem"] = health.file.problem
    return answer(told, 503 if (bool(down(found)) if broken is None else broken) else 200)


def _component(found: Sequence[Status], allowed: bool) -> Mapping[str, Any]:
    told: dict[str, Any] = {"status": worst(_state(s) for s in found)}
    if allowed:
        told["checks"] = {s.planned.name: _check(s) for s in found}
    return told


def _state(status: Status) -> Any:
    """Its state; unhealthy too once it was silent too often."""
    if status.result is None:
        return "unknown"
    return "unhealthy" if status.up is False else status.result.state


def _check(status: Status) -> dict[str, Any]:
    """Everything that is known of one check; no secret is."""
    result, planned = status.result, status.planned
    told: dict[str, Any] = {
        "check": planned.kind.name,
        "target": planned.target,
        "interval_seconds": planned.interval,
        "status": _state(status),
        "up": status.up,
        "since": iso(status.since),
    }
    if result is None:
        return {**told, "reason": "not looked at yet"}
    return told | {
        "state": result.state,
        "at": iso(result.at),
        "location": result.location,
        "reason": result.reason,
        "failure": result.failure,
        "phase": result.phase,
        "http_status": result.status,
        "duration_ms": result.duration_ms,
        "phases_ms": dict(result.phases),
        "out_of_time_in_a_row": status.unknowns,
        "values": result.details.get("values", {}),
        "notes": result.details.get("notes", []),
    }


def not_ready(status: StoreStatus) -> StoreError:
    kind = DiskFull if status.free_bytes < status.floor_bytes else StoreUnavailable
    return kind(status.reason or "the store is not open")
