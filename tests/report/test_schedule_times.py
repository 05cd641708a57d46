"""When schedules are due: against a slow look at every minute, over changes of clocks; and what words mean then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pitchey_slo.report.schedule import Schedule, times


def schedule(cron: str, zone: str = "UTC", **more: object) -> Schedule:
    return Schedule("a", "n", cron, zone, **more)  # type: ignore[arg-type]


def slow(zone: str, hour: int, minute: int, start: datetime, days: int) -> list[datetime]:
    """The first minute of each local day at or after hour:minute on that day's wall clock."""
    found, seen = [], set()
    for i in range(days * 1440):
        moment = start + timedelta(minutes=i)
        local = moment.astimezone(ZoneInfo(zone))
        if (local.hour, local.minute) >= (hour, minute) and local.date() not in seen:
            seen.add(local.date())
            found.append(moment)
    return found


@pytest.mark.parametrize(
    ("zone", "hour", "minute", "start"),
    [
        ("Europe/London", 1, 30, datetime(2026, 3, 27, tzinfo=UTC)),  # 1:30 does not exist on the 29th
        ("Europe/London", 1, 30, datetime(2026, 10, 23, tzinfo=UTC)),  # and stands twice on the 25th
        ("America/New_York", 2, 15, datetime(2026, 3, 6, 5, tzinfo=UTC)),
        ("America/New_York", 1, 15, datetime(2026, 10, 30, 4, tzinfo=UTC)),
        ("Australia/Lord_Howe", 2, 10, datetime(2026, 10, 2, 13, 30, tzinfo=UTC)),  # half an hour
        ("Asia/Kathmandu", 6, 23, datetime(2026, 10, 1, tzinfo=UTC)),
    ],
)
def test_a_daily_time_comes_once_on_every_day_whatever_the_clocks_do(
    zone: str, hour: int, minute: int, start: datetime
) -> None:
    found = times.between(
        schedule(f"{minute} {hour} * * *", zone), start - timedelta(seconds=1), start + timedelta(days=5)
    )
    assert found == [t for t in slow(zone, hour, minute, start, 5) if t <= start + timedelta(days=5)]


def test_an_expression_with_stars_follows_the_time_that_passes() -> None:
    begin = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # 1:00 to 2:00 stands twice in London
    found = times.between(schedule("*/30 * * * *", "Europe/London"), begin, begin + timedelta(hours=3))
    assert found == [begin + timedelta(minutes=30 * i) for i in range(1, 7)]


def test_nothing_before_and_nothing_twice() -> None:
    begin = datetime(2026, 11, 23, 5, 23, tzinfo=UTC)
    daily = schedule("23 5 * * *")
    assert times.between(daily, begin, begin + timedelta(days=1)) == [begin + timedelta(days=1)]
    assert times.between(daily, begin - timedelta(seconds=1), begin) == [begin]


def test_jitter_is_the_same_for_a_name_and_keeps_off_the_full_hour() -> None:
    names = [Schedule(f"report_{i}", "n", "0 6 * * *", jitter=600.0) for i in range(200)]
    offsets = [times.offset(s).total_seconds() for s in names]
    assert offsets == [times.offset(s).total_seconds() for s in names]
    assert min(offsets) >= 60 and max(offsets) <= 600
    assert len(set(offsets)) > 100
    assert times.offset(schedule("0 6 * * *", jitter=0.0)) == timedelta(0)
    others = [times.offset(Schedule(f"r{i}", "n", "23 6 * * *", jitter=60.0)).total_seconds() for i in range(100)]
    assert min(others) < 10 and max(others) <= 60


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("* * * * *", "at most every five minutes"),
        ("23 5 * *", "4 fields; five are needed"),
        ("1 23 5 * * *", "6 fields"),
        ("61 5 * * *", "no cron expression"),
        ("1 1 31 2 *", "no cron expression"),
    ],
)
def test_what_is_no_expression_is_said(cron: str, says: str) -> None:
    assert says in str(times.problem(cron))


def test_words_mean_the_day_of_the_place_at_the_due_time() -> None:
    due = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # already Monday in Berlin
    given = {
        "end": "today",
        "start": "last_week",
        "title": "of ${yesterday} ${HOME}",
        "at": "due",
        "month": "last_month",
    }
    assert times.resolve(given, due, "Europe/Berlin") == {
        "end": "2026-11-23T00:00:00+01:00",
        "start": "2026-11-16T00:00:00+01:00",
        "title": "of 2026-11-22 ${HOME}",
        "at": "2026-11-23T00:30:00+01:00",
        "month": "2026-10-01T00:00:00+02:00",
    }
    assert times.resolve({"end": "today"}, due, "UTC") == {"end": "2026-11-22T00:00:00+00:00"}


def test_without_a_max_age_twice_the_longest_pause_is_one() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert times.max_age(schedule("23 5 * * *"), now) == 2 * 86_400 + 3_600
    assert times.max_age(schedule("23 5 * * MON,TUE"), now) == 2 * 6 * 86_400 + 3_600
    assert times.max_age(schedule("23 5 * * *", max_age=60.0), now) == 60.0
