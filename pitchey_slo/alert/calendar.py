"""Business hours: when people are at work, by weekday, time of day and holiday, on the wall clock of one place.

A calendar is the times of a time interval (`time_intervals.py`) less its holidays. Holidays are dates, or a country and
perhaps a part of it (`GB`, `GB-ENG`), whose public holidays the `holidays` package knows. Nothing here is asked at run
time from anywhere: the package computes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from pitchey_slo.alert.time_intervals import Times, times_of, zone_of
from pitchey_slo.collect.prometheus.yaml_node import Node
from pitchey_slo.errors import did_you_mean

#: How far ahead the next opening is looked for.
_FAR = 400


@dataclass(frozen=True)
class Calendar:
    """`countries` are codes such as GB or GB-ENG; `dates` are days off besides."""

    name: str
    times: Times
    countries: tuple[str, ...] = ()
    dates: frozenset[date] = frozenset()

    def open(self, now: datetime) -> bool:
        """True within business hours."""
        return self.times.contains(now) and not self.holiday(now.astimezone(zone_of(self.times.location)).date())

    def holiday(self, day: date) -> bool:
        return day in self.dates or any(day in _holidays(code, day.year) for code in self.countries)

    def next_open(self, now: datetime) -> datetime | None:
        """The first moment at or after `now` that is open, in UTC; None when there is none for more than a year.

        An opening time that the clocks jump over is the first moment after the jump.
        """
        if self.open(now):
            return now
        today = now.astimezone(zone_of(self.times.location)).date()
        for day in (today + timedelta(days=n) for n in range(_FAR)):
            if not self.holiday(day):
                found = sorted(t for t in self._openings(day) if t > now and self.open(t))
                if found:
                    return found[0]
        return None

    def _openings(self, day: date) -> Iterator[datetime]:
        zone = zone_of(self.times.location)
        for minute in {0, *(start for start, _ in self.times.minutes)}:
            for fold in (0, 1):
                wall = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone)
                there = wall.astimezone(UTC)
                if there.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                    yield there
                elif fold == 0:
                    yield _jump(there, zone)


def _jump(near: datetime, zone: tzinfo) -> datetime:
    """The moment of the clock's jump forward within the hours before `near`, to the minute."""
    low, high = near - timedelta(hours=3), near
    offset = high.astimezone(zone).utcoffset()
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high.replace(second=0, microsecond=0)


@lru_cache(maxsize=256)
def _holidays(code: str, year: int) -> frozenset[date]:
    import holidays

    country, _, part = code.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def calendar_of(node: Node) -> Calendar:
    """An entry of `business_hours:`. Raises ConfigError."""
    times = times_of(node, ("name", "holidays"))
    found = node.entries()
    if "name" not in found or found["name"].value is None:
        node.fail("name is missing")
    countries: list[str] = []
    dates: set[date] = set()
    given = found.get("holidays")
    if given is not None and given.value is not None:
        for entry in given.items() if isinstance(given.value, list) else (given,):
            day = _date(entry)
            if day is None:
                countries.append(_country(entry))
            else:
                dates.add(day)
    return Calendar(found["name"].text(), times, tuple(countries), frozenset(dates))


def _date(node: Node) -> date | None:
    if isinstance(node.value, date):
        return node.value.date() if isinstance(node.value, datetime) else node.value
    try:
        return date.fromisoformat(node.text())
    except ValueError:
        return None


def _country(node: Node) -> str:
    import holidays

    code = node.text().upper().replace("_", "-")
    country, _, part = code.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        near = did_you_mean(country, known)
        node.fail(f"{node.text()!r} is neither a date nor a country", hint=near or "2026-12-24, GB or GB-ENG")
    if part and part not in known[country]:
        node.fail(f"{country} has no part {part!r}", hint=", ".join(known[country]) or f"write {country}")
    return code
