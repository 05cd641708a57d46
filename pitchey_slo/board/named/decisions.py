"""What was decided about alert rules, the newest first, and what is due to be looked at again."""

from __future__ import annotations

from typing import Final

from pitchey_slo.analyse.review import decisions as register
from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.named.review import Registers, ms
from pitchey_slo.board.shapes import column


def decisions(asked: Asked) -> Data:
    told = [register.told(row, asked.now) for row in reversed(register.every(Registers(asked)))]
    columns = [
        column("at", "when", "time"),
        column("rule"),
        column("kind", "decision"),
        column("state"),
        column("by"),
        column("reason"),
        column("again", "look again", "time"),
        column("due"),
        column("id"),
    ]
    rows = [
        [ms(d["created_at"]), d["name"], d["kind"], d["state"], d["decided_by"], d["reason"],
         ms(d["look_again_at"]), d["due"], d["id"]]
        for d in told[: int(asked.number("limit"))]
    ]  # fmt: skip
    return {"columns": columns, "rows": rows}


QUESTION: Final = Named(
    "decisions",
    "table",
    "decisions about alert rules, the newest first",
    decisions,
    {"limit": Argument("at most so many", "number", 50)},
    keep=5.0,
)
