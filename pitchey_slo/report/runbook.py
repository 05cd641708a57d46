"""A runbook as a report: its questions in order, asked of one window, each with what the answer says.

The window, where errors and slowness came from, deployments and logs are those of the incident investigation
(`report/investigation.py`); this adds what the parts say of themselves, and what the runbook says to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pandas as pd

from pitchey_slo.analyse.readings import Gauge, Reading, reading
from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.investigation import Case, investigation
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import measured, said
from pitchey_slo.store import runbook_questions as ask

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

_ERRORS = "sum(rate(pitchey_http_errors_total[5m])) / sum(rate(pitchey_http_requests_total[5m]))"
_P95 = "histogram_quantile(0.95, sum by (le) (rate(pitchey_http_response_time_bucket[5m])))"
_POOL = "max(pitchey_db_connections_active) / max(pitchey_db_connections_max)"
_HITS, _MISSES = (f"sum(rate(pitchey_cache_{name}_total[5m]))" for name in ("hits", "misses"))

UP = Gauge("database reached", "max(pitchey_db_up)", "count", "No check reached the database: go to 2.", "down", 0.5)
POOL = Gauge("connections in use", _POOL, "ratio", "The pool is nearly used up: look for transactions left open (3).",
             "up", 0.9)  # fmt: skip
QUERY = Gauge("time of a query", "1000 * avg(pitchey_db_query_seconds)", "ms", "Queries are slow: look at 4.", digits=1)
LOCKS = Gauge("queries waiting for a lock", "sum(pitchey_db_locks_waiting)", "count",
              "Queries wait for each other: end what blocks them (4).")  # fmt: skip
LAG = Gauge("replicas behind", "max(pitchey_db_replication_lag_seconds)", "seconds", "Reads from replicas are old.",
            digits=2)  # fmt: skip
CACHE = Gauge("answered by the cache", f"{_HITS} / ({_HITS} + {_MISSES})", "ratio",
              "The cache answers less: it restarted, or its keys changed; the database carries the load.",
              "down", 0.7)  # fmt: skip
EVICTED = Gauge("entries thrown out a second", "sum(rate(pitchey_cache_evicted_total[5m]))", "per second",
                "The cache is too small.", digits=1)  # fmt: skip
MEMORY = Gauge("memory, fullest process", "max(pitchey_memory_used_bytes / pitchey_memory_limit_bytes)", "ratio",
               "A process runs out of memory: restart it, then look at the last deployment.", "up", 0.85)  # fmt: skip
CPU = Gauge("processor, busiest process", "max(pitchey_cpu_usage_ratio)", "ratio", "A process is busy.", "up", 0.95)
FAILED = Gauge("share of 5xx", _ERRORS, "ratio", "More fails than before.", "up", 0.05, digits=2)
P95 = Gauge("p95", f"1000 * {_P95}", "ms", "Answers are slow.", "up", 3_000.0)
TRAFFIC = Gauge("requests a second", "sum(rate(pitchey_http_requests_total[5m]))", "per second",
                "There is more traffic than before.", digits=1)  # fmt: skip
WORKER = Gauge("workers that answer", "min(pitchey_worker_up)", "count", "A worker does not answer.", "down", 0.5)

#: runbook -> (its notebook, what it asks the parts)
RUNBOOKS: Final = {
    "high-error-rate": ("72_runbook_high_error_rate", (FAILED, UP, POOL, WORKER, CACHE, MEMORY)),
    "database-problems": ("73_runbook_database", (UP, POOL, QUERY, LOCKS, LAG, FAILED, P95)),
    "performance-issues": ("74_runbook_performance", (P95, TRAFFIC, QUERY, POOL, CACHE, EVICTED, MEMORY, CPU)),
}
_TABLES: Final = ("requests", "samples", "logs", "deployments", "incidents", "alerts", "alert_events")


@dataclass(frozen=True, eq=False)
class Guide:
    """One runbook followed through one window. `failing` and `slow` are frames of `store/runbook_questions.py`."""

    runbook: str
    case: Case
    readings: tuple[Reading, ...]
    failing: pd.DataFrame
    slow: pd.DataFrame
    about: About

    @property
    def odd(self) -> tuple[Reading, ...]:
        return tuple(r for r in self.readings if r.odd)

    @property
    def deployments(self) -> pd.DataFrame:
        """Those up to six hours before, for a chart."""
        return pd.DataFrame(self.case.found.deployments or None, columns=["ts"])

    def summary(self) -> Html:
        """What the investigation says, then what the parts say, then where to begin."""
        return (
            self.case.summary()
            + told.paragraph(self._parts())
            + told.paragraph(f"The runbook this follows: docs/runbooks/{self.runbook}.md.", kind="quiet")
        )

    def facts(self) -> list[Fact]:
        """The window's numbers, and the worst of each part."""
        return self.case.facts() + [
            Fact(f"worst:{r.gauge.name}", f"{r.gauge.name}, worst", r.worst, r.gauge.unit,
                 "down" if r.gauge.worse == "up" else "up", r.gauge.digits)
            for r in self.readings
        ]  # fmt: skip

    def changes(self) -> Html:
        """What changed since the last look at the same."""
        return changes(self.about, self.facts(), self.summary())

    def parts(self, *names: str) -> Html:
        """What the parts say: all, or those of these names."""
        mine = [r for r in self.readings if not names or r.gauge.name in names]
        rows: list[tuple[str | Html, ...]] = [
            (
                told.two_lines(r.gauge.name, r.gauge.said if r.odd else ""),
                *(measured(v, r.gauge.unit, r.gauge.digits) for v in (r.before, r.now, r.worst)),
                _verdict(r),
            )
            for r in mine
        ]
        columns = (
            Column("", wide=True), Column("before", number=True), Column("now", number=True),
            Column("worst", number=True, hint="of the window"), Column("", short=True),
        )  # fmt: skip
        asked = "\n".join(f"pitchey-slo query '{r.gauge.expr}'" for r in mine)
        return told.table(columns, rows) + told.folded("the queries", asked)

    def fails(self) -> Html:
        """What fails, with an example to look up in the logs."""
        rows = [
            (str(r["route"]), str(r["status"]), f"{r['requests']:,.0f}", said(r["first"]), _text(r["example"]))
            for r in self.failing.to_dict("records")
        ]
        columns = (Column("route"), Column("status", short=True), Column("requests", number=True),
                   Column("first", short=True), Column("an example's trace", short=True))  # fmt: skip
        words = ""
        if rows:
            top, all_ = self.failing["requests"].iloc[0], self.failing["requests"].sum()
            words = f"{rows[0][0]} with {rows[0][1]} makes up {top / all_ * 100:.0f} % of what failed."
        return told.paragraph(words) + told.table(columns, rows, empty="Nothing failed with 5xx in this window.")

    def slowest(self) -> Html:
        """Routes by their p95, with more than twenty measured requests."""
        rows = [
            (str(r["route"]), f"{r['rows']:,}", measured(r["p95"], "ms"), measured(r["p95_before"], "ms"))
            for r in self.slow.to_dict("records")
        ]
        columns = (Column("route"), Column("measured", number=True), Column("p95", number=True),
                   Column("before", number=True))  # fmt: skip
        return told.table(columns, rows, empty="No route had more than twenty measured requests.")

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about, {"runbook": f"docs/runbooks/{self.runbook}.md"})

    def _parts(self) -> str:
        unknown = [r.gauge.name for r in self.readings if r.now is None]
        blind = f" Nothing is known of: {', '.join(unknown)}." if unknown else ""
        if not self.odd:
            known = len(self.readings) - len(unknown)
            return ("The parts say nothing unusual." if known else "") + blind
        said_ = " ".join(
            f"{r.gauge.name.capitalize()}: {measured(r.worst, r.gauge.unit, r.gauge.digits)} at worst "
            f"({measured(r.before, r.gauge.unit, r.gauge.digits)} before). {r.gauge.said}"
            for r in self.odd
        )
        return said_ + blind


def runbook(wb: Workbench, name: str, *, alert: str = "", start: Moment = None, end: Moment = None) -> Guide:
    """Follow a runbook through the window of an alert, or from `start` to `end`, or through the last hour of data.
    Raises QueryError for a runbook that has no notebook."""
    if name not in RUNBOOKS:
        raise QueryError(f"no notebook for runbook {name!r}; {did_you_mean(name, RUNBOOKS) or ', '.join(RUNBOOKS)}")
    notebook, gauges = RUNBOOKS[name]
    case = investigation(wb, alert=alert, start=start, end=end)
    found = case.found
    step = max(15, round((found.end - found.baseline_start).total_seconds() / 240 / 15) * 15)

    def answers(expr: str, first: datetime, last: datetime) -> Sequence[tuple[datetime, float]]:
        frame = wb.promql(expr, first, last, float(step))
        if not frame.shape[1]:
            return ()
        times = pd.DatetimeIndex(frame.index).to_pydatetime()
        return list(zip(times, frame.iloc[:, 0].to_numpy(dtype=float).tolist(), strict=True))

    now = wb.reader.source("requests", found.start, found.end)
    before = wb.reader.source("requests", found.baseline_start, found.baseline_end)
    return Guide(
        runbook=name,
        case=case,
        readings=tuple(reading(g, answers, found.baseline_start, found.start, found.end) for g in gauges),
        failing=wb.reader.query(ask.failing(now)).to_pandas(),
        slow=wb.reader.query(ask.slowest(now, before)).to_pandas(),
        about=about(wb, notebook, start=found.start, end=found.end, tables=_TABLES,
                    parameters={"alert": alert, "start": start, "end": end}),
    )  # fmt: skip


def _verdict(r: Reading) -> Html:
    if r.now is None:
        return told.mark("no_data", "not known")
    if r.passed:
        return told.mark("exhausted", f"✕ beyond {measured(r.gauge.bound, r.gauge.unit, r.gauge.digits)}")
    if r.odd:
        return told.mark("at_risk", "! unlike before")
    return told.mark("healthy", "✓ as before") if r.moved is not None else told.mark("no_data", "nothing to compare")


def _text(value: object) -> str:
    return "–" if value is None or value != value else str(value)
