"""How many log lines of each level there were over time, sampled ones by their weight. A bucket in which nothing was
written at all is 0 for every level that was written elsewhere in the range."""

from __future__ import annotations

from typing import Final

from pitchey_slo.board.named.logs import ARGUMENTS, where
from pitchey_slo.board.named.registry import Asked, Data, Named
from pitchey_slo.board.span import step_of
from pitchey_slo.store import board_logs as ask
from pitchey_slo.tables import LOGS

_BUCKETS: Final = 90


def log_levels(asked: Asked) -> Data:
    step = step_of(asked.span.length, _BUCKETS)
    with asked.table(LOGS.name) as (table, query):
        found = query(ask.levels(table, where(asked), step)).to_pylist()
    first = asked.span.start // step * step
    times = list(range(first, asked.span.end, step))
    there = {(row["level"], row["ms"]): row["lines"] for row in found}
    names = sorted({level for level, _ in there}, key=lambda name: -_rank(name))
    lines = [
        {"name": name, "labels": {"level": name}, "values": [there.get((name, t), 0.0) for t in times]}
        for name in names
    ]
    return {"times": times, "series": lines}


def _rank(level: str) -> int:
    return ask.LEVELS.index(level) if level in ask.LEVELS else 1


QUESTION: Final = Named("log_levels", "series", "log lines by level over time", log_levels, dict(ARGUMENTS), keep=5.0)
