"""Log lines, the newest first, and how many there are of each level (sampled ones by their weight)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.store import board_logs as ask
from pitchey_slo.tables import LOGS

#: What chooses lines; the other questions about lines take the same.
ARGUMENTS: Final[Mapping[str, Argument]] = {
    "search": Argument("only lines that hold this text, whatever its capitals"),
    "level": Argument("only this level and worse; everything without it"),
    "service": Argument("only lines of this service"),
    "route": Argument("only lines of this route"),
    "trace_id": Argument("only lines of this trace"),
    "fingerprint": Argument("only lines that say the same"),
}


def where(asked: Asked) -> str:
    """SQL condition of the arguments above."""
    equal = {name: asked.text(name) for name in ("service", "route", "trace_id", "fingerprint")}
    return ask.condition(asked.text("search"), asked.text("level"), equal)


def logs(asked: Asked) -> Data:
    most = min(max(int(asked.number("limit")), 1), 1_000)
    with asked.table(LOGS.name) as (table, query):
        lines = query(ask.lines(table, where(asked), most)).to_pylist()
        counts = query(ask.counts(table, where(asked))).to_pylist()
    rows: list[dict[str, Any]] = [{"ts": row.pop("at_ms"), **row} for row in lines]
    levels = {row["level"]: row["lines"] for row in counts}
    return {"rows": rows, "levels": levels, "total": sum(levels.values())}


QUESTION: Final = Named(
    "logs",
    "logs",
    "log lines, the newest first",
    logs,
    {**ARGUMENTS, "limit": Argument("at most so many, up to 1000", "number", 200)},
    keep=4.0,
)
