"""What dashboards ask of log lines; as `board_questions.py` does of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pitchey_slo.store.board_questions import quoted

#: Levels from the least; others count as info.
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_WEIGHT: Final = "CASE WHEN isfinite(sample_interval) THEN sample_interval ELSE 0 END"
_COLUMNS: Final = (
    *("level", "service", "logger", "message", "route", "status", "duration_ms", "location"),
    *("trace_id", "span_id", "error_type", "fingerprint", "attributes"),
)
#: Columns that a condition may name.
EQUAL: Final = ("service", "route", "trace_id", "fingerprint", "error_type", "location")


def condition(search: str, least: str, equal: Mapping[str, str]) -> str:
    """SQL condition: the message holds `search` (capitals do not matter), the level is `least` or worse, columns have
    the values given ("" for any)."""
    parts = [f"{name} = {quoted(value)}" for name, value in equal.items() if value and name in EQUAL]
    if search:
        parts.append(f"contains(lower(message), lower({quoted(search)}))")
    if least in LEVELS[1:]:
        listed = ", ".join(quoted(level) for level in LEVELS[LEVELS.index(least) :])
        parts.append(f"lower(level) IN ({listed})")
    return " AND ".join(parts) or "true"


def lines(logs: str, where: str, most: int) -> str:
    """The newest lines: `ts` in ms and the columns of a line."""
    columns = ", ".join(_COLUMNS)
    return f"SELECT epoch_ms(ts) AS at_ms, {columns} FROM {logs} WHERE {where} ORDER BY ts DESC LIMIT {most}"


def counts(logs: str, where: str) -> str:
    """Lines by level, sampled ones by their weight."""
    return f"SELECT level, sum({_WEIGHT}) AS lines FROM {logs} WHERE {where} GROUP BY level ORDER BY lines DESC"


def levels(logs: str, where: str, step_ms: int) -> str:
    """Lines per bucket and level: `ms`, `level`, `lines`."""
    return f"""
        SELECT epoch_ms(ts) // {step_ms} * {step_ms} AS ms, level, sum({_WEIGHT}) AS lines
        FROM {logs} WHERE {where} GROUP BY ALL ORDER BY ms, level"""


def patterns(logs: str, where: str, most: int) -> str:
    """Lines that say the same (one fingerprint; without one, one error type or message): how many, first and last,
    the newest as an example."""
    return f"""
        SELECT arg_max(level, ts) AS level, arg_max(service, ts) AS service, arg_max(message, ts) AS message,
               sum({_WEIGHT}) AS lines, epoch_ms(min(ts)) AS first, epoch_ms(max(ts)) AS last,
               coalesce(fingerprint, '') AS fingerprint
        FROM {logs} WHERE {where}
        GROUP BY fingerprint, CASE WHEN fingerprint IS NULL THEN coalesce(error_type, message) END
        ORDER BY lines DESC, last DESC LIMIT {most}"""


def new_patterns(logs: str, where: str, start_ms: int, most: int) -> str:
    """What is said from `start_ms` on and was not said before it, the worst level first. No row when there is no line
    at all before it: then nothing can be called new."""
    ranks = " ".join(f"WHEN {quoted(level)} THEN {rank}" for rank, level in enumerate(LEVELS))
    return f"""
        WITH chosen AS (SELECT *, epoch_ms(ts) >= {start_ms} AS now FROM {logs} WHERE fingerprint IS NOT NULL)
        SELECT arg_max(level, ts) AS level, arg_max(service, ts) AS service, arg_max(message, ts) AS message,
               sum({_WEIGHT}) AS lines, mode(route) AS route, epoch_ms(min(ts)) AS first, fingerprint
        FROM chosen WHERE {where} AND EXISTS (SELECT 1 FROM chosen WHERE NOT now)
        GROUP BY fingerprint HAVING bool_and(now)
        ORDER BY max(CASE lower(level) {ranks} ELSE 1 END) DESC, lines DESC, first LIMIT {most}"""


def of_trace(requests: str, trace_id: str, most: int) -> str:
    """The requests of one trace, in the order in which they ended."""
    return f"""
        SELECT epoch_ms(ts) AS at, method, route, status, duration_ms, location, cache_status, source
        FROM {requests} WHERE trace_id = {quoted(trace_id)} ORDER BY ts LIMIT {most}"""
