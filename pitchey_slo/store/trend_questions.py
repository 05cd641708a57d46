"""What the weekly trends ask of the lake: requests, failures and latency quantiles of each day, of all and by route.

A day is 24 hours counted back from the end, number 0 the last one. Quantiles are those of `questions.py`: exact,
discrete, weighted. Where all rows of a group weigh the same the unweighted one is the same number and far cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from pitchey_slo.store.lake import sql_time
from pitchey_slo.store.questions import WEIGHT, quantile_names
from pitchey_slo.store.reader import LakeReader

_COUNTS = "sum(weight) AS requests, coalesce(sum(weight) FILTER (status >= 500), 0) AS errors, count(ms) AS measured"


def by_day(reader: LakeReader, start: datetime, end: datetime, quantiles: Sequence[float]) -> pa.Table:
    """Per `day`: `requests` and `errors` (5xx), weighted, `measured` (rows with a duration), and a `p...` in
    milliseconds per quantile, null where nothing was measured."""
    return reader.query(
        f"""
        WITH ranked AS ({_ranked(_rows(reader, start, end), "day")})
        SELECT day, {_COUNTS}, {_weighted(quantiles)} FROM ranked GROUP BY day ORDER BY day
        """
    )


def by_day_and_route(reader: LakeReader, start: datetime, end: datetime, quantiles: Sequence[float]) -> pa.Table:
    """The same per `method`, `route` and `day`."""
    names, key = quantile_names(quantiles), "method, route, day"
    plain = ", ".join(f"quantile_disc(ms, {q}) AS {name}" for q, name in zip(quantiles, names, strict=True))
    chosen = ", ".join(f"CASE WHEN p.same THEN p.{n} ELSE q.{n} END AS {n}" for n in names)
    of_mixed = "(SELECT a.* FROM asked a SEMI JOIN (SELECT * FROM plain WHERE NOT same) USING (method, route, day))"
    return reader.query(
        f"""
        WITH asked AS MATERIALIZED (SELECT * REPLACE (coalesce(method, '') AS method)
                                    FROM {_rows(reader, start, end)}),
        plain AS (SELECT {key}, {_COUNTS}, min(weight) = max(weight) AS same, {plain} FROM asked GROUP BY ALL),
        mixed AS (SELECT {key}, {_weighted(quantiles)} FROM ({_ranked(of_mixed, key)}) GROUP BY {key})
        SELECT p.method, p.route, p.day, requests, errors, measured, {chosen}
        FROM plain p LEFT JOIN mixed q USING ({key}) ORDER BY p.route, p.method, p.day
        """
    )


def _rows(reader: LakeReader, start: datetime, end: datetime) -> str:
    return f"""(SELECT method, route, status, {WEIGHT} AS weight,
                       (epoch_us(TIMESTAMPTZ '{sql_time(end)}') - epoch_us(ts) - 1) // 86400000000 AS day,
                       CASE WHEN isfinite(duration_ms) THEN duration_ms END AS ms
                FROM {reader.source("requests", start, end)})"""


def _ranked(rows: str, key: str) -> str:
    """Each row with the weight of those as fast or faster, and of all, within its group."""
    return f"""SELECT *, sum(w) OVER (PARTITION BY {key} ORDER BY ms NULLS FIRST) AS reached,
                      sum(w) OVER (PARTITION BY {key}) AS total
               FROM (SELECT *, CASE WHEN ms IS NULL THEN 0 ELSE weight END AS w FROM {rows})"""


def _weighted(quantiles: Sequence[float]) -> str:
    return ", ".join(
        f"min(ms) FILTER (reached >= {q} * total AND w > 0) AS {name}"
        for q, name in zip(quantiles, quantile_names(quantiles), strict=True)
    )
