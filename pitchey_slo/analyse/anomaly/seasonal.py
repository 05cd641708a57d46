"""Seasonal profile: how far a sample is from what its hour of the day, or of the week, usually shows.

    z       = (x - (usual value of the hour + drift)) / usual deviation of the hour, held within +-8
    oddness = that of the weighted mean of z, as in ewma.py; with `weight` 1 that of each z, not held

Hours are those of a time zone's clock, so nine in the morning stays nine in the morning when the clocks change; the
hour that a clock shows twice is one long hour, the one it skips is skipped. Between the middles of two hours the usual
value goes straight from one to the other, unless a jump on the hour was nearer to the last days. An hour of the week is
used once it came twice, before that the hour of the day, once that came twice; before that there is no judgement. The
usual value and deviation of an hour are smoothed over its visits (weight a third); `drift`, the trend, is the smoothed
rest over about a day. Samples farther than five deviations teach as if they were five away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.clock import LocalHours
from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.filters import Chart
from pitchey_slo.analyse.anomaly.samples import Floats, Times

WEEK: Final = 168
DAY: Final = 24
VISITS: Final = 2
NEWEST: Final = 1 / 3
DRIFT: Final = 1 / 24
HELD_WITHIN: Final = 5.0
#: An hour that never varied is not judged more strictly than this share of the typical hour's deviation.
LEAST_SHARE: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Seasonal(Detector):
    """`timezone`: whose clock has the hours, as "Europe/Amsterdam". `weight` of the newest sample, in (0, 1]: 1 judges
    each by itself, less finds smaller deviations that last."""

    timezone: str = "UTC"
    weight: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        LocalHours(self.timezone)
        self._a_share("weight")

    def machine(self) -> SeasonalMachine:
        return SeasonalMachine(self.timezone, self.weight)


class SeasonalMachine:
    def __init__(self, timezone: str, weight: float) -> None:
        self._hours = LocalHours(timezone)
        self._profile = Profile()
        self._chart = Chart(weight)

    def advance(self, times: Times, values: Floats) -> Floats:
        z = np.empty(len(values))
        visit, hour, gone = self._hours.of(times)
        borders = np.flatnonzero(visit[1:] != visit[:-1]) + 1
        first = 0
        for last in [*borders.tolist(), len(values)]:
            if last > first:
                z[first:last] = self._profile.visit(
                    int(visit[first]), int(hour[first]), gone[first:last], values[first:last]
                )
            first = last
        return self._chart.advance(z)


class Profile:
    """What each hour usually shows: hours of the week, then hours of the day."""

    def __init__(self) -> None:
        self._usual = np.zeros(WEEK + DAY)
        self._deviation = np.zeros(WEEK + DAY)
        self._visits = np.zeros(WEEK + DAY, np.int64)
        self._drift = 0.0
        self._middle: float | None = None  # mean share of the hour at which samples come
        self._now = self._hour = -1
        self._known = self._sloped = False
        self._level = self._before = self._after = self._scale = np.nan
        self._count, self._sum, self._away, self._gone = 0, 0.0, 0.0, 0.0
        self._missed = np.zeros(2)  # of this hour: by the slope, by the level alone
        self._misses = np.zeros(2)  # the same, smoothed

    def visit(self, visit: int, hour: int, gone: Floats, values: Floats) -> Floats:
        """Deviations of samples of one hour, or of a part of it; NaN when the hour is not known yet."""
        if visit != self._now:
            self._learn()
            self._now, self._hour = visit, hour
            self._expect(float(values[0]))
        off = gone - (0.5 if self._middle is None else self._middle)
        slope = np.where(off < 0, -off * self._before, off * self._after)
        flat = values - self._level
        away = flat - slope if self._sloped else flat
        taught = np.clip(away, -HELD_WITHIN * self._scale, HELD_WITHIN * self._scale) if self._known else away
        if self._known:
            self._missed += (float(np.abs(flat - slope).sum()), float(np.abs(flat).sum()))
        self._count += len(values)
        self._sum += float(taught.sum())
        self._away += float(np.abs(taught).sum())
        self._gone += float(gone.sum())
        deviations: Floats = away / self._scale
        return deviations

    def _expect(self, first: float) -> None:
        """What this hour should show: its level and scale, and how the hours before and after differ from it."""
        self._level, self._before, self._after, self._scale = first, 0.0, 0.0, np.nan
        self._sloped = bool(self._misses[0] <= self._misses[1])
        for begin, hours in ((0, WEEK), (WEEK, DAY)):
            cell = begin + self._hour % hours
            self._known = bool(self._visits[cell] >= VISITS)
            if self._known:
                self._level = float(self._usual[cell]) + self._drift
                self._scale = self._scale_of(cell)
                self._before = self._differs(cell, begin + (self._hour - 1) % hours)
                self._after = self._differs(cell, begin + (self._hour + 1) % hours)
                return

    def _differs(self, cell: int, neighbour: int) -> float:
        return float(self._usual[neighbour] - self._usual[cell]) if self._visits[neighbour] >= VISITS else 0.0

    def _scale_of(self, cell: int) -> float:
        known = self._deviation[WEEK:][self._visits[WEEK:] > 0]
        least = LEAST_SHARE * float(np.sort(known)[len(known) // 2])
        dust = 1e-9 * float(np.abs(self._usual).max())
        return max(1.2533 * float(self._deviation[cell]), least, dust, float(np.finfo(float).tiny))

    def _learn(self) -> None:
        """Take the hour that has ended into the profile."""
        if not self._count:
            return
        rest, away, gone = self._sum / self._count, self._away / self._count, self._gone / self._count
        self._middle = gone if self._middle is None else self._middle + DRIFT * (gone - self._middle)
        if self._known:
            self._drift += DRIFT * rest
            self._misses += DRIFT * (self._missed / self._count - self._misses)
        level = self._level + rest - self._drift
        for cell in (self._hour, WEEK + self._hour % DAY):
            weight = max(NEWEST, 1.0 / (self._visits[cell] + 1))
            self._usual[cell] += weight * (level - self._usual[cell])
            self._deviation[cell] += weight * (away - self._deviation[cell])
            self._visits[cell] += 1
        self._missed = np.zeros(2)
        self._count, self._sum, self._away, self._gone = 0, 0.0, 0.0, 0.0
