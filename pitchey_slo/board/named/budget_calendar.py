"""Day by day how much of an SLO's budget was spent: a heat map of months.

`spent` of a day is its bad events against those its own traffic allowed: 1 spends exactly the budget, 14 as fast as a
page. It is counted by the same series as burn alerts (`pitchey_slo_bad_total`, `pitchey_slo_valid_total`), so
corrections are in it. A day without an event has None; days are those of UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from pitchey_slo.board.fill import fill
from pitchey_slo.board.named.burn_down import chosen
from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.names import SLO_BAD, SLO_VALID
from pitchey_slo.promql import evaluate

_DAY_MS: Final = 86_400_000


def budget_calendar(asked: Asked) -> Data:
    report = chosen(asked.source.reports(), asked.text("slo"))
    if report is None:
        return {"slo": None, "days": []}
    end = min(asked.now, asked.end)
    today = datetime(end.year, end.month, end.day, tzinfo=UTC)
    first = today - timedelta(days=int(asked.number("days")) - 1)
    name = {"slo": (report["slo"],)}
    valid, bad = (_per_day(asked, fill(f'sum({metric}{{slo="$slo"}})', name, {}), first, end) for metric in _COUNTED)
    budget = 1 - float(report["target"])
    days = [_day(first + timedelta(days=i), valid[i], bad[i], budget) for i in range(len(valid))]
    return {"slo": report["slo"], "target": report["target"], "days": days}


_COUNTED: Final = (SLO_VALID, SLO_BAD)


def _per_day(asked: Asked, counter: str, first: datetime, end: datetime) -> list[float | None]:
    """What a counter grew on each day from `first` on; None for days without a sample."""
    midnight = int(first.timestamp() * 1_000)
    days = (int(end.timestamp() * 1_000) - midnight) // _DAY_MS + 1
    # the newest sample of each day, at its end: today's end is in the future, and no sample of it is newer
    newest = f"last_over_time(({counter})[1d:15m])" if days > 40 else f"last_over_time(({counter})[1d:5m])"
    found = evaluate(newest, asked.source.scan, midnight, midnight + days * _DAY_MS, _DAY_MS)
    if not len(found):
        return [None] * days
    values = np.where(found.present[0], found.values[0], np.nan)
    grown: list[float | None] = []
    before = values[0] if np.isfinite(values[0]) else 0.0
    for value in values[1:].tolist():
        grown.append(None if np.isnan(value) else value - before)
        before = before if np.isnan(value) else value
    return grown


def _day(day: datetime, valid: float | None, bad: float | None, budget: float) -> dict[str, Any]:
    counted = valid is not None and valid > 0
    spent = (bad or 0.0) / valid / budget if counted and valid and budget > 0 else None
    return {"day": f"{day:%Y-%m-%d}", "valid": valid, "bad": bad if counted else None, "spent": spent}


QUESTION: Final = Named(
    "budget_calendar",
    "calendar",
    "day by day how much of an SLO's budget was spent",
    budget_calendar,
    {
        "slo": Argument("name of the SLO; the one with the least budget left without it"),
        "days": Argument("how many days, today among them", "number", 35),
    },
    keep=300.0,
    reports=True,
)
