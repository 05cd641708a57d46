"""Threshold: outside fixed limits, or outside what the series has shown so far.

With `above` or `below` the limits are yours: 0 inside, 1 outside, as a static alert rule. Without, the limits are
learnt: the lowest and highest of the last `window` samples (renewed after every 16), and the oddness is how far outside
a sample is, in widths of that range. Learnt limits are simple and blunt: they find records, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.rolling import Rolling
from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.errors import AnomalyError

EVERY: Final = 16
LEAST: Final = 16


@dataclass(frozen=True, kw_only=True)
class Threshold(Detector):
    """`above`, `below`: limits of what is normal, in the unit of the series (a counter's is per second).
    `window`: samples whose range is the limit when neither is given."""

    above: float | None = None
    below: float | None = None
    window: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("window", EVERY)
        for name in ("above", "below"):
            given = getattr(self, name)
            if given is not None and (isinstance(given, bool) or not np.isfinite(given)):
                raise AnomalyError(f"{name} {given!r}: give a finite number")

    @property
    def calibrated(self) -> bool:
        return self.above is None and self.below is None

    def machine(self) -> FixedMachine | LearntMachine:
        return LearntMachine(self.window) if self.calibrated else FixedMachine(self.above, self.below)


class FixedMachine:
    def __init__(self, above: float | None, below: float | None) -> None:
        self._above = np.inf if above is None else above
        self._below = -np.inf if below is None else below

    def advance(self, _times: Times, values: Floats) -> Floats:
        return ((values > self._above) | (values < self._below)).astype(np.float64)


class LearntMachine:
    def __init__(self, window: int) -> None:
        self._rolling = Rolling(-(-int(window) // EVERY) * EVERY, EVERY, LEAST, 2, _range)

    def advance(self, _times: Times, values: Floats) -> Floats:
        low, high = self._rolling.advance(values).T
        width = np.maximum(high - low, 1e-9 * np.maximum(np.abs(low), np.abs(high)))
        middle = low + (high - low) / 2
        odd: Floats = np.abs(values - middle) / np.maximum(width / 2, np.finfo(float).tiny)
        return odd


def _range(windows: Floats) -> Floats:
    return np.stack([windows.min(axis=1), windows.max(axis=1)], axis=1)
