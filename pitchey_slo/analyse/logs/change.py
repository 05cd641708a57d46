"""Whether something is said more, or less, than before: an exact test of two counts.

If nothing changed, each line falls into the window with the chance q = E1 / (E1 + E0), E being what the counts are
measured by (requests, else seconds); of n lines in both, those in the window are binomial (n, q). `p` is the two-sided
probability of a count as unlikely, times the number of patterns tested (Bonferroni). Where rows stand for several lines
the counts are taken as so many rows as carry the same information: a count of N from rows of mean weight m (by squares)
is worth N / m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Change = Literal["new", "more", "less", "gone", "same", "unknown"]

#: A change is told when the larger of the count and what was expected has so many lines,
LEAST: Final = 5.0
#: it is so many times as much, or as little,
FACTOR: Final = 2.0
#: and chance would bring it in so few looks.
LEVEL: Final = 0.001


@dataclass(frozen=True)
class Count:
    """Weighted lines, and the sum of their squared weights."""

    lines: float = 0.0
    squares: float = 0.0

    @property
    def weight(self) -> float | None:
        """How many lines one row stands for; None without any."""
        return self.squares / self.lines if self.lines else None

    def __add__(self, other: Count) -> Count:
        return Count(self.lines + other.lines, self.squares + other.squares)


def expected(before: Count, exposure: float, exposure_before: float) -> float | None:
    """Lines to expect at the rate of before; None when there is no before."""
    return before.lines * exposure / exposure_before if exposure_before > 0 else None


def chance(now: Count, before: Count, exposure: float, exposure_before: float, tested: int = 1) -> float | None:
    """The p of the module's test; None when there is nothing to compare with."""
    from scipy.stats import binomtest

    if exposure <= 0 or exposure_before <= 0 or not (now.lines or before.lines):
        return None
    weight = now.weight or before.weight or 1.0
    weight_before = before.weight or now.weight or 1.0
    hits, others = round(now.lines / weight), round(before.lines / weight_before)
    share = (exposure / weight) / (exposure / weight + exposure_before / weight_before)
    return min(1.0, float(binomtest(hits, hits + others, share).pvalue) * tested) if hits + others else None


def judged(now: Count, before: Count, usual: float | None, p: float | None) -> Change:
    """In a word. `new` is what was never said before, however little; the others must pass the limits above."""
    if usual is None or p is None:
        return "unknown"
    if now.lines and not before.lines:
        return "new"
    if p >= LEVEL or max(now.lines, usual) < LEAST:
        return "same"
    if not now.lines:
        return "gone"
    return "more" if now.lines >= FACTOR * usual else "less" if now.lines * FACTOR <= usual else "same"
