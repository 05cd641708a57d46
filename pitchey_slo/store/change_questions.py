"""What was different in one span of time than in another: requests by the values of one column, and stored series."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pyarrow as pa

from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.store.lake import sql_time
from pitchey_slo.store.questions import WEIGHT
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import REQUESTS

#: Columns of requests whose values can explain a change; expressions by the name people read.
DIMENSIONS: Final = {
    "endpoint": "concat_ws(' ', method, route)",
    "route": "route",
    "method": "method",
    "status": "status::VARCHAR",
    "location": "location",
    "cache": "cache_status",
    "source": "source",
}


def by_value(
    reader: LakeReader,
    dimension: str,
    start: datetime,
    end: datetime,
    slow_ms: float,
    *,
    where: str | None = None,
) -> pa.Table:
    """Per value of a dimension: `value`, `requests`, `errors` (5xx), `slow` (longer than `slow_ms`), `measured`, all
    weighted, and `squares`, the sum of squared weights, with start <= ts < end. A missing value is null. Raises
    QueryError."""
    if dimension not in DIMENSIONS:
        hint = did_you_mean(dimension, DIMENSIONS) or "there are: " + ", ".join(DIMENSIONS)
        raise QueryError(f"no dimension {dimension!r}; {hint}")
    if where:
        reader.check_filter(REQUESTS.name, where)
    chosen, slow = f"WHERE {where}" if where else "", f"isfinite(duration_ms) AND duration_ms > {float(slow_ms)!r}"
    return reader.query(
        f"""
        SELECT {DIMENSIONS[dimension]} AS value, sum({WEIGHT}) AS requests,
               coalesce(sum({WEIGHT}) FILTER (status >= 500), 0) AS errors,
               coalesce(sum({WEIGHT}) FILTER ({slow}), 0) AS slow,
               coalesce(sum({WEIGHT}) FILTER (isfinite(duration_ms)), 0) AS measured,
               sum({WEIGHT} * {WEIGHT}) AS squares
        FROM {reader.source(REQUESTS.name, start, end)} {chosen} GROUP BY 1 ORDER BY requests DESC, value
        """
    )


def series_levels(
    reader: LakeReader, start: datetime, end: datetime, before_start: datetime, before_end: datetime
) -> pa.Table:
    """Per stored series with samples in both spans: `name`, `labels` (JSON), `now` and `before` (means), `spread`
    (standard deviation before) and `kind` (counter for names that end as counters do; those by their rate of growth
    per second). Not finite samples do not count."""
    names = "name LIKE '%\\_total' ESCAPE '\\' OR name LIKE '%\\_count' ESCAPE '\\' OR name LIKE '%\\_sum' ESCAPE '\\'"
    spans = {"now": (start, end), "before": (before_start, before_end)}
    levels = " UNION ALL ".join(
        f"""
        SELECT '{span}' AS span, series_id, avg(value) AS mean, stddev_samp(value) AS spread, count(*) AS samples,
               sum(greatest(step, 0)) / nullif(max(epoch_ms(ts)) - min(epoch_ms(ts)), 0) * 1000 AS rate
        FROM (
            SELECT series_id, ts, value, value - lag(value) OVER (PARTITION BY series_id ORDER BY ts) AS step
            FROM samples WHERE ts >= TIMESTAMPTZ '{sql_time(low)}' AND ts < TIMESTAMPTZ '{sql_time(high)}'
            AND isfinite(value)
        ) GROUP BY series_id
        """
        for span, (low, high) in spans.items()
    )
    return reader.query(
        f"""
        WITH levels AS ({levels}), known AS (
            SELECT series_id, name, labels, CASE WHEN {names} THEN 'counter' ELSE 'gauge' END AS kind FROM series
            WHERE name NOT LIKE '%\\_bucket' ESCAPE '\\'
        )
        SELECT name, labels, kind, CASE kind WHEN 'counter' THEN n.rate ELSE n.mean END AS now,
               CASE kind WHEN 'counter' THEN b.rate ELSE b.mean END AS before,
               CASE kind WHEN 'counter' THEN NULL ELSE b.spread END AS spread
        FROM known JOIN levels AS n USING (series_id) JOIN levels AS b USING (series_id)
        WHERE n.span = 'now' AND b.span = 'before' AND n.samples > 1 AND b.samples > 1
        ORDER BY name, labels
        """
    )
