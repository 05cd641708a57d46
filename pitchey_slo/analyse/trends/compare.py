"""One number a day, and whether its last week is unlike the weeks before."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

WEEK: Final = 7
#: Days of the week that must be comparable.
ENOUGH: Final = 5
#: A change smaller than this part of what was before is not worth a line.
LEAST: Final = 0.05
#: Of those told as moved, at most this part is chance.
FALSE: Final = 0.05

Scale = Literal["log", "linear"]


@dataclass(frozen=True)
class Trend:
    """`now` and `before` are means over days (geometric on a logarithmic scale), `weeks` those of each week, the last
    one first. `change` is now / before - 1 (log) or now - before (linear), with its 95 % interval; None: not known.
    `moved` is set by `settle`."""

    scale: Scale
    days: tuple[float | None, ...]
    weeks: tuple[float | None, ...]
    now: float | None = None
    before: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    moved: bool = False

    @property
    def up(self) -> bool:
        return (self.change or 0.0) > 0

    @property
    def large(self) -> bool:
        """Whether it is a twentieth or more, and farther out than every week before."""
        if self.change is None or self.now is None or self.before is None:
            return False
        size = abs(self.change) if self.scale == "log" else abs(self.change) / abs(self.before or math.inf)
        past = [w for w in self.weeks[1:] if w is not None]
        return size >= LEAST and (self.now > max(past) or self.now < min(past))


def trend(days: Sequence[float | None], scale: Scale = "log") -> Trend:
    """Compare days 0 to 6 (0 the last one) with the whole weeks after them in `days`.

    On a logarithmic scale a value of 0 or less is missing. Reference: Student, Biometrika 6 (1908) 1.

    >>> quiet = [100.0, 101, 99, 100, 102, 98, 100]
    >>> found = trend([2 * v for v in quiet] + quiet + quiet)
    >>> round(found.change, 2), found.low > 0.9, found.p < 0.001
    (1.0, True, True)
    """
    known = [_scaled(v, scale) for v in days[: len(days) // WEEK * WEEK]]
    weeks = [known[i : i + WEEK] for i in range(0, len(known), WEEK)]
    found = Trend(scale, tuple(days), tuple(_mean(week, scale) for week in weeks))
    gaps = []
    for i in range(WEEK if weeks else 0):
        past = [week[i] for week in weeks[1:]]
        there = [v for v in past if v is not None]
        now = weeks[0][i]
        if now is not None and there:
            gaps.append((now, statistics.fmean(there)))
    if not gaps:
        return replace(found, now=found.weeks[0] if found.weeks else None)
    now, before = (statistics.fmean(g[i] for g in gaps) for i in (0, 1))
    made = replace(found, now=_back(now, scale), before=_back(before, scale), change=_change(now - before, scale))
    if len(gaps) < ENOUGH:
        return made
    from scipy import special

    size = len(gaps)
    spread = statistics.stdev(a - b for a, b in gaps) / math.sqrt(size)
    half = float(special.stdtrit(size - 1, 0.975)) * spread
    p = 2 * float(special.stdtr(size - 1, -abs(now - before) / spread)) if spread else float(now == before)
    ends = (_change(now - before + side * half, scale) for side in (-1, 1))
    return replace(made, low=next(ends), high=next(ends), p=p)


def settle(found: Sequence[Trend]) -> tuple[Trend, ...]:
    """The same with `moved` decided for all of them together.

    Reference: Y. Benjamini, Y. Hochberg, J. Royal Statistical Society B 57 (1995) 289.
    """
    ps = sorted(t.p for t in found if t.p is not None)
    below = [p for i, p in enumerate(ps, 1) if p <= FALSE * i / len(ps)]
    most = max(below, default=-1.0)
    return tuple(replace(t, moved=t.p is not None and t.p <= most and t.large) for t in found)


def _scaled(value: float | None, scale: Scale) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    if scale == "linear":
        return value
    return math.log(value) if value > 0 else None


def _back(value: float, scale: Scale) -> float:
    return value if scale == "linear" else math.exp(value)


def _mean(week: Sequence[float | None], scale: Scale) -> float | None:
    there = [v for v in week if v is not None]
    return _back(statistics.fmean(there), scale) if len(there) >= ENOUGH else None


def _change(difference: float, scale: Scale) -> float:
    return difference if scale == "linear" else math.expm1(difference)
