"""When each group of rules is evaluated: at multiples of its interval, a little later each so that not all start at
once.

A group's evaluation has the time of the grid (12:00:15), whenever it runs; so do the data it sees. The `spread`, at
most five seconds and always the same for a group, is only when it runs. What was not evaluated in time is missed, not
made up for: two evaluations of the same minute would not make the alert any earlier.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pitchey_slo.alert.rules import RuleGroup

#: Seconds over which groups are spread, at most; never more than half of the interval.
SPREAD: Final = 5.0
#: A gap between two evaluations that is longer than so many intervals, and than a minute, was an outage.
OUTAGE_INTERVALS: Final = 4


@dataclass
class Turn:
    """What is known of one group's evaluations. `last` is the time of the newest one on its grid."""

    last: datetime | None = None
    running: bool = False
    missed: int = 0
    evaluations: int = 0


@dataclass(frozen=True)
class Due:
    """An evaluation that is to run. `gap` is time in which nothing was evaluated, None at the first one; `late` how
    long after its moment it begins."""

    group: RuleGroup
    at: datetime
    gap: timedelta | None
    late: float
    missed: int


class Schedule:
    """`started`: times of the grid before it are not caught up with."""

    def __init__(self, started: datetime, spread: float = SPREAD) -> None:
        self._started = started
        self._spread = spread
        self.turns: dict[str, Turn] = {}

    def delay(self, group: RuleGroup) -> float:
        """Seconds after the grid at which this group runs."""
        width = min(self._spread, group.interval_seconds / 2)
        return width * int.from_bytes(hashlib.blake2b(group.key.encode(), digest_size=4).digest(), "big") / 2**32

    def due(self, groups: Iterable[RuleGroup], now: datetime) -> list[Due]:
        """The groups whose time has come and that are not running, latest first; marks them running."""
        found = []
        for group in groups:
            turn = self.turns.setdefault(group.key, Turn())
            at = self._newest(group, now)
            if turn.running or at == turn.last or (turn.last is None and at < self._started <= now):
                continue
            gap, missed = _gap(turn.last, at, group.interval_seconds)
            late = now.timestamp() - at.timestamp() - self.delay(group)
            found.append(Due(group, at, gap, late, missed))
            turn.running, turn.missed, turn.last = True, turn.missed + missed, at
        return sorted(found, key=lambda due: -due.late)

    def done(self, group: RuleGroup) -> None:
        turn = self.turns.setdefault(group.key, Turn())
        turn.running = False
        turn.evaluations += 1

    def forget(self, groups: Iterable[RuleGroup]) -> None:
        """Keep only the turns of these groups."""
        keys = {group.key for group in groups}
        self.turns = {key: turn for key, turn in self.turns.items() if key in keys}

    def next_at(self, groups: Iterable[RuleGroup], now: datetime) -> datetime | None:
        """When the next group is due."""
        times = [
            self._newest(g, now) + timedelta(seconds=g.interval_seconds + self.delay(g))
            for g in groups
            if not self.turns.get(g.key, Turn()).running
        ]
        return min(times, default=None)

    def _newest(self, group: RuleGroup, now: datetime) -> datetime:
        every = group.interval_seconds
        steps = math.floor((now.timestamp() - self.delay(group)) / every)
        return datetime.fromtimestamp(round(steps * every, 3), UTC)


def _gap(last: datetime | None, at: datetime, interval: float) -> tuple[timedelta | None, int]:
    """Time without evaluations (zero when they came as they should), and how many were missed."""
    if last is None:
        return None, 0
    passed = (at - last).total_seconds()
    missed = max(0, round(passed / interval) - 1)
    outage = passed < 0 or passed > max(60.0, OUTAGE_INTERVALS * interval)
    return timedelta(seconds=passed - interval) if outage else timedelta(), missed
