"""The requests of one trace, in the order in which they ended; none while no trace is chosen."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_logs as ask
from pitchey_slo.tables import REQUESTS


def trace_requests(asked: Asked) -> Data:
    columns = [
        column("at", "ended", "time"),
        column("method"),
        column("route"),
        column("status", align="right"),
        column("duration_ms", "took", "ms", align="right"),
        column("location"),
        column("cache_status", "cache"),
        column("source"),
    ]
    trace = asked.text("trace_id")
    if not trace:
        return {"columns": columns, "rows": []}
    with asked.table(REQUESTS.name) as (table, query):
        found = query(ask.of_trace(table, trace, int(asked.number("limit")))).to_pylist()
    return {"columns": columns, "rows": [list(row.values()) for row in found]}


QUESTION: Final = Named(
    "trace_requests",
    "table",
    "requests of one trace",
    trace_requests,
    {"trace_id": Argument("the trace"), "limit": Argument("at most so many", "number", 50)},
    keep=15.0,
)
