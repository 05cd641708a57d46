"""Times and steps as people write them, and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pitchey_slo.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd


Moment = datetime | str | None


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return round(moment.timestamp() * 1000)


def step_ms(step: str | float) -> int:
    """A step in seconds, or as "15s", "1m30s" or "1d", in milliseconds. Raises QueryError for anything else.

    >>> step_ms("1m30s"), step_ms(0.5)
    (90000, 500)
    """
    units = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
    text = str(step).strip()
    found = re.findall(r"(\d+)(ms|[smhdw])", text)
    try:
        total = round(float(text) * 1000) if not found else sum(int(n) * units[unit] for n, unit in found)
    except (ValueError, OverflowError):
        total = 0
    if total <= 0 or (found and "".join(n + unit for n, unit in found) != text):
        raise QueryError(f"step: {text!r} is no positive duration; write 60, 15s, 5m or 1h")
    return total


def parse_time(moment: Moment, name: str) -> datetime | None:
    """ISO 8601 text or a datetime as UTC (no zone means UTC); "" and None are None.

    >>> parse_time("2026-03-01T12:00", "end")
    datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """
    if moment is None or moment == "":
        return None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.strip())
        except ValueError:
            raise QueryError(f"{name}: {moment!r} is no time; write it as 2026-03-01T12:00:00Z") from None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise QueryError(f"{name}: {moment} is outside the calendar; write it as 2026-03-01T12:00:00Z") from None


def frame_of(table: Any) -> pd.DataFrame:
    """An Arrow table as a frame."""
    frame: pd.DataFrame = table.to_pandas()
    return frame
