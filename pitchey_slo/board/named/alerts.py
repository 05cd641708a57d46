"""Alerts as the inbox has them: what fires, what fired, who is told, and what keeps it from being told.

`state` active is pending and firing, the most urgent first; history is the newest first, those active within the range.
Times are ISO 8601, as everywhere alerts are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import pyarrow as pa

from pitchey_slo.alert import inbox
from pitchey_slo.alert.model import SEVERITIES
from pitchey_slo.alert.why import alert_dict
from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.store import Store


@dataclass(frozen=True)
class _Asking:
    """What the inbox needs of a store: it asks registers, nothing else."""

    asked: Asked

    def query(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        return self.asked.register(sql, params)


def alerts(asked: Asked) -> Data:
    state = asked.text("state")
    live = state in ("active", "firing", "pending")
    found = inbox.history(
        cast(Store, _Asking(asked)),
        state=state,
        severity=asked.text("severity"),
        since=None if live else asked.start,
        until=None if live else asked.end,
        limit=int(asked.number("limit")),
    )
    views = asked.source.views
    rows = [dict(row) for row in views(found, asked.now)] if views else [alert_dict(alert) for alert in found]
    if live:
        rows.sort(key=_urgency)
    firing = [row for row in rows if row["state"] == "firing"]
    counts = Counter(row["severity"] for row in firing)
    told = {severity: counts.get(severity, 0) for severity in reversed(SEVERITIES)}
    return {"rows": rows, "firing": len(firing), "severities": told}


def _urgency(row: dict[str, Any]) -> tuple[bool, bool, int, str]:
    """Firing before pending, what nobody took on first, the most severe first, then the oldest."""
    rank = {name: i for i, name in enumerate(reversed(SEVERITIES))}
    severity = rank.get(row["severity"], len(rank))
    return row["state"] != "firing", row["acked_by"] is not None, severity, str(row["active_at"])


QUESTION: Final = Named(
    "alerts",
    "alerts",
    "alerts with who is told of them and what keeps them from being told",
    alerts,
    {
        "state": Argument("which", default="active", words=("active", "firing", "pending", "resolved", "all")),
        "severity": Argument("only this severity"),
        "limit": Argument("at most so many", "number", 50),
    },
    keep=4.0,
)
