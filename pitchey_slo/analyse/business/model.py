"""What the business report finds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pitchey_slo.analyse.business.amounts import Amount, Interval, Versus, ratio, share


@dataclass(frozen=True)
class People:
    """Distinct people now and in the period before (None: not wholly in the data)."""

    now: int | None
    before: int | None


@dataclass(frozen=True)
class Step:
    """One step of a funnel: people who did it after all steps before, and of those of the step before which share."""

    event: str
    people: int
    of_before: Interval | None
    of_first: Interval | None
    dropped: int

    @property
    def words(self) -> str:
        """The event as people say it."""
        return self.event.replace("_", " ").replace("nda ", "NDA ")


@dataclass(frozen=True)
class Week:
    """The funnel of seven days on their own."""

    start: datetime
    end: datetime
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Wait:
    """Seconds from one event to the next of the same person: each quantile with its 95 % interval, the order statistics
    that many pairs leave in doubt. Empty without a pair."""

    pairs: int
    quantiles: Mapping[float, Interval]


@dataclass(frozen=True)
class Feature:
    """One route: people who used it and their share of all, requests, and the share of those that failed."""

    name: str
    people: int
    share: float | None
    requests: float
    error_ratio: float | None
    people_before: int | None
    share_before: float | None


@dataclass(frozen=True)
class Place:
    """One country or region (None: not known): people, and what they did."""

    location: str | None
    people: int
    people_before: int | None
    views: Versus
    investments: Versus


@dataclass(frozen=True, eq=False)
class Business:
    """Everything over start <= t < end, against the time of the same length before.

    active      people of the last hour, day, week (7 days) and month (28 days), by those names
    by_day      people of each day, the newest first; None for days that are not wholly in the data
    daily       counts of each day, the newest first, by name (views, created, ...)
    counted     the same summed, now and before
    money       received, by currency
    events      subscription events by name
    compared    whether the time before is wholly in the data
    """

    start: datetime
    end: datetime
    before: datetime
    oldest: datetime | None
    compared: bool
    active: Mapping[str, People]
    by_day: tuple[int | None, ...]
    daily: Mapping[str, tuple[float, ...]]
    counted: Mapping[str, Versus]
    funnel: tuple[Step, ...]
    funnel_before: tuple[Step, ...]
    weeks: tuple[Week, ...]
    wait: Wait
    wait_before: Wait | None
    money: Mapping[str, Versus]
    events: Mapping[str, Versus]
    features: tuple[Feature, ...]
    places: tuple[Place, ...]

    @property
    def days(self) -> int:
        return round((self.end - self.start).total_seconds() / 86_400)

    @property
    def stickiness(self) -> tuple[float | None, float | None]:
        """Mean of the daily actives of the last 28 days over the people of those days, and the same of the period
        before: 0.2 is somebody who comes every fifth day. None without 28 days of data."""
        now, shift = self._sticky(0, self.active["month"].now), self.days
        return now, self._sticky(shift, self.active["month"].before)

    def _sticky(self, first: int, people: int | None) -> float | None:
        days = [d for d in self.by_day[first : first + 28] if d is not None]
        return sum(days) / 28 / people if people and len(days) == 28 else None

    @property
    def signed(self) -> tuple[Interval | None, Interval | None]:
        """NDAs signed per NDA requested, now and before. Those signed may have been requested earlier, so it may be
        above one; how many of those who asked did sign says the funnel."""
        signatures, requests = self.counted["signatures"], self.counted["nda_requests"]
        before = (
            ratio(signatures.before, requests.before)
            if signatures.before is not None and requests.before is not None
            else None
        )
        return ratio(signatures.now, requests.now), before

    @property
    def paid(self) -> tuple[Interval | None, Interval | None]:
        """Share of payments that succeeded, now and before."""
        paid, all_ = self.counted["paid"], self.counted["payments"]
        before = share(paid.before, all_.before) if paid.before is not None and all_.before is not None else None
        return share(paid.now, all_.now), before


def steps_of(events: tuple[str, ...], people: tuple[int, ...]) -> tuple[Step, ...]:
    """Steps with their shares; of people, so each counts once."""
    made = []
    for i, (event, here) in enumerate(zip(events, people, strict=True)):
        above = people[i - 1] if i else here
        made.append(
            Step(event, here, _of(here, above) if i else None, _of(here, people[0]) if i else None, above - here)
        )
    return tuple(made)


def _of(part: int, whole: int) -> Interval | None:
    return share(Amount(part, part, part), Amount(whole, whole, whole))
