"""One anomaly, one alarm: after an odd sample, only an odder one is news."""

from __future__ import annotations

import numpy as np

from pitchey_slo.analyse.anomaly.samples import Floats
from pitchey_slo.analyse.anomaly.windows import Tail, windows


class Onset:
    """Lets a sample through that is odder than each of the `samples` before it; the others count for nothing."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._tail = Tail(samples)

    def advance(self, odd: Floats) -> Floats:
        """Oddness where it rises to something new, else 0; NaN stays NaN."""
        if not self._samples or not len(odd):
            return odd
        level = np.where(np.isnan(odd), 0.0, odd)
        known = self._tail.advance(level)
        before = windows(known[:-1], self._samples, len(odd)).max(axis=1)
        fresh: Floats = np.where(np.isnan(odd) | (level > before), odd, 0.0)
        return fresh
