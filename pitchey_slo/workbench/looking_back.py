"""What was, and what would have been: investigations, backtests, tuning, anomaly scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.workbench.asking import Asking
from pitchey_slo.workbench.moments import Moment, step_ms

if TYPE_CHECKING:
    import pandas as pd

    from pitchey_slo.alert.rules import Rule, RuleGroup
    from pitchey_slo.analyse import Investigation
    from pitchey_slo.analyse.backtest import Tested
    from pitchey_slo.analyse.tune import Changes, Cost, Point, Tuning
    from pitchey_slo.analyse.watch import Judged, Watched


class LookingBack(Asking):
    """Backtests, tuning, anomalies and investigations over what happened."""

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

        last = self.series_end(end)
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

        last = self.series_end(end)
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
            last = self.series_end(end)
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

        last = self.series_end(end)
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
