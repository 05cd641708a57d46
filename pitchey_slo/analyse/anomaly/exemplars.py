"""A bounded memory of patterns, and how far each new one is from the nearest of them.

A pattern is a point of a few features. One that is farther than `near` from all that are remembered becomes an
exemplar; others only show that their nearest exemplar is still in use. Distances are Euclidean in units of the range
that the remembered exemplars span, each feature apart: 0 is seen before, 0.1 a tenth of the range away from anything
seen, 1 at most. Exemplars unused for `memory` samples are forgotten, as are the longest unused when there are too many;
then the range shrinks too. Range and forgetting are renewed after every 64 samples.

    leader clustering: J. Hartigan, Clustering Algorithms (1975); the idea of judging by it what is new: G. Carpenter,
    S. Grossberg, Adaptive resonance theory (1987)
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.analyse.anomaly.samples import Floats

EVERY: Final = 64
DUST: Final = 1e-9


class Exemplars:
    """`width` features, at most `most` exemplars (more than 64), `near` in units of the range."""

    def __init__(self, width: int, *, most: int, near: float, memory: int) -> None:
        self._most, self._near, self._memory = most, near, memory
        self._points = np.zeros((width, most))
        self._used = np.zeros(most, np.int64)
        self._count = 0
        self._seen = 0
        self._scale = np.ones(width)

    def advance(self, points: Floats) -> Floats:
        """Distance of each point, a column each, to the nearest exemplar before it, at most 1; NaN for the first 64."""
        n = points.shape[1]
        away = np.empty(n)
        first = 0
        while first < n:
            if self._seen % EVERY == 0:
                self._renew()
            last = min(n, first + EVERY - self._seen % EVERY)
            away[first:last] = self._block(points[:, first:last])
            first = last
        return away

    def _block(self, points: Floats) -> Floats:
        """Points of one stretch between renewals; the first stretch is learnt as it is."""
        n = points.shape[1]
        if self._seen < EVERY:
            self._points[:, self._count : self._count + n] = points
            self._used[self._count : self._count + n] = self._seen + np.arange(n)
            self._count += n
            away = np.full(n, np.nan)
        else:
            scaled = points / self._scale[:, None]
            squares = _squares(scaled, self._points[:, : self._count] / self._scale[:, None])
            nearest = squares.argmin(axis=1)
            away = squares[np.arange(n), nearest]
            self._add_new(points, scaled, away, nearest)
            self._used[nearest] = self._seen + np.arange(n)
        self._seen += n
        near: Floats = np.minimum(np.sqrt(away), 1.0)
        return near

    def _add_new(self, points: Floats, scaled: Floats, away: Floats, nearest: NDArray[np.intp]) -> None:
        """Make exemplars of what is new, in order; each counts for the points after it."""
        limit, i = self._near**2, 0
        while (new := np.flatnonzero(away[i:] > limit)).size:
            i += int(new[0])
            self._points[:, self._count] = points[:, i]
            self._used[self._count] = self._seen + i
            nearest[i] = self._count
            later = _squares(scaled[:, i + 1 :], scaled[:, i : i + 1])[:, 0]
            nearer = np.flatnonzero(later < away[i + 1 :])
            away[nearer + i + 1], nearest[nearer + i + 1] = later[nearer], self._count
            self._count += 1
            i += 1

    def _renew(self) -> None:
        """Forget what is unused, make room for a stretch of new exemplars, take the range of the rest."""
        used = self._used[: self._count]
        keep = np.flatnonzero(used >= self._seen - self._memory)
        if len(keep) > self._most - EVERY:
            keep = np.sort(keep[np.argsort(used[keep], kind="stable")[len(keep) - (self._most - EVERY) :]])
        self._points[:, : len(keep)], self._used[: len(keep)] = self._points[:, keep], used[keep]
        self._count = len(keep)
        if self._count:
            kept = self._points[:, : self._count]
            dust = DUST * np.abs(kept).max(axis=1)
            self._scale = np.maximum(np.ptp(kept, axis=1), np.maximum(dust, np.finfo(float).tiny))


def _squares(points: Floats, others: Floats) -> Floats:
    """Squared distances: a row per point, a column per other."""
    total = np.zeros((points.shape[1], others.shape[1]))
    for mine, theirs in zip(points, others, strict=True):
        total += (mine[:, None] - theirs[None, :]) ** 2
    return total
