"""How many people came from step to step: those who did a step after they did all steps before it, within the range.

People, not events: who views ten pitches is one person. Those nobody knows (no user hash) are left out.
"""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.errors import QueryError
from pitchey_slo.store import board_questions as ask
from pitchey_slo.tables import BUSINESS_EVENTS

#: Steps of one funnel, at most.
MOST: Final = 8


def investment_funnel(asked: Asked) -> Data:
    steps = [step.strip() for step in asked.text("steps").split(",") if step.strip()]
    if not 2 <= len(steps) <= MOST:
        raise QueryError(f"steps: {len(steps)} of them; 2 to {MOST} names of business events, with commas between")
    with asked.table(BUSINESS_EVENTS.name) as (events, query):
        people = query(ask.funnel(events, steps))["people"].to_pylist()
    stages = zip(steps, people, strict=True)
    return {"stages": [{"name": step.replace("_", " "), "value": float(count)} for step, count in stages]}


QUESTION: Final = Named(
    "investment_funnel",
    "funnel",
    "people who came from step to step, each step after the one before",
    investment_funnel,
    {
        "steps": Argument(
            "business events, with commas between", default="pitch_viewed,nda_requested,nda_signed,investment_requested"
        )
    },
    keep=30.0,
)
