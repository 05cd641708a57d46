"""What the investigation report says: one window against a quiet one, and the words told from the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.analyse import Investigation, investigate
from pitchey_slo.analyse.investigate import Cause, Explanation, Kind, Totals
from pitchey_slo.analyse.logs import Patterns, log_patterns
from pitchey_slo.errors import QueryError
from pitchey_slo.plots.theme import count
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.log_words import lines as spoken
from pitchey_slo.report.log_words import short, told_shortly
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import milliseconds, said

if TYPE_CHECKING:
    import pandas as pd

    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "70_incident_investigation"
#: Minutes shown around the window.
AROUND = 60
_NAMES = {"endpoint": "endpoints", "location": "locations", "source": "sources"}


@dataclass(frozen=True, eq=False)
class Case:
    """`volume`: frame of `wb.volume` in minutes around the window; `events`: what was decided about the alert; `lines`:
    the patterns of warnings and errors, of all services, against the week before."""

    title: str
    found: Investigation
    volume: pd.DataFrame
    percentiles: pd.DataFrame
    events: pd.DataFrame
    lines: Patterns
    frozen_at: datetime | None
    about: About

    def summary(self) -> Html:
        """What happened, where, and what else changed, in a few sentences."""
        if not self.found.now.requests:
            return told.paragraph("There was no request at all in this window: nothing can be compared.", kind="lead")
        parts = [self._errors(), self._slow()]
        if not (self.found.rose("errors") or self.found.rose("slow")):
            parts = ["Neither errors nor slow requests rose beyond chance; look at what else moved, below."]
        return told.paragraph(*parts, self._said(), self._deployed(), kind="lead") + told.paragraph(
            f"{self.title + ': ' if self.title else ''}{said(self.found.start)} to {said(self.found.end)}, compared "
            f"with {said(self.found.baseline_start)} to {said(self.found.baseline_end)}"
            + (f", requests with {self.found.where}" if self.found.where else "")
            + ".",
            kind="quiet",
        )

    def facts(self) -> list[Fact]:
        """The window, and how much worse it was than before."""
        now, before = self.found.now, self.found.before
        return [
            Fact("requests", "requests", now.requests),
            Fact("error_ratio", "failed", now.error_ratio, "ratio", "down", 2),
            Fact("error_ratio_before", "failed before", before.error_ratio, "ratio", "down", 2),
            Fact("slow_ratio", "slow", now.slow_ratio, "ratio", "down", 2),
            Fact("p95", "p95", now.p95_ms, "ms", "down"),
            Fact("p95_before", "p95 before", before.p95_ms, "ms", "down"),
        ]

    def changed(self) -> Html:
        """What changed since the last look at the same."""
        return changes(self.about, self.facts(), self.summary())

    def provenance(self) -> Html:
        """What it was made from."""
        before = f"{said(self.found.baseline_start)} to {said(self.found.baseline_end)}"
        return ending(self.about, {"compared with": before})

    def totals(self) -> Html:
        """Now and before, side by side."""
        rows = [(name, *_totals(t)) for name, t in (("this window", self.found.now), ("before", self.found.before))]
        hint = f"longer than {milliseconds(self.found.slow_ms)}, the p95 of before" if self.found.slow_ms else ""
        columns = ("requests", "errors", "error ratio", "slow", "p95")
        return told.table(
            [Column(""), *(Column(c, number=True, hint=hint if c == "slow" else "") for c in columns)], rows
        )

    def where_from(self, kind: Kind, most: int = 6) -> Html:
        """Per dimension the values with the most errors (or slow requests) beyond what their traffic explains."""
        what = "errors" if kind == "errors" else "slow requests"
        if not self.found.rose(kind):
            return told.paragraph(f"No more {what} than chance would bring.", kind="quiet")
        causes = [c for c in self.found.causes if c.kind == kind]
        dimensions = dict.fromkeys(c.dimension for c in causes)
        rows = [
            (dimension if i == 0 else "", *_cause(cause))
            for dimension in sorted(dimensions, key=list(_ORDER).index)
            for i, cause in enumerate([c for c in causes if c.dimension == dimension][:most])
        ]
        columns = (
            Column("by", short=True),
            Column("value", wide=True),
            Column(
                f"more {what}", number=True, hint="beyond what its traffic would have brought at the rate of before"
            ),
            Column("share", number=True, hint="of all that is more, by this dimension"),
            Column("now", number=True),
            Column("before", number=True),
            Column("requests", number=True),
        )
        return told.table(columns, rows)

    def moved(self, most: int = 12) -> Html:
        """The stored series that moved the farthest."""
        rows = [
            (
                m.name + (f" {{{', '.join(f'{k}={v}' for k, v in m.labels.items())}}}" if m.labels else ""),
                _number(m.now) + ("/s" if m.kind == "counter" else ""),
                _number(m.before) + ("/s" if m.kind == "counter" else ""),
                f"{m.spreads:+.1f}".replace("-", "−"),
            )
            for m in self.found.moved[:most]
            if abs(m.spreads) >= 2
        ]
        columns = (
            Column("series", wide=True),
            Column("now", number=True),
            Column("before", number=True),
            Column("moved by", number=True, hint="in standard deviations of before"),
        )
        return told.table(columns, rows, empty="no stored series moved by more than two standard deviations")

    def changes(self) -> Html:
        """Deployments up to six hours before, and incidents that are labelled already."""
        rows = [
            (said(d["ts"]), "deployment", f"{d['service']} {d['version']}", d["description"] or "")
            for d in self.found.deployments
        ]
        rows += [(said(i["started_at"]), "incident", i["title"], i["description"] or "") for i in self.found.incidents]
        columns = (Column("when", short=True), Column("what"), Column("name"), Column("", wide=True))
        return told.table(columns, sorted(rows), empty="no deployment in the six hours before, no labelled incident")

    def logs(self) -> Html:
        """What warnings and errors say, what is new first."""
        return told_shortly(self.lines)

    def decisions(self) -> Html:
        """What was decided about the alert, in order."""
        rows = [(said(e["ts"]), str(e["kind"]), str(e["text"])) for e in self.events.to_dict("records")]
        columns = (Column("when", short=True), Column("what", short=True), Column("decision", wide=True))
        return told.table(columns, rows, empty="this window belongs to no alert")

    def next_steps(self) -> Html:
        """Queries to paste, made for this window."""
        low, high = (f"{t:%Y-%m-%dT%H:%M:%SZ}" for t in (self.found.start, self.found.end))
        texts = [
            f"wb.investigate('{low}', '{high}', where=\"route = '/api/...'\")",
            'wb.sql("SELECT route, status, count(*) AS rows FROM requests '
            f"WHERE ts BETWEEN '{low}' AND '{high}' GROUP BY ALL ORDER BY rows DESC\")",
            f"wb.log_requests('{low}', '{high}').by_route",
            f"wb.label_incident('what it was', '{low}', '{high}', kind='error_burst', severity='critical')",
        ]
        return Html("".join(f"<pre>{told.text(t)}</pre>" for t in texts))

    def _said(self) -> str:
        new = sorted(self.lines.of("new"), key=lambda p: -p.count)
        if not new:
            return ""
        more = f", and {len(new) - 1} more" if len(new) > 1 else ""
        return f"New in the logs: “{short(new[0])}” ({spoken(new[0].count)}){more}."

    def _errors(self) -> str:
        if not self.found.rose("errors"):
            return ""
        now, before = self.found.now, self.found.before
        return (
            f"{count(now.errors)} of {count(now.requests)} requests failed ({_percent(now.error_ratio)}; before: "
            f"{_percent(before.error_ratio)}){_from(self.found.where_from('errors'))}."
        )

    def _slow(self) -> str:
        if not self.found.rose("slow") or self.found.slow_ms is None:
            return ""
        now, before = self.found.now, self.found.before
        return (
            f"{_percent(now.slow_ratio)} took longer than {milliseconds(self.found.slow_ms)} (before: "
            f"{_percent(before.slow_ratio)}); the p95 went from {milliseconds(before.p95_ms)} to "
            f"{milliseconds(now.p95_ms)}{_from(self.found.where_from('slow'))}."
        )

    def _deployed(self) -> str:
        if not self.found.deployments:
            return "Nothing was deployed in the six hours before."
        last = self.found.deployments[-1]
        minutes = (self.found.start - last["ts"]).total_seconds() / 60
        when = f"{abs(minutes):.0f} minutes {'before' if minutes > 0 else 'after'} it began"
        when = "as it began" if abs(minutes) < 1 else when
        return f"{last['service']} {last['version']} was deployed {when}."


_ORDER = ("endpoint", "route", "method", "location", "status", "cache", "source")


def investigation(
    wb: Workbench, *, title: str = "", start: Moment = None, end: Moment = None, where: str = "", alert: str = ""
) -> Case:
    """Gather it. With the id of an `alert`, its time is the window unless `start` and `end` say otherwise; without any,
    the last hour of data is looked at."""
    from pitchey_slo.workbench import parse_time

    given = {"title": title, "alert": alert, "start": start, "end": end, "where": where}
    first, last = parse_time(start, "start"), parse_time(end, "end")
    row = _alert(wb, alert) if alert else None
    if row is not None:
        first = first or row["active_at"] - timedelta(minutes=5)
        last = last or row["resolved_at"] or wb.span(None, None)[1]
        title = title or str(row["name"])
    last = last or wb.span(None, None)[1]
    first = first or last - timedelta(hours=1)
    if first >= last:
        raise QueryError(f"the window ends ({last}) before it starts ({first})")
    found = investigate(wb.reader, first, last, where=where or None)
    around = timedelta(minutes=AROUND)
    span = (min(found.baseline_start, first - around), last + around)
    width = "1m" if span[1] - span[0] <= timedelta(hours=8) else "15m"
    return Case(
        title=title,
        found=found,
        volume=wb.volume(*span, bucket=width),
        percentiles=wb.percentiles(*span, bucket=width, where=where or None),
        events=_events(wb, alert),
        lines=log_patterns(wb.reader, first, last, level="warning"),
        frozen_at=row["resolved_at"] if row is not None else None,
        about=about(
            wb,
            NOTEBOOK,
            start=first,
            end=last,
            tables=["requests", "samples", "logs", "deployments", "incidents", "alerts", "alert_events"],
            parameters=given,
        ),
    )


def _alert(wb: Workbench, alert: str) -> dict[str, Any]:
    rows = wb.reader.query("SELECT * FROM alerts WHERE id = ?", [alert]).to_pylist()
    if not rows:
        raise QueryError(f"no alert {alert!r}; pitchey-slo alerts list shows those there are")
    return dict(rows[0])


def _events(wb: Workbench, alert: str) -> pd.DataFrame:
    frame: pd.DataFrame = wb.reader.query(
        "SELECT ts, kind, text FROM alert_events WHERE alert_id = ? ORDER BY ts", [alert]
    ).to_pandas()
    return frame


def _from(explanation: Explanation | None) -> str:
    if explanation is None:
        return ", everywhere alike"
    values = [v if v is not None else "unknown" for v in explanation.values]
    listed = values[0] if len(values) == 1 else ", ".join(values[:-1]) + f" and {values[-1]}"
    if len(values) > 4:
        listed = f"{len(values)} {_NAMES[explanation.dimension]}"
    return f", {_share(explanation.share)} of them from {listed} ({_percent(explanation.traffic)} of the traffic)"


def _totals(totals: Totals) -> Sequence[str]:
    return (
        count(totals.requests),
        count(totals.errors),
        _percent(totals.error_ratio),
        _percent(totals.slow_ratio),
        milliseconds(totals.p95_ms),
    )


def _cause(cause: Cause) -> Sequence[str]:
    now, before = (t.error_ratio if cause.kind == "errors" else t.slow_ratio for t in (cause.now, cause.before))
    value = cause.value if cause.value is not None else "unknown"
    return value, count(cause.excess), _share(cause.share), _percent(now), _percent(before), count(cause.now.requests)


def _share(share: float) -> str:
    return "all" if share > 0.995 else f"{share * 100:.0f} %"


def _percent(ratio: float | None) -> str:
    if ratio is None:
        return "–"
    return f"{ratio * 100:.2f} %" if ratio < 0.1 else f"{ratio * 100:.1f} %"


def _number(value: float) -> str:
    return f"{value:,.4g}"
