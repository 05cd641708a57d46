"""Error budgets: what may fail, what has failed, how fast, and when it ends.

budget of counted   (1 - target) x valid             exact; `spent` is bad / budget
budget of a month   (1 - target) x (valid so far + expected rest)    an estimate with a band, for calendar windows
burn rate           (bad / valid) / (1 - target)     1 spends exactly the budget, 2 spends it in half the time

Counted and projected are kept apart everywhere: the past never changes because the future is guessed anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from pitchey_slo.slo.findings import Band, Floats, FullWindow, State
from pitchey_slo.slo.ledger import Ledger
from pitchey_slo.slo.sli import Ints

DAY = 1440
#: Look-backs of the burn rate, in minutes (Google SRE workbook, chapter 5).
LOOKBACKS: Mapping[str, int] = {"1h": 60, "6h": 360, "1d": DAY, "3d": 3 * DAY}
#: Burn rates that the projection is drawn between: one hour is too nervous for it.
PROJECTED = ("6h", "1d", "3d")
#: The rest of a calendar window is expected from at most so many days.
EXPECT_DAYS = 28
#: A state is "at risk" with less than this part of the budget left, ...
LOW_BUDGET = 0.25
#: ... or when it may end within so many minutes at the highest recent burn.
SOON = 3 * DAY
#: Points of a chart.
POINTS = 400


@dataclass(frozen=True)
class Span:
    """A window in minutes since 1970: counted is start <= t < end, a calendar window goes on to `last`."""

    start: int
    end: int
    last: int
    calendar: bool


@dataclass(frozen=True)
class Spending:
    """Budget of the part counted so far; None without data."""

    allowed: float | None
    spent: float | None


def budget_part(target: float) -> float:
    """1 - target, by way of decimals: 1 - 0.999 is 0.0010000000000000009 in floats.

    >>> budget_part(0.999)
    0.001
    """
    return float(1 - Decimal(repr(target)))


def spending(units: Ledger, span: Span, part: float) -> Spending:
    """Bad units of the window against those its counted part allows."""
    allowed = part * units.passed(span.start, span.end)
    if allowed <= 0:
        return Spending(None, None)
    return Spending(allowed, units.failed(span.start, span.end) / allowed)


def burn_rates(units: Ledger, end: int, part: float) -> dict[str, float | None]:
    """Burn rate over each look-back that ends at `end`; None where nothing valid happened."""
    return {name: _burn(units, end - length, end, part) for name, length in LOOKBACKS.items()}


def _burn(units: Ledger, start: int, end: int, part: float) -> float | None:
    passed = units.passed(start, end)
    return units.failed(start, end) / passed / part if passed > 0 else None


def daily(units: Ledger, end: int) -> Band | None:
    """Units a day brings: mean, and 10th and 90th percentile, of the up to 28 whole days before `end` that the data
    cover; less than a day is scaled up. Slices are known: their number is exact. None without data."""
    if units.sliced:
        each = DAY / units.width
        return Band(each, each, each)
    before = units.between(units.at[0], end) if len(units.at) else units
    if not len(before.at):
        return None
    first = int(before.at[0])
    days = min(EXPECT_DAYS, (end - first) // DAY)
    if days == 0:
        scaled = float(before.good.sum() + before.bad.sum()) * DAY / (end - first)
        return Band(scaled, scaled, scaled)
    sums = np.zeros(days)
    back = (end - 1 - before.at) // DAY
    inside = back < days
    np.add.at(sums, back[inside], (before.good + before.bad)[inside])
    mid = float(sums.mean())
    low, high = (float(q) for q in np.percentile(sums, (10, 90)))
    return Band(min(low, mid), mid, max(high, mid))


def full_window(units: Ledger, span: Span, part: float, expected: Band | None) -> FullWindow | None:
    """The budget of a whole calendar window; None for a rolling one and without data."""
    passed = units.passed(span.start, span.end)
    if not span.calendar or passed <= 0 or expected is None:
        return None
    rest = (span.last - span.end) / DAY
    valid = Band(*(passed + rest * e for e in (expected.low, expected.mid, expected.high)))
    allowed = Band(*(part * v for v in (valid.low, valid.mid, valid.high)))
    bad = units.failed(span.start, span.end)
    return FullWindow(valid, allowed, Band(bad / allowed.high, bad / allowed.mid, bad / allowed.low))


@dataclass(frozen=True, eq=False)
class Projection:
    """Spent fraction per minute of `at` (since 1970), from `end` on, at the lowest and highest recent burn rate."""

    at: Ints
    low: Floats
    high: Floats


def project(
    units: Ledger,
    span: Span,
    part: float,
    burn: Mapping[str, float | None],
    expected: Band | None,
    budget: float | None,
) -> Projection:
    """What the report will say of the minutes to come if failures go on between the lowest and highest burn rate of 6h,
    1d and 3d, and traffic as on the days before.

    A calendar window fills one budget to its end. A rolling window moves: old units leave it, bad and valid ones alike,
    new ones come in; it is followed for its own length, after which all of it would be new.
    """
    rates = [r for r in (burn[name] for name in PROJECTED) if r is not None]
    if not rates or expected is None or budget is None:
        return Projection(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    length = span.last - span.end if span.calendar else span.end - span.start
    ahead = np.arange(0, length + 1, max(1, length // 50_000), dtype=np.int64)
    traffic = expected.mid / DAY * ahead
    bad = units.failed(span.start, span.end)
    if span.calendar:
        left, denominator = np.zeros(len(ahead)), np.full(len(ahead), budget)
    else:
        left, valid_left = _leaving(units, span, ahead)
        denominator = part * np.maximum(units.passed(span.start, span.end) - valid_left + traffic, 1e-300)
    low, high = ((bad - left + rate * part * traffic) / denominator for rate in (min(rates), max(rates)))
    return Projection(ahead + span.end, low, high)


def _leaving(units: Ledger, span: Span, ahead: Ints) -> tuple[Floats, Floats]:
    """(bad, all) units that have left the rolling window `ahead` minutes after its end."""
    inside = units.between(span.start, span.end)
    gone = np.searchsorted(inside.at, span.start + ahead, side="left")
    bad = np.concatenate([[0.0], np.cumsum(inside.bad)])[gone]
    if units.sliced:
        return bad, np.floor(ahead / units.width)
    return bad, np.concatenate([[0.0], np.cumsum(inside.good + inside.bad)])[gone]


def used_up_at(units: Ledger, span: Span, budget: float) -> int | None:
    """The minute at whose end the bad units of the window reached `budget`; None when they have not."""
    if units.failed(span.start, span.end) < budget:
        return None
    inside = units.between(span.start, span.end)
    place = np.searchsorted(_never_falling(inside.bad), budget)
    return int(inside.at[min(int(place), len(inside.at) - 1)]) + inside.width


def _never_falling(bad: Floats) -> Floats:
    return np.maximum.accumulate(np.maximum(np.cumsum(bad), 0.0)) if len(bad) else bad


def crossing(at: Ints, spent: Floats) -> int | None:
    """First minute at which the projected fraction reaches 1."""
    over = np.flatnonzero(spent >= 1.0)
    return int(at[over[0]]) if len(over) else None


def counted(units: Ledger, span: Span, budget: float) -> tuple[Ints, Floats]:
    """(minutes, spent fraction of `budget`) from start to end, at most `POINTS`; it never falls."""
    grid = np.unique(np.linspace(span.start, span.end, POINTS + 1).astype(np.int64))
    inside = units.between(span.start, span.end)
    total = np.concatenate([[0.0], _never_falling(inside.bad)])
    return grid, total[np.searchsorted(inside.at + inside.width, grid, side="right")] / budget


def thin(projection: Projection) -> Projection:
    """At most `POINTS` points of it, the ends kept."""
    if len(projection.at) <= POINTS:
        return projection
    keep = np.unique(np.linspace(0, len(projection.at) - 1, POINTS).astype(np.int64))
    return Projection(projection.at[keep], projection.low[keep], projection.high[keep])


def state_of(left: float | None, end: int, earliest: int | None, latest: int | None) -> State:
    """no_data, exhausted, at_risk or healthy. At risk: little is left, or it may be gone soon at the highest recent
    burn, or it will be gone in time even at the lowest."""
    if left is None:
        return "no_data"
    if left <= 0:
        return "exhausted"
    soon = earliest is not None and earliest - end <= SOON
    return "at_risk" if left < LOW_BUDGET or soon or latest is not None else "healthy"
