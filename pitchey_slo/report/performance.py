"""What the weekly performance report says: the findings of `pitchey_slo.analyse.trends` in words and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from pitchey_slo.analyse.trends import Route, Trend, Trends, trends
from pitchey_slo.plots.theme import sli_digits
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import many, measured, said

if TYPE_CHECKING:
    from pitchey_slo.slo import SloReport
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "35_performance_trends"
_WEEK: Final = timedelta(days=7)
_TABLES: Final = ("requests", "samples", "incidents", "deployments")
#: Routes that are named one by one in the summary.
_MOST = 3


@dataclass(frozen=True, eq=False)
class Week:
    """`slos` holds each objective's reports over seven days, the last week first; `percentiles` is a frame of
    `wb.percentiles` over all weeks."""

    found: Trends
    slos: tuple[tuple[SloReport, ...], ...]
    percentiles: pd.DataFrame
    incidents: pd.DataFrame
    deployments: pd.DataFrame
    about: About

    def summary(self) -> Html:
        """What moved, and what to do about it."""
        t = self.found
        if t.traffic.now is None and not any(t.traffic.days):
            return told.paragraph("No request was recorded in this week.", kind="lead")
        if not t.weeks:
            compared = "no whole week before is in the data, so nothing can be compared yet."
        else:
            compared = (
                f"against {many(t.weeks, 'week')} before, weekday by weekday. Said to have moved is what is "
                "beyond chance, 5 % or more, and farther out than any of those weeks."
            )
        return told.paragraph(
            self._traffic(), self._speed(), self._routes(), self._parts(), self._slos(), self._do(), kind="lead"
        ) + told.paragraph(f"{said(t.begin)} to {said(t.end)}, {compared}", kind="quiet")

    def facts(self) -> list[Fact]:
        """The week in a few numbers."""
        t = self.found
        known = [r for r in self.slos[0] if r.sli is not None] if self.slos else []
        return [
            Fact("requests", "requests on a usual day", t.traffic.now),
            Fact("errors", "failed on a usual day", t.errors.now, "ratio", "down", 3),
            *(Fact(n, f"{n} of a usual day", v.now, "ms", "down") for n, v in t.speed.items()),
            Fact("slower", "routes that got slower", sum(r.speed["p95"].up for r in t.moved()), better="down"),
            Fact("faster", "routes that got faster", sum(not r.speed["p95"].up for r in t.moved()), better="up"),
            Fact("missed", "objectives missed in the week", sum(_missed(r) for r in known) if known else None,
                 better="down"),
        ]  # fmt: skip

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def weeks(self) -> Html:
        """Each week on a line of its own, the last one on top."""
        t = self.found
        columns = (
            Column("week to", short=True), Column("requests a day", number=True), Column("failed", number=True),
            *(Column(n, number=True, hint="geometric mean of the days' own") for n in t.speed),
        )  # fmt: skip
        rows: list[tuple[str | Html, ...]] = [
            (
                f"{t.end - i * _WEEK:%a %d %b}",
                measured(t.traffic.weeks[i], "count"),
                measured(t.errors.weeks[i], "ratio", 3),
                *(measured(v.weeks[i], "ms", _fine(v.weeks[i])) for v in t.speed.values()),
            )
            for i in range(t.weeks + 1)
        ]
        if t.weeks:
            rows.append(("moved", _verdict(t.traffic, None), _verdict(t.errors), *map(_verdict, t.speed.values())))
        return told.table(columns, rows)

    def routes(self) -> Html:
        """Routes of which something moved; the others are counted."""
        mine = [r for r in self.found.routes if any(v.moved for _, v in _of(r))]
        columns = (
            Column("route"), Column("what", short=True), Column("before", number=True), Column("now", number=True),
            Column("change", number=True), Column("95 % interval", number=True), Column("", short=True),
        )  # fmt: skip
        rows = [
            (r.name if i == 0 else "", what, *_then_now(v, unit, digits), _verdict(v, better))
            for r in mine
            for i, (what, v, unit, digits, better) in enumerate(_moves(r))
        ]
        still = len(self.found.routes) - len(mine)
        compared = sum(r.speed["p50"].p is not None or r.traffic.p is not None for r in self.found.routes)
        words = f"{many(still, 'route')} stayed as they were." if mine and still else ""
        empty = (
            f"No route moved beyond chance ({compared} compared)."
            if compared
            else "No route has enough days to compare."
        )
        return told.table(columns, rows, empty=empty) + told.paragraph(words, kind="quiet")

    def objectives(self) -> Html:
        """The share of good events of each objective, week by week."""
        if not self.slos or not self.slos[0]:
            return told.paragraph("No SLO is defined.", kind="quiet")
        ends = [self.found.end - i * _WEEK for i in range(len(self.slos))]
        columns = (Column("objective"), Column("target", number=True),
                   *(Column(f"week to {e:%d %b}", number=True) for e in ends))  # fmt: skip
        rows = []
        for i, last in enumerate(self.slos[0]):
            cells = [_sli(week[i]) for week in self.slos]
            digits = sli_digits(last.target)
            rows.append((told.two_lines(last.display_name or last.slo, last.objective),
                         measured(last.target, "ratio", digits), *cells))  # fmt: skip
        note = "A week below its target is marked; an objective's own window may be longer, and still be kept."
        return told.table(columns, rows) + told.paragraph(note, kind="note")

    def parts(self) -> Html:
        """What database, cache, workers and storage said of themselves."""
        rows = [
            (s.name, *_then_now(t, s.unit, s.digits if s.digits is not None else 1 if s.unit == "ratio" else 0),
             _verdict(t, s.better))
            for s, t in self.found.signals
        ]  # fmt: skip
        columns = (
            Column("", wide=True), Column("before", number=True), Column("now", number=True),
            Column("change", number=True), Column("95 % interval", number=True), Column("", short=True),
        )  # fmt: skip
        return told.table(columns, rows, empty="No part of the platform said anything of itself (no samples).")

    def happened(self) -> Html:
        """Deployments and incidents of the week."""
        rows = [
            (said(d["ts"]), "deployment", f"{d['service']} {d['version']}", _text(d["description"]))
            for d in _rows(self.deployments)
            if d["ts"] >= self.found.begin
        ]
        rows += [
            (said(i["started_at"]), "incident", str(i["title"]), _text(i["description"]))
            for i in _rows(self.incidents)
            if i["started_at"] >= self.found.begin
        ]
        columns = (Column("when", short=True), Column("what"), Column("name"), Column("", wide=True))
        return told.table(columns, sorted(rows), empty="Nothing was deployed, and no incident was labelled.")

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about, {"compared with": f"{many(self.found.weeks, 'week')} from {said(self.found.start)}"})

    def _traffic(self) -> str:
        t = self.found
        first = f"{measured(t.traffic.now, 'count')} requests came on a usual day"
        first += f", {_by(t.traffic)} {'more' if t.traffic.up else 'fewer'} than before" if t.traffic.moved else ""
        failed = f"{measured(t.errors.now, 'ratio', 3)} of them failed"
        if t.errors.moved:
            failed += f" ({measured(t.errors.before, 'ratio', 3)} before)"
        return f"{first}; {failed}."

    def _speed(self) -> str:
        moved = {n: t for n, t in self.found.speed.items() if t.moved}
        if not self.found.weeks:
            return f"The p95 of a usual day was {measured(self.found.speed['p95'].now, 'ms')}."
        if not moved:
            return f"Speed as a whole did not move: p95 {measured(self.found.speed['p95'].now, 'ms')}."
        said_ = [f"the {n} {'rose' if t.up else 'fell'} by {_by(t)} to {measured(t.now, 'ms')}"
                 for n, t in moved.items()]  # fmt: skip
        return f"Over all requests {', '.join(said_)}."

    def _routes(self) -> str:
        if not self.found.weeks:
            return ""
        moved = self.found.moved()
        if not moved:
            return "No route got slower or faster beyond chance."
        parts = []
        for up, word in ((True, "slower"), (False, "faster")):
            mine = [r for r in moved if r.speed["p95"].up == up]
            named = ", ".join(f"{r.name} (p95 {measured(r.speed['p95'].before, 'ms')} → "
                              f"{measured(r.speed['p95'].now, 'ms')})" for r in mine[:_MOST])  # fmt: skip
            more = f" and {len(mine) - _MOST} more" if len(mine) > _MOST else ""
            parts += [f"{'Slower' if word == 'slower' else 'Faster'}: {named}{more}."] if mine else []
        return " ".join(parts)

    def _parts(self) -> str:
        moved = [(s, t) for s, t in self.found.signals if t.moved]
        if not moved:
            return "Database, cache and workers are as before." if self.found.signals and self.found.weeks else ""
        words = ", ".join(f"{s.name} {measured(t.before, s.unit, s.digits)} → {measured(t.now, s.unit, s.digits)}"
                          for s, t in moved)  # fmt: skip
        return f"Of the parts moved: {words}."

    def _slos(self) -> str:
        known = [r for r in self.slos[0] if r.sli is not None] if self.slos else []
        missed = [r.display_name or r.slo for r in known if _missed(r)]
        if not known:
            return ""
        return f"Below target in this week: {', '.join(dict.fromkeys(missed))}." if missed else "Every SLO was met."

    def _do(self) -> str:
        first = next(self._todo(), "")
        return f"To do first: {first}" if first else "Nothing to do." if self.found.weeks else ""

    def _todo(self) -> Iterator[str]:
        slow = [r for r in self.found.moved() if r.speed["p95"].up]
        if slow:
            yield f"find out what slows {slow[0].name}{self._since()}."
        errors = [r for r in self.found.routes if r.errors.moved and r.errors.up]
        if errors:
            yield f"find out why {errors[0].name} fails more often{self._since()}."
        bad = [s for s, t in self.found.signals if t.moved and _worse(t, s.better)]
        if bad:
            yield f"look at {bad[0].name}."
        missed = [r for r in (self.slos[0] if self.slos else ()) if _missed(r)]
        if missed:
            yield f"see what {missed[0].display_name or missed[0].slo} lost its events to: " + (
                f"pitchey-slo report run slo_explain -p slo={missed[0].slo}."
            )

    def _since(self) -> str:
        mine = [d for d in _rows(self.deployments) if d["ts"] >= self.found.begin]
        return f"; {many(len(mine), 'deployment')} went live in the week" if mine else "; nothing was deployed"


def performance(wb: Workbench, *, weeks: int = 4, end: Moment = None, now: datetime | None = None) -> Week:
    """Gather it: the seven days up to `end` (None: the minute after the newest request) against `weeks` before."""
    from pitchey_slo.workbench import parse_time

    last = parse_time(end, "end") or wb.newest_minute("requests")

    def ask(expr: str, first: datetime, until: datetime) -> Mapping[datetime, float]:
        frame = wb.promql(expr, first, until, "1d")
        if not frame.shape[1]:
            return {}
        values = frame.iloc[:, 0].dropna()
        times = pd.DatetimeIndex(values.index).to_pydatetime()
        return dict(zip(times, values.to_numpy(dtype=float).tolist(), strict=True))

    found = trends(wb.reader, ask, last, weeks=weeks)
    return Week(
        found=found,
        slos=tuple(wb.slo_report(window="7d", end=last - i * _WEEK) for i in range(found.weeks + 1)),
        percentiles=wb.percentiles(found.start, last, bucket="6h"),
        incidents=wb.incidents(found.start, last),
        deployments=wb.deployments(found.start, last),
        about=about(wb, NOTEBOOK, start=found.begin, end=last, tables=_TABLES,
                    parameters={"weeks": weeks, "end": end}, now=now or datetime.now(UTC)),
    )  # fmt: skip


def _of(route: Route) -> list[tuple[str, Trend]]:
    return [("requests a day", route.traffic), ("failed", route.errors), *route.speed.items()]


def _moves(route: Route) -> list[tuple[str, Trend, str, int | None, str | None]]:
    """What moved of it: (words, trend, unit, decimals, which way is good)."""
    looks = {"requests a day": ("count", None, None), "failed": ("ratio", 3, "down")}
    return [(n, t, *looks.get(n, ("ms", _fine(t.now), "down"))) for n, t in _of(route) if t.moved]


def _then_now(t: Trend, unit: str, digits: int | None) -> tuple[str, str, str, str]:
    then, now = (measured(v, unit, digits) for v in (t.before, t.now))
    if t.change is None:
        return then, now, "–", "–"
    ends = f"{_signed(t.low, t)} to {_signed(t.high, t)}" if t.low is not None else "–"
    return then, now, _signed(t.change, t), ends


def _signed(value: float | None, t: Trend) -> str:
    """A change with its sign: per cent, or points where it is one of a share."""
    if value is None:
        return "–"
    digits, unit = (2, " points") if t.scale == "linear" else (1, " %")
    return f"{100 * value:+,.{digits}f}{unit}".replace("-", "−")


def _verdict(t: Trend, better: str | None = "down") -> Html:
    if t.p is None:
        return told.mark("no_data", "not compared")
    if not t.moved:
        return told.mark("no_data", "within chance")
    if better is None:
        return told.mark("no_data", "↑ more" if t.up else "↓ less")
    return told.mark("exhausted", "✕ worse") if _worse(t, better) else told.mark("healthy", "✓ better")


def _worse(t: Trend, better: str | None) -> bool:
    return better is not None and t.up != (better == "up")


def _by(t: Trend) -> str:
    return f"{abs(100 * (t.change or 0.0)):.0f} %"


def _fine(value: float | None) -> int:
    """Milliseconds below ten have a decimal."""
    return 1 if value is not None and value < 10 else 0


def _missed(report: SloReport) -> bool:
    return report.sli is not None and report.sli < report.target


def _sli(report: SloReport) -> str | Html:
    if report.sli is None:
        return "no data"
    words = measured(report.sli, "ratio", sli_digits(report.target))
    return told.mark("exhausted", f"✕ {words}") if _missed(report) else words


def _rows(frame: pd.DataFrame) -> Sequence[Mapping[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)
