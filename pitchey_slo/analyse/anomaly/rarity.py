"""How rare a number is among those before it: what makes scores comparable between detectors and series.

Each machine measures oddness on a scale of its own. Here the past of that scale is remembered as a histogram of
u = log(1 + oddness), older counts fading. The tail p(u) is the share of the past at least as odd; beyond the oddest
hundredth it goes on as a Pareto tail in oddness (an exponential one in u) with Hill's estimate of its slope, so that
something never seen before has a probability too. The score is 1 - p: 0.99 is exceeded by one sample in a hundred,
0.9999 by one in ten thousand, whatever the unit, the detector and the series.

The histogram begins with 50 made-up samples of a normal distribution, which fade like the rest. It learns after every
32 samples; a sample is never judged with itself.

    B. M. Hill, A simple general approach to inference about the tail of a distribution (1975)
    A. Siffer et al., Anomaly detection in streams with extreme value theory (2017)
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.analyse.anomaly.samples import Floats

BINS: Final = 256
WIDTH: Final = 0.125
EVERY: Final = 32
PRIOR: Final = 50.0
TAIL: Final = 0.01

_EDGES: Final = np.arange(BINS) * WIDTH


def _normal() -> Floats:
    """Counts of |N(0, 1)| in the bins."""
    from math import erf, sqrt

    below = np.array([erf(np.expm1(edge) / sqrt(2)) if edge < 4 else 1.0 for edge in [*_EDGES, BINS * WIDTH]])
    return PRIOR * np.diff(below)


class Rarity:
    """Oddness in, scores out, cut wherever you like. `memory`: samples after which a count is half."""

    def __init__(self, memory: int) -> None:
        self._keep = 0.5 ** (EVERY / memory)
        self._counts = _normal()
        self._fresh = np.zeros(BINS)
        self._held = 0

    def advance(self, odd: Floats) -> Floats:
        """1 - the tail probability of each; NaN stays NaN and teaches nothing."""
        scores = np.full(len(odd), np.nan)
        known = np.flatnonzero(~np.isnan(odd))
        if known.size:
            scores[known] = self._known(np.minimum(np.log1p(odd[known]), (BINS - 1) * WIDTH))
        return scores

    def _known(self, u: Floats) -> Floats:
        bins = (u * (1 / WIDTH)).astype(np.intp)
        block = (self._held + np.arange(len(u))) // EVERY
        learnt = self._learn(bins, block)
        scores = _scores(learnt, u, bins, block)
        self._held = (self._held + len(u)) % EVERY
        return scores

    def _learn(self, bins: NDArray[np.intp], block: NDArray[np.intp]) -> Floats:
        """The counts as each block of samples finds them, one row per block; the last, if full, is learnt as well."""
        blocks = int(block[-1]) + 1
        added = np.bincount(block * BINS + bins, minlength=blocks * BINS).reshape(blocks, BINS).astype(np.float64)
        added[0] += self._fresh
        learnt = np.empty((blocks, BINS))
        learnt[0] = self._counts
        for i in range(1, blocks):
            np.multiply(learnt[i - 1], self._keep, out=learnt[i])
            learnt[i] += added[i - 1]
        full = (self._held + len(bins)) % EVERY == 0
        self._counts = learnt[-1] * self._keep + added[-1] if full else learnt[-1].copy()
        self._fresh = np.zeros(BINS) if full else added[-1]
        return learnt


def _scores(learnt: Floats, u: Floats, bins: NDArray[np.intp], block: NDArray[np.intp]) -> Floats:
    above = np.cumsum(learnt[:, ::-1], axis=1)[:, ::-1]  # at or above the lower edge of each bin
    total = above[:, 0]
    tail = np.count_nonzero(above >= TAIL * total[:, None], axis=1) - 1  # the last bin that so many reach
    rows = np.arange(len(learnt))
    in_tail = above[rows, tail]
    # mean of u - edge over the tail: every bin edge above adds its width, within a bin the middle counts
    mass = np.cumsum(above[:, ::-1], axis=1)[:, ::-1][rows, tail]
    slope = np.maximum(WIDTH * (mass / in_tail - 0.5), WIDTH / 2)
    share = in_tail / total
    beyond = share[block] * np.exp(-(u - _EDGES[tail][block]) / slope[block])
    inner = (above[block, bins] - learnt[block, bins] * (u - _EDGES[bins]) * (1 / WIDTH)) / total[block]
    scores: Floats = 1.0 - np.where(bins >= tail[block], beyond, inner)
    return np.clip(scores, 0.0, 1.0)
