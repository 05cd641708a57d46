"""Report runs within the range, the newest first: which notebook, how it ended, how long it took, how new its data
were."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_questions as ask


def reports(asked: Asked) -> Data:
    end = max(asked.end, asked.now) if asked.end <= asked.now else asked.end
    found = asked.register(ask.REPORTS, [asked.start, end, int(asked.number("limit"))]).to_pylist()
    columns = [
        column("at", "started", "time"),
        column("notebook"),
        column("status"),
        column("seconds", "took", "seconds", "right"),
        column("watermark", "data until", "time"),
        column("error"),
        column("run"),
    ]
    return {"columns": columns, "rows": [list(row.values()) for row in found]}


QUESTION: Final = Named(
    "reports",
    "table",
    "report runs, the newest first",
    reports,
    {"limit": Argument("at most so many", "number", 50)},
    keep=5.0,
)
