"""What is said most: lines that say the same (one fingerprint) as one row, with how often and since when. What they say
is that of the newest of them, with … for what differs."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.logs import ARGUMENTS, where
from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.logs.fingerprint import ANY, template
from pitchey_slo.store import board_logs as ask
from pitchey_slo.tables import LOGS


def log_patterns(asked: Asked) -> Data:
    with asked.table(LOGS.name) as (table, query):
        found = query(ask.patterns(table, where(asked), int(asked.number("limit")))).to_pylist()
    columns = [
        column("level"),
        column("service"),
        column("message", "what it says"),
        column("lines", unit="short", align="right"),
        column("first", "first in this range", "time"),
        column("last", unit="time"),
        column("fingerprint"),
    ]
    return {"columns": columns, "rows": [list((row | {"message": spoken(row["message"])}).values()) for row in found]}


def spoken(message: str) -> str:
    """What a line says, without its parameters."""
    return template(message).replace(ANY, "…")


QUESTION: Final = Named(
    "log_patterns",
    "table",
    "log lines that say the same, the most frequent first",
    log_patterns,
    {**ARGUMENTS, "limit": Argument("at most so many", "number", 20)},
    keep=15.0,
)
