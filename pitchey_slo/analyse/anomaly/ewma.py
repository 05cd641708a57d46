"""EWMA chart: a weighted mean of the last deviations, which sees small lasting shifts that no single sample shows.

    z = (x - median) / (1.4826 MAD), held within +-8
    e = weight z + (1 - weight) e;   oddness = |e| / sqrt(weight / (2 - weight))

Median and MAD are those of the last `window` samples, as in mad.py. The divisor is the standard deviation of e for
independent z, so a shift of one standard deviation shows after about 2 / weight samples. A single outlier weighs at
most 8 and fades.

    S. W. Roberts, Control chart tests based on geometric moving averages (1959)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.filters import Smooth
from pitchey_slo.analyse.anomaly.mad import middle_and_spread
from pitchey_slo.analyse.anomaly.rolling import Rolling
from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.errors import AnomalyError

EVERY: Final = 16
LEAST: Final = 16
HELD_WITHIN: Final = 8.0


@dataclass(frozen=True, kw_only=True)
class Ewma(Detector):
    """`weight` of the newest sample, in (0, 1]: smaller finds smaller shifts, later. `window`: samples of the level."""

    weight: float = 0.1
    window: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("window", EVERY)
        self._at_least("weight", 1e-4)
        if self.weight > 1:
            raise AnomalyError(f"weight {self.weight!r}: give a number above 0, at most 1")

    def machine(self) -> EwmaMachine:
        return EwmaMachine(self.weight, self.window)


class EwmaMachine:
    def __init__(self, weight: float, window: int) -> None:
        self._weight = weight
        self._rolling = Rolling(-(-int(window) // EVERY) * EVERY, EVERY, LEAST, 2, middle_and_spread)
        self._smooth = Smooth(weight)

    def advance(self, _times: Times, values: Floats) -> Floats:
        middle, scale = self._rolling.advance(values).T
        z = np.clip((values - middle) / scale, -HELD_WITHIN, HELD_WITHIN)
        known = ~np.isnan(z)
        mean = self._smooth.advance(np.where(known, z, 0.0))
        odd: Floats = np.where(known, np.abs(mean) / sqrt(self._weight / (2 - self._weight)), np.nan)
        return odd
