"""Exponential smoothing, cut wherever you like."""

from __future__ import annotations

from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.samples import Floats

BLOCK: Final = 32


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
        for block in smooth:
            block += self._last * self._fading
            self._last = float(block[-1])
        result: Floats = smooth.reshape(-1)[:n]
        if n:
            self._last = float(result[-1])
        return result
