"""What the logs say: patterns, lines over time, the requests they were about."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pitchey_slo.workbench.asking import Asking
from pitchey_slo.workbench.moments import Moment, frame_of, parse_time

if TYPE_CHECKING:
    import pandas as pd

    from pitchey_slo.analyse.logs import Joined


class Logs(Asking):
    """Log lines, grouped, compared and joined."""

    def log_patterns(
        self,
        start: Moment = None,
        end: Moment = None,
        *,
        baseline: Moment = None,
        level: str = "",
        where: str | None = None,
    ) -> pd.DataFrame:
        """What was said over the last day (or `start` to `end`), one row per pattern, the most said first: `pattern`,
        `count` and `share` (weighted), and against the time before: `change` (new, more, less, gone, same, unknown),
        `before`, `expected`, `ratio`, `p`; `level`, `services`, `first_seen`, `last_seen`, `example`, ...

        baseline   where the time before begins: as long before `start`, a week at least, when left out
        level      this level and worse;  where: a condition on the table logs

        See `pitchey_slo.analyse.logs` and docs/logs.md.
        """
        from pitchey_slo.analyse.logs import log_patterns

        first, last = self.log_span(start, end)
        since = parse_time(baseline, "baseline")
        return log_patterns(self.reader, first, last, baseline=since, level=level, where=where).frame()

    def log_requests(
        self, start: Moment = None, end: Moment = None, *, level: str = "error", where: str | None = None
    ) -> Joined:
        """Lines of `level` and worse joined to the requests they were about, by trace: `by_route` and `by_pattern` are
        frames, `told` is the share of the failing requests that say why. See `analyse.logs.Joined`."""
        from pitchey_slo.analyse.logs import log_requests

        return log_requests(self.reader, *self.log_span(start, end), level=level, where=where)

    def log_timeline(
        self, start: Moment = None, end: Moment = None, *, bucket: str = "15m", by: str = "level", level: str = ""
    ) -> pd.DataFrame:
        """Lines per bucket, weighted: index UTC time, one column per value of `by` (level, service, fingerprint, ...).
        A bucket without a line of some value is 0 there; one without any line at all is absent."""
        from pitchey_slo.slo.windows import duration_minutes
        from pitchey_slo.store.log_questions import at_least, timeline

        seconds = duration_minutes(bucket) * 60
        found = timeline(self.reader, *self.log_span(start, end), seconds, by, where=at_least(level))
        return frame_of(found).pivot_table(index="time", columns=by, values="lines", aggfunc="sum", fill_value=0.0)

    def log_span(self, start: Moment, end: Moment, *, days: int = 1) -> tuple[datetime, datetime]:
        """(start, end) as times; `end` defaults to the minute after the newest line, `start` to a day before it."""
        return self.span(start, parse_time(end, "end") or self.newest_minute("logs"), days=days)
