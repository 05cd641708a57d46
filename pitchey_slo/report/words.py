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


def many(number: int, one: str) -> str:
    """
    >>> many(1, "test"), many(1200, "test")
    ('1 test', '1,200 tests')
    """
    return f"{number:,} {one}{'' if number == 1 else 's'}"


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


def measured(value: float | None, unit: str, digits: int | None = None) -> str:
    """A number with its unit. `unit` is ratio (printed in per cent), count, ms, seconds, per week, or any other word,
    such as a currency, which is put behind the number; `digits` are the decimals, each unit's own when None.

    >>> measured(0.99912, "ratio", 2), measured(1234.0, "count"), measured(312.4, "ms"), measured(None, "ms")
    ('99.91 %', '1,234', '312 ms', 'missing')
    >>> measured(8.26, "seconds"), measured(7380, "seconds"), measured(-1.5, "EUR", 2)
    ('8.3 s', '2 h 3 min', '−1.50 EUR')
    """
    if value is None or not math.isfinite(value):
        return "missing"
    if unit == "seconds" and digits is None:
        return f"{value:.1f} s" if 0 <= value < 60 else ago(value)
    decimals = _DIGITS.get(unit, 1) if digits is None else digits
    number = f"{value * 100 if unit == 'ratio' else value:,.{decimals}f}".replace("-", "−")
    return number + {"ratio": " %", "count": "", "seconds": " s"}.get(unit, f" {unit}")


def grown(then: float, now: float, unit: str, digits: int | None = None) -> str:
    """A change as people say it: points of a ratio; of all else the amount and, from something, the percentage.

    >>> grown(0.99, 0.9912, "ratio", 2), grown(200, 150, "count"), grown(0, 3, "count"), grown(2000, 1940, "ms")
    ('+0.12 points', '−50 (−25 %)', '+3', '−60 ms (−3 %)')
    """
    by = now - then
    sign = "+" if by > 0 else "−" if by < 0 else "±"
    if unit == "ratio":
        return f"{sign}{abs(by) * 100:,.{_DIGITS['ratio'] if digits is None else digits}f} points"
    amount = sign + measured(abs(by), unit, digits)
    return f"{amount} ({sign}{abs(by / then) * 100:,.0f} %)" if then else amount


def stirred(then: float, now: float, unit: str, digits: int | None = None) -> bool:
    """Whether a change is one that people can see in the decimals that are shown.

    >>> stirred(0.794, 0.796, "ratio", 0), stirred(310, 310.4, "ms"), stirred(1, 2, "count")
    (False, False, True)
    """
    decimals = 0 if unit == "seconds" and digits is None else _DIGITS.get(unit, 1) if digits is None else digits
    return bool(round(abs(now - then) * (100 if unit == "ratio" else 1), decimals))


_DIGITS = {"ratio": 1, "count": 0, "ms": 0}
