"""Questions about the results of synthetic tests, each one query on the lake: verdicts one after the other that say the
same, phases over time, usual durations, classes of failures, and how often a verdict came only by a retry.

Health checks are not among them, nor attempts and steps unless they are asked for. A verdict during maintenance has
`"maintenance"` in its details, one that speaks longer or shorter than `SPEAKS` seconds has `"speaks_s"`, and
one of a history that only has changes has `"changes_only"`: how often somebody looked is not known of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa

from pitchey_slo.names import PHASES
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import PROBES

#: How long a verdict speaks at most when it does not say itself: three intervals of five minutes.
SPEAKS: Final = 900.0
#: A verdict this much before a time may still speak in it: longer than a day, for histories with one line a day.
BEFORE: Final = timedelta(hours=26)
_VERDICTS: Final = "scope = 'verdict' AND kind <> 'health'"
_PHASES: Final = tuple(f"{phase}_ms" for phase in PHASES)


def stretches(
    reader: LakeReader, start: datetime, end: datetime, *, test: str | None = None, health: bool = False
) -> pa.Table:
    """Verdicts of one test and location that say the same one after the other, as one row: test, location, kind,
    component, word (up, down, unknown, maintenance), first_at, ends_at (when the last one speaks no more: the next
    verdict, or its own limit), looks (verdicts within start <= t < end), changes_only, interval_s (median time between
    them), failure and reason of the first. By test, location and time; those that touch the span.
    With `health` health checks are among them: one that had no answer in time too often in a row is down, which its
    details say as `"up": false`."""
    which = "scope = 'verdict'" if health else _VERDICTS
    only = "AND test = ?" if test else ""
    return reader.query(
        f"""
        WITH verdicts AS (
            SELECT test, location, kind, component, ts, failure, reason,
                   CASE WHEN details LIKE '%"maintenance"%' THEN 'maintenance' WHEN state = 'unhealthy' THEN 'down'
                        WHEN kind = 'health' AND details LIKE '%"up": false%' THEN 'down'
                        WHEN state IN ('healthy', 'degraded') THEN 'up' ELSE 'unknown' END AS word,
                   coalesce(try_cast(regexp_extract(details, '"speaks_s": ?([0-9.]+)', 1) AS DOUBLE), {SPEAKS})
                       AS speaks,
                   lead(ts) OVER one AS next_at, details LIKE '%"changes_only"%' AS changes_only
            FROM {reader.source(PROBES.name, start - BEFORE, end)}
            WHERE {which} {only}
            WINDOW one AS (PARTITION BY test, location ORDER BY ts)
        ), spoken AS (
            SELECT *, ts + to_microseconds((speaks * 1e6)::BIGINT) AS silent_at,
                   least(coalesce(next_at, silent_at), silent_at) AS until_at
            FROM verdicts
        ), marked AS (
            SELECT *, (lag(word) OVER one IS DISTINCT FROM word OR lag(until_at) OVER one < ts)::INT AS fresh
            FROM spoken WINDOW one AS (PARTITION BY test, location ORDER BY ts)
        ), grouped AS (
            SELECT *, sum(fresh) OVER (PARTITION BY test, location ORDER BY ts ROWS UNBOUNDED PRECEDING) AS part
            FROM marked
        )
        SELECT test, location, word, min(ts) AS first_at, max(until_at) AS ends_at,
               count(*) FILTER (ts >= ?) AS looks, median(epoch(next_at) - epoch(ts)) AS interval_s,
               arg_min(failure, ts) AS failure, arg_min(reason, ts) AS reason,
               coalesce(bool_or(changes_only), false) AS changes_only,
               any_value(kind) AS kind, any_value(component) AS component
        FROM grouped GROUP BY test, location, word, part HAVING max(until_at) > ?
        ORDER BY test, location, first_at
        """,
        [*([test] if test else []), start, start],
    )


def phases(reader: LakeReader, start: datetime, end: datetime, seconds: int, *, test: str | None = None) -> pa.Table:
    """Per bucket of `seconds`, test and location: `time`, medians of the whole and of each phase in milliseconds over
    passing verdicts, p95 of the whole, and how many looks. A phase that was never measured is null."""
    only = "AND test = ?" if test else ""
    medians = ", ".join(f"median({name}) AS {name}" for name in _PHASES)
    return reader.query(
        f"""
        SELECT make_timestamptz(epoch_us(ts) // {seconds * 1_000_000} * {seconds * 1_000_000}) AS time, test, location,
               median(duration_ms) AS duration_ms, quantile_cont(duration_ms, 0.95) AS p95_ms, {medians},
               count(*) AS looks
        FROM {reader.source(PROBES.name, start, end)}
        WHERE {_VERDICTS} AND state IN ('healthy', 'degraded') {only}
        GROUP BY ALL ORDER BY test, location, time
        """,
        [test] if test else [],
    )


def usual(reader: LakeReader, start: datetime, end: datetime) -> pa.Table:
    """Per test and location over passing verdicts: medians of the whole and of each phase, and how many looks."""
    medians = ", ".join(f"median({name}) AS {name}" for name in ("duration_ms", *_PHASES))
    return reader.query(
        f"""
        SELECT test, location, {medians}, count(*) AS looks FROM {reader.source(PROBES.name, start, end)}
        WHERE {_VERDICTS} AND state IN ('healthy', 'degraded') GROUP BY ALL ORDER BY test, location
        """
    )


def failures(reader: LakeReader, start: datetime, end: datetime) -> pa.Table:
    """Per test, location, failure and phase: failing verdicts, when first and last, and the newest reason. Our own
    faults (`probe_error`) are among them, maintenance is not."""
    return reader.query(
        f"""
        SELECT test, location, failure, phase, count(*) AS looks, min(ts) AS first_at, max(ts) AS last_at,
               arg_max(reason, ts) AS reason
        FROM {reader.source(PROBES.name, start, end)}
        WHERE {_VERDICTS} AND failure IS NOT NULL AND state NOT IN ('healthy', 'degraded')
              AND coalesce(details, '') NOT LIKE '%"maintenance"%'
        GROUP BY ALL ORDER BY looks DESC, test, location
        """
    )


def attempts(reader: LakeReader, start: datetime, end: datetime) -> pa.Table:
    """Per test and location: verdicts, how many passed only after a retry (`saved`), and how often the verdict turned
    from one look to the next (`turns`). Not of histories that only have changes."""
    return reader.query(
        f"""
        WITH verdicts AS (
            SELECT test, location, ts, state, attempt,
                   lag(state IN ('healthy', 'degraded')) OVER (PARTITION BY test, location ORDER BY ts) AS before
            FROM {reader.source(PROBES.name, start, end)}
            WHERE {_VERDICTS} AND state <> 'unknown' AND coalesce(details, '') NOT LIKE '%"maintenance"%'
                  AND coalesce(details, '') NOT LIKE '%"changes_only"%'
        )
        SELECT test, location, count(*) AS looks,
               count(*) FILTER (attempt > 1 AND state IN ('healthy', 'degraded')) AS saved,
               count(*) FILTER (before IS NOT NULL AND before <> (state IN ('healthy', 'degraded'))) AS turns,
               count(*) FILTER (state = 'unhealthy') AS failed
        FROM verdicts GROUP BY ALL ORDER BY test, location
        """
    )
