"""The state of every component, as the newest verdict of each of its checks says.

A row for each component (for tests: each test), a column for each location. A cell is the worst of the component's
checks there; a verdict that is older than `stale` seconds says nothing any more and is `unknown`. Green is only what
was looked at and found well; what nobody looked at is no cell (None).
"""

from __future__ import annotations

from typing import Any, Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.store import board_probes
from pitchey_slo.tables import PROBES

#: How far back a component is looked for.
_BACK_MS: Final = 86_400_000
#: From what is told first to what is told last.
_WORST: Final = {"unhealthy": 0, "unknown": 1, "degraded": 2, "healthy": 3}


def health_matrix(asked: Asked) -> Data:
    health = asked.text("of") == "components"
    now_ms = int(asked.now.timestamp() * 1_000)
    moment = min(now_ms, asked.span.end + asked.span.step)
    with asked.source.table(PROBES.name, moment - _BACK_MS, moment) as (probes, query):
        found = query(board_probes.newest(probes, health=health)).to_pylist()
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        name = str(row["component"] if health else row["test"])
        cells.setdefault((name, row["location"]), []).append(_cell(row, moment, asked.number("stale")))
    rows = sorted({name for name, _ in cells})
    columns = sorted({location for _, location in cells})
    worst = {key: min(each, key=lambda cell: _WORST[cell["state"]]) for key, each in cells.items()}
    rows.sort(key=lambda name: (min(_WORST[worst[name, c]["state"]] for c in columns if (name, c) in worst), name))
    return {"rows": rows, "columns": columns, "cells": [[worst.get((name, c)) for c in columns] for name in rows]}


def _cell(row: dict[str, Any], now_ms: int, stale: float) -> dict[str, Any]:
    age = (now_ms - row["ms"]) / 1_000
    state, reason = str(row["state"]), row["reason"] or None
    if age > stale:
        state, reason = "unknown", f"no result for {age / 60:.0f} minutes; the last one was {row['state']}"
    return {
        "state": state if state in _WORST else "unknown",
        "reason": reason,
        "latency_ms": row["duration_ms"],
        "at": row["ms"],
        "test": row["test"],
        "failure": row["failure"] or None,
    }


QUESTION: Final = Named(
    "health_matrix",
    "health",
    "state of every component (or test) by location, from the newest verdict of each check",
    health_matrix,
    {
        "of": Argument("health checks of components, or synthetic tests", default="components",
                       words=("components", "tests")),
        "stale": Argument("seconds after which a verdict says nothing any more", "number", 960),
    },
    keep=5.0,
)  # fmt: skip
