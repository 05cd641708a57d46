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
from typing import Final

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.filters import Chart
from pitchey_slo.analyse.anomaly.mad import middle_and_spread
from pitchey_slo.analyse.anomaly.rolling import Rolling
from pitchey_slo.analyse.anomaly.samples import Floats, Times

EVERY: Final = 16
LEAST: Final = 16


@dataclass(frozen=True, kw_only=True)
class Ewma(Detector):
    """`weight` of the newest sample, in (0, 1]: smaller finds smaller shifts, later. `window`: samples of the level."""

    weight: float = 0.1
    window: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("window", EVERY)
        self._a_share("weight")

    def machine(self) -> EwmaMachine:
        return EwmaMachine(self.weight, self.window)


class EwmaMachine:
    def __init__(self, weight: float, window: int) -> None:
        self._rolling = Rolling(-(-int(window) // EVERY) * EVERY, EVERY, LEAST, 2, middle_and_spread)
        self._chart = Chart(weight)

    def advance(self, _times: Times, values: Floats) -> Floats:
        middle, scale = self._rolling.advance(values).T
        return self._chart.advance((values - middle) / scale)
