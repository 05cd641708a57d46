"""Tests and results as the API tells them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pitchey_slo.alert.words import iso
from pitchey_slo.names import PHASES
from pitchey_slo.probe.result import Result, State
from pitchey_slo.probe.synthetic.attribution import Attribution, attribute
from pitchey_slo.probe.synthetic.board import Last
from pitchey_slo.probe.synthetic.quorum import PLACES, Judgement, Verdict
from pitchey_slo.probe.synthetic.schedule import Lateness
from pitchey_slo.probe.synthetic.shelf import Shelved
from pitchey_slo.probe.synthetic.uptime import Uptime

if TYPE_CHECKING:
    from pitchey_slo.web.synthetic_desk import Synthetic
    from pitchey_slo.web.synthetic_numbers import Numbers


def told_tests(desk: Synthetic, numbers: Numbers | None, *, only: str | None = None) -> dict[str, Any]:
    """Everything `GET /api/monitoring/synthetic` says; `numbers` None: without uptimes."""
    now = desk.house.clock()
    judgement, lasts = desk.seen()
    tests = [
        _test(desk, test, judgement, {where: last for (t, where), last in lasts.items() if t == name}, numbers, now)
        for name, test in sorted(desk.known.tests.items())
        if only in (None, name)
    ]
    tests.sort(key=lambda t: (not t["enabled"], _WORST.index(t["state"]), t["name"]))
    places = sorted({where for _, where in lasts})
    return {
        "at": iso(now),
        "tests": tests,
        "locations": [_location(place, judgement, lasts) for place in places],
        "quorum": {"share": desk.policy.share, "stale_intervals": desk.policy.stale_intervals},
        "here": desk.location or None,
        "schedule": _schedule(desk.scheduler.lateness) if desk.scheduler else None,
        "dropped": dict(desk.dropped),
        "problems": list(desk.known.problems),
    }


_WORST = ("unhealthy", "degraded", "unknown", "healthy")


def state_of(verdict: Verdict, lasts: Mapping[str, Last]) -> State:
    """What all locations together say, in the four words of a result."""
    if verdict.down is None:
        return "unknown"
    if verdict.down:
        return "unhealthy"
    bad = sum(lasts[where].result.state != "healthy" for where in verdict.counting)
    return "degraded" if 2 * bad >= len(verdict.counting) else "healthy"


def _test(
    desk: Synthetic,
    test: Shelved,
    judgement: Judgement,
    lasts: Mapping[str, Last],
    numbers: Numbers | None,
    now: datetime,
) -> dict[str, Any]:
    d, verdict = test.definition, judgement.tests.get(test.name) or Verdict(test.name, None)
    window, coming = desk.windows.now(d.name, now), desk.windows.next(d.name, now)
    counting = {where: lasts[where].result for where in verdict.counting}
    why = attribute(counting, numbers.usual(d.name) if numbers else {})
    return {
        "name": d.name,
        "kind": d.kind,
        "component": d.component,
        "description": d.description,
        "interval_seconds": d.interval,
        "source": test.source,
        "place": test.place,
        "runs_at": list(d.locations) or "everywhere",
        "enabled": d.enabled,
        "state": state_of(verdict, lasts),
        "up": None if verdict.down is None else not verdict.down,
        "sentence": verdict.sentence() if d.enabled else "switched off: enabled is false",
        "quorum": {place: list(getattr(verdict, place)) for place in PLACES},
        "maintenance": {
            "now": _window(window) if window else None,
            "next": _window(coming) if coming else None,
        },
        "cert_days": min((r.cert_days for r in counting.values() if r.cert_days is not None), default=None),
        "attribution": told_attribution(why),
        "locations": [told_last(last) | {"place": _place(verdict, where)} for where, last in sorted(lasts.items())],
        "uptime": numbers.told(d.name) if numbers else {},
    }


def told_last(last: Last) -> dict[str, Any]:
    """The newest verdict of a location."""
    return told_result(last.result) | {
        "since": iso(last.since),
        "consecutive_failures": last.failures,
        "passed_at": iso(last.passed_at),
    }


def told_result(result: Result) -> dict[str, Any]:
    """A result as plain values; `phases` only what was measured."""
    row = {k: v for k, v in result.row().items() if k not in ("ts", "details") and not k.startswith(_PHASE_COLUMNS)}
    return row | {"at": iso(result.at), "phases": dict(result.phases), "details": dict(result.details)}


_PHASE_COLUMNS = tuple(f"{phase}_ms" for phase in PHASES)


def told_attribution(why: Attribution | None) -> dict[str, Any] | None:
    return None if why is None else {**vars(why), "locations": list(why.locations), "text": str(why)}


def told_uptime(found: Uptime) -> dict[str, Any]:
    """One number with what it rests on."""
    return {
        "uptime": found.uptime,
        "reachability": found.reachability,
        "covered": found.covered,
        "outages": len(found.outages),
        "down_seconds": found.down_seconds,
        "mttr_seconds": found.mttr_seconds,
    }


def _location(place: str, judgement: Judgement, lasts: Mapping[tuple[str, str], Last]) -> dict[str, Any]:
    out, silent = judgement.excluded.get(place), judgement.silent.get(place)
    word = "excluded" if out else "silent" if silent else "counting"
    reason = out.reason if out else f"no result since {iso(silent)}" if silent else None
    return {
        "location": place,
        "state": word,
        "since": iso(out.since if out else silent),
        "reason": reason,
        "tests": list(out.tests) if out else [],
        "last_at": iso(max(last.result.at for (_, where), last in lasts.items() if where == place)),
    }


def _place(verdict: Verdict, where: str) -> str:
    """What a location is for a test: the most telling word."""
    if verdict.maintenance:
        return "maintenance"
    return next(
        (p for p in ("excluded", "stale", "unknown", "failing", "counting") if where in getattr(verdict, p)), "unknown"
    )


def _window(window: Any) -> dict[str, Any]:
    c = window.correction
    return {"start": iso(window.start), "end": iso(window.end), "reason": c.reason, "id": c.id, "approver": c.approver}


def _schedule(late: Lateness) -> dict[str, Any]:
    return {
        "started": late.started.total(),
        "still_running": late.skipped.total(),
        "missed": late.missed.total(),
        "late_p50_seconds": late.quantile(0.5),
        "late_p95_seconds": late.quantile(0.95),
    }
