"""Business hours: holidays, zones, and the next opening against a walk minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.alert.calendar import Calendar
from pitchey_slo.alert.time_intervals import Times


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


OFFICE = Times(minutes=((540, 1_050),), weekdays=((1, 5),), location="Europe/London")


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-02T12:00", "2026-03-02T12:00"),
        ("2026-03-02T17:30", "2026-03-03T09:00"),
        ("2026-03-06T18:00", "2026-03-09T09:00"),
        ("2026-03-28T12:00", "2026-03-30T08:00"),  # clocks go forward in between
        ("2026-10-24T12:00", "2026-10-26T09:00"),  # and back
        ("2026-04-02T18:00", "2026-04-07T08:00"),  # Good Friday, Easter Monday
        ("2026-12-24T18:00", "2026-12-29T09:00"),  # Christmas, Boxing Day (on Monday), the weekend
    ],
)
def test_the_next_opening(now: str, opens: str) -> None:
    assert Calendar("office", OFFICE, ("GB-ENG",)).next_open(at(now)) == at(opens)


def test_days_off_of_our_own_and_parts_of_a_country() -> None:
    assert Calendar("o", OFFICE, (), frozenset({date(2026, 3, 3)})).next_open(at("2026-03-02T18:00")) == at(
        "2026-03-04T09:00"
    )
    assert Calendar("o", OFFICE, ("GB-SCT",)).holiday(date(2026, 1, 2))
    assert not Calendar("o", OFFICE, ("GB-ENG",)).holiday(date(2026, 1, 2))


def test_an_opening_that_the_clocks_jump_over_is_after_the_jump() -> None:
    night = Calendar("n", Times(minutes=((90, 240),), location="Europe/London"))
    assert night.next_open(at("2026-03-28T23:00")) == at("2026-03-29T01:00")


def test_one_that_never_opens_says_so() -> None:
    assert Calendar("never", Times(years=((2_020, 2_020),))).next_open(at("2026-03-02T12:00")) is None


RANGE = st.tuples(st.integers(0, 1_439), st.integers(1, 1_440)).filter(lambda p: p[0] < p[1])


@given(
    st.lists(RANGE, max_size=2).map(tuple),
    st.lists(st.sampled_from([(0, 0), (1, 3), (5, 6)]), max_size=2).map(tuple),
    st.sampled_from(["UTC", "Europe/London", "America/New_York"]),
    st.datetimes(datetime(2026, 3, 6), datetime(2026, 3, 31), timezones=st.just(UTC)),
)
@settings(max_examples=80)
def test_the_next_opening_is_the_first_open_minute(
    minutes: tuple[tuple[int, int], ...], days: tuple[tuple[int, int], ...], zone: str, now: datetime
) -> None:
    found = Calendar("any", Times(minutes=minutes, weekdays=days, location=zone), (), frozenset({date(2026, 3, 9)}))
    begin = now.replace(second=0, microsecond=0)
    walk = (begin + timedelta(minutes=m) for m in range(8 * 1_440))
    expected = now if found.open(now) else next((t for t in walk if t > now and found.open(t)), None)
    assert found.next_open(now) == expected
