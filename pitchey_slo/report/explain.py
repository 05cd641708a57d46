"""One SLO explained to somebody who has never heard of burn rates: plain words, with this service's numbers.

The numbers are those of the report and of the linter; nothing is computed here but what a reader could do by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from pitchey_slo.plots.theme import count, percent
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import said
from pitchey_slo.slo import LintReport, Slo, SloReport
from pitchey_slo.slo.alerts.lint import ConditionLint
from pitchey_slo.slo.model import MetricSource, Raw, Threshold

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "31_slo_explain"
#: Look-backs of the burn rate, and what people call them.
LOOKBACKS = {"1h": "the last hour", "6h": "the last 6 hours", "1d": "the last day", "3d": "the last 3 days"}
_TENTHS = 10


@dataclass(frozen=True, eq=False)
class Explained:
    """`report` is the SLO's first objective over its own first window, `recent` the same over each look-back."""

    slo: Slo
    report: SloReport
    recent: dict[str, SloReport]
    lint: LintReport
    incidents: pd.DataFrame
    deployments: pd.DataFrame
    about: About

    def summary(self) -> Html:
        """What was promised and how it stands."""
        r = self.report
        return told.paragraph(self._promise(), r.sentence(), kind="lead") + told.paragraph(
            f"{r.display_name}, {said(r.start)} to {said(r.end)}.", r.description, kind="quiet"
        )

    def facts(self) -> list[Fact]:
        """The promise, how it is kept, and how fast the budget goes."""
        r = self.report
        rates = {
            name: None if each.sli is None else (1 - each.sli) / (1 - each.target) for name, each in self.recent.items()
        }
        return [
            Fact("budget_left", "budget left", r.budget_left, "ratio", "up", 0),
            Fact("sli", f"share of good {r.noun}", r.sli, "ratio", "up", 3),
            Fact("target", "promised share", r.target, "ratio", None, 3),
            Fact("bad", f"bad {r.noun}", r.bad, better="down"),
            Fact("valid", f"all {r.noun}", r.valid),
            *(Fact(f"burn_{k}", f"burn rate of {v}", rates[k], "times", "down", 1) for k, v in LOOKBACKS.items()),
        ]

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def provenance(self) -> Html:
        """What it was made from."""
        found = self.report.provenance
        return ending(self.about) + told.folded("the query, as it was run", found.query)

    def counted(self) -> Html:
        """Which events count, and which of them are bad."""
        rows = [(name, source.filter or source.query or "all rows") for name, source in _sources(self.slo, self.report)]
        words = told.paragraph(
            f"Every one of the {self.report.noun} counts the same."
            if self.report.method == "Occurrences"
            else "Time is cut into slices; a slice is good or bad as a whole.",
            f"In this window {count(self.report.rows)} rows were counted, which stand for "
            f"{count(self.report.valid)} {self._units()}.",
        )
        return words + told.table((Column("counted"), Column("by", wide=True)), rows)

    def budget(self) -> Html:
        """The error budget, as a number of things that may go wrong."""
        r = self.report
        if r.allowed is None or r.spent is None:
            return told.paragraph("Nothing was counted in this window, so there is no budget to speak of.")
        part = _part(r.target)
        days = (r.end - r.start) / timedelta(days=1)
        spent = (
            f"{count(r.bad)} did: {percent(r.spent, 0)} of the budget is spent."
            if r.spent <= 1
            else f"{count(r.bad)} did: the budget is spent {r.spent:.1f} times over."
        )
        return told.paragraph(
            f"Nothing works always, and a promise of 100 % would forbid every change. So {part} of all {self._units()} "
            f"may go wrong: the error budget. There were {count(r.valid)} in these {days:.0f} days, so "
            f"{count(r.allowed)} may go wrong; {spent}",
            "While there is budget, teams may take risks: deploy, experiment, move a database. When it is gone, the "
            "work is on reliability until there is some again.",
        )

    def burn(self) -> Html:
        """Burn rates as speed: how long the whole budget would last."""
        r = self.report
        if r.allowed is None:
            return Html("")
        days = (r.window_end - r.start) / timedelta(days=1)
        rows = [_burn_row(name, recent, days) for name, recent in self.recent.items()]
        even = r.allowed / max((r.end - r.start) / timedelta(days=1), 1e-9)
        return told.paragraph(
            f"Spread evenly, {count(r.allowed)} in {days:.0f} days are {_about(even)} a day. That pace is a burn rate "
            f"of 1: the budget lasts exactly until the end. At a burn rate of 2 it is gone after half the time, at "
            f"14 within {days / 14:.1f} days."
        ) + told.table(
            (
                Column("over"),
                Column("went wrong", number=True),
                Column("burn rate", number=True, hint="1 spends exactly the budget over the window"),
                Column("at this pace the whole budget lasts", number=True),
            ),
            rows,
        )

    def alerts(self) -> Html:
        """Each alert in a sentence."""
        rows = [
            (
                "somebody is paged" if c.severity == "page" else "a ticket is written",
                self._condition(c),
                _range(c.needed),
                percent(c.lost, 0),
                "–" if c.fired is None else str(c.fired),
            )
            for c in self.lint.conditions
        ]
        columns = (
            Column("then", short=True),
            Column("when", wide=True),
            Column("takes", number=True, hint="bad ones, in the quietest and the busiest hour of the week"),
            Column("budget gone by then", number=True),
            Column("in the last 4 weeks", number=True, hint="how often it would have begun to fire"),
        )
        return told.paragraph(
            "An alert looks at two windows at once. The long one makes sure that it matters: enough of the budget "
            "went. The short one makes sure that it is still going on, so that the alert ends soon after the trouble."
        ) + told.table(columns, rows, empty="No alert watches this SLO.")

    def speed(self) -> Html:
        """How soon somebody knows, by how bad it is."""
        page = [c for c in self.lint.conditions if c.severity == "page"] or list(self.lint.conditions)
        if not page:
            return Html("")
        sooner: dict[float, float | None] = {}
        for condition in page:
            for found in condition.detections:
                known = sooner.get(found.error_ratio)
                if found.minutes is not None and (known is None or found.minutes < known):
                    sooner[found.error_ratio] = found.minutes
                sooner.setdefault(found.error_ratio, None)
        rows = [
            (f"{ratio * 100:.0f} of 100", "nobody is paged" if minutes is None else _minutes(minutes))
            for ratio, minutes in sorted(sooner.items())
        ]
        return told.table((Column("if suddenly so many fail"), Column("somebody is paged after", number=True)), rows)

    def sure(self) -> Html:
        """How much chance there is in the number."""
        r = self.report
        if r.sli is None or r.sli_low is None or r.sli_high is None:
            return told.paragraph("Without data nothing can be said.")
        wide = r.sli_high - r.sli_low > 1 - r.target
        words = (
            f"Had the same service run the same weeks again, chance alone would put the share of good ones between "
            f"{percent(r.sli_low, 3)} and {percent(r.sli_high, 3)} (it was {percent(r.sli, 3)}, "
            f"{percent(r.target, 3)} is promised)."
        )
        few = "That is wider than the whole budget: with so few events, look at each failure rather than at the ratio."
        return told.paragraph(words, few if wide else "") + told.table(
            (Column("to know", wide=True),), [(note.text,) for note in r.notes], empty=""
        )

    def findings(self) -> Html:
        """What the linter says of the alerts."""
        rows = [(f.level, f.windows or "all", told.two_lines(f.text, f.hint)) for f in self.lint.findings]
        return told.table(
            (Column("level", short=True), Column("about", short=True), Column("finding", wide=True)),
            rows,
            empty="The linter finds nothing wrong with these alerts.",
        )

    def words(self) -> Html:
        """The words people will meet, each in one line."""
        r = self.report
        here = percent(r.sli, 3) if r.sli is not None else "unknown"
        return told.table(
            (Column("word", short=True), Column("meaning", wide=True)),
            [
                ("SLI", f"the share of {self._units()} that were good: here {here}"),
                ("SLO", f"the promise about it: {percent(r.target, 3)} over {r.window}"),
                ("error budget", f"what may go wrong without breaking it: {_part(r.target)} of all"),
                ("burn rate", "how fast the budget goes, compared with the pace that just spends it"),
                ("page, ticket", "an alert that wakes somebody, an alert for working hours"),
            ],
        )

    def _promise(self) -> str:
        good, whole = round(self.report.target * 1_000, 3), 1_000
        while abs(good - round(good)) > 1e-9 and whole < 10**6:
            good, whole = round(good * _TENTHS, 6), whole * _TENTHS
        return f"The promise: of {whole:,} {self._units()}, {round(good):,} are good."

    def _units(self) -> str:
        return self.report.noun if self.report.unit == "events" else f"slices of time ({self.report.noun})"

    def _condition(self, c: ConditionLint) -> str:
        long, _, short = c.windows.partition("/")
        both = f"over {long}, and over {short} too" if short else f"over {long}"
        return f"more than {percent(c.limit, 2)} go wrong {both} (a burn rate of {c.factor:.3g})"


def explain(wb: Workbench, name: str, *, end: Moment = None) -> Explained:
    """Gather it, for the first objective of SLO `name`. Raises SloError."""
    slo = wb.slo(name).spec
    first = wb.evaluate([slo], slo.windows[0].text, end)[0]
    recent = {text: wb.evaluate([slo], text, first.end)[0] for text in LOOKBACKS}
    return Explained(
        slo=slo,
        report=first,
        recent=recent,
        lint=next(found for found in wb.lint(name, end=first.end) if found.objective == first.objective),
        incidents=wb.incidents(first.start, first.end),
        deployments=wb.deployments(first.start, first.end),
        about=about(
            wb,
            NOTEBOOK,
            start=first.start,
            end=first.end,
            tables=sorted({"incidents", "deployments", "corrections"} | set(first.provenance.tables)),
            parameters={"slo": name, "end": end},
        ),
    )


def _sources(slo: Slo, report: SloReport) -> list[tuple[str, MetricSource]]:
    objective = next((o for o in slo.objectives if o.title == report.objective), slo.objectives[0])
    indicator = objective.indicator or slo.indicator
    if indicator is None:
        return []
    metric = indicator.metric
    if isinstance(metric, Threshold):
        return [
            (f"all; good is {metric.source.value or 'its value'} {objective.op} {objective.value:g}", metric.source)
        ]
    if isinstance(metric, Raw):
        return [("the ratio itself", metric.source)]
    parts = (("good", metric.good), ("bad", metric.bad), ("all", metric.total))
    return [(name, source) for name, source in parts if source is not None]


def _burn_row(name: str, recent: SloReport, days: float) -> tuple[str, ...]:
    if recent.sli is None:
        return LOOKBACKS[name], "nothing happened", "–", "–"
    rate = (1 - recent.sli) / (1 - recent.target)
    lasts = "for ever" if rate <= 0 else _days(days / rate)
    return LOOKBACKS[name], f"{count(recent.bad)} of {count(recent.valid)}", f"{rate:.1f}", lasts


def _part(target: float) -> str:
    """
    >>> _part(0.999), _part(0.95)
    ('one in 1,000', 'one in 20')
    """
    one_in = 1 / max(1 - target, 1e-12)
    return f"one in {round(one_in):,}" if abs(one_in - round(one_in)) < 0.01 * one_in else percent(1 - target, 2)


def _about(number: float) -> str:
    return f"{number:.1f}" if number < 10 else count(number)


def _days(days: float) -> str:
    return f"{days:.1f} days" if days >= 2 else f"{days * 24:.1f} hours" if days >= 2 / 24 else _minutes(days * 1_440)


def _minutes(minutes: float) -> str:
    """
    >>> _minutes(0.5), _minutes(7.6), _minutes(150)
    ('30 s', '8 min', '2.5 h')
    """
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _range(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "–"
    low, high = int(np.ceil(known.min())), int(np.ceil(known.max()))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
