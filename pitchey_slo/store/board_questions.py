"""What dashboards ask of registers and of business events that PromQL cannot say: SQL written once.

Texts in capitals are asked of registers, with parameters; functions get the table expression of a stream's rows in the
span asked for (`Rows.whole`) and give the SQL. Times are milliseconds since 1970. What is asked of probes stands in
`board_probes.py`, of log lines in `board_logs.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: start, end, end, end, start, how many
MARKS: Final = """
    SELECT * FROM (
        SELECT 'deployment' AS kind, id, epoch_ms(ts) AS "at", NULL::BIGINT AS until,
               concat_ws(' ', service, version) AS title
        FROM deployments WHERE ts >= ? AND ts <= ?
        UNION ALL
        SELECT 'incident', id, epoch_ms(started_at), epoch_ms(ended_at), title
        FROM incidents WHERE started_at <= ? AND coalesce(ended_at, ?) >= ?
        ORDER BY "at" DESC LIMIT ?
    ) ORDER BY "at" """

NEWEST: Final = "SELECT epoch_ms(max(ts)) AS ms FROM requests"

#: start and end for each kind, then how many
EVENTS: Final = """
    SELECT epoch_ms("at"), kind, title, who, id FROM (
        SELECT ts AS "at", 'deployment' AS kind, concat_ws(' ', service, version, description) AS title,
               deployed_by AS who, id
        FROM deployments WHERE ts >= ? AND ts <= ?
        UNION ALL SELECT started_at, 'incident', title, labelled_by, id FROM incidents
        WHERE started_at >= ? AND started_at <= ?
        UNION ALL SELECT created_at, 'decision', concat_ws(' ', kind, split_part(rule, ';', 4), reason), decided_by, id
        FROM decisions WHERE created_at >= ? AND created_at <= ?
        UNION ALL SELECT starts_at, 'silence', comment, created_by, id FROM silences
        WHERE starts_at >= ? AND starts_at <= ?
        UNION ALL SELECT starts_at, 'correction', concat_ws(': ', category, reason), approver, id FROM corrections
        WHERE withdrawn_at IS NULL AND starts_at >= ? AND starts_at <= ?
        UNION ALL SELECT started_at, 'report', concat_ws(' ', notebook, status), NULL, id FROM report_runs
        WHERE started_at >= ? AND started_at <= ?
    ) ORDER BY 1 DESC, kind, id LIMIT ?"""

#: start, end, how many
REPORTS: Final = """
    SELECT epoch_ms(started_at), coalesce(kind, notebook), status, verdict,
           (epoch_ms(coalesce(ended_at, started_at)) - epoch_ms(started_at)) / 1000, epoch_ms(data_watermark),
           coalesce(schedule, trigger),
           array_to_string(list_distinct(json_extract_string(delivery::JSON, '$[*].state')), ', '),
           left(coalesce(error, summary), 200), '/reports/' || id
    FROM report_runs WHERE started_at >= ? AND started_at <= ? ORDER BY started_at DESC, id LIMIT ?"""

#: end (for those that still fire), start, end
FIRED: Final = """
    SELECT json_extract_string(rule, '$.key') AS key, count(*) FILTER (fired_at IS NOT NULL) AS fired,
           count(*) FILTER (acked_at IS NOT NULL) AS acked, epoch_ms(max(fired_at)) AS last_fired,
           coalesce(sum(epoch(coalesce(resolved_at, ?)) - epoch(fired_at)), 0) / 60 AS minutes
    FROM alerts WHERE rule IS NOT NULL AND active_at >= ? AND active_at <= ? GROUP BY 1"""

#: end, start
INCIDENTS: Final = """
    SELECT id, title, kind, severity, epoch_ms(started_at) AS "at", epoch_ms(ended_at) AS until, routes, location
    FROM incidents WHERE started_at <= ? AND coalesce(ended_at, started_at) >= ? ORDER BY started_at DESC LIMIT 200"""


def quoted(text: str) -> str:
    """A text as SQL has it: DuckDB knows no escapes in it but the doubled quote."""
    return "'" + text.replace("\0", "").replace("'", "''") + "'"


def funnel(events: str, steps: Sequence[str]) -> str:
    """Per step the people who did it after all steps before it: `step`, `people`. People nobody knows are left out."""
    reached = [f"min(ts) FILTER (event = {quoted(steps[0])}) AS t0"]
    people = f"SELECT user_hash, {reached[0]} FROM {events} WHERE user_hash IS NOT NULL GROUP BY user_hash"
    query = f"WITH s0 AS ({people})"
    for i, step in enumerate(steps[1:], 1):
        query += f""", s{i} AS (
            SELECT e.user_hash, min(e.ts) AS t{i} FROM {events} AS e JOIN s{i - 1} AS b ON e.user_hash = b.user_hash
            WHERE e.event = {quoted(step)} AND e.ts >= b.t{i - 1} GROUP BY e.user_hash)"""
    counts = [f"SELECT {i} AS step, count(t{i}) AS people FROM s{i}" for i in range(len(steps))]
    return f"{query} {' UNION ALL '.join(counts)} ORDER BY step"


def latency_between(events: str, first: str, then: str, step_ms: int) -> str:
    """How long it took people from one event to the next of another kind, by the time of the second: `ms` (bucket),
    `p50`, `p95` in seconds, `pairs`."""
    return f"""
        {pairs_between(events, first, then)}
        SELECT epoch_ms(ts) // {step_ms} * {step_ms} AS ms, quantile_cont(seconds, 0.5) AS p50,
               quantile_cont(seconds, 0.95) AS p95, count(*) AS pairs
        FROM pairs GROUP BY 1 ORDER BY 1"""


def pairs_between(events: str, first: str, then: str) -> str:
    """A WITH clause: `pairs` has `ts` and `seconds` of every second event, since the newest first event of its
    person."""
    return f"""
        WITH asked AS (SELECT user_hash, ts FROM {events} WHERE event = {quoted(first)} AND user_hash IS NOT NULL),
             done AS (SELECT user_hash, ts FROM {events} WHERE event = {quoted(then)} AND user_hash IS NOT NULL),
             pairs AS (
                 SELECT done.ts, epoch(done.ts) - epoch(asked.ts) AS seconds
                 FROM done ASOF JOIN asked ON done.user_hash = asked.user_hash AND done.ts >= asked.ts
             )"""


def feature_use(requests: str, condition: str, most: int) -> str:
    """Per route and method: `feature`, `people`, `requests` (weighted), `share` of all people, `error_ratio`."""
    weight = "CASE WHEN isfinite(sample_interval) THEN sample_interval ELSE 0 END"
    return f"""
        WITH chosen AS (SELECT * FROM {requests} WHERE {condition}),
             everyone AS (SELECT count(DISTINCT user_hash) AS people FROM chosen)
        SELECT concat_ws(' ', method, route) AS feature, count(DISTINCT user_hash) AS people,
               count(DISTINCT user_hash) / nullif((SELECT people FROM everyone), 0) AS share,
               sum({weight}) AS requests,
               coalesce(sum({weight}) FILTER (status >= 500), 0) / nullif(sum({weight}), 0) AS error_ratio
        FROM chosen GROUP BY 1 ORDER BY people DESC, requests DESC, feature LIMIT {most}"""
