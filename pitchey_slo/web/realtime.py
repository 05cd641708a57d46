"""The few numbers of right now in one small answer, for a wall screen, a chat bot or a script.

They are those of the system overview, evaluated the same way and shared by all who ask within five seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from pitchey_slo import board
from pitchey_slo.board.model import Definition, Query, Row, Widget
from pitchey_slo.board.shelf import Shown
from pitchey_slo.web.auth import needs
from pitchey_slo.web.boards import boards_of
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of
from pitchey_slo.web.slos import parameters

router = APIRouter(tags=["dashboards"])

_ALL: Final = "pitchey_http_requests_total"
_P: Final = "histogram_quantile({}, sum by (le) (rate(pitchey_http_response_time_bucket[5m])))"
#: Name in the answer -> what it is, over the last five minutes.
NUMBERS: Final = {
    "requests_per_second": f"sum(rate({_ALL}[5m]))",
    "error_rate": f"(sum(rate(pitchey_http_errors_total[5m])) or vector(0)) / sum(rate({_ALL}[5m]))",
    "p50_seconds": _P.format(0.5),
    "p95_seconds": _P.format(0.95),
    "p99_seconds": _P.format(0.99),
    "active_users": "pitchey_active_users_5m",
}
#: From the worst.
_STATES: Final = ("unhealthy", "unknown", "degraded", "healthy")

_QUERIES: Final = tuple(
    Query(f'label_replace({expr}, "number", "{name}", "", "")', name, instant=True) for name, expr in NUMBERS.items()
)
_WIDGETS: Final = (
    Widget("numbers", "table", "numbers", queries=_QUERIES),
    Widget("health", "health", "health", named="health_matrix"),
    Widget("alerts", "alerts", "alerts", named="alerts", given={"state": "active", "limit": 100}),
    Widget("slos", "slo_list", "slos", named="slo_list", given={"windows": "first"}),
)
DEFINITION: Final = Definition("realtime", "Right now", (Row("", _WIDGETS),), range="15m")


@router.get("/api/monitoring/realtime", **needs("read"))
async def realtime(request: Request) -> Response:
    """Requests, errors, response times and people of the last five minutes, state of every component, what fires, and
    the error budgets with the least left. A number without data is null."""
    parameters(request, ())
    view = board.view_of(DEFINITION, house_of(request).clock())
    full = await boards_of(request).answer(Shown(DEFINITION, "", 0), view)
    return answer(await asyncio.to_thread(told, full))


def told(full: dict[str, Any]) -> dict[str, Any]:
    """A dashboard's answer as one small object."""
    widgets = full["widgets"]
    health, alerts, slos = widgets["health"], widgets["alerts"], widgets["slos"]
    return {
        "at": full["watermark"],
        "newest": full["newest"],
        "numbers": _numbers(widgets["numbers"]),
        "health": _health(health),
        "alerts": {
            "firing": alerts.get("firing", 0),
            "severities": alerts.get("severities", {}),
            "newest": [
                {key: row[key] for key in ("id", "name", "severity", "state", "active_at", "acked_by")}
                | {"summary": row["annotations"].get("summary", "")}
                for row in alerts.get("rows", ())[:10]
            ],
        },
        "slos": [
            {key: row[key] for key in ("slo", "objective", "window", "budget_left", "state", "sentence")}
            for row in slos.get("rows", ())[:5]
        ],
        "problems": [data["error"]["message"] for data in widgets.values() if "error" in data],
    }


def _numbers(table: dict[str, Any]) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(NUMBERS)
    names = list(NUMBERS)
    place = [column["name"] for column in table.get("columns", ())].index("number") if table.get("rows") else 0
    for row in table.get("rows", ()):
        found[row[place]] = row[len(row) - len(names) + names.index(row[place])]
    return found


def _health(matrix: dict[str, Any]) -> dict[str, Any]:
    """The worst state, how many components are in which, and who is not well."""
    worst = {}
    for name, cells in zip(matrix.get("rows", ()), matrix.get("cells", ()), strict=True):
        worst[name] = min((c["state"] for c in cells if c), key=_STATES.index)
    state = min(worst.values(), key=_STATES.index) if worst else "unknown"
    return {"state": state, "components": worst, "counts": dict(Counter(worst.values()))}
