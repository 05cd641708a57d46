"""The workbench: what `pitchey_slo.connect()` gives a notebook.

    import pitchey_slo as ps
    wb = ps.connect()
    wb.sql("SELECT route, count(*) FROM requests GROUP BY ALL")
    wb.slo("api-availability").report("28d")
    wb.percentiles(bucket="1h")
    wb.promql("sum by (route) (rate(pitchey_http_requests_total[5m]))", start="2026-03-01")

It reads the lake, live, from any process, and holds no lock. Writing (labels) goes through the server when one runs.
Times are UTC; `end` "" or None means the minute after the newest row, so that a report on old data speaks of that data.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_slo.errors import QueryError, SloError, did_you_mean
from pitchey_slo.settings import Settings
from pitchey_slo.tables import INCIDENTS, STREAMS, TABLES

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from pitchey_slo.alert.rules import Rule, RuleGroup
    from pitchey_slo.analyse import Investigation
    from pitchey_slo.analyse.backtest import Tested
    from pitchey_slo.analyse.review import Proposal, Review
    from pitchey_slo.analyse.synthetic import History, Reviewed
    from pitchey_slo.analyse.tune import Changes, Cost, Point, Tuning
    from pitchey_slo.analyse.watch import Judged, Watched
    from pitchey_slo.probe.synthetic.quorum import Target
    from pitchey_slo.promql import Result
    from pitchey_slo.promql.lake_scan import LakeScan
    from pitchey_slo.slo import SloReport
    from pitchey_slo.slo.alerts.lint import LintReport
    from pitchey_slo.slo.model import Slo
    from pitchey_slo.slo.spec.shelf import Shelf

Moment = datetime | str | None

#: Columns of `Workbench.uptime`.
_UPTIME = ("test", "location", "uptime", "reachability", "covered", "at_least", "looks", "failed", "outages",
           "down_seconds", "mttr_seconds", "maintenance_seconds", "outage_times")  # fmt: skip


def connect(home: str | Path | None = None, *, settings: Settings | None = None) -> Workbench:
    """Open the workbench on `home` (default: PITCHEY_HOME, else ./data). Raises ConfigError for a wrong setting."""
    return Workbench(settings or Settings.load(home=home or None))


class Workbench:
    """Live, read-only view of one home's lake, with the house's own questions as methods."""

    def __init__(self, settings: Settings) -> None:
        from pitchey_slo.store.reader import LakeReader

        self.settings = settings
        self.reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
        self._scan: LakeScan | None = None  # made when PromQL is first asked
        self._shelf: Shelf | None = None  # SLO files are read again only when they change

    def __repr__(self) -> str:
        newest = self.watermark()
        return f"<Workbench on {self.settings.lake_uri}: newest request {newest or 'none yet'}>"

    def sql(self, text: str) -> duckdb.DuckDBPyRelation:
        """Any SELECT over requests, business_events, incidents, deployments, report_runs. `.df()` gives a frame.

        Raises QueryError with DuckDB's words, the line and a caret.
        """
        return self.reader.relation(text)

    def slos(self, service: str = "all") -> tuple[Slo, ...]:
        """The SLOs of `config/slos` (the shipped ones when that folder is absent), or those of one service."""
        from pitchey_slo.slo.spec.shelf import Shelf

        if self._shelf is None:
            self._shelf = Shelf(self.settings)
        found = self._shelf.strict()
        if service in ("", "all"):
            return found
        chosen = tuple(slo for slo in found if slo.service == service)
        if not chosen:
            services = sorted({slo.service for slo in found})
            hint = did_you_mean(service, services) or f"services: {', '.join(services)}"
            raise SloError(f"no SLO has service {service!r}; {hint}")
        return chosen

    def slo(self, name: str) -> SloView:
        """One SLO by name. Raises SloError with a suggestion when there is none."""
        found = {slo.name: slo for slo in self.slos()}
        if name not in found:
            raise SloError(f"no SLO {name!r}; {did_you_mean(name, found) or 'SLOs: ' + ', '.join(found)}")
        return SloView(self, found[name])

    def slo_report(self, service: str = "all", window: str = "", end: Moment = None) -> tuple[SloReport, ...]:
        """Every SLO (of one service) over its own windows, or over `window` alone, in one scan of the data."""
        return self._evaluate(self.slos(service), window, end)

    def evaluate(
        self, slos: Sequence[Slo], windows: str | Sequence[str] = "", end: Moment = None
    ) -> tuple[SloReport, ...]:
        """These SLOs in one scan: what every way to SLO numbers calls. `windows` (such as "28d") replace their own."""
        return self._evaluate(slos, windows, end)

    def lint(self, *names: str, end: Moment = None) -> tuple[LintReport, ...]:
        """Whether the burn alerts of these SLOs (all when none is named) can fire, when, and after how many failures at
        this service's own traffic: one `LintReport` per objective. See docs/slos.md, "Linter"."""
        from pitchey_slo.slo.alerts.lint import lint
        from pitchey_slo.slo.corrections import stored

        return lint(
            [self.slo(name).spec for name in names] or self.slos(),
            self.reader,
            end=parse_time(end, "end"),
            now=datetime.now(UTC),
            corrections=stored(self.reader),
            scan=self._series(),
        )

    def percentiles(
        self,
        start: Moment = None,
        end: Moment = None,
        *,
        quantiles: Sequence[float] = (0.5, 0.95, 0.99),
        bucket: str | None = "1h",
        by: str | None = None,
        where: str | None = None,
    ) -> pd.DataFrame:
        """Exact, weighted latency quantiles in milliseconds: one row per `bucket` ("5m", "1h", "1d", None for all in
        one) and per value of `by` (route, method, location, status, ...). `start` defaults to 28 days before
        `end`."""
        from pitchey_slo.slo.windows import duration_minutes
        from pitchey_slo.store.questions import latency_quantiles

        first, last = self.span(start, end)
        seconds = duration_minutes(bucket) * 60 if bucket else None
        table = latency_quantiles(self.reader, first, last, quantiles, seconds=seconds, by=by, where=where)
        return _frame(table)

    def percentile_methods(
        self,
        start: Moment = None,
        end: Moment = None,
        *,
        quantiles: Sequence[float] = (0.5, 0.95, 0.99),
        bucket: str | None = "1h",
        by: str | None = None,
        where: str | None = None,
    ) -> pd.DataFrame:
        """Each quantile exactly, from the 1 % sketch and as Prometheus interpolates it, with their relative errors: one
        row per bucket, value of `by` and quantile. See `pitchey_slo.analyse.percentile_methods`."""
        from pitchey_slo.analyse import percentile_methods
        from pitchey_slo.slo.windows import duration_minutes

        seconds = duration_minutes(bucket) * 60 if bucket else None
        return percentile_methods(self.reader, *self.span(start, end), quantiles, seconds=seconds, by=by, where=where)

    def promql(
        self, expr: str, start: Moment = None, end: Moment = None, step: str | float | None = None
    ) -> pd.DataFrame:
        """A PromQL expression over samples and the series of events: index UTC time, one column per series.

        With `start` at every `step` ("15s", "5m" or seconds; about 250 points when left out) up to `end`; without it at
        one moment, `end`. A missing value is NaN. Raises QueryError that shows the expression, with a caret where the
        place is known."""
        result = self.promql_result(expr, start, end, step)
        frame = result.to_pandas()
        if len(result) == 1 and not result.labels[0]:
            frame.columns = [expr]  # a lone `{}` says nothing
        return frame

    def promql_result(
        self, expr: str, start: Moment = None, end: Moment = None, step: str | float | None = None
    ) -> Result:
        """`promql` as arrays and labels, with warnings."""
        from pitchey_slo.promql import evaluate, instant

        scan = self._series()
        last = parse_time(end, "end") or self._newest_minute("requests", "business_events", "samples")
        first = parse_time(start, "start")
        if first is None:
            return instant(expr, scan, milliseconds(last))
        if first > last:
            raise QueryError(f"start {first} is after end {last}")
        every = step_ms(step) if step else max(1, round((last - first).total_seconds() / 250 / 15)) * 15_000
        return evaluate(expr, scan, milliseconds(first), milliseconds(last), every)

    def routes(self, start: Moment = None, end: Moment = None, *, where: str | None = None) -> pd.DataFrame:
        """Per method and route: weighted requests, 5xx errors, 4xx, error ratio and p95; most errors first."""
        from pitchey_slo.store.questions import routes

        return _frame(routes(self.reader, *self.span(start, end), where))

    def volume(self, start: Moment = None, end: Moment = None, *, bucket: str = "1h") -> pd.DataFrame:
        """Weighted requests and 5xx errors per bucket."""
        from pitchey_slo.slo.windows import duration_minutes
        from pitchey_slo.store.questions import volume

        return _frame(volume(self.reader, *self.span(start, end), duration_minutes(bucket) * 60))

    def incidents(self, start: Moment = None, end: Moment = None) -> pd.DataFrame:
        """Labelled incidents that touch the span, oldest first."""
        from pitchey_slo.store.questions import marks

        return _frame(marks(self.reader, *self.span(start, end))[0])

    def deployments(self, start: Moment = None, end: Moment = None) -> pd.DataFrame:
        """Deployments in the span, oldest first."""
        from pitchey_slo.store.questions import marks

        return _frame(marks(self.reader, *self.span(start, end))[1])

    def investigate(self, start: Moment, end: Moment = None, *, where: str | None = None) -> Investigation:
        """What was different from `start` to `end` (None: now) than in as long a time right before it: which endpoints
        and locations errors and slowness came from, what was deployed, which series moved."""
        from pitchey_slo.analyse import investigate

        return investigate(self.reader, *self.span(start, end), where=where)

    def backtest(
        self,
        rules: str | Path | Sequence[RuleGroup] | None = None,
        start: Moment = None,
        end: Moment = None,
        *,
        incidents: Any = None,
        grace: str | float = "5m",
        zone: str = "UTC",
        acked_after: str | float | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> Tested:
        """What rules would have done over the last 28 days (or `start` to `end`): every firing, scored against the
        labelled incidents and sent through routing. See docs/backtest.md.

        rules        a rule file or folder, or groups; those that run (config/rules and the SLOs' burn alerts) when None
        incidents    others than those labelled in the store: a frame or rows with started_at and ended_at
        grace        a firing so long after the end of an incident still tells of it
        zone         whose nights count (22 to 7 o'clock)
        acked_after  how soon somebody takes an alert on; None: never, and escalations run to their end
        """
        from pitchey_slo.analyse.backtest.ask import ask
        from pitchey_slo.store.questions import marks

        last = parse_time(end, "end") or self._newest_minute("requests", "business_events", "samples")
        first, last = self.span(start, last)
        known = marks(self.reader, first, last)[0].to_pylist() if incidents is None else incidents
        return ask(
            self.settings, self.reader, self._series(), rules, first, last, known, slos=self.slos(), zone=zone,
            grace=timedelta(milliseconds=step_ms(grace)), progress=progress,
            acked_after=None if acked_after is None else timedelta(milliseconds=step_ms(acked_after)),
        )  # fmt: skip

    def tune(
        self,
        rule: Rule | str,
        start: Moment = None,
        end: Moment = None,
        *,
        incidents: Any = None,
        thresholds: Sequence[float] | None = None,
        fors: Sequence[float | str] | None = None,
        windows: Sequence[str] | None = None,
        cost: Cost | None = None,
        grace: str | float = "5m",
        rules: str | Path | Sequence[RuleGroup] | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> Tuning:
        """Every threshold, `for` and window of an alerting rule over the last 28 days (or `start` to `end`) against the
        labelled incidents: what each would have caught, and which one holds up. See docs/tuning.md.

        rule        its name (`group/name` where several share it), its key, or a Rule
        incidents   others than those labelled in the store: a frame or rows with started_at and ended_at
        grace       a firing so long after the end of an incident still tells of it
        rules       a rule file or folder, or groups, instead of those of config/
        """
        from pitchey_slo.analyse.tune import ask

        last = parse_time(end, "end") or self._newest_minute("requests", "business_events", "samples")
        first, last = self.span(start, last)
        known = self.incidents(first, last) if incidents is None else incidents
        given: dict[str, Any] = {"thresholds": thresholds, "fors": ask.seconds(fors), "windows": windows}
        given |= {"progress": progress} | ({} if cost is None else {"cost": cost})
        given |= {"grace_seconds": step_ms(grace) / 1000}
        return ask.ask(rule, ask.groups_of(self.settings, rules), self._series(), first, last, known, **given)

    def whatif(
        self, rule: Rule | str, start: Moment = None, end: Moment = None, *, zone: str = "UTC"
    ) -> dict[str, Any]:
        """One rule with every threshold and `for` over the last 28 days: what each pair would have caught, how often it
        would have fired and paged, as plain values for a page with two sliders. Arguments as for `tune`."""
        from pitchey_slo.analyse.backtest.ask import routes_of, silences_of
        from pitchey_slo.analyse.review.whatif import Routing, whatif
        from pitchey_slo.errors import ConfigError

        tuning = self.tune(rule, start, end)
        try:
            routing = Routing(routes_of(self.settings), silences_of(self.reader), zone)
        except ConfigError:  # without routes nobody is paged: the rest holds all the same
            routing = None
        return whatif(tuning, routing)

    def changes(
        self, tuning: Tuning, point: Point | None = None, *, rules: str | Path | Sequence[RuleGroup] | None = None
    ) -> Changes:
        """Firing by firing what the recommended point of a tuning (or `point`) would change: gained, lost and moved,
        each with its incident."""
        from pitchey_slo.analyse.tune import ask

        return ask.changes_of(tuning, ask.groups_of(self.settings, rules), self._series(), point)

    def detect(
        self,
        series: str | pd.Series,
        detector: str = "ensemble",
        start: Moment = None,
        end: Moment = None,
        step: str | float = "1m",
        *,
        timezone: str = "UTC",
        **params: Any,
    ) -> pd.DataFrame:
        """How unusual each sample of a series is, given those before it: index UTC time, columns `value`, `score` in
        [0, 1] (NaN: nothing can be said) and `reason` ("" or such as "level shift 4 min after deployment v1.2").

        series    a PromQL expression with one series as its answer, or a frame's column with times as its index
        detector  a name in `analyse.anomaly.DETECTORS`; `params` are its own
        start, end, step   of a PromQL expression: the last 28 days, a sample a minute

        Scores are those that the live scorer writes for the same series and history. Raises QueryError when the answer
        is not one series, AnomalyError for an unknown detector or parameter.
        """
        from pitchey_slo.analyse.watch.detect import detect, one_series, with_times

        if isinstance(series, str):
            last = parse_time(end, "end") or self._newest_minute("requests", "business_events", "samples")
            first, last = self.span(start, last)
            series = one_series(self.promql_result(series, first, last, step), series)
        series = with_times(series)
        marks = self.deployments(series.index[0], series.index[-1]) if len(series) else self.deployments()
        released = list(zip(marks["ts"], marks["version"], strict=True))
        return detect(series, detector, released, timezone, params)

    def judge_detectors(
        self,
        detectors: Sequence[str] | None = None,
        start: Moment = None,
        end: Moment = None,
        *,
        watched: Sequence[Watched] | None = None,
        series: str | None = None,
        false_per_week: float = 2.0,
        incidents: Any = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> tuple[Judged, ...]:
        """Each detector at the threshold that gives at most so many false alerts a week: which labelled incidents it
        finds, and how soon. See docs/anomalies.md.

        watched   what is scored; that of config/anomalies.yml when left out. `series`: only one of them
        """
        from pitchey_slo.analyse.anomaly import DETECTORS
        from pitchey_slo.analyse.watch import judge, load_watched
        from pitchey_slo.analyse.watch.config import FILE
        from pitchey_slo.analyse.watch.judge import scores_of

        last = parse_time(end, "end") or self._newest_minute("requests", "business_events", "samples")
        first, last = self.span(start, last)
        names = tuple(detectors or DETECTORS)
        entries = tuple(watched if watched is not None else load_watched(self.settings.config / FILE))
        chosen = [each for each in entries if series in (None, each.name)]
        if not chosen:
            hint = did_you_mean(series or "", [e.name for e in entries]) or f"see {self.settings.config / FILE}"
            raise QueryError(
                f"nothing called {series!r} is watched; {hint}" if series else f"nothing is watched; {hint}"
            )
        scores = scores_of(chosen, names, self._series(), first, last, progress=progress)
        known = self.incidents(first, last) if incidents is None else incidents
        return judge(scores, first, last, known, detectors=names, false_per_week=false_per_week)

    def uptime(self, start: Moment = None, end: Moment = None, *, test: str | None = None) -> pd.DataFrame:
        """How much of the time synthetic tests were up: one row per test and location, and per test for all of them
        together (location `quorum`). Of the last 28 days before the newest result, unless told otherwise.

        uptime         share of the time in which something is known that it was not down; NaN when nothing is known
        reachability   share of the looks that passed;   looks, failed: how many
        covered        share of the time in which something is known: what is missing is not up
        at_least       the uptime if all that is missing was down
        outages, outage_times   how many, and each with start, end, failure, reason, open; mttr_seconds: mean of those
                       that ended

        See docs/synthetics.md, "Uptime".
        """
        import pandas as pd

        from pitchey_slo.analyse.synthetic import uptime_rows

        return pd.DataFrame(uptime_rows(self.synthetic_history(start, end, test=test).uptimes()), columns=_UPTIME)

    def synthetic_history(self, start: Moment = None, end: Moment = None, *, test: str | None = None) -> History:
        """What `uptime` is made from, as values."""
        from pitchey_slo.analyse.synthetic import history
        from pitchey_slo.probe.synthetic.quorum import Policy

        first, last = self.span(start, parse_time(end, "end") or self._newest_minute("probes"))
        policy = Policy(share=self.settings.quorum)
        return history(self.reader, first, last, test=test, targets=self.synthetic_targets(), policy=policy)

    def synthetic_review(self, start: Moment = None, end: Moment = None) -> Reviewed:
        """What weeks of synthetic tests say: uptimes, outages, phases, failure classes, flaky tests, what to change.
        See `pitchey_slo.analyse.synthetic`."""
        from pitchey_slo.analyse.synthetic import review
        from pitchey_slo.probe.synthetic.quorum import Policy

        first, last = self.span(start, parse_time(end, "end") or self._newest_minute("probes"))
        policy = Policy(share=self.settings.quorum)
        return review(self.reader, first, last, targets=self.synthetic_targets(), policy=policy)

    def synthetic_targets(self) -> dict[str, Target]:
        """What the tests of config/synthetics, and those that were added over the API, look at."""
        from pitchey_slo.probe.synthetic.reader import read
        from pitchey_slo.probe.synthetic.shelf import FOLDER, Shelf

        rows = self.reader.query("SELECT id, definition, added_by FROM synthetics WHERE removed_at IS NULL")
        tests, _ = Shelf(self.settings.config / FOLDER, read).current(rows.to_pylist())
        return {name: each.target(self.settings.api_base_url) for name, each in tests.items()}

    def freshness(self, now: datetime | None = None) -> pd.DataFrame:
        """Per table: rows, oldest and newest time, age of the newest in seconds (None when empty)."""
        import pandas as pd

        moment = now or datetime.now(UTC)
        rows = []
        for name in TABLES:
            newest = self.reader.watermark(name)
            rows.append(
                {
                    "table": name,
                    "kind": "stream" if name in STREAMS else "register",
                    "rows": self.reader.rows(name),
                    "oldest": self.reader.earliest(name),
                    "newest": newest,
                    "age_seconds": (moment - newest).total_seconds() if newest else None,
                }
            )
        return pd.DataFrame(rows)

    def watermark(self) -> datetime | None:
        """Time of the newest request; None when there is none."""
        return self.reader.watermark("requests")

    def label_incident(
        self,
        title: str,
        started_at: Moment,
        ended_at: Moment = None,
        *,
        kind: str = "other",
        severity: str = "warning",
        routes: str | None = None,
        location: str | None = None,
        description: str | None = None,
        by: str | None = None,
        id: str | None = None,  # noqa: A002  # the column's name
    ) -> str:
        """Label a span as an incident, or correct a label by giving its `id`; returns the id. Readers see it within
        seconds."""
        import pyarrow as pa

        from pitchey_slo.collect import conform
        from pitchey_slo.door import open_door

        first, last = parse_time(started_at, "started_at"), parse_time(ended_at, "ended_at")
        if first is not None and last is not None and last < first:
            raise QueryError(f"the incident ends ({last}) before it starts ({first})")
        now = datetime.now(UTC)
        key = id or f"inc-{uuid.uuid4().hex[:12]}"
        row = {
            "id": key,
            "title": title,
            "kind": kind,
            "severity": severity,
            "started_at": first,
            "ended_at": last,
            "routes": routes,
            "location": location,
            "description": description,
            "labelled_by": by,
            "updated_at": now,
            "source": "workbench",
        }
        batch = conform(INCIDENTS, pa.Table.from_pylist([row], schema=INCIDENTS.schema), now=now)
        if batch.rejected:
            raise QueryError(f"the label was refused: {batch.rejected[0].message}")
        with open_door(self.settings) as door:
            door.append("incidents", batch.rows)
        return key

    def correct(
        self,
        slo: str | Sequence[str] | None,
        start: datetime | str,
        end: Moment = None,
        *,
        minutes: float | None = None,
        category: str,
        reason: str,
        approver: str,
        rrule: str | None = None,
        zone: str = "UTC",
        id: str | None = None,  # noqa: A002  # the column's name
        source: str = "notebook",
    ) -> str:
        """Take time out of the budget of one SLO, of several, or of all (None); returns the correction's id.

        start, end or minutes   the first (or only) time; without a zone of their own on the clock of `zone`
        category   scheduled_maintenance, outside_business_hours, deployment or other
        reason, approver   why, and who agreed: every number that it touches tells them
        rrule      comes again, such as "FREQ=WEEKLY;BYDAY=SU": at the same time of day in `zone` all year

        Raises SloError that says what is wrong and what would work. See docs/slos.md, "Corrections".
        """
        from pitchey_slo.door import open_register
        from pitchey_slo.slo.corrections import check

        row = {
            "id": id or f"cor-{uuid.uuid4().hex[:12]}",
            "slos": slo,
            "category": category,
            "reason": reason,
            "approver": approver,
            "starts_at": start,
            "ends_at": end or None,
            "seconds": None if minutes is None else minutes * 60,
            "rrule": rrule,
            "zone": zone,
            "source": source,
        }
        checked = check(row, [each.name for each in self.slos()])
        with open_register(self.settings) as register:
            register.correct(checked)
        return checked.id

    def withdraw_correction(self, id: str, by: str) -> None:  # noqa: A002  # the column's name
        """Take a correction back: its time counts again, in past windows too. It stays listed, as withdrawn.

        Raises NotFound when there is none of this id."""
        from pitchey_slo.door import open_register

        with open_register(self.settings) as register:
            register.withdraw_correction(id, by)

    def corrections(self, now: datetime | None = None) -> pd.DataFrame:
        """Every correction in the store, withdrawn ones too: whose, when, why, who agreed; its `state` (coming, now,
        over, withdrawn) and the time that goes on or comes next at `now`."""
        import pandas as pd

        from pitchey_slo.slo.register import TOLD

        return pd.DataFrame(self.corrections_told(now), columns=list(TOLD))

    def corrections_told(self, now: datetime | None = None) -> list[dict[str, Any]]:
        """The same as plain values."""
        from pitchey_slo.slo import register

        moment = now or datetime.now(UTC)
        return [register.told(row, moment) for row in register.every(self.reader)]

    def review(
        self,
        start: Moment = None,
        end: Moment = None,
        *,
        incidents: Any = None,
        lint: bool = True,
        progress: Callable[[float, str], None] | None = None,
    ) -> Review:
        """The weekly look at the alert rules over the last 28 days (or `start` to `end`): which are noisy, which
        incidents nobody was told of, what the linter says of the SLOs, and what to change, with evidence.

        incidents   others than those labelled in the store: a frame or rows with started_at and ended_at
        `decide` writes down what people make of it. See docs/review.md.
        """
        from pitchey_slo.analyse.review import decisions, propose
        from pitchey_slo.analyse.tune.ask import groups_of
        from pitchey_slo.settings import shipped

        first, last = self.span(start, end)
        own = self.settings.config / "rules"
        return propose(
            groups_of(self.settings),
            self._series(),
            first,
            last,
            self.incidents(first, last) if incidents is None else incidents,
            own if own.is_dir() else shipped("config") / "rules",
            lint=self.lint(end=last) if lint else (),
            decisions=decisions.every(self.reader),
            watermark=self.watermark(),
            progress=progress,
        )

    def decide(
        self,
        proposal: Proposal | str,
        kind: str,
        *,
        by: str,
        reason: str,
        threshold: float | None = None,
        for_: str | None = None,
        was: float | None = None,
        look_again: Moment = None,
        id: str | None = None,  # noqa: A002  # the column's name
        source: str = "notebook",
    ) -> str:
        """Write down what was decided about a rule: a proposal of `review`, or the name of a rule; returns the id.

        kind       accept (as proposed, or with the numbers given here), change (other numbers) or reject (it stays)
        threshold, for_   the new number and the new `for`, such as "5m"; `was` says which number, if there are several
        look_again        when it shall be looked at again; in four weeks when left out, "" for never

        No rule changes before `apply`. Raises DecisionError that says what would work. See docs/review.md.
        """
        from pitchey_slo.analyse.review.decisions import Verdict
        from pitchey_slo.door import open_register

        again = datetime.now(UTC) + timedelta(weeks=4) if look_again is None else parse_time(look_again, "look_again")
        numbers: dict[str, Any] = {"threshold": threshold, "hold": for_, "was": was}
        given = numbers | {"look_again_at": again, "id": id, "source": source}
        if isinstance(proposal, str):
            verdict = Verdict(proposal, kind, by, reason, **given)
        else:
            verdict = proposal.verdict(kind, by, reason, **given)
        with open_register(self.settings) as register:
            return str(register.decide(verdict)["id"])

    def apply(self, decision: str, by: str) -> dict[str, Any]:
        """Change the rule file as it was decided; the server takes it within seconds. Returns the decision. Raises
        DecisionError when the rule is not the one that was decided about any more."""
        from pitchey_slo.door import open_register

        with open_register(self.settings) as register:
            return register.apply_decision(decision, by)

    def revert(self, decision: str, by: str) -> dict[str, Any]:
        """Take an applied decision back: the rule is again what it was."""
        from pitchey_slo.door import open_register

        with open_register(self.settings) as register:
            return register.revert_decision(decision, by)

    def decisions(self, now: datetime | None = None) -> pd.DataFrame:
        """Every decision about a rule, oldest first: who, why, the diff, the evidence, what came of it, and whether it
        is `due` to be looked at again at `now`."""
        import pandas as pd

        from pitchey_slo.analyse.review.decisions import TOLD

        return pd.DataFrame(self.decisions_told(now), columns=list(TOLD))

    def decisions_told(self, now: datetime | None = None) -> list[dict[str, Any]]:
        """The same as plain values."""
        from pitchey_slo.analyse.review import decisions

        moment = now or datetime.now(UTC)
        return [decisions.told(row, moment) for row in decisions.every(self.reader)]

    def span(self, start: Moment, end: Moment, *, days: int = 28) -> tuple[datetime, datetime]:
        """(start, end) as times: `end` defaults to the minute after the newest request (now when there is none),
        `start` to `days` before it. Raises QueryError when start is not before end."""
        last = parse_time(end, "end") or self._newest_minute()
        first = parse_time(start, "start") or last - timedelta(days=days)
        if first >= last:
            raise QueryError(f"start {first} is not before end {last}")
        return first, last

    def newest_minute(self, *tables: str) -> datetime:
        """The minute after the newest row of these tables (requests, when none is named); now when there is none."""
        return self._newest_minute(*tables)

    def _newest_minute(self, *tables: str) -> datetime:
        found = [t for table in tables or ("requests",) if (t := self.reader.watermark(table)) is not None]
        newest = max(found, default=datetime.now(UTC))
        return newest.replace(second=0, microsecond=0) + timedelta(minutes=1)

    def _evaluate(self, slos: Sequence[Slo], windows: str | Sequence[str], end: Moment) -> tuple[SloReport, ...]:
        from pitchey_slo.slo import evaluate
        from pitchey_slo.slo.corrections import stored

        return evaluate(
            slos,
            self.reader,
            end=parse_time(end, "end"),
            windows=([windows] if isinstance(windows, str) else list(windows)) if windows else None,
            now=datetime.now(UTC),
            corrections=stored(self.reader),
            scan=self._series(),
        )

    def _series(self) -> LakeScan:
        """All series of the lake, for PromQL."""
        from pitchey_slo.promql.lake_scan import LakeScan
        from pitchey_slo.slo.series import SloSeries

        if self._scan is None:
            self._scan = LakeScan(self.reader, more=[SloSeries(self.slos)])
        return self._scan


class SloView:
    """One SLO of a workbench."""

    def __init__(self, workbench: Workbench, slo: Slo) -> None:
        self._workbench = workbench
        self.spec = slo

    def report(self, window: str = "", end: Moment = None) -> tuple[SloReport, ...]:
        """One finding per objective and window (the spec's windows, or `window` alone)."""
        return self._workbench._evaluate([self.spec], window, end)


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return round(moment.timestamp() * 1000)


def step_ms(step: str | float) -> int:
    """A step in seconds, or as "15s", "1m30s" or "1d", in milliseconds. Raises QueryError for anything else.

    >>> step_ms("1m30s"), step_ms(0.5)
    (90000, 500)
    """
    units = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
    text = str(step).strip()
    found = re.findall(r"(\d+)(ms|[smhdw])", text)
    try:
        total = round(float(text) * 1000) if not found else sum(int(n) * units[unit] for n, unit in found)
    except (ValueError, OverflowError):
        total = 0
    if total <= 0 or (found and "".join(n + unit for n, unit in found) != text):
        raise QueryError(f"step: {text!r} is no positive duration; write 60, 15s, 5m or 1h")
    return total


def parse_time(moment: Moment, name: str) -> datetime | None:
    """ISO 8601 text or a datetime as UTC (no zone means UTC); "" and None are None.

    >>> parse_time("2026-03-01T12:00", "end")
    datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """
    if moment is None or moment == "":
        return None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.strip())
        except ValueError:
            raise QueryError(f"{name}: {moment!r} is no time; write it as 2026-03-01T12:00:00Z") from None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise QueryError(f"{name}: {moment} is outside the calendar; write it as 2026-03-01T12:00:00Z") from None


def _frame(table: Any) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame
