"""Why synthetic tests failed within the range: by test, location, class of failure and phase, the newest reason."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_probes as ask
from pitchey_slo.tables import PROBES


def synthetic_failures(asked: Asked) -> Data:
    with asked.table(PROBES.name) as (probes, query):
        found = query(ask.failures(probes, int(asked.number("limit")))).to_pylist()
    columns = [
        column("test"),
        column("location"),
        column("failure"),
        column("phase"),
        column("times", unit="short", align="right"),
        column("last", unit="time"),
        column("reason"),
    ]
    return {"columns": columns, "rows": [list(row.values()) for row in found]}


QUESTION: Final = Named(
    "synthetic_failures",
    "table",
    "failed synthetic tests by class and phase",
    synthetic_failures,
    {"limit": Argument("at most so many", "number", 30)},
    keep=15.0,
)
