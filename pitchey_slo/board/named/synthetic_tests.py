"""Every synthetic test at every location: its newest verdict, how many passed within the range, and how long they took.

Verdicts that know nothing count neither way, so a location that was cut off does not make a test look worse.
"""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_probes as ask
from pitchey_slo.tables import PROBES


def synthetic_tests(asked: Asked) -> Data:
    with asked.table(PROBES.name) as (probes, query):
        found = query(ask.tests(probes)).to_pylist()
    columns = [
        column("test"),
        column("location"),
        column("state"),
        column("at", "last run", "time"),
        column("passed", unit="ratio", align="right"),
        column("looks", "runs", "short", "right"),
        column("p50", "median", "milliseconds", "right"),
        column("p95", "95th percentile", "milliseconds", "right"),
        column("reason"),
    ]
    return {"columns": columns, "rows": [list(row.values()) for row in found]}


QUESTION: Final = Named(
    "synthetic_tests", "table", "synthetic tests by location: verdict, success, durations", synthetic_tests, keep=5.0
)
