"""Composite SLOs: several objectives, each with an indicator of its own, and the whole that they make (OpenSLO v1).

Occurrences        each objective burns the whole's budget at its own rate times its `compositeWeight`: the whole has
                   spent the sum of weight x spent
Timeslices         a slice is bad when it is bad for any objective; weights do not matter
RatioTimeslices    what is missing to 100 % adds up, each part times its weight: 95 % and 95 % make 90 %

OpenSLO gives the whole no target. Here it has the lowest of its objectives' targets: the whole is not promised better
than its weakest part. With Occurrences the target changes nothing but how the spending reads as an SLI.

`late_data` says what a minute counts as in which a component has no data at all (no row of its table, no sample),
once that minute is over for `late_after`: `ignore` leaves it out, `good` and `bad` count it as so many events as the
component has in a minute with data. Minutes before a component's first data are not late. The reports of the
components themselves know nothing of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pitchey_slo.errors import SloError
from pitchey_slo.slo import budget as money
from pitchey_slo.slo import notes
from pitchey_slo.slo.combined import Whole, together
from pitchey_slo.slo.corrections import inside
from pitchey_slo.slo.findings import Component, Numbers, Provenance, SloReport
from pitchey_slo.slo.ledger import method_of
from pitchey_slo.slo.model import Slo
from pitchey_slo.slo.notes import Note
from pitchey_slo.slo.report import Case, slices_of, timely, told
from pitchey_slo.slo.sli import Ints, Minutes
from pitchey_slo.slo.spared import NONE, corrected, length
from pitchey_slo.slo.verdict import Verdict

TITLE = "composite"
_COUNTED = {"ignore": "are left out", "good": "count as good", "bad": "count as bad"}


def is_composite(slo: Slo) -> bool:
    return len(slo.objectives) > 1 and all(o.indicator for o in slo.objectives)


def check(slo: Slo) -> None:
    """SloError unless its objectives can be put together."""
    if is_composite(slo) and len({method_of(slo, o)[1] for o in slo.objectives}) > 1:
        raise SloError(f"{slo.name}: the objectives of a composite SLO need the same timeSliceWindow")


def whole(cases: Sequence[Case], own: Sequence[SloReport]) -> SloReport:
    """The report of all objectives together; `own` are theirs."""
    filled = [_filled(case) for case in cases]
    late = [_late(case) for case in cases]
    made = Whole(tuple(filled))
    verdict, first = made.verdict, cases[0]
    span = first.span
    counts = together([case.counts for case in filled])
    seen = together([case.measured.minutes.between(span.start, span.end) for case in cases])
    lost = [made.spending(i) for i in range(len(cases))]
    found = told(
        first,
        verdict,
        counts,
        seen=seen,
        chart=made.chart,
        provenance=_provenance(cases),
        objective=TITLE,
        target=made.target,
        slices=slices_of(verdict.inside, span) if verdict.units.sliced else None,
        good_over_total=any(r.good_over_total for r in own),
        notes=_notes(cases, late),
        weight=1.0,
        verb=own[0].verb if len({r.verb for r in own}) == 1 else "failed",
        noun=own[0].noun if len({r.noun for r in own}) == 1 else "events",
        unit=own[0].unit if len({r.unit for r in own}) == 1 else "events",
    )
    return replace(
        found,
        components=tuple(_component(*parts, verdict) for parts in zip(cases, own, late, lost, strict=True)),
        corrections=corrected(first.spared, seen, span.start, span.end, made.numbers),
        uncorrected=made.numbers(NONE) if len(first.spared.all) else _numbers_of(found),
    )


def _late(case: Case) -> Ints:
    """Minutes of the window in which the component has no data and that are over for `late_after`."""
    late = _missing_minutes(case, case.span.start)
    return np.asarray(late[~inside(late, case.spared.all)], dtype=np.int64)


def _missing_minutes(case: Case, start: int) -> Ints:
    at = case.measured.minutes.at
    first = max(start, int(at[0])) if len(at) else start
    last = min(case.span.end, case.now - (case.slo.late_after.minutes or 0))
    return np.asarray(np.setdiff1d(np.arange(first, max(first, last)), at), dtype=np.int64)


def _filled(case: Case) -> Case:
    """The case with late minutes as `late_data` wants them."""
    policy, minutes = case.slo.late_data, case.measured.minutes
    if policy == "ignore":
        return case
    back = max(money.LOOKBACKS.values())
    late = _missing_minutes(case, min(case.span.start, case.span.end - back))
    each = float(minutes.valid.sum()) / len(minutes.at) if minutes.valid.sum() > 0 else 1.0
    many = np.full(len(late), each)
    none = np.zeros(len(late))
    more = Minutes(late, many if policy == "good" else none, many, many * each, none, none)
    return replace(case, measured=replace(case.measured, minutes=together([minutes, more])))


def _component(case: Case, own: SloReport, late: Ints, spending: float | None, whole: Verdict) -> Component:
    return Component(
        objective=own.objective,
        weight=own.weight,
        target=own.target,
        sli=own.sli,
        spent=own.spent,
        budget_left=own.budget_left,
        bad=own.bad,
        valid=own.valid,
        spending=spending,
        share=spending / whole.spent if spending is not None and whole.spent else None,
        late_minutes=len(late),
        late_as=case.slo.late_data,
    )


def _notes(cases: Sequence[Case], late: Sequence[Ints]) -> list[Note]:
    first, found = cases[0], []
    for case, minutes in zip(cases, late, strict=True):
        if len(minutes):
            said = _COUNTED[case.slo.late_data]
            text = f"{case.objective.title} had no data for {notes.lasted(len(minutes))}, which {said}."
            found.append(Note("late_data", text, 1.0, len(minutes)))
    span, spared = first.span, first.spared
    found += [note for note in timely(first)[1:] if note is not None]
    kept = spared.within(span.start, span.end)
    covered = notes.corrected(len(kept), length(spared.all, span.start, span.end), first.method != "Occurrences")
    return [*found, *([covered] if covered else [])]


def _provenance(cases: Sequence[Case]) -> Provenance:
    """Everything that was read for its parts; what they share is counted once."""
    each = [case.measured.provenance for case in cases]
    unique = list({(p.sql, p.promql): p for p in each}.values())
    newest = [p.watermark for p in each if p.watermark is not None]
    return Provenance(
        sql=";\n".join(dict.fromkeys(p.sql for p in unique if p.sql)),
        rows_read=sum(p.rows_read for p in unique),
        watermark=max(newest, default=None),
        seconds=sum(p.seconds for p in unique),
        promql=";\n".join(dict.fromkeys(p.promql for p in unique if p.promql)),
        tables={name: rows for p in unique for name, rows in p.tables.items()},
    )


def _numbers_of(report: SloReport) -> Numbers:
    return Numbers(report.sli, report.spent, report.remaining, report.budget_left)
