"""What is asked of rollups: rolling windows, sketch quantiles, Prometheus' histogram. As `questions.py` asks of the
requests themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa

from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.names import TICK_SECONDS
from pitchey_slo.store.questions import quantile_names
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import ROLLUPS

#: Windows that `rolling` answers for.
WINDOWS: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600}
#: What quantiles may be grouped by.
GROUPS: Final = ("route", "method", "status", "location", "status_class")

_STEP: Final = TICK_SECONDS * 1_000_000


def rolling(reader: LakeReader, now: datetime, *, by: str | None = None) -> pa.Table:
    """The last minute, 5, 15 minutes and hour before the tick at or before `now`, from rollups.

    One row per window (and value of `by`): window, requests, errors (5xx), error_ratio (null when there is no request),
    p50, p95, p99 in milliseconds, within 1 % (null when nothing was measured). Windows without a request have a row
    only when `by` is None."""
    end = datetime.fromtimestamp(now.timestamp() // TICK_SECONDS * TICK_SECONDS, UTC)
    key = f", {_group(by)} AS {by}" if by else ""
    name = f", {by}" if by else ""
    windows = ", ".join(f"('{label}', {seconds})" for label, seconds in WINDOWS.items())
    source = _ticks(reader, end - timedelta(seconds=max(WINDOWS.values())), end)
    rows = f"""
        SELECT w.label AS "window", w.seconds, bucket, r.requests, r.status {key}
        FROM (VALUES {windows}) w(label, seconds)
        {"" if by else "LEFT"} JOIN {source} r ON r.tick > TIMESTAMPTZ '{end.isoformat()}' - to_seconds(w.seconds)"""
    quantiles = _quantile_columns([0.5, 0.95, 0.99])
    return reader.query(
        f"""
        WITH found AS ({rows}), counts AS (
            SELECT "window", seconds {name}, coalesce(sum(requests), 0) AS requests,
                   coalesce(sum(requests) FILTER (status >= 500), 0) AS errors
            FROM found GROUP BY ALL
        ), buckets AS (
            SELECT "window" {name}, bucket, sum(requests) AS weight FROM found WHERE bucket IS NOT NULL GROUP BY ALL
        ), reached AS (
            SELECT "window" {name}, bucket, weight, sum(weight) OVER (PARTITION BY "window" {name} ORDER BY bucket) AS
            reached, sum(weight) OVER (PARTITION BY "window" {name}) AS total FROM buckets
        ), quantiles AS (
            SELECT "window" {name}, {quantiles} FROM reached JOIN latency_buckets USING (bucket) GROUP BY ALL
        )
        SELECT c."window" {f", c.{by}" if by else ""}, c.requests, c.errors,
               c.errors / nullif(c.requests, 0) AS error_ratio, p50, p95, p99
        FROM counts c LEFT JOIN quantiles q ON q."window" = c."window"
             {f"AND q.{by} IS NOT DISTINCT FROM c.{by}" if by else ""}
        ORDER BY c.seconds {f", c.requests DESC, c.{by}" if by else ""}
        """
    )


def sketch_quantiles(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    quantiles: Sequence[float],
    *,
    seconds: int | None = None,
    by: str | None = None,
    where: str | None = None,
) -> pa.Table:
    """Weighted quantiles of latency with start < t <= end from the merged sketch: as `questions.latency_quantiles`,
    each within 1 %. `where` is a condition on the columns of rollups."""
    columns = _quantile_columns(quantiles)
    names = ["time"] * (seconds is not None) + [by] * (by is not None)
    keys = "".join(f"{name}, " for name in names if name)
    over = f"PARTITION BY {keys.removesuffix(', ')}" if keys else ""
    return reader.query(
        f"""
        WITH buckets AS ({_bucket_weights(reader, start, end, seconds, by, where)}), reached AS (
            SELECT *, sum(weight) OVER ({over} ORDER BY bucket) AS reached, sum(weight) OVER ({over}) AS total
            FROM buckets
        )
        SELECT {keys}{columns}, sum(weight) AS measured
        FROM reached JOIN latency_buckets USING (bucket) GROUP BY ALL ORDER BY ALL
        """
    )


def bound_counts(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    *,
    seconds: int | None = None,
    by: str | None = None,
    where: str | None = None,
) -> pa.Table:
    """Prometheus' histogram of the same rows: the keys, `le` in seconds (infinity for the last) and `weight`, what lies
    at or below that bound and above the one before. Bounds without weight are absent."""
    return reader.query(
        f"""
        SELECT * EXCLUDE (bucket, weight, lower_ms, upper_ms, ms), sum(weight) AS weight
        FROM ({_bucket_weights(reader, start, end, seconds, by, where)}) JOIN latency_buckets USING (bucket)
        GROUP BY ALL ORDER BY ALL
        """
    )


def _bucket_weights(
    reader: LakeReader, start: datetime, end: datetime, seconds: int | None, by: str | None, where: str | None
) -> str:
    """SELECT of the keys, `bucket` and `weight` of the measured requests."""
    keys = ""
    if seconds is not None:
        if seconds <= 0 or seconds % TICK_SECONDS:
            raise QueryError(f"a bucket of {seconds} seconds; rollups need a multiple of {TICK_SECONDS}")
        size = seconds * 1_000_000
        keys += f"make_timestamptz((epoch_us(tick) - {_STEP}) // {size} * {size}) AS time, "
    if by is not None:
        keys += f"{_group(by)} AS {by}, "
    if where is not None:
        reader.check_filter(ROLLUPS.name, where)
    condition = f"AND ({where})" if where else ""
    return f"""
        SELECT {keys}bucket, sum(requests) AS weight FROM {_ticks(reader, start, end)}
        WHERE bucket IS NOT NULL {condition} GROUP BY ALL"""


def _ticks(reader: LakeReader, start: datetime, end: datetime) -> str:
    """Table expression of the ticks that count what happened in (start, end]."""
    step = timedelta(microseconds=1)
    return reader.source(ROLLUPS.name, start + step, end + step)


def _group(by: str) -> str:
    if by not in GROUPS:
        raise QueryError(f"cannot group by {by!r}; {did_you_mean(by, GROUPS) or 'columns: ' + ', '.join(GROUPS)}")
    return "concat(status // 100, 'xx')" if by == "status_class" else by


def _quantile_columns(quantiles: Sequence[float]) -> str:
    """The estimate of the first bucket at which the share q of the weight is reached."""
    return ", ".join(
        f"min(ms) FILTER (weight > 0 AND reached >= {q} * total) AS {name}"
        for q, name in zip(quantiles, quantile_names(quantiles), strict=True)
    )
