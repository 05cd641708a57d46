"""What a day took of each error budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pitchey_slo.slo import SloReport


@dataclass(frozen=True)
class Spent:
    """One objective: `share` of its whole window's budget that went within the time, what is left at its end, and its
    state. None: nothing was counted."""

    report: SloReport
    bad: float
    valid: float
    share: float | None

    @property
    def name(self) -> str:
        return self.report.display_name or self.report.slo

    @property
    def left(self) -> float | None:
        return self.report.budget_left


def spent(windows: Sequence[SloReport], day: Sequence[SloReport]) -> tuple[Spent, ...]:
    """The first report of each objective over its own window beside the one over the day; most spent first."""
    first: dict[tuple[str, str], SloReport] = {}
    for report in windows:
        first.setdefault((report.slo, report.objective), report)
    made = []
    for report in day:
        whole = first.get((report.slo, report.objective))
        if whole is not None:
            share = report.bad / whole.allowed if whole.allowed and report.valid else None
            made.append(Spent(whole, report.bad, report.valid, share))
    return tuple(sorted(made, key=lambda s: (s.share is None, -(s.share or 0.0), s.name)))
