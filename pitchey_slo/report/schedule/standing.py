"""How each schedule stands: when it is due next, how it ended last, whether it is dead. Findings, for whoever shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pitchey_slo.report.schedule import book, times
from pitchey_slo.report.schedule.book import Query
from pitchey_slo.report.schedule.model import Due, Schedule


@dataclass(frozen=True)
class Standing:
    """One schedule.

    next_at       when it runs next, jitter included; None while it is off, or nothing is due by itself
    last          the newest time that was run, whatever came of it
    last_success  when it last ended well
    since         since when it is followed
    max_age       seconds without a success after which it is dead
    dead          whether it is
    trouble       what was wrong with the last time: it failed, or did not reach somebody; None when nothing
    """

    schedule: Schedule
    next_at: datetime | None
    last: Due | None
    last_success: datetime | None
    since: datetime | None
    max_age: float
    dead: bool
    trouble: str | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        s = self.schedule
        return {
            "name": s.name,
            "notebook": s.notebook,
            "cron": s.cron,
            "timezone": s.zone,
            "enabled": s.enabled,
            "missed": s.missed,
            "next_at": _iso(self.next_at),
            "last": self.last.as_dict() if self.last else None,
            "last_success": _iso(self.last_success),
            "followed_since": _iso(self.since),
            "max_age_seconds": self.max_age,
            "dead": self.dead,
            "trouble": self.trouble,
        }


def standings(
    schedules: Mapping[str, Schedule], query: Query, now: datetime, *, built_in: bool = True
) -> list[Standing]:
    """Of every schedule, in the order of the file."""
    followed, last = book.followed(query), book.last_of_each(query)
    successes = book.last_successes(query)
    return [
        _standing(s, followed.get(s.name), last.get(s.name), successes.get(s.name), now, built_in=built_in)
        for s in schedules.values()
    ]


def _standing(
    schedule: Schedule,
    followed: Due | None,
    last: Due | None,
    success: datetime | None,
    now: datetime,
    *,
    built_in: bool,
) -> Standing:
    success = success.astimezone(UTC) if success else None
    since = followed.due_at if followed is not None and followed.rule == schedule.rule else None
    due = next(times.after(schedule, now - times.offset(schedule)), None) if schedule.enabled and built_in else None
    allowed = times.max_age(schedule, now)
    # one that was added or switched on just now has had no time to succeed
    alive = max((t for t in (success, since) if t is not None), default=None)
    dead = schedule.enabled and alive is not None and (now - alive).total_seconds() > allowed
    next_at = due + times.offset(schedule) if due else None
    return Standing(schedule, next_at, last, success, since, allowed, dead, _trouble(schedule, last))


def _trouble(schedule: Schedule, last: Due | None) -> str | None:
    if last is None or not schedule.enabled:
        return None
    if last.state == "failed":
        return f"the last run failed: {last.reason}"
    lost = [r for r in last.receipt or () if r["kind"] == "report" and r["state"] not in ("sent", "merged")]
    if lost:
        where = ", ".join(f"{r['receiver']} {r['channel']}".strip() or "anybody" for r in lost)
        return f"the last report did not reach {where}: {lost[0]['answer'] or 'no reason given'}"
    return None


def _iso(when: datetime | None) -> str | None:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z") if when else None
