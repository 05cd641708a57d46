"""What the runbooks ask of a window of requests, beside what the investigation asks."""

from __future__ import annotations

from pitchey_slo.store.questions import WEIGHT


def failing(rows: str) -> str:
    """Per route and status of 500 and above: `requests` (weighted), `first`, a trace id as `example`; most first."""
    return f"""
        SELECT route, status, sum({WEIGHT}) AS requests, min(ts) AS first, any_value(trace_id) AS example
        FROM {rows} WHERE status >= 500 GROUP BY ALL ORDER BY requests DESC, route, status LIMIT 20"""


def slowest(now: str, before: str) -> str:
    """Per route with more than twenty measured rows: `rows`, `p95` and `p95_before` in ms of rows read (unweighted
    within a route, where sampling is uniform); the slowest first."""
    p95 = "quantile_disc(duration_ms, 0.95) FILTER (isfinite(duration_ms))"
    return f"""
        SELECT n.route, n.rows, n.p95, b.p95 AS p95_before
        FROM (SELECT route, count(*) FILTER (isfinite(duration_ms)) AS rows, {p95} AS p95 FROM {now} GROUP BY route) n
        LEFT JOIN (SELECT route, {p95} AS p95 FROM {before} GROUP BY route) b USING (route)
        WHERE n.rows > 20 ORDER BY n.p95 DESC, n.route LIMIT 12"""
