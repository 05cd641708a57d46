"""Seasonal profile: how far a sample is from what its hour of the day, or of the week, usually shows.

    oddness = |x - (usual value of the hour + drift)| / usual deviation of the hour

Hours are those of a time zone's clock, so nine in the morning stays nine in the morning when the clocks change; the
hour that a clock shows twice is one long hour, the one it skips is skipped. An hour of the week is used once it came
twice, before that the hour of the day, once that came twice; before that there is no judgement. The usual value and
deviation of an hour are smoothed over its visits (weight a third); `drift`, the trend, is the smoothed rest over about
a day. Samples farther than five deviations teach as if they were five away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.clock import LocalHours
from pitchey_slo.analyse.anomaly.detector import Detector
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
    """`timezone`: whose clock has the hours, as "Europe/Amsterdam"."""

    timezone: str = "UTC"

    def __post_init__(self) -> None:
        super().__post_init__()
        LocalHours(self.timezone)

    def machine(self) -> SeasonalMachine:
        return SeasonalMachine(self.timezone)


class SeasonalMachine:
    def __init__(self, timezone: str) -> None:
        self._hours = LocalHours(timezone)
        self._usual = np.zeros(WEEK + DAY)  # hours of the week, then hours of the day
        self._deviation = np.zeros(WEEK + DAY)
        self._visits = np.zeros(WEEK + DAY, np.int64)
        self._drift = 0.0
        self._now = -1
        self._expected = self._scale = np.nan
        self._count, self._sum, self._away = 0, 0.0, 0.0

    def advance(self, times: Times, values: Floats) -> Floats:
        odd = np.empty(len(values))
        visit, hour = self._hours.of(times)
        borders = np.flatnonzero(visit[1:] != visit[:-1]) + 1
        first = 0
        for last in [*borders.tolist(), len(values)]:
            if last > first:
                odd[first:last] = self._visit(int(visit[first]), int(hour[first]), values[first:last])
            first = last
        return odd

    def _visit(self, visit: int, hour: int, values: Floats) -> Floats:
        """Samples of one hour, or of a part of it."""
        if visit != self._now:
            self._learn()
            self._now, self._hour = visit, hour
            self._expect(values[0])
        away = values - self._expected
        odd: Floats = np.abs(away) / self._scale
        held = values
        if self._scale == self._scale:
            held = self._expected + np.clip(away, -HELD_WITHIN * self._scale, HELD_WITHIN * self._scale)
        self._count += len(values)
        self._sum += float((held - self._centre).sum())
        self._away += float(np.abs(held - self._centre).sum())
        return odd

    def _expect(self, first: float) -> None:
        """What this hour should show, from the hours before it."""
        week, day = self._hour, WEEK + self._hour % DAY
        cell = week if self._visits[week] >= VISITS else day
        if self._visits[cell] >= VISITS:
            self._expected = float(self._usual[cell]) + self._drift
            self._scale = self._deviation_of(cell)
        else:
            self._expected = self._scale = np.nan
        self._centre = self._expected if self._expected == self._expected else first

    def _deviation_of(self, cell: int) -> float:
        known = self._deviation[WEEK:][self._visits[WEEK:] > 0]
        least = LEAST_SHARE * float(np.sort(known)[len(known) // 2])
        dust = 1e-9 * float(np.abs(self._usual).max())
        return max(1.2533 * float(self._deviation[cell]), least, dust, float(np.finfo(float).tiny))

    def _learn(self) -> None:
        """Take the hour that has ended into the profile."""
        if not self._count:
            return
        mean, away = self._centre + self._sum / self._count, self._away / self._count
        if self._expected == self._expected:
            self._drift += DRIFT * (mean - self._expected)
        for cell in (self._hour, WEEK + self._hour % DAY):
            weight = max(NEWEST, 1.0 / (self._visits[cell] + 1))
            level = mean - self._drift
            self._usual[cell] += weight * (level - self._usual[cell])
            self._deviation[cell] += weight * (away - self._deviation[cell])
            self._visits[cell] += 1
        self._count, self._sum, self._away = 0, 0.0, 0.0
