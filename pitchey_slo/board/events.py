"""What happened: marks that every chart over time carries, and how new the data are."""

from __future__ import annotations

from typing import Any, Final

from pitchey_slo.board.source import Source, at
from pitchey_slo.store import board_questions as ask

#: Marks of one chart.
MOST_MARKS: Final = 100


def marks(source: Source, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """[{"kind": deployment or incident, "id", "at", "until", "title"}], oldest first; times in ms, `until` None for a
    moment and for what still goes on."""
    rows = source.register(ask.MARKS, [at(start_ms), at(end_ms), at(end_ms), at(end_ms), at(start_ms), MOST_MARKS])
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


def newest(source: Source) -> int | None:
    """Time of the newest request in ms; None when there is none."""
    found: int | None = source.register(ask.NEWEST, [])["ms"][0].as_py()
    return found
