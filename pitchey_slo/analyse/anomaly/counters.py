"""Counters become rates: what is judged of a number that only rises is how fast it rises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.samples import Floats, Times

#: Samples within which a series that might be a counter has to show that it is none.
DECIDE: Final = 60
#: Share of samples that rise, below which a series that never fell is a constant, not a counter.
RISING: Final = 0.2


@dataclass(frozen=True)
class Span:
    """Values for the machine that belong to the samples `begin` to `end` of the call; values held back from earlier
    calls come before them. `anew`: what the machine learnt before was about something else."""

    begin: int
    end: int
    times: Times
    values: Floats
    anew: bool = False


class Rate:
    """Passes gauges on as they are and counters as increase per second.

    A fall to less than half of the value before is a counter's start from zero, as in PromQL; a lesser one shows that
    it is none. While undecided, at most 60 samples are held back.
    """

    def __init__(self, counter: bool | None) -> None:
        self._sure = counter is not None
        self._counter = counter
        self._times = np.empty(0, np.int64)
        self._values = np.empty(0)

    def advance(self, times: Times, values: Floats) -> list[Span]:
        """What the machine is to see of the next samples, in order."""
        spans: list[Span] = []
        begin, end = 0, len(values)
        while begin < end:
            if self._counter is None:
                begin = self._decide(times, values, begin, spans)
            elif self._counter:
                begin = self._rates(times, values, begin, spans)
            else:
                spans.append(Span(begin, end, times[begin:], values[begin:]))
                begin = end
        return spans

    def _decide(self, times: Times, values: Floats, begin: int, spans: list[Span]) -> int:
        """Hold back samples until they tell what they are; returns how far the call's samples are used up."""
        held, end = len(self._values), min(len(values), begin + DECIDE - len(self._values))
        self._times = np.concatenate([self._times, times[begin:end]])
        self._values = np.concatenate([self._values, values[begin:end]])
        unlike = _unlike_counter(self._values)
        if unlike is not None:
            end = begin + unlike + 1 - held
        elif len(self._values) < DECIDE:
            return end
        upto = end - begin + held
        kept_times, kept = self._times[:upto], self._values[:upto]
        rises = np.count_nonzero(np.diff(kept) > 0)
        self._counter = unlike is None and bool(rises >= RISING * DECIDE)
        if self._counter:
            self._times, self._values = kept_times[-1:], kept[-1:]
            spans.append(Span(end - 1, end, kept_times[1:], _increase(kept_times, kept)))
        else:
            self._times, self._values = self._times[:0], self._values[:0]
            spans.append(Span(end - 1, end, kept_times, kept))
        return end

    def _rates(self, times: Times, values: Floats, begin: int, spans: list[Span]) -> int:
        """Rates up to the end, or up to the fall that shows that this is no counter."""
        before = np.concatenate([self._values[-1:], values[begin:]])
        at = np.concatenate([self._times[-1:], times[begin:]])
        first = len(values) - begin - (len(before) - 1)  # 1 when there is no sample before the first
        falls = np.flatnonzero(_lesser_falls(before)) if not self._sure else np.empty(0, np.intp)
        upto = int(falls[0]) + 1 if falls.size else len(before)
        if upto > 1:
            spans.append(Span(begin + first, begin + first + upto - 1, at[1:upto], _increase(at[:upto], before[:upto])))
        self._times, self._values = at[upto - 1 : upto], before[upto - 1 : upto]
        if not falls.size:
            return len(values)
        self._counter = False
        rest = begin + first + upto - 1
        spans.append(Span(rest, len(values), times[rest:], values[rest:], anew=True))
        return len(values)


def _increase(times: Times, values: Floats) -> Floats:
    """Increase per second between neighbours; after a start from zero, what was counted since."""
    rise = np.diff(values)
    rise = np.where(rise < 0, values[1:], rise)
    rates: Floats = rise / np.maximum(np.diff(times), 1) * 1000.0
    return rates


def _lesser_falls(values: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (values[1:] < values[:-1]) & (values[1:] >= values[:-1] / 2)


def _unlike_counter(values: Floats) -> int | None:
    """The first sample that no counter shows: negative, not whole, or a little lower than the one before."""
    wrong = (values < 0) | (values != np.floor(values))
    wrong[1:] |= _lesser_falls(values)
    found = np.flatnonzero(wrong)
    return int(found[0]) if found.size else None
