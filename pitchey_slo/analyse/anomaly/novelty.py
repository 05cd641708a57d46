"""Novelty: how far a sample is from everything the series has shown before.

Three views of the last samples are compared with what each has seen (exemplars.py):

    step      x - x[-short]                         has it ever moved so far so quickly?
    level     x, mean of the last `short`           has it ever been there, alone or for a while?
    envelope  lowest, highest of the last `long`    has it ever stayed within such limits?

The oddness is the mean of the three distances, each in units of the range remembered. What happens for the second time
is not new: a daily peak is odd on the first day, a shift once, and a series full of spikes needs a larger one.

The score is 1 - 10 ** (-oddness / 0.01875): 0.9999 is 7.5 % of the range away from anything seen. That scale is
calibrated: on stationary noise of eleven kinds (normal, heavy-tailed, counts, random walks, daily waves) a score above
0.9999 is rarer than one in ten thousand samples after the first week at one a minute (`benchmarks/anomaly.py --noise`).
It is not learnt from the series, so that a quiet series stays quiet.

    matrix profile, distance to the nearest earlier pattern: C.-C. M. Yeh et al. (2016); conformal nearest neighbours:
    E. Burnaev, V. Ishimtsev, Conformalized density- and distance-based anomaly detection in time-series data (2016)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.exemplars import DUST, Exemplars
from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.analyse.anomaly.windows import Tail, windows

NEAR: Final = 0.03
MOST: Final = 512
#: Oddness at which the score is 0.9; four times that is 0.9999.
NINETY: Final = 0.01875


@dataclass(frozen=True, kw_only=True)
class Novelty(Detector):
    """`short`, `long`: samples that the views look back. `memory`: samples after which a pattern that did not come
    again is forgotten, two weeks at one a minute; shorter, and what comes once a week is new every week."""

    short: int = 4
    long: int = 16
    memory: int = 20_160

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("short", 1)
        self._at_least("long", 2)

    @property
    def calibrated(self) -> bool:
        return False

    def machine(self) -> NoveltyMachine:
        return NoveltyMachine(int(self.short), int(self.long), int(self.memory))


class NoveltyMachine:
    def __init__(self, short: int, long: int, memory: int) -> None:
        self._short, self._long = short, long
        self._tail = Tail(max(short, long - 1))
        self._views = [Exemplars(width, most=MOST, near=NEAR, memory=memory) for width in (1, 2, 2)]

    def advance(self, times: Times, values: Floats) -> Floats:
        return score_of(self.oddness(times, values))

    def oddness(self, _times: Times, values: Floats) -> Floats:
        """Mean distance from what was seen before, in [0, 1]."""
        views = self._points(values)
        total = sum(view.advance(points) for view, points in zip(self._views, views, strict=True))
        odd: Floats = np.asarray(total) / len(views)
        return odd

    def _points(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        n, known = len(values), self._tail.advance(values)
        earlier = known[len(known) - n - self._short : len(known) - self._short]
        step = values - earlier
        step = np.where(np.abs(step) > DUST * np.maximum(np.abs(values), np.abs(earlier)), step, 0.0)
        level = windows(known, self._short, n).mean(axis=1)
        limits = windows(known, self._long, n)
        return step[None], np.stack([values, level]), np.stack([limits.min(axis=1), limits.max(axis=1)])


def score_of(odd: Floats) -> Floats:
    """Oddness as a rarity."""
    scores: Floats = 1.0 - 10.0 ** (-odd / NINETY)
    return scores
