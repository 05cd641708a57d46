"""What people and machines did lately, the newest first: deployments, incidents, decisions about rules, silences,
corrections and report runs within the range."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_questions as ask

_KINDS: Final = 6


def events(asked: Asked) -> Data:
    span = [asked.start, max(asked.end, asked.now) if asked.end <= asked.now else asked.end]
    found = asked.register(ask.EVENTS, [*(span * _KINDS), int(asked.number("limit"))])
    columns = [column("at", "when", "time"), column("kind"), column("what"), column("who"), column("id")]
    return {"columns": columns, "rows": [list(row.values()) for row in found.to_pylist()]}


QUESTION: Final = Named(
    "events",
    "table",
    "deployments, incidents, decisions, silences, corrections and report runs, the newest first",
    events,
    {"limit": Argument("at most so many", "number", 30)},
    keep=4.0,
)
