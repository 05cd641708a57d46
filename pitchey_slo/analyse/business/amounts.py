"""Counts of weighted events and how sure they are: alone, as a part of another, and against another."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pitchey_slo.slo.interval import Z95, effective_size, wilson


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Amount:
    """A weighted sum: of events (weight each) or of money (weight times value); `squares` is the sum of the squared
    terms, `rows` how many there were.

        n + z^2/2 +- z sqrt(n + z^2/4)    with n = total^2 / squares, scaled by squares / total

    is the score interval of a Poisson mean; it is not empty for nothing: 0 events are "0 to 4". It takes events as
    independent, and they come in bursts: the truth is often wider.

    Reference: L. Barker, The American Statistician 56 (2002) 85; the scaling is Kish's effective sample size.

    >>> nothing, thousand = Amount(), Amount(1_000.0, 1_000.0, 1_000)
    >>> round(nothing.high, 2), round(thousand.low), round(thousand.high)
    (3.84, 940, 1064)
    """

    total: float = 0.0
    squares: float = 0.0
    rows: int = 0

    @property
    def low(self) -> float:
        return self._end(-1)

    @property
    def high(self) -> float:
        return self._end(1)

    def _end(self, side: int) -> float:
        if self.total < 0:  # more was paid back than paid
            return self.total + side * Z95 * math.sqrt(self.squares)
        size = effective_size(self.total, self.squares)
        scale = self.total / size if size else 1.0
        return max(0.0, scale * (size + Z95 * Z95 / 2 + side * Z95 * math.sqrt(size + Z95 * Z95 / 4)))

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.total + other.total, self.squares + other.squares, self.rows + other.rows)


def total(amounts: Iterable[Amount]) -> Amount:
    """All of them as one."""
    return sum(amounts, Amount())


def share(part: Amount, whole: Amount) -> Interval | None:
    """Which share of `whole` its `part` is, with the Wilson interval; None of nothing.

    >>> found = share(Amount(95.0, 95.0, 95), Amount(100.0, 100.0, 100))
    >>> [round(v, 3) for v in (found.value, found.low, found.high)]
    [0.95, 0.888, 0.978]
    """
    if whole.total <= 0 or whole.squares <= 0:
        return None
    value = min(1.0, part.total / whole.total)
    return Interval(value, *wilson(value, effective_size(whole.total, whole.squares)))


def ratio(over: Amount, under: Amount) -> Interval | None:
    """How many times `under` is `over`, two amounts that are counted apart; None when there is nothing below.

    Given their sum, the upper one is a binomial count: the Wilson interval of its share p, as odds p / (1 - p).

    >>> found = ratio(Amount(120.0, 120.0, 120), Amount(100.0, 100.0, 100))
    >>> [round(v, 2) for v in (found.value, found.low, found.high)]
    [1.2, 0.92, 1.56]
    """
    both = over + under
    if under.total <= 0 or over.total < 0:
        return None
    low, high = wilson(over.total / both.total, effective_size(both.total, both.squares))
    return Interval(over.total / under.total, low / (1 - low), high / (1 - high) if high < 1 else math.inf)


@dataclass(frozen=True)
class Versus:
    """An amount now, and in the time of the same length before; `before` is None when that is not in the data."""

    now: Amount
    before: Amount | None

    @property
    def change(self) -> Interval | None:
        """1.2 is a fifth more than before; None where nothing is known of before, or nothing was there."""
        return ratio(self.now, self.before) if self.before is not None else None

    @property
    def sure(self) -> bool:
        """Whether the change is more than chance alone would do."""
        found = self.change
        return found is not None and not found.low <= 1.0 <= found.high
