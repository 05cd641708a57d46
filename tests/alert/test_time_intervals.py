"""Time intervals: ends are exclusive, days count from both ends, clocks are those of the place."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.alert.time_intervals import TimeInterval, Times, next_change

from .test_config import load

HEAD = "route: {receiver: a}\nreceivers: [{name: a}]\ntime_intervals:\n- name: n\n  time_intervals:\n"


def interval(text: str, folder: Path) -> TimeInterval:
    return load(HEAD + f"  - {text}", folder).time_intervals["n"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("times: [{start_time: '09:00', end_time: '17:00'}]",
         ["2026-03-02T09:00", "2026-03-02T16:59:59"], ["2026-03-02T08:59:59", "2026-03-02T17:00"]),
        ("times: [{start_time: '17:00', end_time: '24:00'}]",
         ["2026-03-02T17:00", "2026-03-02T23:59:59.999"], ["2026-03-03T00:00", "2026-03-02T16:59"]),
        ("weekdays: ['monday:wednesday', Saturday, sunday]",
         ["2026-03-02T00:00", "2026-03-04T12:00", "2026-03-07T01:00", "2026-03-08T23:00"],
         ["2026-03-05T00:00", "2026-03-06T12:00"]),
        ("days_of_month: ['1:5', '-3:-1']",
         ["2026-02-01T00:00", "2026-02-05T00:00", "2026-02-26T00:00", "2026-02-28T23:00", "2026-01-29T00:00"],
         ["2026-02-06T00:00", "2026-02-25T00:00", "2026-01-28T00:00"]),
        ("days_of_month: ['1:31']", ["2026-02-28T00:00", "2024-02-29T00:00", "2026-01-31T00:00"], []),
        ("days_of_month: ['31']", ["2026-01-31T00:00"], ["2026-02-28T00:00", "2026-04-30T00:00"]),
        ("days_of_month: ['-31']", ["2026-01-01T00:00"], ["2026-02-01T00:00"]),
        ("days_of_month: ['-31:-30']", ["2026-01-01T00:00", "2026-04-01T00:00"], ["2026-02-01T00:00"]),
        ("months: ['1:3', 'may:august', December]",
         ["2026-01-01T00:00", "2026-03-31T00:00", "2026-06-01T00:00", "2026-12-01T00:00"],
         ["2026-04-01T00:00", "2026-09-01T00:00"]),
        ("years: ['2020:2022', 2030]", ["2020-01-01T00:00", "2022-12-31T23:59", "2030-06-01T00:00"],
         ["2019-12-31T23:59", "2023-01-01T00:00"]),
        ("{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}], location: Australia/Sydney}",
         ["2026-03-01T22:00", "2026-03-02T05:59"], ["2026-03-01T21:59", "2026-03-02T06:00", "2026-03-06T22:00"]),
    ],
)  # fmt: skip
def test_documented_fields(text: str, inside: list[str], outside: list[str], tmp_path: Path) -> None:
    found = interval(text, tmp_path)
    assert [t for t in inside if not found.contains(at(t))] == []
    assert [t for t in outside if found.contains(at(t))] == []


def test_an_interval_without_times_never_holds_and_one_without_fields_always_does(tmp_path: Path) -> None:
    assert not TimeInterval("n", ()).contains(at("2026-03-02T12:00"))
    assert interval("location: UTC", tmp_path).contains(at("2026-03-02T12:00"))


def test_times_follow_daylight_saving(tmp_path: Path) -> None:
    found = interval("{times: [{start_time: '09:00', end_time: '10:00'}], location: Europe/London}", tmp_path)
    assert found.contains(at("2026-03-28T09:30"))
    assert not found.contains(at("2026-03-30T09:30"))
    assert found.contains(at("2026-03-30T08:30"))
    night = interval("{times: [{start_time: '01:00', end_time: '02:00'}], location: Europe/London}", tmp_path)
    minutes = [at("2026-03-29T00:00") + timedelta(minutes=m) for m in range(240)]
    assert not any(night.contains(t) for t in minutes), "the hour from 01:00 does not exist that day"
    minutes = [at("2026-10-24T23:00") + timedelta(minutes=m) for m in range(240)]
    assert sum(night.contains(t) for t in minutes) == 120, "the hour from 01:00 exists twice that day"


def ranges(low: int, high: int) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    pair = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda p: (min(p), max(p)))
    return st.lists(pair, max_size=2).map(tuple)


TIMES = st.builds(
    Times,
    minutes=ranges(0, 1_440),
    weekdays=ranges(0, 6),
    days=st.one_of(ranges(1, 31), ranges(-31, -1)),
    months=ranges(1, 12),
    location=st.sampled_from(["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe"]),
)


def slow(times: Times, now: datetime) -> bool:
    """Sets instead of comparisons."""
    local = now.astimezone(ZoneInfo(times.location))
    last = monthrange(local.year, local.month)[1]
    days = {d if d > 0 else last + 1 + d for low, high in times.days for d in range(low, high + 1)}
    checks = [
        (times.minutes, {m for low, high in times.minutes for m in range(low, high)}, local.hour * 60 + local.minute),
        (times.weekdays, {d for low, high in times.weekdays for d in range(low, high + 1)}, local.isoweekday() % 7),
        (times.days, days, local.day),
        (times.months, {m for low, high in times.months for m in range(low, high + 1)}, local.month),
    ]
    return all(value in allowed for given, allowed, value in checks if given)


MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


@given(TIMES, MOMENTS)
@settings(max_examples=400)
def test_any_times_agree_with_the_slow_way(times: Times, now: datetime) -> None:
    assert times.contains(now) == slow(times, now)


@given(st.builds(Times, minutes=ranges(0, 1_440), weekdays=ranges(0, 6), location=st.just("Europe/London")), MOMENTS)
@settings(max_examples=60)
def test_the_next_change_is_the_first_minute_that_differs(times: Times, now: datetime) -> None:
    found = next_change([TimeInterval("n", (times,))], now, days=2)
    begin = now.replace(second=0, microsecond=0)
    minutes = (begin + timedelta(minutes=m) for m in range(1, 2 * 1_440 + 1))
    expected = next((t for t in minutes if times.contains(t) != times.contains(now)), None)
    if expected is None:
        assert found is None or found - now > timedelta(days=2) - timedelta(minutes=30)
    elif all(low % 15 == 0 and high % 15 == 0 for low, high in times.minutes):
        assert found == expected
