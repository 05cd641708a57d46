"""Rollups: requests counted per 15 s tick, route, method, status, location and latency bucket.

A rollup row is a *partial sum*: what one flush added to its key. Rows with the same key are added by whoever reads, in
any order, so a late event is one more row and nothing is corrected in place. A request counts at the first tick at or
after its end: tick t holds what happened in (t - 15 s, t], as a counter read at t would.

One row per latency bucket (and one for what was not measured) instead of a list per key: merging, filtering and
quantiles are then plain GROUP BY, and the table is never longer than `requests`. See `sketch.py` for the buckets."""

from __future__ import annotations

from typing import Final

from pitchey_slo.names import TICK_SECONDS
from pitchey_slo.store.sketch import bucket_sql
from pitchey_slo.tables import ROLLUPS

KEYS: Final = ("tick", "route", "method", "status", "location", "bucket")

_STEP: Final = TICK_SECONDS * 1_000_000
_WEIGHT: Final = "CASE WHEN isfinite(sample_interval) THEN sample_interval ELSE 0 END"


def partials_sql(source: str) -> str:
    """SELECT that counts rows of `requests` (a table, view or subquery) into rollup rows, without `commit_seq`."""
    return f"""
        SELECT make_timestamptz((epoch_us(ts) + {_STEP - 1}) // {_STEP} * {_STEP}) AS tick,
               route, method, status, location, {bucket_sql("duration_ms")} AS bucket, count(*) AS rows,
               sum({_WEIGHT}) AS requests,
               coalesce(sum(duration_ms * {_WEIGHT}) FILTER (isfinite(duration_ms)), 0) AS duration_sum
        FROM {source} GROUP BY ALL"""


def stored_sql(source: str, upto: str) -> str:
    """The same as the lake keeps it: with `commit_seq` (`upto`, an SQL expression) and `day`, by time."""
    return f"""
        SELECT *, {upto} AS commit_seq, strftime(tick, '%Y-%m-%d') AS day
        FROM ({partials_sql(source)}) ORDER BY tick"""


def merged_sql(source: str) -> str:
    """SELECT that adds the partial rows of each key of a stored table; the newest commit of them stands for all."""
    keys = ", ".join(KEYS)
    return f"""
        SELECT {keys}, sum(rows)::BIGINT AS rows, sum(requests) AS requests, sum(duration_sum) AS duration_sum,
               max(commit_seq) AS commit_seq, any_value(day) AS day
        FROM {source} GROUP BY {keys} ORDER BY {ROLLUPS.order}"""


#: One row per minute, route, method, status class and location; minute m holds (m, m + 60 s]. `sketch` lists
#: (bucket, weight); a bucket may stand there more than once, weights add.
MINUTES_VIEW: Final = f"""
    CREATE OR REPLACE VIEW rollups_1m AS
    SELECT time_bucket(INTERVAL 1 MINUTE, tick - INTERVAL {TICK_SECONDS} SECOND) AS minute, route, method,
           concat(status // 100, 'xx') AS status_class, location, sum(rows)::BIGINT AS rows,
           sum(requests) AS requests, coalesce(sum(requests) FILTER (status >= 500), 0) AS errors,
           coalesce(sum(requests) FILTER (bucket IS NOT NULL), 0) AS measured, sum(duration_sum) AS duration_sum,
           list({{'bucket': bucket, 'weight': requests}}) FILTER (bucket IS NOT NULL) AS sketch
    FROM rollups GROUP BY 1, 2, 3, 4, 5"""
