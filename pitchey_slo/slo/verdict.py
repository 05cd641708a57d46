"""A ledger and a window -> every number of a budget, before anything is told of it.

One objective is judged by `judge`. A composite SLO may instead be put together from the verdicts of its objectives
(`composite.py`); from there on both are told alike (`report.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pitchey_slo.slo import budget as money
from pitchey_slo.slo.findings import Exhaustion, Floats, FullWindow, Numbers, State
from pitchey_slo.slo.interval import effective_size, wilson
from pitchey_slo.slo.ledger import Ledger, minute_of
from pitchey_slo.slo.sli import Ints, Minutes
from pitchey_slo.slo.times import time_of
from pitchey_slo.slo.words import exhaustion_sentence


@dataclass(frozen=True, eq=False)
class Verdict:
    """The numbers of one report. `units` are what was judged, `budget` how many bad ones of them are the whole budget:
    the fixed denominator of the burn-down. `size` is the number of looks behind the interval."""

    units: Ledger
    span: money.Span
    good: float
    bad: float
    valid: float
    sli: float | None
    low: float | None
    high: float | None
    size: float
    allowed: float | None
    spent: float | None
    full: FullWindow | None
    left: float | None
    burn: Mapping[str, float | None]
    budget: float | None
    projection: money.Projection

    @property
    def inside(self) -> Ledger:
        """The units of the window."""
        return self.units.between(self.span.start, self.span.end)

    def state(self, exhaustion: Exhaustion) -> State:
        earliest, latest = (None if t is None else minute_of(t) for t in (exhaustion.earliest, exhaustion.latest))
        return money.state_of(self.left, self.span.end, earliest, latest)

    def exhaustion(self) -> Exhaustion:
        """When the budget ends, with its sentence."""
        span = self.span
        until = time_of(span.last if span.calendar else span.end + (span.end - span.start))
        if self.budget is None:
            return exhaustion_sentence(Exhaustion("no_data", None, None, None, until, ""))
        since = money.used_up_at(self.units, span, self.budget)
        if since is not None:
            return exhaustion_sentence(Exhaustion("exhausted", time_of(since), None, None, until, ""))
        earliest = _crossing(self.projection.at, self.projection.high)
        latest = _crossing(self.projection.at, self.projection.low)
        found = Exhaustion("not_in_window" if earliest is None else "projected", None, earliest, latest, until, "")
        return exhaustion_sentence(found)


def numbers(units: Ledger, span: money.Span, part: float) -> Numbers:
    """What is left of the budget, and nothing more: for asking what would be if."""
    sli, _, _ = _ratio(units, span)
    spending = money.spending(units, span, part)
    full = money.full_window(units, span, part, money.daily(units, span.end)) if span.calendar else None
    return as_numbers(sli, spending.spent, full)


def as_numbers(sli: float | None, spent: float | None, full: FullWindow | None) -> Numbers:
    if spent is None:
        return Numbers(sli, None, None, None)
    return Numbers(sli, spent, 1.0 - spent, 1.0 - (full.spent.mid if full else spent))


def judge(units: Ledger, span: money.Span, part: float, counts: Minutes) -> Verdict:
    """units    all there are, those before the window too, which burn rates may need
    part     what may fail, 1 - target
    counts   the minutes of the window that `units` were made of, without corrected ones
    """
    spending = money.spending(units, span, part)
    burn = money.burn_rates(units, span.end, part)
    expected = money.daily(units, span.end)
    full = money.full_window(units, span, part, expected)
    budget = full.allowed.mid if full else spending.allowed
    sli, valid, bad = _ratio(units, span)
    size = looks(units, span, counts)
    low, high = wilson(sli, size) if sli is not None and size > 0 else (None, None)
    return Verdict(
        units=units,
        span=span,
        good=valid - bad,
        bad=bad,
        valid=valid,
        sli=sli,
        low=low,
        high=high,
        size=size,
        allowed=spending.allowed,
        spent=spending.spent,
        full=full,
        left=as_numbers(sli, spending.spent, full).budget_left,
        burn=burn,
        budget=budget,
        projection=money.project(units, span, part, burn, expected, budget),
    )


def looks(units: Ledger, span: money.Span, counts: Minutes) -> float:
    """Independent looks behind the ratio: rows by their weight, or slices with data (a slice that is good because a
    correction covers it was not looked at)."""
    if not units.sliced:
        return effective_size(float(counts.valid.sum()), float(counts.squares.sum()))
    seen = counts.at[counts.valid > 0]
    return float(len(np.unique((seen - span.start) // units.width)))


def _ratio(units: Ledger, span: money.Span) -> tuple[float | None, float, float]:
    """(sli, valid, bad) of the window."""
    inside = units.between(span.start, span.end)
    valid, bad = float(inside.good.sum() + inside.bad.sum()), units.failed(span.start, span.end)
    return (None if valid <= 0 else (valid - bad) / valid), valid, bad


def _crossing(at: Ints, spent: Floats) -> datetime | None:
    found = money.crossing(at, spent)
    return None if found is None else time_of(found)
