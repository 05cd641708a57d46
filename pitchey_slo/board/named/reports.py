"""Report runs within the range, the newest first: which notebook, how it ended, on which data, who asked, whether it
arrived, and the way to its page."""

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
        column("kind"),
        column("status"),
        column("verdict", "data"),
        column("seconds", "took", "seconds", "right"),
        column("watermark", "data until", "time"),
        column("asked", "asked by"),
        column("delivered"),
        column("told", "what it says"),
        column("page", "report", "link"),
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
