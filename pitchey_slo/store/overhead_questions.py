"""What the overhead review asks of the lake: how many series and samples each metric has, how often events come."""

from __future__ import annotations


def by_metric(samples: str) -> str:
    """Per metric: `name`, `series` known, `live` (with a sample in the time), `samples` of that time, `newest`."""
    return f"""
        WITH counted AS (SELECT series_id, count(*) AS samples, max(ts) AS newest FROM {samples} GROUP BY series_id)
        SELECT s.name, count(*) AS series, count(c.series_id) AS live, coalesce(sum(c.samples), 0)::BIGINT AS samples,
               max(c.newest) AS newest
        FROM series s LEFT JOIN counted c USING (series_id) GROUP BY s.name ORDER BY samples DESC, s.name"""


#: name: its series' labels as JSON texts
LABELS = "SELECT labels FROM series WHERE name = ?"


def by_event(events: str) -> str:
    """Per business event: `event`, `rows`."""
    return f"SELECT event, count(*) AS rows FROM {events} GROUP BY event ORDER BY rows DESC, event"
