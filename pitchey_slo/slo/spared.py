"""Corrections of one SLO over the time that was read: the minutes that do not count, of all together and of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pitchey_slo.slo.corrections import inside, spans
from pitchey_slo.slo.findings import Corrected, Numbers
from pitchey_slo.slo.model import Correction
from pitchey_slo.slo.sli import Ints, Minutes

#: Half-open ranges of minutes since 1970, ascending and apart; shape [n, 2].
Spans = Ints
NONE: Spans = np.zeros((0, 2), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Spared:
    """`all`: what all cover together; `each`: those that apply to the SLO and touch the time read, with what it covers.

    The same correction may be known twice (in the spec and in the store): time is taken out once."""

    all: Spans
    each: tuple[tuple[Correction, Spans], ...]

    @classmethod
    def of(cls, corrections: Sequence[Correction], slo: str, start: int, end: int) -> Spared:
        """SloError for a rule that cannot be read."""
        found = [(c, spans([c], slo, start, end)) for c in corrections]
        each = tuple((c, covered) for c, covered in found if len(covered))
        return cls(_merged([covered for _, covered in each]), each)

    def but(self, place: int) -> Spans:
        """What the others cover."""
        return _merged([covered for i, (_, covered) in enumerate(self.each) if i != place])

    def within(self, start: int, end: int) -> tuple[int, ...]:
        """Places of those that touch start <= t < end."""
        return tuple(i for i, (_, covered) in enumerate(self.each) if length(covered, start, end))


def corrected(
    spared: Spared, minutes: Minutes, start: int, end: int, numbers: Callable[[Spans], Numbers]
) -> tuple[Corrected, ...]:
    """What each correction does to the window start <= t < end. `minutes` are all that were counted; `numbers` says
    what the budget is when only these spans are corrected."""
    counted = minutes.between(start, end)
    found = []
    for i in spared.within(start, end):
        correction, covered = spared.each[i]
        gone = inside(counted.at, covered)
        good, valid = float(counted.good[gone].sum()), float(counted.valid[gone].sum())
        found.append(
            Corrected(
                id=correction.id,
                category=correction.category,
                reason=correction.reason,
                approver=correction.approver,
                minutes=length(covered, start, end),
                good=good,
                bad=valid - good,
                valid=valid,
                budget_left=numbers(spared.but(i)).budget_left,
            )
        )
    return tuple(found)


def length(covered: Spans, start: int, end: int) -> int:
    """Minutes of start <= t < end in them."""
    return int(np.maximum(0, np.minimum(covered[:, 1], end) - np.maximum(covered[:, 0], start)).sum())


def _merged(parts: Sequence[Spans]) -> Spans:
    found = np.concatenate([NONE, *parts])
    if len(parts) < 2 or not len(found):
        return found
    found = found[np.argsort(found[:, 0], kind="stable")]
    reach = np.maximum.accumulate(found[:, 1])
    heads = np.flatnonzero(np.append(True, found[1:, 0] > reach[:-1]))
    return np.column_stack([found[heads, 0], np.append(reach[heads[1:] - 1], reach[-1])])
