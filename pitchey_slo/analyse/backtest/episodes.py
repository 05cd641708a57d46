"""The life of alerts over a whole history at once: what `alert.state.step` does step by step.

A *run* is a stretch of steps at which a condition holds without a gap. A run that lasts for `for` fires, at the first
step that is so late; one that does not stays pending and ends. With `keep_firing_for` a firing alert outlives short
gaps: it ends at the first step without the condition that is so long after the first one, and a run that begins before
then goes on with it, without a `for` of its own. So an *episode* is one run that never fired, or a chain of runs from
the first that fired.

Steps need not be evenly spaced: evaluations that failed are no steps and are left out, as they change nothing live.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Runs:
    """Stretches of [first, end) steps at which the condition of a series holds; sorted by series, then time."""

    series: Ints
    first: Ints
    end: Ints
    peak: Floats

    def __len__(self) -> int:
        return len(self.series)

    @classmethod
    def none(cls) -> Runs:
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, nothing, np.empty(0))


@dataclass(frozen=True)
class Episodes:
    """One per row: series, and the steps at which it began to be pending, fired (-1: never) and was resolved (the
    number of steps when it goes on at the end)."""

    series: Ints
    pending: Ints
    fired: Ints
    resolved: Ints
    peak: Floats

    def __len__(self) -> int:
        return len(self.series)


def runs(holds: Bools, value: Floats | None = None, *, lowest: bool = False) -> Runs:
    """The runs of a condition (series by steps), with the highest (or `lowest`) value of each; NaN without values."""
    many, steps = holds.shape
    if not holds.any():
        return Runs.none()
    edges = np.zeros((many, steps + 1), np.int8)
    edges[:, :steps] = holds
    edges[:, 1:] -= holds
    series, first = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    if value is None:
        return Runs(series, first, end, np.full(len(series), np.nan))
    kept = np.append(np.where(holds, value, np.nan).ravel(), np.nan)
    cuts = np.stack([series * steps + first, series * steps + end], axis=1).ravel()
    peak = (np.fmin if lowest else np.fmax).reduceat(kept, cuts)[::2]
    return Runs(series, first, end, peak)


def joined(found: Runs, *, lowest: bool = False) -> Runs:
    """The same with runs as one that touch: those of histories that were computed in pieces."""
    if not len(found):
        return found
    order = np.lexsort((found.first, found.series))
    series, first, end = found.series[order], found.first[order], found.end[order]
    peak = found.peak[order]
    new = np.append(True, (series[1:] != series[:-1]) | (first[1:] != end[:-1]))
    heads = np.flatnonzero(new)
    last = np.append(heads[1:], len(series)) - 1
    return Runs(series[heads], first[heads], end[last], (np.fmin if lowest else np.fmax).reduceat(peak, heads))


def episodes(
    holds: Bools,
    times: Ints,
    for_seconds: float = 0.0,
    keep_firing_seconds: float = 0.0,
    *,
    value: Floats | None = None,
    lowest: bool = False,
) -> Episodes:
    """The episodes of a condition: `holds` series by steps, `times` of the steps in ms, increasing."""
    return episodes_of(runs(holds, value, lowest=lowest), times, for_seconds, keep_firing_seconds, lowest=lowest)


def episodes_of(
    found: Runs, times: Ints, for_seconds: float, keep_firing_seconds: float, *, lowest: bool = False
) -> Episodes:
    """The same from runs, whose steps are places in `times`."""
    if not len(found):
        nothing = np.empty(0, np.int64)
        return Episodes(nothing, nothing, nothing, nothing, np.empty(0))
    fires = np.searchsorted(times, times[found.first] + round(for_seconds * 1000))
    fired = np.where(fires < found.end, fires, -1)
    if keep_firing_seconds <= 0:
        return Episodes(found.series, found.first, fired, found.end, found.peak)
    return _kept(found, times, fired, round(keep_firing_seconds * 1000), lowest)


def _kept(found: Runs, times: Ints, fired: Ints, keep_ms: int, lowest: bool) -> Episodes:
    steps = len(times)
    ended = _keeps_until(found.end, times, keep_ms)
    # a run goes on with the one before it, if that one fires, when it begins before that would have ended
    near: Bools = np.append([False], (found.series[1:] == found.series[:-1]) & (found.first[1:] <= ended[:-1]))
    chain = np.cumsum(~near) - 1
    heads = np.flatnonzero(~near)
    before = np.cumsum(fired >= 0)
    fired_so_far: Ints = before - (before[heads] - (fired[heads] >= 0))[chain]  # in its chain
    lit: Bools = np.greater(fired_so_far, 0)
    goes_on: Bools = near & np.append([False], lit[:-1])
    heads = np.flatnonzero(~goes_on)
    last = np.append(heads[1:], len(found)) - 1
    resolved = np.where(fired[heads] >= 0, np.minimum(ended[last], steps), found.end[last])
    peak = (np.fmin if lowest else np.fmax).reduceat(found.peak, heads)
    return Episodes(found.series[heads], found.first[heads], fired[heads], resolved, peak)


def _keeps_until(end: Ints, times: Ints, keep_ms: int) -> Ints:
    """The step at which an alert ends whose condition holds no longer from step `end`, if it never holds again."""
    steps = len(times)
    inside = np.minimum(end, steps - 1)
    late = np.maximum(np.searchsorted(times, times[inside] + keep_ms), inside + 1)
    return np.where(end < steps, late, steps)
