"""Who uses what: per route the people who used it within the range, their share of all people, and its requests.

People are counted by user hash; requests of nobody known count as requests alone. Sampled requests weigh what they
stand for.
"""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_questions as ask
from pitchey_slo.tables import REQUESTS


def feature_use(asked: Asked) -> Data:
    below = asked.text("below")
    condition = f"starts_with(route, {ask.quoted(below)})" if below else "true"
    with asked.table(REQUESTS.name) as (requests, query):
        found = query(ask.feature_use(requests, condition, int(asked.number("limit")))).to_pylist()
    columns = [
        column("feature"),
        column("people", unit="short", align="right"),
        column("share", "of all people", "ratio", "right"),
        column("requests", unit="short", align="right"),
        column("error_ratio", "failed", "ratio", "right"),
    ]
    return {"columns": columns, "rows": [list(row.values()) for row in found]}


QUESTION: Final = Named(
    "feature_use",
    "table",
    "routes by the people who used them",
    feature_use,
    {
        "below": Argument("only routes that begin so", default="/api/"),
        "limit": Argument("at most so many", "number", 20),
    },
    keep=30.0,
)
