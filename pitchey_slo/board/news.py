"""What is new in an answer since an earlier one: points of lines after the time that is settled, and the widgets that
changed.

Late rows still change the last points of a line. So points of the last `LATE_MS` before the earlier answer's end come
again: who draws replaces everything from the first point that came, and drops what is before the range's start.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Rows that come later than this after their time change a line only when it is drawn anew.
LATE_MS: Final = 60_000


@dataclass(frozen=True)
class Tick:
    """What is remembered of an answer: hash of each widget, names of its lines, up to when points are settled."""

    hashes: Mapping[str, str]
    lines: Mapping[str, tuple[str, ...]]
    settled: int
    step: int


def tick_of(answer: Mapping[str, Any]) -> Tick:
    widgets: Mapping[str, Any] = answer["widgets"]
    return Tick(
        {name: data["hash"] for name, data in widgets.items()},
        {name: _names(data) for name, data in widgets.items()},
        answer["range"]["end"] - max(LATE_MS, answer["range"]["step"]),
        answer["range"]["step"],
    )


def newer(answer: dict[str, Any], before: Tick | None, since: int) -> dict[str, Any]:
    """The answer without what `before` had already: `same` names the widgets left out, those with `append` are lines
    cut to the points that may be new. An answer nobody remembers (None) is given whole."""
    if before is None or before.step != answer["range"]["step"]:
        return answer
    widgets, same = {}, []
    for name, data in answer["widgets"].items():
        if before.hashes.get(name) == data["hash"]:
            same.append(name)
        elif "series" in data and before.lines.get(name) == _names(data) and "compare" not in data:
            widgets[name] = _cut(data, before.settled)
        else:
            widgets[name] = data
    return answer | {"since": since, "widgets": widgets, "same": same}


def _cut(data: Mapping[str, Any], after: int) -> dict[str, Any]:
    first = bisect.bisect_right(data["times"], after)
    lines = [line | {"values": line["values"][first:]} for line in data["series"]]
    return {**data, "append": True, "times": data["times"][first:], "series": lines}


def _names(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(line["name"] for line in data.get("series", ()))
