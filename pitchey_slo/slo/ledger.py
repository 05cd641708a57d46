"""Minutes -> the units a budget is kept in: events per minute, or time slices.

Occurrences        unit is the event: good / valid
Timeslices         unit is the slice: good when its own ratio reaches `timeSliceTarget`, bad when not
RatioTimeslices    unit is the slice, which adds its ratio to good and the rest to bad: the mean of slice ratios

A slice without a valid event is neither good nor bad, but it is time that passed: slices of a window are known in
advance, and the budget is a part of all of them, like "40 minutes in 28 days".

What corrections cover is gone from the minutes before they come here. For events that is all. A slice that lies wholly
in a correction is good, not gone: with fewer slices each bad one would weigh more ("time dilation"). A slice that is
partly covered is judged by what is left of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pitchey_slo.errors import SloError
from pitchey_slo.slo.findings import Floats
from pitchey_slo.slo.model import Method, Objective, Slo
from pitchey_slo.slo.sli import Ints, Minutes
from pitchey_slo.slo.windows import Window

#: Ratios of sums of floats miss the exact value by this much at most; a slice at its target is good.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Ledger:
    """Units in ascending order. `at` is the first minute of a unit (since 1970), `width` its minutes, `sliced` whether
    units are slices. Only units with a valid event are listed."""

    at: Ints
    good: Floats
    bad: Floats
    width: int
    sliced: bool

    def between(self, start: int, end: int) -> Ledger:
        """Units that lie wholly in start <= t < end."""
        i, j = np.searchsorted(self.at, (start, end - self.width + 1))
        return Ledger(self.at[i:j], self.good[i:j], self.bad[i:j], self.width, self.sliced)

    def failed(self, start: int, end: int) -> float:
        """Bad units of start <= t < end."""
        part = self.between(start, end)
        return float(min(max(0.0, part.bad.sum()), part.good.sum() + part.bad.sum()))

    def passed(self, start: int, end: int) -> float:
        """What the budget of start <= t < end is a part of: events, or slices with and without data."""
        part = self.between(start, end)
        if not self.sliced:
            return float(part.good.sum() + part.bad.sum())
        return float(max(0, (end - start) // self.width)) if len(part.at) else 0.0


def method_of(slo: Slo, objective: Objective) -> tuple[Method, int]:
    """(budgeting method, minutes of a slice: 1 for Occurrences)."""
    if slo.method == "Occurrences":
        return slo.method, 1
    width = objective.slice_window.minutes if objective.slice_window else None
    if width is None:
        raise SloError(f"{slo.name}: {slo.method} needs timeSliceWindow with a fixed length (m, h, d, w)")
    return slo.method, width


def whole_slices(window: Window, width: int) -> tuple[int, int, int]:
    """(start, end, window_end) in minutes since 1970, cut to whole slices.

    Slices of a rolling window are counted from 1970, so that the same minute is always in the same slice; those of a
    calendar window from its start.
    """
    start, end, last = minute_of(window.start), minute_of(window.end), minute_of(window.window_end)
    if window.kind == "rolling":
        length = (end - start) // width * width
        end -= end % width
        return end - length, end, end
    end = min(end, last)
    return start, end - (end - start) % width, last - (last - start) % width


def ledger(
    minutes: Minutes, method: Method, objective: Objective, width: int, anchor: int, spans: Ints | None = None
) -> Ledger:
    """Units of `width` minutes counted from `anchor`. `spans`: what corrections cover (`corrections.spans`), which
    `minutes` lack already; slices inside are good."""
    if method == "Occurrences":
        keep = (minutes.valid > 0) | (minutes.good != 0)
        good, valid = minutes.good[keep], minutes.valid[keep]
        # good and total may come from two tables and be a minute apart: only sums over time are held to 0..valid
        bad = np.where(np.abs(valid - good) <= ROUNDING * valid, 0.0, valid - good)
        return Ledger(minutes.at[keep], good, bad, 1, sliced=False)
    keep = minutes.valid > 0
    at, starts = np.unique((minutes.at[keep] - anchor) // width, return_index=True)
    spared = _spared(spans, width, anchor)
    if not len(at):
        at = spared
        return Ledger(at * width + anchor, np.ones(len(at)), np.zeros(len(at)), width, sliced=True)
    ratio = np.add.reduceat(minutes.good[keep], starts) / np.add.reduceat(minutes.valid[keep], starts)
    ratio = np.clip(ratio, 0.0, 1.0)
    if method == "Timeslices":
        ratio = np.asarray(ratio >= (objective.slice_target or 0.0) - ROUNDING, dtype=np.float64)
    if len(spared):
        both = np.union1d(at, spared)
        ratio, judged = np.ones(len(both)), ratio
        ratio[np.searchsorted(both, at)] = judged
        at = both
    return Ledger(at * width + anchor, ratio, 1.0 - ratio, width, sliced=True)


def _spared(spans: Ints | None, width: int, anchor: int) -> Ints:
    """Numbers of the slices that lie wholly inside one of `spans`."""
    none = np.zeros(0, dtype=np.int64)
    edges = [] if spans is None else [(-((anchor - a) // width), (b - anchor) // width) for a, b in spans.tolist()]
    return np.concatenate([none, *(np.arange(a, b, dtype=np.int64) for a, b in edges if a < b)])


def minute_of(time: datetime) -> int:
    """Whole minutes since 1970-01-01 UTC."""
    return int(time.timestamp() // 60)
