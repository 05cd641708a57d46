"""How long it takes from one thing people do to the next: by default from asking for an NDA to signing it.

Each second event is taken with the newest first event of the same person before it, within the range; lines are the
median and the 95th percentile, in seconds, by the time of the second. A bucket without a pair is None.
"""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.span import step_of
from pitchey_slo.store import board_questions as ask
from pitchey_slo.tables import BUSINESS_EVENTS

#: Buckets of the chart: a bucket must hold some pairs.
_BUCKETS: Final = 60


def nda_latency(asked: Asked) -> Data:
    step = step_of(asked.span.length, _BUCKETS)
    with asked.table(BUSINESS_EVENTS.name) as (events, query):
        found = query(ask.latency_between(events, asked.text("first"), asked.text("then"), step)).to_pylist()
    by_time = {row["ms"]: row for row in found}
    first = asked.span.start // step * step
    times = list(range(first, asked.span.end + 1, step))
    lines = [
        {"name": name, "labels": {}, "values": [by_time[t][key] if t in by_time else None for t in times]}
        for name, key in (("median", "p50"), ("95th percentile", "p95"))
    ]
    return {"times": times, "series": lines}


QUESTION: Final = Named(
    "nda_latency",
    "series",
    "time from one business event to the next of the same person: median and 95th percentile, seconds",
    nda_latency,
    {
        "first": Argument("the first event", default="nda_requested"),
        "then": Argument("the second event", default="nda_signed"),
    },
    keep=30.0,
)
