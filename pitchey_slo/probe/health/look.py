"""One look: run a check within its time, judge what it saw by the limits, and say it as a `Result`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pitchey_slo.errors import PitcheyError
from pitchey_slo.probe.health.model import Check, CheckKind, Context, Limits, Measure, Seen, Trouble
from pitchey_slo.probe.health.secrets import hide
from pitchey_slo.probe.health.trouble import trouble_of
from pitchey_slo.probe.result import Result, State

#: Seconds a check that is out of time has to clean up; then it is left behind.
GRACE: Final = 0.5


@dataclass(frozen=True)
class Planned:
    """A check as configured: which, how often (seconds), how long it may take, when it counts as down.

    unknown_after   so many looks in a row without an answer in time count as down
    target          what it looks at, as it may be shown
    secrets         texts that no reason and no detail may show
    """

    name: str
    kind: CheckKind
    check: Check = field(repr=False)
    component: str
    interval: float
    timeout: float
    unknown_after: int
    limits: Limits
    target: str
    secrets: tuple[str, ...] = field(default=(), repr=False)


async def look(planned: Planned, context: Context) -> Result:
    """One look, over at the latest `timeout` and a moment after it began; raises nothing but its own cancellation."""
    begin = context.monotonic()
    seen: Seen | None = None
    try:
        seen = await _within(planned, context)
        state, failure, reason = judged(planned, seen)
        phase = None
    except Trouble as trouble:
        state = "unknown" if trouble.failure in ("timeout", "probe_error") else "unhealthy"
        failure, reason, phase = trouble.failure, trouble.reason, trouble.phase
        answered, status, values = trouble.answered, trouble.status, trouble.values
    else:
        answered, status, values = True, seen.status, seen.values
    details = {
        "check": planned.kind.name,
        "target": planned.target,
        "up": answered if state != "unknown" else None,
        "values": dict(values),
        **({"notes": list(seen.notes)} if seen and seen.notes else {}),
        **(seen.more if seen else {}),
    }
    return Result(
        planned.name,
        state,
        context.clock(),
        kind="health",
        component=planned.component,
        location=context.location,
        attempt=1,
        failure=failure,
        phase=phase,
        reason=hide(reason, planned.secrets) if reason else None,
        duration_ms=(context.monotonic() - begin) * 1000,
        phases=dict(context.phases),
        status=status,
        bytes=seen.bytes if seen else None,
        cert_days=seen.cert_days if seen else None,
        run_id=uuid.uuid4().hex,
        details=_hidden(details, planned.secrets),
    )


async def _within(planned: Planned, context: Context) -> Seen:
    """What the check saw. Raises Trouble. A check that does not even stop when told is left behind."""
    task = asyncio.ensure_future(planned.check.look(context))
    try:
        done, _ = await asyncio.wait([task], timeout=planned.timeout)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        phase = context.now_in
        task.cancel()
        await asyncio.wait([task], timeout=GRACE)
        task.add_done_callback(_swallow)
        where = f" while {_DOING[phase]}" if phase else ""
        reason = f"{planned.target} did not answer within {planned.timeout:g} s{where}"
        raise Trouble("timeout", reason, phase=phase)
    try:
        return task.result()
    except asyncio.CancelledError:
        raise Trouble("probe_error", "the look was broken off", phase=context.now_in) from None
    except PitcheyError as error:
        raise Trouble("probe_error", error.message, phase=context.now_in) from error
    except Exception as error:
        raise trouble_of(error, context.now_in, planned.target) from error


_DOING: Final = {
    "dns": "resolving its name",
    "connect": "connecting",
    "tls": "shaking hands",
    "first_byte": "waiting for its answer",
    "transfer": "reading its answer",
}


def _swallow(task: asyncio.Future[Seen]) -> None:
    if not task.cancelled():
        task.exception()


def judged(planned: Planned, seen: Seen) -> tuple[State, str | None, str | None]:
    """State, failure and reason of what was seen: every limit that is passed is told, the worst decides."""
    found = list(_beyond(planned, seen.values))
    if not found:
        return "healthy", None, None
    state: State = "unhealthy" if any(state == "unhealthy" for state, _ in found) else "degraded"
    told = [text for _, text in sorted(found, key=lambda one: one[0] != "unhealthy")]
    return state, "assertion" if state == "unhealthy" else None, "; ".join(told)


def _beyond(planned: Planned, values: Mapping[str, float]) -> Iterator[tuple[State, str]]:
    for name, measure in planned.kind.measures.items():
        value = values.get(name)
        if value is None:
            continue
        states: tuple[tuple[State, Mapping[str, float | None], float | None], ...] = (
            ("unhealthy", planned.limits.unhealthy, measure.unhealthy),
            ("degraded", planned.limits.degraded, measure.degraded),
        )
        for state, given, usual in states:
            limit = given.get(name, usual)
            if limit is not None and (value < limit if measure.low else value > limit):
                side = "at least" if measure.low else "at most"
                yield state, f"{measure.doc} is {said(value, measure)}, {side} {said(limit, measure)} is {_GOOD[state]}"
                break


_GOOD: Final = {"unhealthy": "tolerable", "degraded": "good"}


def said(value: float, measure: Measure) -> str:
    """A value as people read it.

    >>> said(0.8312, Measure("share", "")), said(0.0042, Measure("s", "")), said(3 * 2**30, Measure("B", ""))
    ('83.1 %', '4.2 ms', '3.0 GiB')
    """
    if measure.unit == "share":
        return f"{value * 100:.3g} %"
    if measure.unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:,.3g} s" if value < 1000 else f"{value:,.0f} s"
    if measure.unit == "B":
        for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
            if value >= size:
                return f"{value / size:,.1f} {unit}"
    return f"{value:,.6g}{f' {measure.unit}' if measure.unit else ''}"


def _hidden(value: object, secrets: tuple[str, ...]) -> dict[str, object]:
    shown = _without(value, secrets)
    assert isinstance(shown, dict)
    return shown


def _without(value: object, secrets: tuple[str, ...]) -> object:
    if isinstance(value, str):
        return hide(value, secrets)
    if isinstance(value, Mapping):
        return {str(name): _without(one, secrets) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without(one, secrets) for one in value]
    return value
