"""Exponential smoothing and the control chart made of it, cut wherever you like."""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.samples import Floats

BLOCK: Final = 32
#: One outlier moves a chart by this many deviations at most.
HELD_WITHIN: Final = 8.0


class Smooth:
    """e = weight x + (1 - weight) e, from e = `begin`: each e with its x already in it.

    Blocks of 32 by one matrix product each; within a float's last bits the same as one after another.
    """

    def __init__(self, weight: float, begin: float = 0.0) -> None:
        keep = 1.0 - weight
        steps = np.arange(BLOCK)
        away = steps[:, None] - steps[None, :]
        self._product = np.where(away >= 0, weight * keep ** np.maximum(away, 0), 0.0).T
        self._fading = keep ** (steps + 1.0)
        self._last = begin

    def advance(self, values: Floats) -> Floats:
        """The smoothed values; none may be NaN."""
        n = len(values)
        padded = np.zeros(-(-n // BLOCK) * BLOCK)
        padded[:n] = values
        smooth = padded.reshape(-1, BLOCK) @ self._product
        carried, last, fading = [], self._last, float(self._fading[-1])
        for end in smooth[:, -1].tolist():
            carried.append(last)
            last = end + last * fading
        smooth += np.array(carried)[:, None] * self._fading
        result: Floats = smooth.reshape(-1)[:n]
        if n:
            self._last = float(result[-1])
        return result


class Chart:
    """How far the weighted mean of the last deviations is from none, in its own standard deviations.

    The divisor is that of independent deviations. Weight 1 is each deviation by itself, not held. NaN stays NaN and
    counts as no deviation.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._smooth = Smooth(weight)

    def advance(self, deviations: Floats) -> Floats:
        if self._weight == 1:
            return np.abs(deviations)
        known = ~np.isnan(deviations)
        mean = self._smooth.advance(np.where(known, np.clip(deviations, -HELD_WITHIN, HELD_WITHIN), 0.0))
        odd: Floats = np.where(known, np.abs(mean) / sqrt(self._weight / (2 - self._weight)), np.nan)
        return odd
