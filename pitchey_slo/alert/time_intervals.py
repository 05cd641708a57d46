"""Time intervals: named times at which a route is muted or active, as Alertmanager has them.

All given fields must hold, one entry of each field is enough; a field that is not given holds always. Times of day
include their start and exclude their end, which may be 24:00; days of the month may be counted from the end (-1 is the
last) and are clamped to the month. All is read on the wall clock of `location` (UTC unless given), so an interval moves
with daylight saving: an hour that does not exist is skipped, one that exists twice counts twice.
Source: Alertmanager, docs/configuration.md, "<time_interval>".
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from pitchey_slo.collect.prometheus.yaml_node import Node
from pitchey_slo.errors import did_you_mean
from pitchey_slo.slo.model import check_zone

Range = tuple[int, int]
#: Sunday is the first day, as in Alertmanager.
WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS: Final = tuple(name.lower() for name in calendar.month_name[1:])


@dataclass(frozen=True)
class Times:
    """One entry of an interval; ranges include both ends but for `minutes` of the day, which exclude their end."""

    minutes: tuple[Range, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"

    def contains(self, now: datetime) -> bool:
        local = now.astimezone(zone_of(self.location))
        return (
            _within(self.minutes, local.hour * 60 + local.minute, open_end=True)
            and _within(self.weekdays, local.isoweekday() % 7)
            and self._day(local)
            and _within(self.months, local.month)
            and _within(self.years, local.year)
        )

    def _day(self, local: datetime) -> bool:
        last = calendar.monthrange(local.year, local.month)[1]
        for first, end in self.days:
            low, high = (n if n > 0 else last + n + 1 for n in (first, end))
            # a range that lies beyond this month's end never holds; one that reaches out of it is clamped
            if low <= last and max(low, 1) <= local.day <= min(high, last):
                return True
        return not self.days


@dataclass(frozen=True)
class TimeInterval:
    """A named list of times."""

    name: str
    times: tuple[Times, ...]

    def contains(self, now: datetime) -> bool:
        return any(t.contains(now) for t in self.times)


def holding(intervals: Iterable[TimeInterval], now: datetime) -> tuple[str, ...]:
    """Names of the intervals that `now` lies in."""
    return tuple(i.name for i in intervals if i.contains(now))


def next_change(intervals: Sequence[TimeInterval], now: datetime, *, days: int = 8) -> datetime | None:
    """The first whole minute after `now` at which another set of them holds; None within `days` days.

    Looked for in quarter hours, then minutes: offsets and times of day that people write lie on such.
    """
    before = holding(intervals, now)
    at = now.astimezone(UTC).replace(second=0, microsecond=0)
    step = timedelta(minutes=15 - at.minute % 15)
    for _ in range(days * 96):
        if holding(intervals, at + step) != before:
            minutes = int(step.total_seconds() // 60)
            found = (at + timedelta(minutes=m) for m in range(1, minutes + 1))
            return next(t for t in found if holding(intervals, t) != before)
        at, step = at + step, timedelta(minutes=15)
    return None


@lru_cache(maxsize=64)
def zone_of(location: str) -> tzinfo:
    """The zone of a name; "Local" is the machine's own."""
    if location == "Local":
        local = datetime.now().astimezone().tzinfo
        return local if local is not None else UTC
    return ZoneInfo(location)


def _within(ranges: tuple[Range, ...], value: int, *, open_end: bool = False) -> bool:
    return not ranges or any(low <= value < high if open_end else low <= value <= high for low, high in ranges)


# reading the configuration


def interval_of(node: Node) -> TimeInterval:
    """An entry of `time_intervals:` or `mute_time_intervals:`. Raises ConfigError."""
    found = node.fields(("name", "time_intervals"))
    if "name" not in found or not found["name"].text():
        node.fail("name is missing")
    times = tuple(times_of(t) for t in found["time_intervals"].items()) if "time_intervals" in found else ()
    return TimeInterval(found["name"].text(), times)


def times_of(node: Node, more: Sequence[str] = ()) -> Times:
    """Fields of one entry; `more` are keys that the caller reads himself."""
    found = node.fields(("times", "weekdays", "days_of_month", "months", "years", "location", *more))
    return Times(
        minutes=tuple(_minutes(t) for t in found["times"].items()) if "times" in found else (),
        weekdays=_ranges(found.get("weekdays"), WEEKDAYS, 0, 6, named_only=True),
        days=_days(found.get("days_of_month")),
        months=_ranges(found.get("months"), MONTHS, 1, 12),
        years=_ranges(found.get("years"), (), 0, 9_999),
        location=_location(found["location"]) if "location" in found else "UTC",
    )


def _minutes(node: Node) -> Range:
    found = node.fields(("start_time", "end_time"))
    for name in ("start_time", "end_time"):
        if name not in found:
            node.fail(f"{name} is missing", hint="start_time and end_time, both HH:MM")
    start, end = (_clock(found[name]) for name in ("start_time", "end_time"))
    if start >= end:
        node.fail(
            f"{found['start_time'].text()} is not before {found['end_time'].text()}",
            hint="an interval over midnight is two: one until 24:00, one from 00:00",
        )
    return start, end


def _clock(node: Node) -> int:
    text = node.text()
    hour, colon, minute = text.partition(":")
    if not (colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()):
        node.fail(f"{text!r} is no time of day", hint="HH:MM from 00:00 to 24:00, in quotes")
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or total > 1_440:
        node.fail(f"{text!r} is no time of day", hint="HH:MM from 00:00 to 24:00")
    return total


def _ranges(
    node: Node | None, names: Sequence[str], low: int, high: int, *, named_only: bool = False
) -> tuple[Range, ...]:
    return tuple(_range(entry, names, low, high, named_only) for entry in node.items()) if node else ()


def _range(node: Node, names: Sequence[str], low: int, high: int, named_only: bool) -> Range:
    text = node.text().lower()
    parts = [_number(node, part.strip(), names, low, high, named_only) for part in text.split(":", 1)]
    start, end = parts[0], parts[-1]
    if start > end:
        node.fail(f"{node.text()!r} begins after its end", hint="make it two ranges")
    return start, end


def _number(node: Node, text: str, names: Sequence[str], low: int, high: int, named_only: bool) -> int:
    if text in names:
        return names.index(text) + low
    if not named_only and text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    near = did_you_mean(text, names) if names else None
    return node.fail(f"{text!r} is not from {names[0] if names else low} to {names[-1] if names else high}", hint=near)


def _days(node: Node | None) -> tuple[Range, ...]:
    return tuple(_day_range(entry) for entry in node.items()) if node else ()


def _day_range(node: Node) -> Range:
    text = node.text()
    try:
        parts = [int(part) for part in text.split(":", 1)]
    except ValueError:
        return node.fail(f"{text!r} is no day of the month", hint="1 to 31, or -31 to -1 from the end; '1:5', '-3:-1'")
    start, end = parts[0], parts[-1]
    if not (1 <= abs(start) <= 31 and 1 <= abs(end) <= 31):
        node.fail(f"{text!r} is outside 1 to 31 and -31 to -1")
    if start < 0 < end:
        node.fail(f"{text!r} begins counted from the end and ends counted from the start")
    # as Alertmanager checks it: in the longest month, 28 being the shortest
    if (start > end) if (start < 0) == (end < 0) else (start > 31 + end + 1):
        node.fail(f"{text!r} begins after its end")
    return start, end


def _location(node: Node) -> str:
    text = node.text()
    if text in ("Local", "UTC"):
        return text
    try:
        return check_zone(text)
    except ValueError as error:
        return node.fail(str(error))
