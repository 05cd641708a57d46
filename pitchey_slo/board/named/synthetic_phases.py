"""Where the time of a synthetic test goes: the median of each phase (name lookup, connection, handshake, first byte,
transfer) over time, of runs that passed, in milliseconds. A bucket without such a run is None."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.span import step_of
from pitchey_slo.names import PHASES
from pitchey_slo.store import board_probes as ask
from pitchey_slo.store.board_questions import quoted
from pitchey_slo.tables import PROBES

#: A bucket shall hold some runs: tests run every few minutes.
_BUCKETS: Final = 60
_LEAST_MS: Final = 300_000


def synthetic_phases(asked: Asked) -> Data:
    step = max(step_of(asked.span.length, _BUCKETS), _LEAST_MS)
    chosen = {"test": asked.text("test"), "location": asked.text("location")}
    condition = " AND ".join(f"{name} = {quoted(value)}" for name, value in chosen.items() if value) or "true"
    with asked.table(PROBES.name) as (probes, query):
        found = query(ask.phases(probes, condition, step)).to_pylist()
    by_time = {row["ms"]: row for row in found}
    first = asked.span.start // step * step
    times = list(range(first, asked.span.end, step))
    lines = [
        {
            "name": phase.replace("_", " "),
            "labels": {"phase": phase},
            "values": [by_time[t][phase] if t in by_time else None for t in times],
        }
        for phase in PHASES
    ]
    return {"times": times, "series": [line for line in lines if any(v is not None for v in line["values"])]}


QUESTION: Final = Named(
    "synthetic_phases",
    "series",
    "median time of each phase of a synthetic test, milliseconds",
    synthetic_phases,
    {"test": Argument("only this test"), "location": Argument("only from this location")},
    keep=15.0,
)
