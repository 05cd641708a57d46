"""Numbers learnt from the last samples, renewed now and then instead of at each: the same live and over history."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pitchey_slo.analyse.anomaly.samples import Floats

#: Windows, one per row -> what is learnt from each, one row per window.
Fit = Callable[[Floats], Floats]


class Rolling:
    """`fit` over the last `window` samples, renewed after every `every` samples, from `least` samples on.

    `advance` returns for each of the next samples what was learnt before it: one row of `width` numbers, NaN while
    fewer than `least` samples came. The sample itself is never in it. `window` is a multiple of `every`.
    """

    def __init__(self, window: int, every: int, least: int, width: int, fit: Fit) -> None:
        self._window, self._every, self._least, self._fit = window, every, least, fit
        self._past = np.empty(0)
        self._phase = 0
        self._learnt = np.full(width, np.nan)

    def advance(self, values: Floats) -> Floats:
        n, every = len(values), self._every
        known = np.concatenate([self._past, values])
        held = len(self._past)
        ends = np.arange(held + every - self._phase, held + n + 1, every)  # samples known at each renewal
        table = np.concatenate([self._learnt[None], self._fits(known, ends)])
        rows = table[(self._phase + np.arange(n)) // every]
        self._phase = (self._phase + n) % every
        self._learnt = table[-1]
        self._past = known[max(0, len(known) - self._window) :].copy()
        return rows

    def _fits(self, known: Floats, ends: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
        fits = np.full((len(ends), len(self._learnt)), np.nan)
        short = ends < self._window
        for i in np.flatnonzero(short & (ends >= self._least)):
            fits[i] = self._fit(known[None, : ends[i]])[0]
        if not short.all():
            windows = sliding_window_view(known, self._window)[ends[~short] - self._window]
            fits[~short] = self._fit(windows)
        return fits


def spread(values: Floats, middle: Floats, *, dust: float = 1e-9) -> Floats:
    """Robust standard deviation around `middle`, one per row: 1.4826 times the median absolute deviation.

    Where more than half the values are equal, it is taken from the mean absolute deviation instead. At least `dust`
    times the largest absolute value, so that the last bits of a float are no deviation, and never zero.
    """
    away = np.abs(values - middle[:, None])
    usual = 1.4826 * median(away)
    usual = np.where(usual > 0, usual, 1.2533 * (away / away.shape[1]).sum(axis=1))
    floor: Floats = np.maximum(dust * np.abs(values).max(axis=1), np.finfo(float).tiny)
    return np.maximum(usual, floor)


def median(rows: Floats) -> Floats:
    """The upper median of each row: for many rows much faster than np.median, and a value that did occur."""
    half = rows.shape[1] // 2
    return np.partition(rows, half, axis=1)[:, half]
