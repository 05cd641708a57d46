"""Times, durations and parameter values as pages print them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson


def said(when: datetime | None) -> str:
    """
    >>> said(datetime(2026, 11, 23, 12, 40, tzinfo=UTC))
    '2026-11-23 12:40 UTC'
    """
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when else "–"


def lasted(seconds: float | None) -> str:
    """
    >>> lasted(8.31), lasted(125), lasted(None)
    ('8.3 s', '2 min 5 s', '–')
    """
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def shown(value: Any) -> str:
    """The empty text, by custom "not given", is said in words.

    >>> shown(""), shown("28d"), shown([1, 2])
    ('default', '28d', '[1,2]')
    """
    if value in ("", None):
        return "default"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def moment(value: object) -> datetime | None:
    """A frame's time as datetime; None for a missing one."""
    import pandas as pd

    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    found: datetime = pd.Timestamp(value).to_pydatetime()  # type: ignore[arg-type]
    return found


def ago(seconds: float | None) -> str:
    """A duration in its two largest units.

    >>> ago(45), ago(7380), ago(2 * 86400), ago(None)
    ('45 s', '2 h 3 min', '2 d', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(int(seconds), 0)
    for size, unit, smaller, small in (
        (31536000, "y", 86400, "d"),
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def milliseconds(value: float | None) -> str:
    """
    >>> milliseconds(1234.5), milliseconds(float("nan"))
    ('1,234 ms', '–')
    """
    return "–" if value is None or not math.isfinite(value) else f"{value:,.0f} ms"


def hours(row: Mapping[Any, Any], end: datetime) -> float:
    """How long an incident lasted; one that lasts is counted up to `end`."""
    last = moment(row["ended_at"]) or end
    first = moment(row["started_at"]) or last
    return (last - first).total_seconds() / 3600
