"""Which times are due now, and what becomes of those that passed while nobody ran. Pure.

A time is on time for a quarter of an hour. What is later was missed: `skip` runs none of these, `once` the newest
alone, `backfill` the newest few, oldest first. Whatever is not run is written down as skipped, with why, and told.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pitchey_slo.report.schedule import times
from pitchey_slo.report.schedule.model import Due, Schedule, due_id
from pitchey_slo.report.words import ago

ON_TIME: Final = timedelta(minutes=15)
#: Missed times written down one by one; of older ones only the number is told.
MOST: Final = 500


def followed(schedule: Schedule, now: datetime) -> Due:
    """From when on its times count."""
    return Due(f"{schedule.name}@followed", schedule.name, now, "followed", now, rule=schedule.rule)


def due_now(schedule: Schedule, last: datetime, now: datetime) -> list[Due]:
    """Times after `last` that are due at `now`, as waiting or skipped; oldest first."""
    later = times.offset(schedule)
    found = times.between(schedule, last, now - later)
    missed = [due for due in found if now - (due + later) > ON_TIME]
    run = _run_late(schedule, missed)
    told, untold = missed[-MOST:], max(len(missed) - MOST, 0)
    dues = []
    for due in [*told, *found[len(missed) :]]:
        late = due in told
        if late and due not in run:
            more = f" (and {untold} times before it)" if untold and due == told[0] else ""
            reason = _why(schedule, due, run, now) + more
            dues.append(_due(schedule, due, now, state="skipped", ended_at=now, reason=reason))
        else:
            made_up = f"missed by {ago((now - due - later).total_seconds())}, and made up for" if late else None
            dues.append(_due(schedule, due, now, state="waiting", reason=made_up))
    return dues


def _run_late(schedule: Schedule, missed: list[datetime]) -> list[datetime]:
    match schedule.missed:
        case "skip":
            return []
        case "once":
            return missed[-1:]
        case "backfill":
            return missed[-schedule.backfill :]


def _why(schedule: Schedule, due: datetime, run: list[datetime], now: datetime) -> str:
    first = f"missed: nobody ran schedules then, {ago((now - due).total_seconds())} ago"
    match schedule.missed:
        case "skip":
            return f"{first}; `missed: skip` runs none late"
        case "once":
            return f"{first}; `missed: once` runs the newest alone"
        case "backfill":
            return f"{first}; `backfill: {schedule.backfill}` makes up for the newest {len(run)}"


def _due(schedule: Schedule, due_at: datetime, now: datetime, **more: object) -> Due:
    return Due(due_id(schedule.name, due_at), schedule.name, due_at, updated_at=now, rule=schedule.rule, **more)  # type: ignore[arg-type]
