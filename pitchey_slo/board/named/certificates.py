"""When certificates end, as the newest run of each synthetic test within the range saw it, the soonest first."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.registry import Asked, Data, Named
from pitchey_slo.board.shapes import column
from pitchey_slo.store import board_probes as ask
from pitchey_slo.tables import PROBES


def certificates(asked: Asked) -> Data:
    with asked.table(PROBES.name) as (probes, query):
        found = query(ask.certificates(probes)).to_pylist()
    columns = [
        column("test"),
        column("location"),
        column("days", "days left", "days", "right"),
        column("at", "seen", "time"),
    ]
    return {"columns": columns, "rows": [list(row.values()) for row in found]}


QUESTION: Final = Named("certificates", "table", "days until certificates end", certificates, keep=60.0)
