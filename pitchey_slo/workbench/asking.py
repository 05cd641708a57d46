"""What is: SLOs, percentiles, PromQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitchey_slo.errors import QueryError, SloError, did_you_mean
from pitchey_slo.workbench.lake import Lake
from pitchey_slo.workbench.moments import Moment, frame_of, milliseconds, parse_time, step_ms

if TYPE_CHECKING:
    import pandas as pd

    from pitchey_slo.promql import Result
    from pitchey_slo.slo import SloReport
    from pitchey_slo.slo.alerts.lint import LintReport
    from pitchey_slo.slo.model import Slo


class Asking(Lake):
    """SLOs, percentiles and PromQL."""

    def slo(self, name: str) -> SloView:
        """One SLO by name. Raises SloError with a suggestion when there is none."""
        found = {slo.name: slo for slo in self.slos()}
        if name not in found:
            raise SloError(f"no SLO {name!r}; {did_you_mean(name, found) or 'SLOs: ' + ', '.join(found)}")
        return SloView(self, found[name])

    def slo_report(self, service: str = "all", window: str = "", end: Moment = None) -> tuple[SloReport, ...]:
        """Every SLO (of one service) over its own windows, or over `window` alone, in one scan of the data."""
        return self.evaluate(self.slos(service), window, end)

    def evaluate(
        self, slos: Sequence[Slo], windows: str | Sequence[str] = "", end: Moment = None
    ) -> tuple[SloReport, ...]:
        """These SLOs in one scan: what every way to SLO numbers calls. `windows` (such as "28d") replace their own."""
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
        return frame_of(table)

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
        last = self.series_end(end)
        first = parse_time(start, "start")
        if first is None:
            return instant(expr, scan, milliseconds(last))
        if first > last:
            raise QueryError(f"start {first} is after end {last}")
        every = step_ms(step) if step else max(1, round((last - first).total_seconds() / 250 / 15)) * 15_000
        return evaluate(expr, scan, milliseconds(first), milliseconds(last), every)


class SloView:
    """One SLO of a workbench."""

    def __init__(self, workbench: Asking, slo: Slo) -> None:
        self._workbench = workbench
        self.spec = slo

    def report(self, window: str = "", end: Moment = None) -> tuple[SloReport, ...]:
        """One finding per objective and window (the spec's windows, or `window` alone)."""
        return self._workbench.evaluate([self.spec], window, end)
