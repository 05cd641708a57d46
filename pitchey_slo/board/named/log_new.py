"""What is said in the range and was not said in the days before it, the worst first. Empty when the logs do not reach
back before the range: then nothing can be called new."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.log_patterns import spoken
from pitchey_slo.board.named.logs import ARGUMENTS, where
from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_logs as ask
from pitchey_slo.tables import LOGS

_DAY_MS: Final = 86_400_000


def log_new(asked: Asked) -> Data:
    before = asked.span.start - int(min(max(asked.number("days"), 1.0), 30.0) * _DAY_MS)
    with asked.table(LOGS.name, before) as (table, query):
        sql = ask.new_patterns(table, where(asked), asked.span.start, int(asked.number("limit")))
        found = query(sql).to_pylist()
    columns = [
        column("level"),
        column("service"),
        column("message", "what it says"),
        column("lines", unit="short", align="right"),
        column("route", "mostly at"),
        column("first", unit="time"),
        column("fingerprint"),
    ]
    return {"columns": columns, "rows": [list((row | {"message": spoken(row["message"])}).values()) for row in found]}


QUESTION: Final = Named(
    "log_new",
    "table",
    "what nobody said before the range",
    log_new,
    {
        **ARGUMENTS,
        "days": Argument("days before the range that it is compared with, up to 30", "number", 7),
        "limit": Argument("at most so many", "number", 20),
    },
    keep=30.0,
)
