"""The k-th smallest of any `values[lo:hi]`, for all windows at once: a wavelet matrix.

Samples are replaced by their ranks. Per bit of the rank, from the highest: keep for each position how many zeros came
before it, and sort the ranks by that bit without changing the order otherwise. A window then follows k down the bits
by two look-ups each. The cost is (samples + windows) times the bits of a rank.
"""

from __future__ import annotations

import numpy as np

from pitchey_slo.promql.scan import Floats
from pitchey_slo.promql.spans import Positions


class Ranks:
    """Order statistics of `values`; NaN is the smallest value, as in Prometheus."""

    def __init__(self, values: Floats) -> None:
        order = np.lexsort((values, ~np.isnan(values)))
        self.sorted = values[order]
        ranks = np.empty(len(values), np.int64)
        ranks[order] = np.arange(len(values))
        self.zeros: list[Positions] = []
        for bit in reversed(range(max(len(values) - 1, 1).bit_length())):
            zero = (ranks >> bit) & 1 == 0
            self.zeros.append(np.concatenate([[0], np.cumsum(zero)]))
            ranks = np.concatenate([ranks[zero], ranks[~zero]])

    def smallest(self, k: Positions, lo: Positions, hi: Positions) -> Floats:
        """The k-th smallest (from 0) of each window, `0 <= k < hi - lo`."""
        rank = np.zeros(len(k), np.int64)
        for zeros in self.zeros:
            first, last = zeros[lo], zeros[hi]
            inside = last - first
            low = k < inside
            rank = rank * 2 + ~low
            k = np.where(low, k, k - inside)
            lo = np.where(low, first, zeros[-1] + lo - first)
            hi = np.where(low, last, zeros[-1] + hi - last)
        return self.sorted[rank]


def quantile(q: Floats, ranks: Ranks, lo: Positions, hi: Positions) -> Floats:
    """Prometheus' quantile of each window: linear between the two nearest ranks, NaN, -Inf and +Inf outside [0, 1]."""
    count = hi - lo
    inside = (q >= 0) & (q <= 1)
    rank = np.where(inside, q, 0.0) * (count - 1)
    below = np.floor(rank).astype(np.int64)
    above = np.minimum(below + 1, count - 1)
    weight = rank - below
    value = ranks.smallest(below, lo, hi) * (1 - weight) + ranks.smallest(above, lo, hi) * weight
    return np.where(inside, value, np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.nan)))
