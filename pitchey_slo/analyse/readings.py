"""What a part of the platform said of itself in a bad window, beside what it said before.

A reading is *odd* when it passed its bound (that of the alert about it), or when its mean lies more than three standard
deviations of before from the mean of before. Without a sample it is not known, which is not well.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

#: Standard deviations of before that a mean may move.
SPREADS: Final = 3.0
#: Samples before, without which nothing can be said to have moved.
ENOUGH: Final = 5


@dataclass(frozen=True)
class Gauge:
    """A question to one part: one number at each time. Beyond `bound` (upwards, or down when `worse` says so) it is
    wrong by itself; None: no bound. `said` is what it means when it is odd."""

    name: str
    expr: str
    unit: str
    said: str
    worse: Literal["up", "down"] = "up"
    bound: float | None = None
    digits: int | None = None


@dataclass(frozen=True)
class Reading:
    """`times` and `values` of the window with the time before it; `now` and `before` are means, `worst` the worst value
    of the window."""

    gauge: Gauge
    times: tuple[datetime, ...]
    values: tuple[float, ...]
    now: float | None
    before: float | None
    worst: float | None
    moved: float | None

    @property
    def passed(self) -> bool:
        """Whether it passed its bound."""
        g = self.gauge
        if self.worst is None or g.bound is None:
            return False
        return self.worst > g.bound if g.worse == "up" else self.worst < g.bound

    @property
    def odd(self) -> bool:
        worse = self.moved is not None and (self.moved > SPREADS if self.gauge.worse == "up" else self.moved < -SPREADS)
        return self.passed or worse


Ask = Callable[[str, datetime, datetime], Sequence[tuple[datetime, float]]]


def reading(gauge: Gauge, ask: Ask, before: datetime, start: datetime, end: datetime) -> Reading:
    """Ask for `before` to `end`; what is from `start` on is the window. `moved` is in standard deviations of before;
    None when too little is known, infinite when it stood still before and does not now."""
    found = [(t, v) for t, v in ask(gauge.expr, before, end) if v == v]
    now = [v for t, v in found if t >= start]
    past = [v for t, v in found if t < start]
    moved = None
    if now and len(past) >= ENOUGH:
        by, spread = statistics.fmean(now) - statistics.fmean(past), statistics.stdev(past)
        moved = by / spread if spread else (0.0 if not by else float("inf") if by > 0 else float("-inf"))
    return Reading(
        gauge,
        tuple(t for t, _ in found),
        tuple(v for _, v in found),
        statistics.fmean(now) if now else None,
        statistics.fmean(past) if past else None,
        (max(now) if gauge.worse == "up" else min(now)) if now else None,
        moved,
    )
