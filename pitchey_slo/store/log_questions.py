"""What analysis asks of log lines: what was said in two spans of time, how much over time, and which requests lines
belong to. Every count is weighted by `sample_interval`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa

from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.logs.fingerprint import fill
from pitchey_slo.store.board_logs import LEVELS
from pitchey_slo.store.board_questions import quoted
from pitchey_slo.store.lake import sql_time
from pitchey_slo.store.questions import WEIGHT
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import LOGS, REQUESTS

#: A line may be written so long before or after its request ended.
AROUND: Final = timedelta(minutes=10)
GROUPS: Final = ("level", "service", "logger", "error_type", "fingerprint", "route", "location")
_COLUMNS: Final = "ts, level, service, message, logger, error_type, fingerprint, sample_interval"


@dataclass(frozen=True)
class Sayings:
    """What was said: one row per fingerprint and side of the split.

    rows      `now` (false: before the split), `fingerprint`, `lines` (weighted), `squares` (of the weights), `rows`,
              `first`, `last`, `level` (the most frequent), `services`, `logger`, `error_type`, and two messages:
              `example` (the newest), `oldest`
    unnamed   rows that had no fingerprint; `read` of them were given one, the others are spoken for by those
    left_out  weighted lines of the rarest sayings beyond the limit
    """

    rows: pa.Table
    unnamed: int
    read: int
    left_out: float


def at_least(level: str) -> str:
    """SQL condition for this level and worse; "" for every level. Raises QueryError."""
    if level and level not in LEVELS:
        raise QueryError(f"no level {level!r}; {did_you_mean(level, LEVELS) or 'levels: ' + ', '.join(LEVELS)}")
    if level in ("", LEVELS[0]):
        return "true"
    return f"lower(level) IN ({', '.join(quoted(each) for each in LEVELS[LEVELS.index(level) :])})"


def sayings(
    reader: LakeReader,
    start: datetime,
    split: datetime,
    end: datetime,
    *,
    where: str = "true",
    most: int = 20_000,
    sample: int = 200_000,
) -> Sayings:
    """What was said in start <= ts < end, before and from `split` on, with the condition `where` (checked by the
    caller). Of rows without a fingerprint at most `sample` are read, chosen by a hash, so the same ones each time."""
    with reader.pinned():
        source = f"(SELECT * FROM {reader.source(LOGS.name, start, end)} WHERE {where})"
        count = reader.query(f"SELECT count(*) AS n FROM {source} WHERE fingerprint IS NULL")["n"][0].as_py()
        unnamed = LOGS.schema.empty_table()
        if count:
            limit = f"ORDER BY hash(message, ts, event_id) LIMIT {sample}" if count > sample else ""
            unnamed = fill(
                reader.query(f"SELECT {', '.join(LOGS.names)} FROM {source} WHERE fingerprint IS NULL {limit}")
            )
        factor = max(1.0, count / sample)
        found = reader.beside(
            "unnamed_lines",
            unnamed,
            f"""
            SELECT ts >= TIMESTAMPTZ '{sql_time(split)}' AS now, fingerprint, sum(w) AS lines, sum(w * w) AS squares,
                   count(*) AS rows, min(ts) AS first, max(ts) AS last,
                   mode(lower(level) ORDER BY lower(level)) AS level,
                   list_sort(list(DISTINCT service)) AS services, min(logger) AS logger, min(error_type) AS error_type,
                   arg_max(message, {{'at': ts, 'message': message}}) AS example,
                   arg_min(message, {{'at': ts, 'message': message}}) AS oldest
            FROM (
                SELECT {_COLUMNS}, {WEIGHT} AS w FROM {source} WHERE fingerprint IS NOT NULL
                UNION ALL SELECT {_COLUMNS}, {WEIGHT} * {factor!r} AS w FROM unnamed_lines
            ) GROUP BY ALL ORDER BY lines DESC, fingerprint, now
            """,
        )
    kept = found.slice(0, most)
    left = sum(found["lines"].slice(most).to_pylist())
    return Sayings(kept, count, unnamed.num_rows, left)


def weighed(reader: LakeReader, table: str, start: datetime, end: datetime, where: str = "true") -> float:
    """Weighted rows of a stream in start <= ts < end."""
    sql = f"SELECT coalesce(sum({WEIGHT}), 0) AS n FROM {reader.source(table, start, end)} WHERE {where}"
    return float(reader.query(sql)["n"][0].as_py())


def timeline(
    reader: LakeReader, start: datetime, end: datetime, seconds: int, by: str = "level", *, where: str = "true"
) -> pa.Table:
    """Lines per bucket of `seconds` and value of `by`: `time`, the column, `lines`; empty buckets are absent. Raises
    QueryError for a column that does not group."""
    if by not in GROUPS:
        raise QueryError(f"by: {by!r}; {did_you_mean(by, GROUPS) or 'one of ' + ', '.join(GROUPS)}")
    return reader.query(
        f"""
        SELECT time_bucket(INTERVAL {int(seconds)} SECOND, ts) AS time, {by}, sum({WEIGHT}) AS lines
        FROM {reader.source(LOGS.name, start, end)} WHERE {where} GROUP BY ALL ORDER BY time, {by}
        """
    )


def of_requests(reader: LakeReader, start: datetime, end: datetime, where: str) -> pa.Table:
    """Per route, method and status of the requests that failed or have a line with `where`: `requests`, `with_lines`
    (those with at least one), both weighted by the request, `traced` (those with a trace id), `lines`.

    A line belongs to the requests of its trace; with several it is shared among them."""
    return reader.query(
        f"""
        WITH said AS (
            SELECT trace_id, sum({WEIGHT}) AS lines FROM {_lines(reader, start, end)}
            WHERE {where} AND trace_id IS NOT NULL GROUP BY trace_id
        ), asked AS (
            SELECT trace_id, route, method, status, {WEIGHT} AS w,
                   count(*) OVER (PARTITION BY trace_id) AS requests_of_trace
            FROM {reader.source(REQUESTS.name, start, end)}
            WHERE status >= 500 OR trace_id IN (SELECT trace_id FROM said)
        )
        SELECT route, method, status, sum(w) AS requests,
               coalesce(sum(w) FILTER (lines IS NOT NULL), 0) AS with_lines,
               coalesce(sum(w) FILTER (trace_id IS NOT NULL), 0) AS traced,
               coalesce(sum(lines / requests_of_trace), 0) AS lines
        FROM asked LEFT JOIN said USING (trace_id)
        GROUP BY route, method, status ORDER BY status >= 500 DESC, lines DESC, requests DESC, route, method, status
        """
    )


def joined(reader: LakeReader, start: datetime, end: datetime, where: str) -> pa.Table:
    """Lines with `where` by `fingerprint`, `route` and `status` of their request (the worst of its trace; what the line
    itself says where there is none), and `fate`: request, no_trace, no_request."""
    return reader.query(
        f"""
        WITH asked AS (
            SELECT trace_id, max(status) AS status, arg_max(route, status) AS route
            FROM {reader.source(REQUESTS.name, start - AROUND, end + AROUND)}
            WHERE trace_id IS NOT NULL GROUP BY trace_id
        )
        SELECT l.fingerprint, coalesce(a.route, l.route) AS route, coalesce(a.status, l.status) AS status,
               CASE WHEN l.trace_id IS NULL THEN 'no_trace' WHEN a.trace_id IS NULL THEN 'no_request'
                    ELSE 'request' END AS fate,
               sum({WEIGHT}) AS lines
        FROM (SELECT * FROM {_lines(reader, start, end)} WHERE {where}) l LEFT JOIN asked a USING (trace_id)
        GROUP BY ALL ORDER BY lines DESC, 1, 2, 3
        """
    )


def _lines(reader: LakeReader, start: datetime, end: datetime) -> str:
    return reader.source(LOGS.name, start, end)
