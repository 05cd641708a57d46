"""One error budget over its window: how much of it was spent when, and what may come.

`spent` never falls (its denominator is fixed) and is a fraction of the budget; `projected` is the band between the
lowest and the highest recent burn rate. Without an SLO chosen it is the one with the least budget left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.named.slo_list import row
from pitchey_slo.errors import NotFound, did_you_mean


def burn_down(asked: Asked) -> Data:
    report = chosen(asked.source.reports(), asked.text("slo"), asked.text("window"))
    if report is None:
        return {"times": [], "spent": [], "projected": {"times": [], "low": [], "high": []}}
    drawn = report["burn_down"]
    return row(report) | {
        "start": _ms(report["start"]),
        "end": _ms(report["end"]),
        "window_end": _ms(report["window_end"]),
        "budget": drawn["budget"],
        "times": [_ms(time) for time in drawn["time"]],
        "spent": drawn["spent"],
        "projected": {
            "times": [_ms(time) for time in drawn["projected_time"]],
            "low": drawn["low"],
            "high": drawn["high"],
        },
    }


def chosen(reports: Sequence[Mapping[str, Any]], slo: str, window: str = "") -> Mapping[str, Any] | None:
    """The report of an SLO (and window), the one with the least budget left of several; None when there is none at
    all. Raises NotFound."""
    found = [r for r in reports if slo in ("", r["slo"]) and window in ("", r["window"])]
    if not found and reports:
        names = [r["slo"] for r in reports]
        raise NotFound(f"no SLO {slo!r}{f' over {window}' if window else ''}; {did_you_mean(slo, names) or names}")
    return found[0] if found else None


def _ms(time: str) -> int:
    return int(datetime.fromisoformat(time if time[-1] == "Z" or "+" in time else time + "+00:00").timestamp() * 1_000)


QUESTION: Final = Named(
    "burn_down",
    "burn_down",
    "one error budget over its window: spent so far and projected",
    burn_down,
    {
        "slo": Argument("name of the SLO; the one with the least budget left without it"),
        "window": Argument("one of its windows, such as 28d"),
    },
    keep=10.0,
    reports=True,
)
