"""Windows: rolling and calendar, months, quarters, and days of 23 and 25 hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import SloError
from pitchey_slo.slo.model import Duration, TimeWindow
from pitchey_slo.slo.windows import duration_minutes, resolve

ZONES = ["UTC", "Europe/London", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "end", "start", "stop"),
    [
        ("28d", "2026-03-29T12:00:59", "2026-03-01T12:00", "2026-03-29T12:00"),
        ("90m", "2026-03-29T12:00", "2026-03-29T10:30", "2026-03-29T12:00"),
        ("1M", "2026-03-31T00:00", "2026-02-28T00:00", "2026-03-31T00:00"),
        ("1Q", "2026-05-31T00:00", "2026-02-28T00:00", "2026-05-31T00:00"),
        ("1Y", "2028-02-29T00:00", "2027-02-28T00:00", "2028-02-29T00:00"),
        ("1M UTC", "2026-02-10T05:00", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("1M UTC", "2028-02-10T05:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("1M UTC", "2026-02-01T00:00", "2026-01-01T00:00", "2026-02-01T00:00"),  # told whole at its end
        ("1M Europe/London", "2026-04-10T05:00", "2026-03-31T23:00", "2026-04-30T23:00"),
        ("1M Europe/London", "2026-03-10T05:00", "2026-03-01T00:00", "2026-03-31T23:00"),
        ("1Q America/New_York", "2026-02-10T05:00", "2026-01-01T05:00", "2026-04-01T04:00"),
        ("1Y UTC", "2026-07-10T05:00", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("1w UTC", "2026-11-25T05:00", "2026-11-23T00:00", "2026-11-30T00:00"),  # from Monday
        ("1d Europe/London", "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-29T23:00"),  # 23 hours
        ("1d Europe/London", "2026-10-25T12:00", "2026-10-24T23:00", "2026-10-26T00:00"),  # 25 hours
        ("1d UTC", "2023-01-05T00:01", "2023-01-05T00:00", "2023-01-06T00:00"),  # before the anchor
        ("12h Europe/London", "2026-03-29T13:00", "2026-03-29T12:00", "2026-03-30T00:00"),  # hours are lengths
    ],
)
def test_windows(window: str, end: str, start: str, stop: str) -> None:
    found = resolve(TimeWindow.parse(window), at(end))
    assert (found.start, found.window_end) == (at(start), at(stop))
    assert found.end == at(end).replace(second=0)


def test_the_31st_comes_back_after_a_short_month() -> None:
    window = TimeWindow(Duration(1, "M"), "UTC", datetime(2026, 1, 31, 8))
    edges = [resolve(window, at(f"2026-{m:02d}-15T00:00")).window_end for m in (2, 3, 4)]
    assert edges == [at("2026-02-28T08:00"), at("2026-03-31T08:00"), at("2026-04-30T08:00")]


@settings(max_examples=200, deadline=None)
@given(
    minute=st.integers(min_value=24_000_000, max_value=32_000_000),
    count=st.integers(1, 5),
    unit=st.sampled_from("mhdwMQY"),
    zone=st.sampled_from(ZONES),
)
def test_calendar_windows_hold_their_end_and_join_without_gap(minute: int, count: int, unit: str, zone: str) -> None:
    window = TimeWindow.parse(f"{count}{unit} {zone}")
    end = datetime.fromtimestamp(minute * 60, UTC)
    found = resolve(window, end)
    assert found.start < end <= found.window_end
    assert resolve(window, found.window_end).start == found.start
    assert resolve(window, found.window_end + timedelta(minutes=1)).start == found.window_end
    if unit in "MQY":
        local = found.start.astimezone(ZoneInfo(zone))
        assert local.day == 1


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        resolve(TimeWindow.parse("1d"), datetime(2026, 1, 1))


def test_duration_minutes() -> None:
    assert [duration_minutes(t) for t in ("5m", "1h", "2d", "1w")] == [5, 60, 2880, 10080]
    for text in ("1M", "0h", "1 h", "", "h", "-1d"):
        with pytest.raises(SloError):
            duration_minutes(text)
