"""Robust z-score: how many robust standard deviations from the median of the last samples.

    oddness = |x - median| / (1.4826 median |x_i - median|)

The median and the median absolute deviation (MAD) are those of the last `window` samples, renewed after every 16. Up to
half of the window may be outliers without moving them. Good for noise around a level; a daily wave longer than the
window is followed, one shorter is taken for noise.

    B. Iglewicz, D. Hoaglin, How to detect and handle outliers (1993)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.rolling import Rolling, median, spread
from pitchey_slo.analyse.anomaly.samples import Floats, Times

EVERY: Final = 16
LEAST: Final = 16


@dataclass(frozen=True, kw_only=True)
class Mad(Detector):
    """`window`: samples that make the median; longer is steadier, shorter follows slow change sooner."""

    window: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("window", EVERY)

    def machine(self) -> MadMachine:
        return MadMachine(self.window)


class MadMachine:
    def __init__(self, window: int) -> None:
        self._rolling = Rolling(-(-int(window) // EVERY) * EVERY, EVERY, LEAST, 2, middle_and_spread)

    def advance(self, _times: Times, values: Floats) -> Floats:
        learnt = self._rolling.advance(values)
        odd: Floats = np.abs(values - learnt[:, 0]) / learnt[:, 1]
        return odd


def middle_and_spread(windows: Floats) -> Floats:
    """Median and robust standard deviation of each row."""
    middle = median(windows)
    return np.stack([middle, spread(windows, middle)], axis=1)
