"""Slow and obvious: every number of a report from a loop over the raw rows, with no query and no NumPy."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]
LOOKBACKS = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}


def usable(weight: float | None) -> float | None:
    if weight is None:
        return 1.0
    return weight if math.isfinite(weight) and weight > 0 else None


def bad_status(row: Row) -> bool | None:
    """True, False; None when it cannot be measured."""
    return row["status"] >= 500


def slow(row: Row, limit: float = 500.0) -> bool | None:
    value = row["duration_ms"]
    return None if value is None or not math.isfinite(value) else value > limit


def count(rows: list[Row], start: datetime, end: datetime, judge: Any) -> dict[str, float]:
    """Weighted good, bad and valid, rows, unmeasured, and the sums for Kish's size."""
    found = dict.fromkeys(("good", "bad", "valid", "rows", "unmeasured", "squares"), 0.0)
    for row in rows:
        if not start <= row["ts"] < end:
            continue
        verdict, weight = judge(row), usable(row["sample_interval"])
        if weight is None:
            found["unmeasured"] += 1
        elif verdict is None:
            found["unmeasured"] += weight
        else:
            found["bad" if verdict else "good"] += weight
            found["valid"] += weight
            found["squares"] += weight * weight
            found["rows"] += 1
    return found


def burn(rows: list[Row], end: datetime, target: float, judge: Any) -> dict[str, float | None]:
    out: dict[str, float | None] = {}
    for name, hours in LOOKBACKS.items():
        found = count(rows, end - timedelta(hours=hours), end, judge)
        out[name] = found["bad"] / found["valid"] / (1 - target) if found["valid"] else None
    return out


def slices(
    rows: list[Row], start: datetime, end: datetime, minutes: int, judge: Any
) -> list[tuple[datetime, float | None]]:
    """(start, ratio or None without data) of each slice of start <= t < end."""
    out: list[tuple[datetime, float | None]] = []
    at = start
    while at + timedelta(minutes=minutes) <= end:
        found = count(rows, at, at + timedelta(minutes=minutes), judge)
        out.append((at, found["good"] / found["valid"] if found["valid"] else None))
        at += timedelta(minutes=minutes)
    return out


def used_up(rows: list[Row], start: datetime, end: datetime, budget: float, judge: Any) -> datetime | None:
    """End of the first minute at which the bad ones since `start` reach `budget`."""
    at, bad = start, 0.0
    while at < end:
        bad += count(rows, at, at + timedelta(minutes=1), judge)["bad"]
        at += timedelta(minutes=1)
        if bad >= budget:
            return at
    return None
