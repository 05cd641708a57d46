"""What the SLO report says: everything gathered once, and each piece of the page told from it.

The notebook holds the order of the story and the charts; the words and tables are made here, where tests reach them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from pitchey_slo.plots.theme import count, day, percent, sli_digits
from pitchey_slo.report import lead, told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, hours, lasted, milliseconds, moment, said
from pitchey_slo.slo import LintReport, Slo, SloReport
from pitchey_slo.slo.alerts.lint import ConditionLint
from pitchey_slo.slo.findings import Floats
from pitchey_slo.slo.model import MetricSource, Ratio

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench


NOTEBOOK: Final = "30_slo_report"


@dataclass(frozen=True, eq=False)
class Review:
    """Findings and frames of one report. `reports` are sorted by budget left, no data last; `primary` has one report
    per objective, that of the spec's own window. `context` is the SLO whose requests `routes` splits up."""

    reports: tuple[SloReport, ...]
    primary: tuple[SloReport, ...]
    context: SloReport | None
    incidents: pd.DataFrame
    deployments: pd.DataFrame
    percentiles: pd.DataFrame
    overall: pd.DataFrame
    volume: pd.DataFrame
    routes: pd.DataFrame
    about: About
    start: datetime
    end: datetime
    lint: tuple[LintReport, ...] = ()

    def summary(self) -> Html:
        """The week in a few plain sentences, written from the numbers."""
        return told.paragraph(*lead.promises(self), kind="lead") + told.paragraph(*lead.circumstances(self))

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, lead.facts(self), self.summary())

    def table(self) -> Html:
        """Every objective and window, least budget left first. In the executed notebook the table carries all numbers
        as they were found, under `told.DATA`."""
        columns = (
            Column("objective"),
            Column("state", short=True),
            Column("budget left", number=True, hint="of the window's error budget; below zero it is overspent"),
            Column("window"),
            Column("SLI", number=True, hint="good of valid, and its 95 % interval"),
            Column("target", number=True),
            Column("bad", number=True, hint="counted in the window, of so many valid"),
            Column("burn 6 h", number=True, hint="1 spends exactly the budget over the window"),
            Column("3 d", number=True, hint="1 spends exactly the budget over the window"),
            Column("budget ends", short=True, hint="at the burn rates of the last 6 hours to 3 days"),
        )
        shown = told.table(columns, map(_row, self.reports), empty="no SLO is defined")
        return told.WithData(shown.markup, {"reports": [r.as_dict() for r in self.reports]})

    def corrections(self) -> Html:
        """Every correction that touches a window: what it took out, and the budget with and without it."""
        columns = (
            Column("objective"),
            Column("time out", number=True, hint="minutes of the window"),
            Column("bad", number=True, hint="events in that time, of so many valid"),
            Column("budget left", number=True, hint="as it is, with all corrections"),
            Column("without it", number=True, hint="as it would be if this one did not exist"),
            Column("why", wide=True),
            Column("agreed by"),
        )
        rows = [
            (
                told.two_lines(_name(r), f"{r.objective}, {r.window}"),
                f"{count(each.minutes)} min",
                told.two_lines(count(each.bad), f"of {count(each.valid)}"),
                percent(r.budget_left, 1) if r.budget_left is not None else "–",
                percent(each.budget_left, 1) if each.budget_left is not None else "–",
                told.two_lines(each.reason, f"{each.category.replace('_', ' ')}, {each.id}"),
                each.approver,
            )
            for r in self.reports
            for each in r.corrections
        ]
        return told.table(columns, rows, empty="No time was taken out of any window.")

    def alerts(self) -> Html:
        """What the burn alerts of each objective are good for, and what the linter finds."""
        columns = (
            Column("objective"),
            Column("alert", short=True, hint="how soon it pages, and over which windows"),
            Column("bad above", number=True, hint="share of bad ones above which it holds"),
            Column("takes", number=True, hint="bad ones, in the quietest and the busiest hour of the week"),
            Column("total outage", number=True, hint="minutes until it fires when everything fails"),
            Column("budget gone", number=True, hint="when it fires"),
            Column("fired", number=True, hint="would have begun to, in the last four weeks"),
        )
        rows = [
            (
                told.two_lines(found.display_name, found.objective) if i == 0 else "",
                told.two_lines(c.severity, c.windows),
                percent(c.limit, 2),
                _needed(c.needed),
                _after(c),
                percent(c.lost, 0),
                "–" if c.fired is None else str(c.fired),
            )
            for found in self.lint
            for i, c in enumerate(found.conditions)
        ]
        worst = [f for found in self.lint for f in found.findings if f.level != "info"]
        findings = told.table(
            (Column("SLO", short=True), Column("alert", short=True), Column("the linter says", wide=True)),
            [(f.slo, f.windows or "all", told.two_lines(f.text, f.hint)) for f in worst],
            empty="The linter finds nothing wrong with them.",
        )
        return told.table(columns, rows, empty="No burn alert is defined.") + findings

    @property
    def drawn(self) -> tuple[SloReport, ...]:
        """The primary reports that have data."""
        return tuple(r for r in self.primary if r.budget_left is not None)

    def silent(self) -> Html:
        """The objectives of which nothing can be said."""
        names = ", ".join(f"{_name(r)} ({r.objective})" for r in self.primary if r.budget_left is None)
        return told.paragraph(f"No data in the window: {names}." if names else "", kind="quiet")

    def heading(self, report: SloReport) -> Html:
        """Name, state, and the finding in words."""
        return told.heading(_name(report), report.state, f"{report.objective}, {report.window}") + told.paragraph(
            report.sentence()
        )

    def speed(self) -> Html:
        """How fast it was over the whole span, in words."""
        return told.paragraph(lead.speed(self))

    def worst_routes(self, most: int = 12) -> Html:
        """Routes with server errors, most first: how much of whose budget they ate, and how slow they are."""
        allowed = self.context.allowed if self.context else None
        of = _name(self.context) if self.context else "-"
        columns = (
            Column("route"),
            Column("requests", number=True),
            Column("server errors", number=True, hint="status 500 and above"),
            Column("error ratio", number=True),
            Column("budget eaten", number=True, hint=f"of what {of} may lose in its window"),
            Column("p95", number=True, hint="one in twenty was slower, milliseconds"),
        )
        worst = self.routes[self.routes["errors"] > 0].head(most)
        rows = [
            (
                f"{row['method']} {row['route']}",
                count(row["requests"]),
                count(row["errors"]),
                percent(row["error_ratio"], 2),
                percent(row["errors"] / allowed, 1) if allowed else "–",
                milliseconds(row["p95_ms"]),
            )
            for row in worst.to_dict("records")
        ]
        note = f"Budget eaten is the part of what {of} may lose in {self.context.window}." if self.context else ""
        return told.table(columns, rows, empty="no server errors") + told.paragraph(note, kind="note")

    def events(self) -> Html:
        """Incidents and deployments of the span, one table each."""
        wrong = (
            Column("incident"),
            Column("severity"),
            Column("from", short=True),
            Column("lasted", number=True),
            Column("routes", wide=True),
        )
        incidents = [
            (
                row["title"],
                row["severity"],
                said(row["started_at"]),
                _length(row, self.end),
                _or(row["routes"], "all").replace(",", ", "),
            )
            for row in self.incidents.to_dict("records")
        ]
        changed = (Column("deployed", short=True), Column("version"), Column("what changed", wide=True))
        deployments = [
            (said(row["ts"]), row["version"], _or(row["description"], "–"))
            for row in self.deployments.to_dict("records")
        ]
        return told.table(wrong, incidents, empty="No incident was labelled.") + told.table(
            changed, deployments, empty="No deployment was recorded."
        )

    def provenance(self) -> Html:
        """What was read, how fresh it was, and the queries as they were run."""
        scans = {r.provenance.query: r.provenance for r in self.reports}
        pieces = [
            told.paragraph(
                f"{count(scan.rows_read)} rows read in {lasted(scan.seconds)}; newest row {said(scan.watermark)}."
            )
            + told.folded("the query, as it was run", scan.query)
            for scan in scans.values()
        ]
        return sum(pieces, ending(self.about))


def review(wb: Workbench, *, service: str = "all", window: str = "", end: Moment = None) -> Review:
    """Evaluate the SLOs of `service` over `window` (empty: each SLO's own windows) up to `end` (None: the minute after
    the newest request) and gather what belongs to that span. Raises SloError, QueryError or ConfigError, in words."""
    found = wb.slo_report(service, window, end)
    reports = tuple(sorted(found, key=_rank))
    primary = tuple(sorted(_primary(found), key=_rank))
    start, last = _span(wb, primary, end)
    context, where = _context(wb, primary)
    counted = {table for r in found for table in r.provenance.tables}
    return Review(
        reports=reports,
        primary=primary,
        context=context,
        incidents=wb.incidents(start, last),
        deployments=wb.deployments(start, last),
        percentiles=wb.percentiles(start, last, bucket=_bucket(start, last), where=where),
        overall=wb.percentiles(start, last, bucket=None, where=where),
        volume=wb.volume(start, last, bucket="1h"),
        routes=wb.routes(context.start if context else start, context.end if context else last, where=where),
        about=about(
            wb,
            NOTEBOOK,
            start=start,
            end=last,
            tables=sorted({"requests", "incidents", "deployments", "corrections"} | counted),
            parameters={"service": service, "window": window, "end": end},
        ),
        start=start,
        end=last,
        lint=wb.lint(*dict.fromkeys(r.slo for r in primary), end=last) if primary else (),
    )


def _needed(values: Floats) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "–"
    low, high = (count(np.ceil(v)) for v in (known.min(), known.max()))
    return low if low == high else f"{low} – {high}"


def _after(condition: ConditionLint) -> str:
    minutes = max(condition.detections, key=lambda d: d.error_ratio).minutes if condition.detections else None
    return "never" if minutes is None else f"{minutes:.0f} min" if minutes >= 1 else f"{minutes * 60:.0f} s"


def _rank(report: SloReport) -> tuple[bool, float, str]:
    """Least budget left first, no data last."""
    return report.budget_left is None, report.budget_left or 0.0, report.slo


def _primary(found: Sequence[SloReport]) -> list[SloReport]:
    """The first report of each objective: evaluation gives the spec's own window first."""
    first: dict[tuple[str, str], SloReport] = {}
    for report in found:
        first.setdefault((report.slo, report.objective), report)
    return list(first.values())


def _span(wb: Workbench, primary: Sequence[SloReport], end: Moment) -> tuple[datetime, datetime]:
    if not primary:
        return wb.span(None, end)
    return min(r.start for r in primary), max(r.end for r in primary)


def _context(wb: Workbench, primary: Sequence[SloReport]) -> tuple[SloReport | None, str | None]:
    """The report whose requests are split up by route, and the filter of its requests.

    Of the SLOs that count failed requests and cover at least a tenth of the most covered: the one with least left.
    """
    totals = {slo.name: total for slo in wb.slos() if (total := _requests_of(slo))}
    known = [r for r in primary if r.slo in totals and r.valid]
    most = max((r.valid for r in known), default=0.0)
    broad = [r for r in known if r.valid >= 0.1 * most]
    if not broad:
        return None, None
    found = min(broad, key=_rank)
    return found, totals[found.slo].filter


def _requests_of(slo: Slo) -> MetricSource | None:
    """What a SLO counts in total, when that is requests; None for other kinds of SLO."""
    metric = slo.indicator.metric if slo.indicator else None
    if slo.method != "Occurrences" or not isinstance(metric, Ratio):
        return None
    return metric.total if metric.total.spec.get("table") == "requests" else None


def _bucket(start: datetime, end: datetime) -> str:
    """About 700 points, whatever the span."""
    hours = (end - start).total_seconds() / 3600
    return next(
        (name for name, most in (("1m", 12), ("5m", 60), ("15m", 170), ("1h", 750), ("6h", 4400)) if hours <= most),
        "1d",
    )


def _name(report: SloReport) -> str:
    return report.display_name or report.slo


def _row(report: SloReport) -> tuple[str | Html, ...]:
    digits = sli_digits(report.target)
    low, high = percent(report.sli_low, digits).removesuffix(" %"), percent(report.sli_high, digits)
    return (
        told.two_lines(_name(report), report.objective),
        told.pill_of(report.state),
        percent(report.budget_left, 0) if report.budget_left is not None else "–",
        told.two_lines(*report.window.split()) if " " in report.window else report.window,
        told.two_lines(percent(report.sli, digits), f"{low} – {high}") if report.sli is not None else "–",
        percent(report.target, max(digits - 1, 0)),
        told.two_lines(count(report.bad), f"of {count(report.valid)}") if report.valid else "–",
        _rate(report.burn.get("6h")),
        _rate(report.burn.get("3d")),
        _ends(report),
    )


def _ends(report: SloReport) -> str:
    """When the budget is used up, in few words."""
    found = report.exhaustion
    match found.state:
        case "exhausted":
            return f"since {day(found.since)}" if found.since else "used up"
        case "projected" if found.earliest and found.latest:
            return f"{day(found.earliest)} – {day(found.latest)}"
        case "projected" if found.earliest:
            return f"from {day(found.earliest)}"
        case "not_in_window":
            return "lasts"
        case _:
            return "–"


def _length(row: Mapping[Any, Any], end: datetime) -> str:
    open_ended = moment(row["ended_at"]) is None
    return ago(hours(row, end) * 3600) + (" so far" if open_ended else "")


def _rate(burn: float | None) -> str:
    return "–" if burn is None else f"{burn:,.1f}"


def _or(value: object, otherwise: str) -> str:
    """A text of a frame, where a missing one is NaN or None."""
    return value if isinstance(value, str) and value else otherwise
