"""From "28d" or "1M Europe/London" and an end to two instants.

A rolling window ends at `end`. A calendar window is the one that holds the last minute before `end`: at the stroke of
a new month a report still tells of the whole month that just ended. Times are whole minutes, UTC.

Minutes and hours are lengths; days, weeks, months, quarters and years are steps of the wall clock in the window's time
zone (UTC for rolling ones). So a day has 23 or 25 hours when the clocks change, and a month its own number of days. A
month after the 31st is the last day of a shorter month, and steps are always counted from the anchor, so the 31st
comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from pitchey_slo.errors import SloError
from pitchey_slo.slo.model import Duration, TimeWindow

MINUTE = timedelta(minutes=1)
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_DAYS = {"d": 1, "w": 7}


@dataclass(frozen=True)
class Window:
    """What is counted: start <= t < end. `window_end` is later than `end` only in a calendar window that still runs."""

    text: str
    kind: Literal["rolling", "calendar"]
    start: datetime
    end: datetime
    window_end: datetime


def floor_minute(time: datetime) -> datetime:
    """The whole minute at or before `time`, in UTC. ValueError for a time without zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone; say which, e.g. datetime(..., tzinfo=UTC)")
    return time.astimezone(UTC).replace(second=0, microsecond=0)


def resolve(window: TimeWindow, end: datetime) -> Window:
    """The window that ends at `end` (rolling) or holds the minute before it (calendar)."""
    end = floor_minute(end)
    if window.zone is None:
        return Window(window.text, "rolling", _back(window.duration, end), end, end)
    assert window.anchor is not None
    start, stop = _containing(window.duration, window.anchor, ZoneInfo(window.zone), end - MINUTE)
    return Window(window.text, "calendar", start, end, stop)


def _back(length: Duration, end: datetime) -> datetime:
    if length.minutes is not None:
        return end - timedelta(minutes=length.minutes)
    return end - relativedelta(months=_MONTHS[length.unit] * length.count)


def _containing(length: Duration, anchor: datetime, zone: ZoneInfo, moment: datetime) -> tuple[datetime, datetime]:
    """Start and end of the step, counted from `anchor` by `length`, that holds `moment`."""
    step = _guess(length, anchor, zone, moment)
    while _edge(length, anchor, zone, step) > moment:
        step -= 1
    while _edge(length, anchor, zone, step + 1) <= moment:
        step += 1
    return _edge(length, anchor, zone, step), _edge(length, anchor, zone, step + 1)


def _guess(length: Duration, anchor: datetime, zone: ZoneInfo, moment: datetime) -> int:
    local = moment.astimezone(zone).replace(tzinfo=None)
    if length.unit in _MONTHS:
        months = (local.year - anchor.year) * 12 + local.month - anchor.month
        return months // (_MONTHS[length.unit] * length.count)
    if length.unit in _DAYS:
        return (local - anchor) // timedelta(days=_DAYS[length.unit] * length.count)
    return (moment - anchor.replace(tzinfo=zone)) // timedelta(minutes=length.minutes or 1)


def _edge(length: Duration, anchor: datetime, zone: ZoneInfo, step: int) -> datetime:
    """The instant at which step number `step` begins, on a whole minute."""
    count = length.count * step
    if length.unit in _MONTHS:
        wall = anchor + relativedelta(months=_MONTHS[length.unit] * count)
    elif length.unit in _DAYS:
        wall = anchor + timedelta(days=_DAYS[length.unit] * count)
    else:
        exact = anchor.replace(tzinfo=zone).astimezone(UTC) + timedelta(minutes=(length.minutes or 0) * step)
        return floor_minute(exact)
    return floor_minute(wall.replace(tzinfo=zone))


def duration_minutes(text: str) -> int:
    """Minutes of a duration of fixed length such as "1h" or "28d"; SloError for any other text."""
    try:
        minutes = Duration.parse(text).minutes
    except ValueError as error:
        raise SloError(str(error)) from None
    if minutes is None:
        raise SloError(f"{text!r} has no fixed length; use m, h, d or w")
    return minutes
