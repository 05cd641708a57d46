"""Times, durations and parameter values as pages print them."""

from __future__ import annotations

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
