"""The fixed questions that notebooks, plots and pages ask of the lake: SQL written once, weighted by `sample_interval`.

Quantiles are exact and discrete: the smallest measured value at or below which at least the share q of the weight
lies, as Analytics Engine's `quantileExactWeighted` gives it. Rows without a duration are not measured and do not
count there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import REQUESTS

#: A weight that is null, NaN or infinite would poison a sum; collect refuses such rows, this guards lakes of other
#: writers.
WEIGHT = "CASE WHEN isfinite(sample_interval) THEN sample_interval ELSE 0 END"
_ERROR = "status >= 500"
GROUPS = ("route", "method", "location", "status", "cache_status", "source")


def latency_quantiles(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    quantiles: Sequence[float],
    *,
    seconds: int | None = None,
    by: str | None = None,
    where: str | None = None,
) -> pa.Table:
    """Quantiles of `duration_ms` with start <= ts < end, per time bucket of `seconds`, per value of column `by`, or
    overall.

    Columns: time (bucket start, when `seconds`), the `by` column, one `p...` per quantile in milliseconds, `requests`
    (weighted), `measured` (weighted, those with a duration). `where` is a condition on requests, checked before it
    runs. Buckets without a measured row are absent."""
    names = quantile_names(quantiles)
    keys = _keys(seconds, by)
    source = _source(reader, start, end, where)
    group = ", ".join(str(i + 1) for i in range(len(keys)))
    lead = "".join(f"{expression} AS {name}, " for name, expression in keys.items())
    tail = f"GROUP BY {group} ORDER BY {group}" if keys else ""
    if reader.uniform_weights("requests", start, end):
        wanted = "".join(
            f"quantile_disc(duration_ms, {q}) FILTER (isfinite(duration_ms)) AS {name}, "
            for q, name in zip(quantiles, names, strict=True)
        )
        sql = f"""
            SELECT {lead}{wanted}count(*)::DOUBLE AS requests,
                   count(*) FILTER (isfinite(duration_ms))::DOUBLE AS measured
            FROM {source} {tail}"""
    else:
        columns = "".join(f"{name}, " for name in keys)
        over = f"PARTITION BY {', '.join(keys)}" if keys else ""
        wanted = "".join(
            f"min(duration_ms) FILTER (reached >= {q} * total AND w > 0) AS {name}, "
            for q, name in zip(quantiles, names, strict=True)
        )
        sql = f"""
            WITH measured AS (
                SELECT {lead}CASE WHEN isfinite(duration_ms) THEN duration_ms END AS duration_ms, {WEIGHT} AS weight,
                       CASE WHEN isfinite(duration_ms) THEN weight ELSE 0 END AS w
                FROM {source}
            ), ranked AS (
                SELECT *, sum(w) OVER ({over} ORDER BY duration_ms NULLS FIRST) AS reached, sum(w) OVER ({over}) AS
                total FROM measured
            )
            SELECT {columns}{wanted}sum(weight) AS requests, sum(w) AS measured FROM ranked {tail}"""
    return reader.query(sql)


def routes(reader: LakeReader, start: datetime, end: datetime, where: str | None = None) -> pa.Table:
    """Per method and route: `requests`, `errors` (5xx), `client_errors` (4xx), weighted; `error_ratio`; `p95_ms` of
    rows read (unweighted within a route, where sampling is uniform). Most errors first."""
    source = _source(reader, start, end, where)
    return reader.query(
        f"""
        SELECT method, route, sum({WEIGHT}) AS requests,
               coalesce(sum({WEIGHT}) FILTER ({_ERROR}), 0) AS errors,
               coalesce(sum({WEIGHT}) FILTER (status BETWEEN 400 AND 499), 0) AS client_errors,
               errors / nullif(requests, 0) AS error_ratio,
               quantile_disc(duration_ms, 0.95) FILTER (isfinite(duration_ms)) AS p95_ms
        FROM {source} GROUP BY ALL ORDER BY errors DESC, requests DESC, route, method
        """
    )


def volume(reader: LakeReader, start: datetime, end: datetime, seconds: int) -> pa.Table:
    """Per bucket of `seconds`: time, `requests`, `errors` (5xx), weighted. Empty buckets are absent."""
    bucket = _keys(seconds, None)["time"]
    return reader.query(
        f"""
        SELECT {bucket} AS time, sum({WEIGHT}) AS requests, coalesce(sum({WEIGHT}) FILTER ({_ERROR}), 0) AS errors
        FROM {reader.source("requests", start, end)} GROUP BY 1 ORDER BY 1
        """
    )


def marks(reader: LakeReader, start: datetime, end: datetime) -> tuple[pa.Table, pa.Table]:
    """(incidents, deployments) that touch start <= t < end, oldest first. An open incident lasts until now."""
    incidents = reader.query(
        "SELECT * FROM incidents WHERE started_at < ? AND coalesce(ended_at, ?) >= ? ORDER BY started_at",
        [end, end, start],
    )
    deployments = reader.query("SELECT * FROM deployments WHERE ts >= ? AND ts < ? ORDER BY ts", [start, end])
    return incidents, deployments


def quantile_names(quantiles: Sequence[float]) -> list[str]:
    """Column name of each; QueryError for one outside 0 to 1."""
    for q in quantiles:
        if not 0 <= q <= 1:
            raise QueryError(f"quantile {q} is not between 0 and 1")
    return [quantile_name(q) for q in quantiles]


def quantile_name(q: float) -> str:
    """Column name of a quantile: 0.95 is p95, 0.999 is p99_9.

    >>> quantile_name(0.95), quantile_name(0.999), quantile_name(0.5)
    ('p95', 'p99_9', 'p50')
    """
    return "p" + f"{q * 100:.6g}".replace(".", "_")


def _keys(seconds: int | None, by: str | None) -> dict[str, str]:
    keys = {}
    if seconds is not None:
        if seconds <= 0:
            raise QueryError(f"a bucket of {seconds} seconds; give a positive number")
        keys["time"] = f"make_timestamptz(epoch_us(ts) // {seconds * 1_000_000} * {seconds * 1_000_000})"
    if by is not None:
        if by not in GROUPS:
            raise QueryError(f"cannot group by {by!r}; {did_you_mean(by, GROUPS) or 'columns: ' + ', '.join(GROUPS)}")
        keys[by] = by
    return keys


def _source(reader: LakeReader, start: datetime, end: datetime, where: str | None) -> str:
    source = reader.source(REQUESTS.name, start, end)
    if where is None:
        return source
    reader.check_filter(REQUESTS.name, where)
    return f"(SELECT * FROM {source} WHERE {where})"
