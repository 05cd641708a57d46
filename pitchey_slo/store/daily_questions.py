"""What the daily review asks of the lake: alerts of a day, messages that were given up, how steadily rows arrive, and
which series fell silent. SQL written once; times are parameters or stand in the table expressions."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pitchey_slo.store.lake import sql_time

#: end, start, end: alerts that fired, or went on firing, within start <= t < end, the oldest first
FIRED: Final = """
    SELECT id, name, severity, labels, annotations, value, active_at, fired_at, acked_at, acked_by, rule,
           CASE WHEN resolved_at < ? THEN resolved_at END AS resolved_at
    FROM alerts WHERE fired_at IS NOT NULL AND (resolved_at IS NULL OR resolved_at >= ?) AND fired_at < ?
    ORDER BY fired_at, id"""

#: start, end: messages that were given up
DEAD: Final = """
    SELECT created_at, receiver, channel, action, severity, attempts, answer FROM notifications
    WHERE state = 'dead' AND updated_at >= ? AND updated_at < ? ORDER BY updated_at, id"""


def arrivals(rows: str, start: datetime, end: datetime) -> str:
    """Per source, of rows from some time before `start` up to `end`: `source`, `newest`, `rows` from `start` on, and
    the longest time in minutes without a row: `gap` of those that ended after `start`, or not at all, `usual_gap` of
    those before. Null where there was none to look at."""
    after = f"TIMESTAMPTZ '{sql_time(start)}'"
    return f"""
        WITH minutes AS (
            SELECT source, epoch_ms(ts) // 60000 AS minute, count(*) AS rows, max(ts) AS newest FROM {rows} GROUP BY ALL
        ), steps AS (
            SELECT source, newest, rows, minute, minute * 60000 >= epoch_ms({after}) AS inside,
                   coalesce(lead(minute) OVER one, epoch_ms(TIMESTAMPTZ '{sql_time(end)}') // 60000) - minute - 1 AS gap
            FROM minutes WINDOW one AS (PARTITION BY source ORDER BY minute)
        )
        SELECT source, max(newest) AS newest, coalesce(sum(rows) FILTER (WHERE inside), 0)::BIGINT AS rows,
               max(gap) FILTER (WHERE (minute + 1 + gap) * 60000 > epoch_ms({after})) AS gap,
               max(gap) FILTER (WHERE (minute + 1 + gap) * 60000 <= epoch_ms({after})) AS usual_gap
        FROM steps GROUP BY source ORDER BY source"""


def targets(samples: str) -> str:
    """Per scraped target (the labels of its `up`): `labels`, `scrapes`, `failed`, `last` (1 or 0), `newest`."""
    return f"""
        SELECT labels, count(*) AS scrapes, count(*) FILTER (WHERE value = 0) AS failed, arg_max(value, ts) AS last,
               max(ts) AS newest
        FROM {samples} JOIN series USING (series_id)
        WHERE series.name = 'up' AND NOT isnan(value) GROUP BY labels ORDER BY failed DESC, labels"""


def refused(samples: str) -> str:
    """Rows that the server refused, by its own counters (where it is scraped): `labels`, `rows`. A counter that fell
    began anew with its process."""
    return f"""
        WITH steps AS (
            SELECT labels, value, value - lag(value) OVER (PARTITION BY series_id ORDER BY ts) AS grew
            FROM {samples} JOIN series USING (series_id)
            WHERE series.name = 'pitchey_slo_rows_refused_total' AND isfinite(value)
        )
        SELECT labels, sum(CASE WHEN grew < 0 THEN value ELSE coalesce(grew, 0) END) AS rows FROM steps
        GROUP BY labels HAVING rows > 0 ORDER BY rows DESC, labels"""


def silent(samples: str, since: datetime) -> str:
    """Metrics none of whose series had a sample from `since` on, though they had one before: `name`, `series`,
    `newest`."""
    return f"""
        SELECT series.name, count(DISTINCT series_id) AS series, max(ts) AS newest
        FROM {samples} JOIN series USING (series_id)
        GROUP BY series.name HAVING max(ts) < TIMESTAMPTZ '{sql_time(since)}' ORDER BY newest, series.name"""
