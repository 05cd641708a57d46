"""One objective over one window: its case, and the report of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from pitchey_slo.slo import budget as money
from pitchey_slo.slo import notes
from pitchey_slo.slo.charts import burn_down, coverage, series
from pitchey_slo.slo.corrections import without
from pitchey_slo.slo.findings import Numbers, Provenance, Series, Slices, SloReport
from pitchey_slo.slo.ledger import Ledger, ledger, method_of, whole_slices
from pitchey_slo.slo.measure import Measured
from pitchey_slo.slo.model import Method, Objective, Raw, Slo, Threshold
from pitchey_slo.slo.notes import Note
from pitchey_slo.slo.sli import Asked, Minutes
from pitchey_slo.slo.spared import NONE, Spans, Spared, corrected, length
from pitchey_slo.slo.times import time_of
from pitchey_slo.slo.verdict import Verdict, judge, numbers
from pitchey_slo.slo.windows import Window

NOUN_ANNOTATION = "pitchey.com/noun"
VERB_ANNOTATION = "pitchey.com/verb"
Unit = Literal["events", "slices", "minutes"]


@dataclass(frozen=True, eq=False)
class Case:
    """One objective, counted, over one window, with its corrections, at the minute `now`."""

    measured: Measured
    window: Window
    spared: Spared
    now: int

    @property
    def slo(self) -> Slo:
        return self.measured.asked.slo

    @property
    def objective(self) -> Objective:
        return self.measured.asked.objective

    @property
    def method(self) -> Method:
        return method_of(self.slo, self.objective)[0]

    @cached_property
    def width(self) -> int:
        """Minutes of a slice."""
        return method_of(self.slo, self.objective)[1]

    @cached_property
    def span(self) -> money.Span:
        """The window, cut to whole slices."""
        start, end, last = whole_slices(self.window, self.width)
        return money.Span(start, end, last, self.window.kind == "calendar")

    @cached_property
    def part(self) -> float:
        """What may fail."""
        return money.budget_part(self.objective.target)

    @cached_property
    def counts(self) -> Minutes:
        """The window's minutes, without corrected ones."""
        return self._left(self.spared.all).between(self.span.start, self.span.end)

    def units(self, spans: Spans) -> Ledger:
        """What is judged when these spans are corrected."""
        return ledger(self._left(spans), self.method, self.objective, self.width, self.span.start, spans)

    def _left(self, spans: Spans) -> Minutes:
        return without(self.measured.minutes, spans) if len(spans) else self.measured.minutes

    @cached_property
    def verdict(self) -> Verdict:
        return judge(self.units(self.spared.all), self.span, self.part, self.counts)

    def numbers(self, spans: Spans) -> Numbers:
        """What is left of the budget when these spans are corrected."""
        return numbers(self.units(spans), self.span, self.part)

    @property
    def noun(self) -> str:
        return self.slo.annotations.get(NOUN_ANNOTATION) or self.measured.noun


def report(case: Case) -> SloReport:
    """Everything that is known of it."""
    verdict = case.verdict
    inside = verdict.inside
    found = told(
        case,
        verdict,
        case.counts,
        seen=case.measured.minutes.between(case.span.start, case.span.end),
        chart=series(case.counts, inside, case.span),
        provenance=case.measured.provenance,
        objective=case.objective.title,
        target=case.objective.target,
        slices=slices_of(inside, case.span) if inside.sliced else None,
        good_over_total=notes.good_over_total(case.counts) is not None,
        notes=_notes(case, verdict),
        weight=case.objective.weight,
        verb=_verb(case.measured.asked),
        noun=case.noun,
        unit=_unit(case, verdict),
    )
    kept = case.spared.within(case.span.start, case.span.end)
    if not kept:
        return replace(found, uncorrected=Numbers(found.sli, found.spent, found.remaining, found.budget_left))
    return replace(
        found,
        corrections=corrected(case.spared, case.measured.minutes, case.span.start, case.span.end, case.numbers),
        uncorrected=case.numbers(NONE),
    )


def told(
    case: Case,
    verdict: Verdict,
    counts: Minutes,
    *,
    seen: Minutes,
    chart: Series,
    provenance: Provenance,
    objective: str,
    target: float,
    slices: Slices | None,
    good_over_total: bool,
    notes: Sequence[Note],
    weight: float,
    verb: str,
    noun: str,
    unit: Unit,
) -> SloReport:
    """The report of a verdict; `counts` are the minutes of the window behind it, `seen` those before correction."""
    span, slo = verdict.span, case.slo
    exhaustion = verdict.exhaustion()
    ids = tuple(case.spared.each[i][0].id for i in case.spared.within(span.start, span.end))
    return SloReport(
        slo=slo.name,
        display_name=slo.display_name or slo.name,
        service=slo.service,
        description=slo.description,
        labels=slo.labels,
        noun=noun,
        verb=verb,
        objective=objective,
        target=target,
        method=case.method,
        window=case.window.text,
        kind=case.window.kind,
        start=time_of(span.start),
        end=time_of(span.end),
        window_end=time_of(span.last),
        unit=unit,
        good=verdict.good,
        bad=verdict.bad,
        valid=verdict.valid,
        unmeasured=float(counts.unmeasured.sum()),
        rows=int(counts.rows.sum()),
        sli=verdict.sli,
        sli_low=verdict.low,
        sli_high=verdict.high,
        allowed=verdict.allowed,
        spent=verdict.spent,
        remaining=None if verdict.spent is None else 1.0 - verdict.spent,
        full_window=verdict.full,
        budget_left=verdict.left,
        burn=verdict.burn,
        state=verdict.state(exhaustion),
        good_over_total=good_over_total,
        slices=slices,
        exhaustion=exhaustion,
        burn_down=burn_down(verdict),
        series=chart,
        coverage=coverage(seen, span),
        provenance=replace(provenance, corrections=ids),
        notes=tuple(notes),
        weight=weight,
    )


def _unit(case: Case, verdict: Verdict) -> Unit:
    if verdict.units.sliced:
        return "slices"
    return "minutes" if isinstance(case.measured.asked.indicator.metric, Raw) else "events"


def _verb(asked: Asked) -> str:
    """What bad ones did, unless the annotation `pitchey.com/verb` says it better."""
    metric, said = asked.indicator.metric, asked.slo.annotations.get(VERB_ANNOTATION)
    if said or not isinstance(metric, Threshold):
        return said or "failed"
    slow = metric.source.value == "duration_ms" and asked.objective.op in ("lte", "lt")
    return "were too slow" if slow else "were out of bounds"


def slices_of(inside: Ledger, span: money.Span) -> Slices:
    total, seen = (span.end - span.start) // inside.width, len(inside.at)
    bad = int((inside.bad > 0).sum())
    # with RatioTimeslices a slice is "bad" here when anything in it was
    return Slices(inside.width, total, seen - bad, bad, total - seen)


def _notes(case: Case, verdict: Verdict) -> tuple[Note, ...]:
    start, end, counts = case.span.start, case.span.end, case.counts
    measured, covered = case.measured, case.spared.within(case.span.start, case.span.end)
    at = measured.minutes.between(start, end).at
    found = (
        notes.good_over_total(counts),
        *(notes.met(odd, start, end) for odd in measured.odd),
        notes.unmeasured(counts, case.noun),
        notes.gap(at, regular=measured.regular),
        *timely(case),
        notes.sampled(counts, case.noun),
        notes.few_events(verdict.low, verdict.high, case.part, verdict.size, _looked_at(case, verdict)),
        notes.corrected(len(covered), length(case.spared.all, start, end), verdict.units.sliced),
    )
    return tuple(note for note in found if note is not None)


def timely(case: Case) -> tuple[Note | None, ...]:
    """What is late, and what may still come."""
    newest = case.measured.provenance.watermark
    minute = None if newest is None else int(newest.timestamp() // 60)
    late = case.slo.late_after.minutes or 0
    delay = notes.USUAL_DELAY if case.slo.late_after == Slo.late_after else late
    return notes.late_data(minute, case.span.end, late), notes.incomplete_end(case.span.end, case.now, delay)


def _looked_at(case: Case, verdict: Verdict) -> str:
    return "slices" if verdict.units.sliced else case.noun
