"""Every error budget, the least left first: one row per objective and window, with what the SLO report says of it.

The numbers are those of the report (`pitchey-slo slo report`), not counted a second time: `budget_left` is a fraction
and may be negative, None is "no data", `burn` is how many times faster than allowed over the last hour, six hours, day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named

_TOLD: Final = (
    *("slo", "display_name", "service", "objective", "window", "target", "sli", "sli_low", "sli_high", "valid", "bad"),
    *("spent", "budget_left", "burn", "state", "sentence"),
)


def slo_list(asked: Asked) -> Data:
    service = asked.text("service")
    chosen = [r for r in asked.source.reports() if service in ("", r["service"])]
    if asked.text("windows") == "first":
        chosen = first_windows(chosen)
    return {"rows": [row(report) for report in chosen]}


def row(report: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: report[name] for name in _TOLD}
    return told | {"exhausted": report["exhaustion"]["sentence"], "unit_of": report["unit"]}


def first_windows(reports: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One row per objective: that with the least budget left among its windows."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for report in reports:
        key = report["slo"], report["objective"]
        if key not in seen:
            seen.add(key)
            kept.append(report)
    return kept


QUESTION: Final = Named(
    "slo_list",
    "slo_list",
    "error budgets, the least left first, with burn rates and the sentence of the report",
    slo_list,
    {
        "service": Argument("only the SLOs of this service"),
        "windows": Argument("all windows of each objective, or the worst one", default="all", words=("all", "first")),
    },
    keep=10.0,
    reports=True,
)
