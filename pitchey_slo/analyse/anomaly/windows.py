"""The last samples of a series beside the next ones, so that windows run on over the border between two calls."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pitchey_slo.analyse.anomaly.samples import Floats


class Tail:
    """Keeps the last `length` samples; before the first one there was nothing but its value."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._kept: Floats | None = None

    def advance(self, values: Floats) -> Floats:
        """`length` samples before these, and these."""
        if self._kept is None:
            self._kept = np.full(self._length, values[0] if len(values) else np.nan)
        known = np.concatenate([self._kept, values])
        self._kept = known[len(known) - self._length :].copy()
        return known


def windows(known: Floats, length: int, n: int) -> Floats:
    """The windows of `length` samples that end at each of the last `n`: one row each, a view."""
    return sliding_window_view(known[len(known) - n - length + 1 :], length)
