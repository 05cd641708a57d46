"""From specs and a reader to findings: the one function that everything that shows an SLO calls.

specs -> windows -> one scan per table -> minutes -> ledger -> budget, burn, projection -> SloReport
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from pitchey_slo.errors import SloError
from pitchey_slo.slo import budget as money
from pitchey_slo.slo.findings import (
    Band,
    BurnDown,
    Coverage,
    Exhaustion,
    Floats,
    FullWindow,
    Provenance,
    Series,
    Slices,
    SloReport,
    Times,
)
from pitchey_slo.slo.interval import effective_size, wilson
from pitchey_slo.slo.ledger import Ledger, ledger, method_of, minute_of, whole_slices
from pitchey_slo.slo.model import Slo, Threshold, TimeWindow
from pitchey_slo.slo.sli import Asked, Ints, Minutes, Reader, Scan, count
from pitchey_slo.slo.windows import MINUTE, Window, floor_minute, resolve
from pitchey_slo.slo.words import coverage_sentence, exhaustion_sentence

__all__ = [
    "Band",
    "BurnDown",
    "Coverage",
    "Exhaustion",
    "FullWindow",
    "Provenance",
    "Series",
    "Slices",
    "SloReport",
    "evaluate",
]

#: What the rows of a table are called in sentences, unless the annotation `pitchey.com/noun` says it better.
NOUNS = {"requests": "requests", "business_events": "events"}
NOUN_ANNOTATION = "pitchey.com/noun"
VERB_ANNOTATION = "pitchey.com/verb"
#: Good may exceed total by rounding of weights; more than this is a spec whose filters do not fit.
SLACK = 1e-9
_WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 40320)


def evaluate(
    slos: Sequence[Slo],
    reader: Reader,
    *,
    end: datetime | None = None,
    windows: Sequence[str] | None = None,
    now: datetime,
) -> tuple[SloReport, ...]:
    """One report per objective and window, in the order of `slos`, from one scan per table.

    end       judged is what happened before it, floored to the minute; None: the whole minute after the newest row,
              but not after `now`
    windows   as in "28d" or "1M Europe/London", instead of those of the specs
    now       the present time, with a zone

    Raises SloError for what cannot be evaluated or a window that cannot be read, ConfigError with file and line for a
    filter that does not fit its table.
    """
    asked = [Asked(slo, objective) for slo in slos for objective in slo.objectives]
    if not asked:
        return ()
    _refuse_composites(slos)
    newest = {table: reader.watermark(table) for table in sorted({s.table for a in asked for s in a.sources()})}
    stop = _end(end, [t for t in newest.values() if t is not None], floor_minute(now))
    chosen = [_windows(a.slo, windows, stop) for a in asked]
    start = _scan_start([w for ws in chosen for w in ws], asked, stop)
    minutes, scan = count(asked, reader, start, stop)
    return tuple(
        _Judge(a, m, w, scan, newest[a.table]).report()
        for a, m, ws in zip(asked, minutes, chosen, strict=True)
        for w in ws
    )


def _refuse_composites(slos: Sequence[Slo]) -> None:
    for slo in slos:
        if any(o.indicator for o in slo.objectives):
            raise SloError(
                f"{slo.name}: a composite SLO (an indicator in each objective) was read, but is not evaluated here; "
                "write one SLO for each indicator"
            )


def _end(end: datetime | None, newest: list[datetime], now: datetime) -> datetime:
    if end is not None:
        return floor_minute(end)
    return min(now, floor_minute(max(newest)) + MINUTE) if newest else now


def _windows(slo: Slo, texts: Sequence[str] | None, end: datetime) -> list[Window]:
    try:
        wanted = slo.windows if texts is None else tuple(dict.fromkeys(TimeWindow.parse(t) for t in texts))
        return [resolve(w, end) for w in wanted]
    except ValueError as error:
        raise SloError(str(error)) from None
    except OverflowError:
        raise SloError(f"{slo.name}: the window goes back before the calendar begins; use a shorter one") from None


def _scan_start(windows: Sequence[Window], asked: Sequence[Asked], end: datetime) -> datetime:
    """The oldest minute anything needs: windows, burn rates, and for calendar windows the days traffic is expected
    from."""
    back = max(money.LOOKBACKS.values())
    if any(w.kind == "calendar" for w in windows):
        back = max(back, money.EXPECT_DAYS * money.DAY)
    slice_width = max(method_of(a.slo, a.objective)[1] for a in asked)
    return min(*(w.start for w in windows), end - timedelta(minutes=back)) - timedelta(minutes=slice_width)


@dataclass(frozen=True, eq=False)
class _Judge:
    """One objective over one window, and the way to its report."""

    asked: Asked
    minutes: Minutes
    window: Window
    scan: Scan
    watermark: datetime | None

    def report(self) -> SloReport:
        slo, objective = self.asked.slo, self.asked.objective
        method, width = method_of(slo, objective)
        start, end, last = whole_slices(self.window, width)
        span = money.Span(start, end, last, self.window.kind == "calendar")
        units = ledger(self.minutes, method, objective, width, start)
        inside, counts = units.between(start, end), self.minutes.between(start, end)
        part = money.budget_part(objective.target)
        spending = money.spending(units, span, part)
        burn = money.burn_rates(units, end, part)
        expected = money.daily(units, end)
        full = money.full_window(units, span, part, expected)
        budget = full.allowed.mid if full else spending.allowed
        projection = money.project(units, span, part, burn, expected, budget)
        exhaustion = _exhaustion(units, span, budget, projection)
        left = None if spending.spent is None else 1.0 - (full.spent.mid if full else spending.spent)
        valid, bad = float(inside.good.sum() + inside.bad.sum()), units.failed(start, end)
        good = valid - bad
        exceeded = bool(len(counts.at)) and _exceeds(counts)
        sli = None if valid <= 0 else good / valid
        low, high = _interval(sli, counts, inside)
        return SloReport(
            slo=slo.name,
            display_name=slo.display_name or slo.name,
            service=slo.service,
            description=slo.description,
            labels=slo.labels,
            noun=slo.annotations.get(NOUN_ANNOTATION) or NOUNS.get(self.asked.table, "events"),
            verb=_verb(self.asked),
            objective=objective.title,
            target=objective.target,
            method=method,
            window=self.window.text,
            kind=self.window.kind,
            start=_time(start),
            end=_time(end),
            window_end=_time(last),
            unit="slices" if units.sliced else "events",
            good=good,
            bad=bad,
            valid=valid,
            unmeasured=float(counts.unmeasured.sum()),
            rows=int(counts.rows.sum()),
            sli=sli,
            sli_low=low,
            sli_high=high,
            allowed=spending.allowed,
            spent=spending.spent,
            remaining=None if spending.spent is None else 1.0 - spending.spent,
            full_window=full,
            budget_left=left,
            burn=burn,
            state=money.state_of(left, end, _minute(exhaustion.earliest), _minute(exhaustion.latest)),
            good_over_total=exceeded,
            slices=_slices(inside, span) if units.sliced else None,
            exhaustion=exhaustion,
            burn_down=_burn_down(units, span, budget, projection),
            series=_series(counts, inside, span),
            coverage=_coverage(counts, span),
            provenance=Provenance(self.scan.sql, self.scan.rows, self.watermark, self.scan.seconds),
        )


def _verb(asked: Asked) -> str:
    """What bad ones did, unless the annotation `pitchey.com/verb` says it better."""
    metric, said = asked.indicator.metric, asked.slo.annotations.get(VERB_ANNOTATION)
    if said or not isinstance(metric, Threshold):
        return said or "failed"
    slow = metric.source.value == "duration_ms" and asked.objective.op in ("lte", "lt")
    return "were too slow" if slow else "were out of bounds"


def _exceeds(counts: Minutes) -> bool:
    good, valid = float(counts.good.sum()), float(counts.valid.sum())
    return good > valid * (1 + SLACK) or good < -valid * SLACK or (valid == 0 and good != 0)


def _interval(sli: float | None, counts: Minutes, inside: Ledger) -> tuple[float | None, float | None]:
    if sli is None:
        return None, None
    size = float(len(inside.at)) if inside.sliced else effective_size(counts.valid.sum(), counts.squares.sum())
    return wilson(sli, size) if size > 0 else (None, None)


def _slices(inside: Ledger, span: money.Span) -> Slices:
    total, seen = (span.end - span.start) // inside.width, len(inside.at)
    bad = int((inside.bad > 0).sum())
    # with RatioTimeslices a slice is "bad" here when anything in it was
    return Slices(inside.width, total, seen - bad, bad, total - seen)


def _exhaustion(units: Ledger, span: money.Span, budget: float | None, projection: money.Projection) -> Exhaustion:
    until = span.last if span.calendar else span.end + (span.end - span.start)
    if budget is None:
        return exhaustion_sentence(Exhaustion("no_data", None, None, None, _time(until), ""))
    since = money.used_up_at(units, span, budget)
    if since is not None:
        return exhaustion_sentence(Exhaustion("exhausted", _time(since), None, None, _time(until), ""))
    earliest = money.crossing(projection.at, projection.high)
    latest = money.crossing(projection.at, projection.low)
    found = Exhaustion(
        "not_in_window" if earliest is None else "projected",
        None,
        None if earliest is None else _time(earliest),
        None if latest is None else _time(latest),
        _time(until),
        "",
    )
    return exhaustion_sentence(found)


def _burn_down(units: Ledger, span: money.Span, budget: float | None, projection: money.Projection) -> BurnDown:
    if budget is None:
        return BurnDown(
            None, _times(np.zeros(0, dtype=np.int64)), np.zeros(0), _times(projection.at), *([np.zeros(0)] * 2)
        )
    at, spent = money.counted(units, span, budget)
    thin = money.thin(projection)
    return BurnDown(budget, _times(at), spent, _times(thin.at), thin.low, thin.high)


def _series(counts: Minutes, inside: Ledger, span: money.Span) -> Series:
    """Buckets of a width that gives at most about 340 points, on the multiples of that width since 1970."""
    width = next((w for w in _WIDTHS if (span.end - span.start) / w <= 340), _WIDTHS[-1])
    if inside.sliced:
        width = max(width, inside.width) // inside.width * inside.width
    first = span.start // width
    size = max(0, -(-span.end // width) - first)
    valid, bad = _sums(counts.at // width - first, size, counts.valid, counts.bad)
    good_units, bad_units = _sums(inside.at // width - first, size, inside.good, inside.bad)
    with np.errstate(invalid="ignore", divide="ignore"):
        sli = np.clip(good_units / (good_units + bad_units), 0.0, 1.0)
    bad = np.clip(bad, 0.0, valid)
    return Series(width * 60, _times((np.arange(size, dtype=np.int64) + first) * width), sli, valid, bad)


def _sums(place: Ints, size: int, *values: Floats) -> list[Floats]:
    return [np.bincount(place, weights=v, minlength=size)[:size].astype(np.float64) for v in values]


def _coverage(counts: Minutes, span: money.Span) -> Coverage:
    minutes, seen = span.end - span.start, counts.at[counts.valid > 0]
    first_row = int(counts.at[0]) if len(counts.at) else None
    late = first_row is None or first_row - span.start > max(1, (span.last - span.start) // 20)
    found = Coverage(
        first=_time(int(seen[0])) if len(seen) else None,
        last=_time(int(seen[-1])) if len(seen) else None,
        minutes=minutes,
        minutes_with_events=len(seen),
        minutes_with_rows=len(counts.at),
        share=len(counts.at) / minutes if minutes else 0.0,
        data_starts_late=late,
        sentence="",
    )
    return coverage_sentence(found, _time(span.start), _time(first_row) if first_row is not None else None)


def _time(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def _minute(time: datetime | None) -> int | None:
    return None if time is None else minute_of(time)


def _times(minutes: Ints) -> Times:
    return minutes.astype("datetime64[m]").astype("datetime64[us]")
