"""Silences: alerts that are not told, for a time, by somebody who said why.

A silence holds once (start <= t < end), again and again by an RFC 5545 rule on the wall clock of its zone (`rrule`
says what happens where clocks jump), or until nothing that it matches fires any more (`until_resolved`). Its owner is
reminded before it ends while it hides alerts, and `hid` lists what it hid. A silence is never deleted, only expired.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import pyarrow as pa

from pitchey_slo.alert.matchers import Matchers, from_api, matches, text_of, to_api
from pitchey_slo.alert.model import Alert
from pitchey_slo.rrule import Rule
from pitchey_slo.slo.values import check_zone
from pitchey_slo.tables import SILENCES

Status = Literal["pending", "active", "expired"]
Span = tuple[datetime, datetime]
_DAY = timedelta(days=1)
#: The longest that one time of a recurring silence may be.
LONGEST = timedelta(days=31)


@dataclass(frozen=True)
class Silence:
    """One silence; a row of `silences`.

    seconds         recurring: length of each time
    until_resolved  ends as soon as nothing that it matches fires, at `ends_at` at the latest
    expired_at      when it was ended early
    """

    id: str
    matchers: Matchers
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime
    rrule: str | None = None
    seconds: float | None = None
    zone: str = "UTC"
    until_resolved: bool = False
    reminded_at: datetime | None = None
    expired_at: datetime | None = None
    source: str = "api"

    def matches(self, labels: Mapping[str, str]) -> bool:
        return matches(self.matchers, labels)

    @property
    def end(self) -> datetime:
        """When it is over for good."""
        return self.ends_at if self.expired_at is None else min(self.ends_at, self.expired_at)

    def span(self, now: datetime) -> Span | None:
        """The time of it that `now` lies in, half-open; None while it does not hold."""
        if not self.starts_at <= now < self.end:
            return None
        if self.rrule is None:
            return self.starts_at, self.end
        for start, stop in self.spans(now, now + timedelta(microseconds=1)):
            return start, stop
        return None

    def spans(self, low: datetime, high: datetime) -> list[Span]:
        """Its times that touch low <= t < high, in order, cut at its end."""
        if self.rrule is None:
            return [(self.starts_at, self.end)] if self.starts_at < high and self.end > low else []
        length = timedelta(seconds=self.seconds or 0.0)
        day = (low - length).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found: list[Span] = []
        while day < high:
            for start in _starts(self.rrule, self.starts_at, self.zone, day):
                stop = min(start + length, self.end)
                if start < high and stop > low and start < stop:
                    found.append((start, stop))
            day += _DAY
        return found


def active(silence: Silence, now: datetime) -> bool:
    """True while it holds."""
    return silence.span(now) is not None


def status(silence: Silence, now: datetime) -> Status:
    """As Alertmanager's API says it; a recurring one is pending between its times."""
    if now >= silence.end:
        return "expired"
    return "active" if active(silence, now) else "pending"


@lru_cache(maxsize=4_096)
def _starts(rrule: str, first: datetime, zone: str, day: datetime) -> tuple[datetime, ...]:
    """The starts of a rule within one UTC day."""
    return tuple(Rule.parse(rrule).starts(first, zone, day, day + _DAY))


def silencing(silences: Iterable[Silence], labels: Mapping[str, str], now: datetime) -> list[Silence]:
    """Those that hide an alert with these labels now."""
    return [s for s in silences if s.matches(labels) and active(s, now)]


def check(silence: Silence) -> Silence:
    """The same silence; ValueError says what makes no sense and what would work."""
    if not silence.matchers:
        raise ValueError("matchers: none; a silence without matchers would hide everything")
    if all(m.matches({}) for m in silence.matchers):
        shown = text_of(silence.matchers)
        raise ValueError(f"matchers: {shown} match alerts without any labels; at least one must name something")
    if not silence.created_by.strip():
        raise ValueError("created_by: empty; say who silences")
    if not silence.comment.strip():
        raise ValueError("comment: empty; say why")
    if silence.ends_at <= silence.starts_at:
        raise ValueError(f"ends_at: {silence.ends_at} is not after the start, {silence.starts_at}")
    check_zone(silence.zone)
    if (silence.rrule is None) != (silence.seconds is None):
        raise ValueError("rrule and seconds come together: when each time starts, and how long it lasts")
    if silence.rrule is None:
        return silence
    if silence.until_resolved:
        raise ValueError("until_resolved: a recurring silence ends by its rule; give one of the two")
    if not 1 <= (silence.seconds or 0) <= LONGEST.total_seconds():
        raise ValueError(f"seconds: {silence.seconds}; one time lasts 1 second to {LONGEST.days} days")
    first = next(
        Rule.parse(silence.rrule).starts(silence.starts_at, silence.zone, silence.starts_at, silence.ends_at), None
    )
    if first is None:
        raise ValueError(f"rrule: {silence.rrule!r} gives no time between start and end")
    return silence


# what it hid, and whom to remind


@dataclass(frozen=True)
class Hidden:
    """An alert, and the times in which the silence matched it while it fired."""

    alert: Alert
    spans: tuple[Span, ...]


def hid(silence: Silence, alerts: Iterable[Alert], now: datetime) -> tuple[Hidden, ...]:
    """What the silence hid up to `now`, of all `alerts` there were (firing and resolved), oldest first."""
    found = []
    for alert in alerts:
        begin = alert.fired_at
        if begin is None or not silence.matches(alert.labels):
            continue
        end = min(alert.resolved_at or now, now)
        spans = tuple((max(a, begin), min(b, end)) for a, b in silence.spans(begin, end) if max(a, begin) < min(b, end))
        if spans:
            found.append(Hidden(alert, spans))
    return tuple(sorted(found, key=lambda h: (h.spans[0][0], h.alert.id)))


def to_remind(silences: Iterable[Silence], now: datetime, before: float) -> list[Silence]:
    """Those that end within `before` seconds and whose owner was not told yet. Short and recurring ones are left."""
    ahead = timedelta(seconds=before)
    return [
        s
        for s in silences
        if s.reminded_at is None
        and s.rrule is None
        and not s.until_resolved
        and s.starts_at <= now < s.end <= now + ahead
        and s.end - s.starts_at > ahead
    ]


def finished(silences: Iterable[Silence], firing: Sequence[Alert], now: datetime) -> list[Silence]:
    """Those that hold until their alerts are resolved, and nothing that they match fires."""
    return [
        s
        for s in silences
        if s.until_resolved and s.starts_at <= now < s.end and not any(s.matches(a.labels) for a in firing)
    ]


# rows


def silence_rows(silences: Iterable[Silence]) -> pa.Table:
    """Rows of `silences`."""
    names = [c.name for c in SILENCES.columns]
    return SILENCES.of(
        [
            {n: getattr(s, n) for n in names} | {"matchers": json.dumps([to_api(m) for m in s.matchers])}
            for s in silences
        ]
    )


def silence_from(row: Mapping[str, Any]) -> Silence:
    """The silence of a row of `silences`."""
    known = {name: row[name] for name in Silence.__dataclass_fields__ if name in row}
    given = {"matchers": tuple(from_api(m) for m in json.loads(row["matchers"]))}
    plain = {"zone": row["zone"] or "UTC", "source": row["source"] or "api"}
    return Silence(**known | given | plain | {"until_resolved": bool(row["until_resolved"])})
