"""What a chart of a report needs: the SLI over time, the budget over time, and how much of the time has data."""

from __future__ import annotations

import numpy as np

from pitchey_slo.slo import budget as money
from pitchey_slo.slo.findings import BurnDown, Coverage, Floats, Series
from pitchey_slo.slo.ledger import Ledger
from pitchey_slo.slo.sli import Ints, Minutes
from pitchey_slo.slo.times import time_of, times_of
from pitchey_slo.slo.verdict import Verdict
from pitchey_slo.slo.words import coverage_sentence

_WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 40320)


def burn_down(verdict: Verdict) -> BurnDown:
    """What was counted, and the band of what may come."""
    projection = verdict.projection
    if verdict.budget is None:
        none = np.zeros(0)
        return BurnDown(None, times_of(np.zeros(0, dtype=np.int64)), none, times_of(projection.at), none, none)
    at, spent = money.counted(verdict.units, verdict.span, verdict.budget)
    thin = money.thin(projection)
    return BurnDown(verdict.budget, times_of(at), spent, times_of(thin.at), thin.low, thin.high)


def series(counts: Minutes, inside: Ledger, span: money.Span) -> Series:
    """Buckets of a width that gives at most about 340 points, on the multiples of that width since 1970."""
    width = next((w for w in _WIDTHS if (span.end - span.start) / w <= 340), _WIDTHS[-1])
    if inside.sliced:
        width = max(width, inside.width) // inside.width * inside.width
    first = span.start // width
    size = max(0, -(-span.end // width) - first)
    valid, bad = _sums(counts.at // width - first, size, counts.valid, counts.bad)
    good_units, bad_units = _sums(inside.at // width - first, size, inside.good, inside.bad)
    with np.errstate(invalid="ignore", divide="ignore"):
        sli = np.clip(good_units / (good_units + bad_units), 0.0, 1.0)
    bad = np.clip(bad, 0.0, valid)
    return Series(width * 60, times_of((np.arange(size, dtype=np.int64) + first) * width), sli, valid, bad)


def _sums(place: Ints, size: int, *values: Floats) -> list[Floats]:
    return [np.bincount(place, weights=v, minlength=size)[:size].astype(np.float64) for v in values]


def coverage(counts: Minutes, span: money.Span) -> Coverage:
    """How much of the window has data."""
    minutes, seen = span.end - span.start, counts.at[counts.valid > 0]
    first_row = int(counts.at[0]) if len(counts.at) else None
    late = first_row is None or first_row - span.start > max(1, (span.last - span.start) // 20)
    found = Coverage(
        first=time_of(int(seen[0])) if len(seen) else None,
        last=time_of(int(seen[-1])) if len(seen) else None,
        minutes=minutes,
        minutes_with_events=len(seen),
        minutes_with_rows=len(counts.at),
        share=len(counts.at) / minutes if minutes else 0.0,
        data_starts_late=late,
        sentence="",
    )
    return coverage_sentence(found, time_of(span.start), time_of(first_row) if first_row is not None else None)
