"""The objectives of a composite SLO put together: one verdict out of theirs (the rules stand in `composite.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pitchey_slo.slo import budget as money
from pitchey_slo.slo.charts import series
from pitchey_slo.slo.findings import Band, FullWindow, Numbers, Series
from pitchey_slo.slo.ledger import Ledger
from pitchey_slo.slo.report import Case
from pitchey_slo.slo.sli import Minutes
from pitchey_slo.slo.spared import Spans
from pitchey_slo.slo.verdict import Verdict, judge, numbers


@dataclass(frozen=True, eq=False)
class Whole:
    """The cases as the whole sees them, late minutes filled in."""

    cases: tuple[Case, ...]

    @property
    def target(self) -> float:
        return min(case.objective.target for case in self.cases)

    @property
    def part(self) -> float:
        return money.budget_part(self.target)

    @property
    def binary(self) -> bool:
        return self.cases[0].method == "Timeslices"

    @property
    def factors(self) -> list[float]:
        """What each component's spending is taken times."""
        if self.cases[0].method == "Occurrences":
            return [case.objective.weight for case in self.cases]
        return [case.objective.weight * case.part / self.part for case in self.cases]

    @cached_property
    def verdict(self) -> Verdict:
        first = self.cases[0]
        if self.binary:
            return judge(self._any(first.spared.all), first.span, self.part, together([c.counts for c in self.cases]))
        return self._sum()

    @property
    def chart(self) -> Series:
        each = [series(case.counts, case.verdict.inside, case.span) for case in self.cases]
        valid, bad = (np.sum([getattr(s, name) for s in each], axis=0) for name in ("valid", "bad"))
        first = each[0]
        if self.binary:
            units = self._any(self.cases[0].spared.all).between(self.cases[0].span.start, self.cases[0].span.end)
            sli = series(together([c.counts for c in self.cases]), units, self.cases[0].span).sli
        else:
            missing = np.array([m * (1.0 - s.sli) for m, s in zip(self._missing(), each, strict=True)])
            known = ~np.isnan(missing)
            left = np.clip(1.0 - np.where(known, missing, 0.0).sum(axis=0), 0.0, 1.0)
            sli = np.where(known.any(axis=0), left, np.nan)
        return Series(first.seconds, first.time, sli, valid, bad)

    def numbers(self, spans: Spans) -> Numbers:
        """What is left of the whole's budget when these spans are corrected."""
        if self.binary:
            return numbers(self._any(spans), self.cases[0].span, self.part)
        each = [case.numbers(spans) for case in self.cases]
        known = [(f, m, n) for f, m, n in zip(self.factors, self._missing(), each, strict=True) if n.spent is not None]
        if not known:
            return Numbers(None, None, None, None)
        sli = max(0.0, 1.0 - sum(m * (1.0 - (n.sli or 0.0)) for _, m, n in known))
        spent = sum(f * (n.spent or 0.0) for f, _, n in known)
        left = 1.0 - sum(f * (1.0 - (n.budget_left or 0.0)) for f, _, n in known)
        return Numbers(sli, spent, 1.0 - spent, left)

    def spending(self, place: int) -> float | None:
        """What one component spent of the whole's budget; a slice that is bad for several is shared by them."""
        case, verdict = self.cases[place], self.verdict
        if not self.binary:
            spent = case.verdict.spent
            return None if spent is None else self.factors[place] * spent
        if verdict.spent is None:
            return None
        each = [c.verdict.inside for c in self.cases]
        at = np.unique(np.concatenate([units.at[units.bad > 0] for units in each]))
        many = np.zeros(len(at))
        for units in each:
            many[np.searchsorted(at, units.at[units.bad > 0])] += 1
        mine = each[place].at[each[place].bad > 0]
        share = float((1.0 / many[np.searchsorted(at, mine)]).sum())
        return share / verdict.bad * verdict.spent if len(mine) else 0.0

    def _missing(self) -> list[float]:
        """What each component's missing share is taken times to be missing in the whole."""
        return [f * self.part / case.part for f, case in zip(self.factors, self.cases, strict=True)]

    def _any(self, spans: Spans) -> Ledger:
        """Slices that are bad when any component's is."""
        each = [case.units(spans) for case in self.cases]
        at = np.unique(np.concatenate([units.at for units in each]))
        bad = np.zeros(len(at))
        for units in each:
            place = np.searchsorted(at, units.at)
            bad[place] = np.maximum(bad[place], units.bad)
        return Ledger(at, 1.0 - bad, bad, self.cases[0].width, sliced=True)

    def _sum(self) -> Verdict:
        """Components' spending added up: its units are parts of the whole's budget."""
        cases, span = self.cases, self.cases[0].span
        each = [case.verdict for case in cases]
        known = [(f, m, v) for f, m, v in zip(self.factors, self._missing(), each, strict=True) if v.spent is not None]
        spent = sum(f * (v.spent or 0.0) for f, _, v in known) if known else None
        full = _full([(f, v.full) for f, _, v in known if v.full])
        left = None if spent is None else 1.0 - (full.spent.mid if full else spent)
        ends = [(m, (v.sli or 0.0, v.low or 0.0, 1.0 if v.high is None else v.high)) for _, m, v in known]
        sli, low, high = (
            _held(1.0 - sum(m * (1.0 - values[i]) for m, values in ends)) if known else None for i in range(3)
        )
        return Verdict(
            units=self._parts_of_budget(each),
            span=span,
            good=sum(v.good for v in each),
            bad=sum(v.bad for v in each),
            valid=sum(v.valid for v in each),
            sli=sli,
            low=low,
            high=high,
            size=0.0,
            allowed=sum(v.allowed or 0.0 for *_, v in known) if known else None,
            spent=spent,
            full=full,
            left=left,
            burn={name: _burn(name, self.factors, each) for name in money.LOOKBACKS},
            budget=1.0 if known else None,
            projection=_projection([(f, v.projection) for f, _, v in known]),
        )

    def _parts_of_budget(self, each: Sequence[Verdict]) -> Ledger:
        first = self.cases[0]
        at = np.unique(np.concatenate([v.units.at for v in each]))
        bad = np.zeros(len(at))
        for factor, v in zip(self.factors, each, strict=True):
            if v.budget:
                bad[np.searchsorted(at, v.units.at)] += factor * v.units.bad / v.budget
        return Ledger(at, np.zeros(len(at)), bad, first.width, first.method != "Occurrences")


def _held(sli: float) -> float:
    return min(1.0, max(0.0, sli))


def _full(each: Sequence[tuple[float, FullWindow]]) -> FullWindow | None:
    if not each:
        return None

    def add(name: str, factors: Sequence[float]) -> Band:
        bands = [(f, getattr(full, name)) for f, (_, full) in zip(factors, each, strict=True)]
        return Band(*(sum(f * getattr(band, end) for f, band in bands) for end in ("low", "mid", "high")))

    ones = [1.0] * len(each)
    return FullWindow(add("valid", ones), add("allowed", ones), add("spent", [f for f, _ in each]))


def _burn(name: str, factors: Sequence[float], each: Sequence[Verdict]) -> float | None:
    known = [f * rate for f, v in zip(factors, each, strict=True) if (rate := v.burn[name]) is not None]
    return sum(known) if known else None


def _projection(each: Sequence[tuple[float, money.Projection]]) -> money.Projection:
    known = [(f, p) for f, p in each if len(p.at)]
    if not known:
        none = np.zeros(0)
        return money.Projection(np.zeros(0, dtype=np.int64), none, none)
    low, high = (np.sum([f * getattr(p, end) for f, p in known], axis=0) for end in ("low", "high"))
    return money.Projection(known[0][1].at, low, high)


def together(each: Sequence[Minutes]) -> Minutes:
    """Added up."""
    at = np.unique(np.concatenate([m.at for m in each]))
    sums = []
    for name in ("good", "valid", "squares", "rows", "unmeasured"):
        total = np.zeros(len(at))
        for minutes in each:
            total[np.searchsorted(at, minutes.at)] += getattr(minutes, name)
        sums.append(total)
    return Minutes(at, *sums)
