"""The lake as the questions see it: rows, times, series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pitchey_slo.errors import QueryError, SloError, did_you_mean
from pitchey_slo.settings import Settings
from pitchey_slo.tables import STREAMS, TABLES
from pitchey_slo.workbench.moments import Moment, frame_of, parse_time

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from pitchey_slo.promql.lake_scan import LakeScan
    from pitchey_slo.slo.model import Slo
    from pitchey_slo.slo.spec.shelf import Shelf


class Lake:
    """Live, read-only view of one home's lake: its rows, its times, its series and its SLO files."""

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

    def routes(self, start: Moment = None, end: Moment = None, *, where: str | None = None) -> pd.DataFrame:
        """Per method and route: weighted requests, 5xx errors, 4xx, error ratio and p95; most errors first."""
        from pitchey_slo.store.questions import routes

        return frame_of(routes(self.reader, *self.span(start, end), where))

    def volume(self, start: Moment = None, end: Moment = None, *, bucket: str = "1h") -> pd.DataFrame:
        """Weighted requests and 5xx errors per bucket."""
        from pitchey_slo.slo.windows import duration_minutes
        from pitchey_slo.store.questions import volume

        return frame_of(volume(self.reader, *self.span(start, end), duration_minutes(bucket) * 60))

    def incidents(self, start: Moment = None, end: Moment = None) -> pd.DataFrame:
        """Labelled incidents that touch the span, oldest first."""
        from pitchey_slo.store.questions import marks

        return frame_of(marks(self.reader, *self.span(start, end))[0])

    def deployments(self, start: Moment = None, end: Moment = None) -> pd.DataFrame:
        """Deployments in the span, oldest first."""
        from pitchey_slo.store.questions import marks

        return frame_of(marks(self.reader, *self.span(start, end))[1])

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

    def span(self, start: Moment, end: Moment, *, days: int = 28) -> tuple[datetime, datetime]:
        """(start, end) as times: `end` defaults to the minute after the newest request (now when there is none),
        `start` to `days` before it. Raises QueryError when start is not before end."""
        last = parse_time(end, "end") or self.newest_minute()
        first = parse_time(start, "start") or last - timedelta(days=days)
        if first >= last:
            raise QueryError(f"start {first} is not before end {last}")
        return first, last

    def newest_minute(self, *tables: str) -> datetime:
        """The minute after the newest row of these tables (requests, when none is named); now when there is none."""
        found = [t for table in tables or ("requests",) if (t := self.reader.watermark(table)) is not None]
        newest = max(found, default=datetime.now(UTC))
        return newest.replace(second=0, microsecond=0) + timedelta(minutes=1)

    def series_end(self, end: Moment = None) -> datetime:
        """`end` as a time; the minute after the newest row that series are made of when it is not given."""
        return parse_time(end, "end") or self.newest_minute("requests", "business_events", "samples")

    def _series(self) -> LakeScan:
        """All series of the lake, for PromQL."""
        from pitchey_slo.promql.lake_scan import LakeScan
        from pitchey_slo.slo.series import SloSeries

        if self._scan is None:
            self._scan = LakeScan(self.reader, more=[SloSeries(self.slos)])
        return self._scan
