"""Times that come again: one RFC 5545 rule on the wall clock of a time zone, within bounds.

A rule is a pattern of wall-clock times. Sunday 02:00 in London stays 02:00 in London all year; in UTC it moves with the
clocks. RFC 5545, 3.3.5 says what happens where clocks jump, and so it is here: a time that exists twice means the
first; one that does not exist is read with the offset before the gap, so 01:30 becomes 02:30. Each time then lasts its
seconds as they pass, whatever the clock shows meanwhile.

`Rule.parse` is stricter than dateutil, which does the expanding: it refuses what it does not know, parts that would
never give a time (dateutil would look for one up to the year 9999), and anything more frequent than hourly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from pitchey_slo.errors import did_you_mean

#: Times that one rule may have in what is asked for, at most.
MOST = 100_000
EXAMPLE = "write it as FREQ=WEEKLY;BYDAY=SU or FREQ=DAILY;BYHOUR=20;BYMINUTE=0"

#: frequency -> a period by which the start may be moved on without changing later times; None: it is not moved
_PERIODS: dict[str, timedelta | None] = {
    "YEARLY": None,
    "MONTHLY": None,
    "WEEKLY": timedelta(weeks=1),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
}
#: part -> (lowest, highest, may be counted from the end with a minus)
_NUMBERS: dict[str, tuple[int, int, bool]] = {
    "INTERVAL": (1, 5_000, False),
    "COUNT": (1, MOST, False),
    "BYMONTH": (1, 12, False),
    "BYWEEKNO": (1, 53, True),
    "BYYEARDAY": (1, 366, True),
    "BYMONTHDAY": (1, 31, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
    "BYSETPOS": (1, 366, True),
}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS = ("FREQ", *_NUMBERS, "BYDAY", "WKST", "UNTIL")
#: what RFC 5545 allows with these frequencies only; elsewhere it may make a rule that never gives a time
_ONLY = {
    "BYWEEKNO": ("YEARLY",),
    "BYYEARDAY": ("YEARLY",),
    "BYSETPOS": ("YEARLY", "MONTHLY", "WEEKLY"),
    "BYMONTHDAY": ("YEARLY", "MONTHLY", "DAILY", "HOURLY"),
}
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


@dataclass(frozen=True)
class Rule:
    """A rule that was checked. `text` is what dateutil gets: all but UNTIL, which is compared here."""

    text: str
    frequency: str
    interval: int
    counted: bool
    until: datetime | None  # with a zone: an instant; without: a wall-clock time

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, text: str) -> Rule:
        """Read `FREQ=...;...`, with or without `RRULE:`. ValueError says what is wrong and what would work."""
        parts = _split(text)
        frequency = parts.get("FREQ", "")
        if frequency in ("MINUTELY", "SECONDLY"):
            raise ValueError(f"{text!r}: FREQ={frequency} is too often; HOURLY at most, with longer times")
        if frequency not in _PERIODS:
            near = did_you_mean(frequency, _PERIODS) or EXAMPLE
            raise ValueError(f"{text!r}: FREQ={frequency or 'nothing'} is none of {', '.join(_PERIODS)}; {near}")
        numbers = {name: _numbers(text, name, parts[name]) for name in _NUMBERS if name in parts}
        _check_days(text, frequency, parts)
        _check_together(text, frequency, parts, numbers)
        return cls(
            ";".join(f"{name}={value}" for name, value in parts.items() if name != "UNTIL"),
            frequency,
            numbers.get("INTERVAL", [1])[0],
            "COUNT" in parts,
            _until(text, parts["UNTIL"]) if "UNTIL" in parts else None,
        )

    def starts(self, first: datetime, zone: str, low: datetime, high: datetime) -> Iterator[datetime]:
        """The times with low <= t < high in the order of the wall clock, as instants in UTC; `first` is the instant
        the rule counts from.

        ValueError when the parts of the rule exclude each other.
        """
        place = ZoneInfo(zone)
        begin = first.astimezone(place).replace(tzinfo=None)
        day = timedelta(days=1)  # more than any zone's clock is ever moved
        for wall in self._walls(begin, _wall(low, place) - day, _wall(high, place) + day):
            moment = wall.replace(tzinfo=place).astimezone(UTC)
            beyond = _beyond(self.until, moment, wall)
            if beyond is not None and beyond > day:
                return
            if low <= moment < high and (beyond is None or beyond <= timedelta(0)):
                yield moment

    def _walls(self, begin: datetime, low: datetime, high: datetime) -> Iterator[datetime]:
        period = _PERIODS[self.frequency]
        if self.counted:
            yield from (w for w in _counted(self.text, begin) if low <= w <= high)
            return
        if period is not None and low > begin:
            # whole periods on: weekdays, hours and the interval stay what they were
            begin += (low - begin) // (period * self.interval) * (period * self.interval)
        for wall in _expand(self.text, begin):
            if wall > high:
                return
            if wall >= low:
                yield wall


def _beyond(until: datetime | None, moment: datetime, wall: datetime) -> timedelta | None:
    """How far a time is after `until`; None when there is no such limit."""
    return None if until is None else (moment if until.tzinfo else wall) - until


def _expand(text: str, begin: datetime) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr

    try:
        yield from rrulestr(text, dtstart=begin)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; {EXAMPLE}") from None


@lru_cache(maxsize=64)
def _counted(text: str, begin: datetime) -> tuple[datetime, ...]:
    """All times of a rule with COUNT, which can only be counted from its start."""
    return tuple(islice(_expand(text, begin), MOST))


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _split(text: str) -> dict[str, str]:
    body = text.strip().removeprefix("RRULE:")
    found: dict[str, str] = {}
    for part in body.upper().removesuffix(";").split(";"):
        name, mark, value = part.strip().partition("=")
        if not mark or not value:
            raise ValueError(f"{text!r}: {part!r} is no part of a rule, which is NAME=VALUE; {EXAMPLE}")
        if name not in _PARTS:
            raise ValueError(
                f"{text!r}: {name} is unknown; {did_you_mean(name, _PARTS) or 'parts: ' + ', '.join(_PARTS)}"
            )
        if name in found:
            raise ValueError(f"{text!r}: {name} stands there twice; separate its values by commas")
        found[name] = value.strip()
    return found


def _numbers(text: str, name: str, value: str) -> list[int]:
    low, high, backwards = _NUMBERS[name]
    found = []
    for each in value.split(","):
        if not re.fullmatch(r"[+-]?\d{1,6}", each):
            raise ValueError(f"{text!r}: {name}={each} is no whole number")
        number = int(each)
        if not low <= (abs(number) if backwards else number) <= high:
            raise ValueError(f"{text!r}: {name}={each} is outside {low} to {high}")
        found.append(number)
    if name in ("INTERVAL", "COUNT") and len(found) > 1:
        raise ValueError(f"{text!r}: {name} takes one number")
    return found


def _check_days(text: str, frequency: str, parts: dict[str, str]) -> None:
    for each in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        found = re.fullmatch(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", each)
        if not found:
            raise ValueError(f"{text!r}: BYDAY={each} is no weekday; they are {', '.join(_DAYS)}, or 1SU, -1FR")
        if found[1] and frequency not in ("MONTHLY", "YEARLY"):
            raise ValueError(f"{text!r}: BYDAY={each} needs FREQ=MONTHLY or YEARLY; with {frequency} write {found[2]}")
        if found[1] and not 1 <= abs(int(found[1])) <= 53:
            raise ValueError(f"{text!r}: BYDAY={each}: a month has five of a weekday at most, a year 53")
    if "WKST" in parts and parts["WKST"] not in _DAYS:
        raise ValueError(f"{text!r}: WKST={parts['WKST']} is none of {', '.join(_DAYS)}")


def _check_together(text: str, frequency: str, parts: dict[str, str], numbers: dict[str, list[int]]) -> None:
    for name, fits in _ONLY.items():
        if name in parts and frequency not in fits:
            raise ValueError(f"{text!r}: {name} goes with FREQ={' or '.join(fits)}, not {frequency}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError(f"{text!r}: COUNT and UNTIL both say when it ends; keep one")
    months, days = numbers.get("BYMONTH", [1]), numbers.get("BYMONTHDAY", [1])
    if not any(abs(d) <= _LONGEST_MONTH.get(m, 31) for m in months for d in days):
        raise ValueError(f"{text!r}: no month of BYMONTH={parts['BYMONTH']} has a day {parts['BYMONTHDAY']}")


def _until(text: str, value: str) -> datetime:
    """A date means the whole of that day; with Z an instant, else a time on the rule's clock."""
    try:
        if re.fullmatch(r"\d{8}", value):
            return datetime.combine(date.fromisoformat(value), time.max)
        if re.fullmatch(r"\d{8}T\d{6}Z?", value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{text!r}: UNTIL={value} is no time; write 20261231, 20261231T235959 or 20261231T235959Z")
