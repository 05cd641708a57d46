"""Silences: once, again and again on a zone's clock, until resolved; what they hid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.alert.matchers import parse
from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.silences import (
    Silence,
    active,
    check,
    finished,
    hid,
    silence_from,
    silence_rows,
    status,
    to_remind,
)
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def made(start: str = "2026-03-01T00:00", end: str = "2026-12-01T00:00", **more: object) -> Silence:
    given: dict[str, object] = {"matchers": parse("team=x"), "created_by": "anna", "comment": "why"} | more
    return Silence("s-1", starts_at=at(start), ends_at=at(end), updated_at=at(start), **given)  # type: ignore[arg-type]


def weekly(**more: object) -> Silence:
    """Sundays from 02:00 to 04:00 in London."""
    given: dict[str, object] = {"rrule": "FREQ=WEEKLY;BYDAY=SU", "seconds": 7_200.0, "zone": "Europe/London"}
    return made("2026-03-01T02:00", **given | more)


def test_once_holds_from_its_start_to_before_its_end() -> None:
    found = made("2026-03-02T12:00", "2026-03-02T13:00")
    assert [active(found, at(f"2026-03-02T{t}")) for t in ("11:59:59", "12:00", "12:59:59", "13:00")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert [status(found, at(f"2026-03-02T{t}")) for t in ("11:00", "12:30", "14:00")] == [
        "pending",
        "active",
        "expired",
    ]


def test_one_that_was_expired_is_over() -> None:
    found = made("2026-03-02T12:00", "2026-03-02T13:00", expired_at=at("2026-03-02T12:10"))
    assert active(found, at("2026-03-02T12:09"))
    assert not active(found, at("2026-03-02T12:10"))
    assert status(found, at("2026-03-02T12:10")) == "expired"


def test_a_recurring_one_stays_on_the_clock_of_its_zone() -> None:
    found = weekly()
    assert active(found, at("2026-03-22T02:30"))
    assert status(found, at("2026-03-23T02:30")) == "pending"
    # from the 29th on London is an hour ahead; that night 02:00 is the first moment after the jump
    assert [active(found, at(f"2026-03-29T0{h}:30")) for h in range(4)] == [False, True, True, False]
    assert [active(found, at(f"2026-04-05T0{h}:30")) for h in range(4)] == [False, True, True, False]
    assert [active(found, at(f"2026-10-25T0{h}:30")) for h in range(5)] == [False, False, True, True, False]
    assert found.spans(at("2026-03-15T00:00"), at("2026-04-01T00:00")) == [
        (at("2026-03-15T02:00"), at("2026-03-15T04:00")),
        (at("2026-03-22T02:00"), at("2026-03-22T04:00")),
        (at("2026-03-29T01:00"), at("2026-03-29T03:00")),
    ]


@given(
    st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(1, 60 * 48),
    st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30), timezones=st.just(UTC)),
)
@settings(max_examples=200)
def test_a_recurring_one_agrees_with_a_walk_over_its_days(zone: str, minutes: int, now: datetime) -> None:
    found = weekly(rrule="FREQ=DAILY;BYHOUR=22;BYMINUTE=30;BYSECOND=0", seconds=minutes * 60.0, zone=zone)
    place = ZoneInfo(zone)
    first = found.starts_at.astimezone(place).date()
    starts = [datetime(first.year, first.month, first.day, 22, 30) + timedelta(days=n) for n in range(-1, 280)]
    times = [s.replace(tzinfo=place).astimezone(UTC) for s in starts]
    slow = any(t >= found.starts_at and t <= now < min(t + timedelta(minutes=minutes), found.ends_at) for t in times)
    assert active(found, now) == slow


def test_what_makes_no_sense_is_refused() -> None:
    cases = [
        ({"matchers": ()}, "would hide everything"),
        ({"matchers": parse('a=~".*"')}, "at least one must name something"),
        ({"created_by": " "}, "say who silences"),
        ({"comment": ""}, "say why"),
        ({"ends_at": at("2026-01-01T00:00")}, "not after the start"),
        ({"zone": "Europe/Londn"}, "Europe/London"),
        ({"rrule": "FREQ=DAILY"}, "come together"),
        ({"rrule": "FREQ=DAYLY", "seconds": 60.0}, "DAILY"),
        ({"rrule": "FREQ=DAILY", "seconds": 60.0, "until_resolved": True}, "one of the two"),
        ({"rrule": "FREQ=DAILY", "seconds": 1e9}, "31 days"),
        ({"rrule": "FREQ=DAILY;UNTIL=20250101", "seconds": 60.0}, "gives no time"),
    ]
    for change, words in cases:
        given = {**made().__dict__, **change}
        with pytest.raises(ValueError, match=words):
            check(Silence(**given))
    assert check(weekly()) == weekly()


def alert(begin: str, end: str | None, **labels: str) -> Alert:
    done = None if end is None else at(end)
    state = "firing" if end is None else "resolved"
    return Alert({"alertname": "A", **labels}, state, at(begin), at(begin), fired_at=at(begin), resolved_at=done)  # type: ignore[arg-type]


def test_what_it_hid_is_listed_with_its_times() -> None:
    inside = alert("2026-03-08T03:00", "2026-03-08T05:00", team="x")
    weeks = alert("2026-03-10T00:00", None, team="x")
    other = alert("2026-03-08T03:00", None, team="y")
    outside = alert("2026-03-09T03:00", "2026-03-09T04:00", team="x")
    found = hid(weekly(), [weeks, other, outside, inside], at("2026-03-22T03:00"))
    assert [(h.alert, h.spans) for h in found] == [
        (inside, ((at("2026-03-08T03:00"), at("2026-03-08T04:00")),)),
        (weeks, ((at("2026-03-15T02:00"), at("2026-03-15T04:00")), (at("2026-03-22T02:00"), at("2026-03-22T03:00")))),
    ]


def test_owners_are_reminded_of_what_ends_soon_once() -> None:
    soon = made("2026-03-02T10:00", "2026-03-02T12:10")
    cases = [soon, made("2026-03-02T11:55", "2026-03-02T12:10"), made("2026-03-02T10:00", "2026-03-02T14:00"), weekly(),
             made("2026-03-02T10:00", "2026-03-02T12:10", reminded_at=NOON)]  # fmt: skip
    assert to_remind(cases, NOON, 900) == [soon]


def test_one_until_resolved_is_finished_when_nothing_fires() -> None:
    found = made(until_resolved=True)
    assert finished([found], [alert("2026-03-02T10:00", None, team="x")], NOON) == []
    assert finished([found, made()], [alert("2026-03-02T10:00", None, team="y")], NOON) == [found]


def test_silences_come_back_from_the_store(store: Store) -> None:
    both = [weekly(reminded_at=NOON), Silence(**{**made(until_resolved=True).__dict__, "id": "s-2"})]
    store.append_all({"silences": silence_rows(both)})
    rows = store.query("SELECT * FROM silences ORDER BY id").to_pylist()
    assert [silence_from(row) for row in rows] == both
