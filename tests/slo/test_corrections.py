"""Corrections as minutes: against a walk from minute to minute over the wall clock, across changes of the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import SloError
from pitchey_slo.rrule import Rule
from pitchey_slo.slo.corrections import check, of_row, row_of, spans, upcoming, without
from pitchey_slo.slo.model import Correction
from pitchey_slo.slo.sli import Minutes
from tests.depth import examples

MINUTE = timedelta(minutes=1)
LONDON = ZoneInfo("Europe/London")


def made(start: str | datetime, minutes: float = 60, **more: Any) -> Correction:
    plain = {"id": "c", "category": "other", "reason": "r", "approver": "a", "starts_at": start}
    return check(plain | {"seconds": minutes * 60} | more)


def minute(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() // 60)


def listed(corrections: list[Correction], start: str, end: str, slo: str = "x") -> list[str]:
    found = spans(corrections, slo, minute(start), minute(end))
    assert found.dtype == np.int64 and found.shape[1] == 2
    return ["/".join(f"{datetime.fromtimestamp(m * 60, UTC):%m-%dT%H:%M}" for m in pair) for pair in found.tolist()]


# --- once ---------------------------------------------------------------------------------------------------------


def test_seconds_are_rounded_outwards() -> None:
    late = made("2026-03-02T10:00:59.5Z", 1)
    assert listed([late], "2026-03-02T00:00Z", "2026-03-03T00:00Z") == ["03-02T10:00/03-02T10:02"]


def test_spans_are_merged_and_cut_to_what_is_asked() -> None:
    several = [made("2026-03-02T10:00Z", 30), made("2026-03-02T10:10Z", 5), made("2026-03-02T10:30Z", 30),
               made("2026-03-02T12:00Z", 60)]  # fmt: skip  # one inside another, one that touches, one apart
    assert listed(several, "2026-03-02T10:20Z", "2026-03-02T12:01Z") == [
        "03-02T10:20/03-02T11:00",
        "03-02T12:00/03-02T12:01",
    ]
    assert listed([], "2026-03-02T00:00Z", "2026-03-03T00:00Z") == []
    assert listed(several, "2026-03-02T11:00Z", "2026-03-02T12:00Z") == [], "half-open on both sides"


def test_only_the_slos_that_are_named() -> None:
    mine = made("2026-03-02T10:00Z", slos="login, signup")
    assert mine.slos == ("login", "signup")
    assert listed([mine], "2026-03-02T00:00Z", "2026-03-03T00:00Z", "signup") == ["03-02T10:00/03-02T11:00"]
    assert listed([mine], "2026-03-02T00:00Z", "2026-03-03T00:00Z", "payment") == []


# --- again and again ----------------------------------------------------------------------------------------------


def test_a_weekly_window_stays_at_two_in_the_night_when_clocks_change() -> None:
    weekly = made("2026-03-22T02:00", zone="Europe/London", rrule="FREQ=WEEKLY;BYDAY=SU")
    assert listed([weekly], "2026-03-20T00:00Z", "2026-04-06T00:00Z") == [
        "03-22T02:00/03-22T03:00",
        "03-29T01:00/03-29T02:00",  # 02:00 there, one hour earlier in UTC from this day on
        "04-05T01:00/04-05T02:00",
    ]


def test_a_time_that_does_not_exist_is_read_with_the_offset_before() -> None:
    nightly = made("2026-03-28T01:30", 30, zone="Europe/London", rrule="FREQ=DAILY")
    assert listed([nightly], "2026-03-28T00:00Z", "2026-03-31T00:00Z") == [
        "03-28T01:30/03-28T02:00",
        "03-29T01:30/03-29T02:00",  # 01:30 is skipped there; 02:30 it is
        "03-30T00:30/03-30T01:00",
    ]


def test_a_time_that_exists_twice_means_the_first_and_lasts_its_seconds() -> None:
    nightly = made("2026-10-24T01:30", 60, zone="Europe/London", rrule="FREQ=DAILY")
    assert listed([nightly], "2026-10-25T00:00Z", "2026-10-27T00:00Z") == [
        "10-25T00:30/10-25T01:30",
        "10-26T01:30/10-26T02:30",
    ]


def test_one_that_began_before_the_window_reaches_into_it() -> None:
    weekend = made("2026-03-06T18:00", 62 * 60, rrule="FREQ=WEEKLY;BYDAY=FR")
    assert listed([weekend], "2026-03-15T00:00Z", "2026-03-16T12:00Z") == ["03-15T00:00/03-16T08:00"]


@pytest.mark.parametrize(
    ("rule", "last"),
    [
        ("FREQ=DAILY;COUNT=3", "03-04"),
        ("FREQ=DAILY;UNTIL=20260304", "03-04"),
        ("FREQ=DAILY;UNTIL=20260304T015959", "03-03"),
        ("FREQ=DAILY;UNTIL=20260304T020000Z", "03-04"),
        ("RRULE:freq=daily;until=20260304T020000", "03-04"),
    ],
)
def test_rules_end(rule: str, last: str) -> None:
    assert listed([made("2026-03-02T02:00", 1, rrule=rule)], "2026-03-02T00:00Z", "2027-01-01T00:00Z")[-1][:5] == last


def test_next_times_of_several() -> None:
    daily, once = made("2026-03-01T02:00", rrule="FREQ=DAILY", id="a"), made("2026-03-04T01:30", id="b")
    past = made("2026-02-01T00:00", id="p")
    over = made("2026-02-01T00:00", id="o", rrule="FREQ=DAILY;UNTIL=20260203")
    found = upcoming([daily, past, once, over], datetime(2026, 3, 3, 2, 30, tzinfo=UTC), 3)
    told = [(o.correction.id, f"{o.start:%d %H:%M}") for o in found]
    assert told == [("a", "03 02:00"), ("b", "04 01:30"), ("a", "04 02:00")], "the one that goes on comes first"


# --- the slow second way ------------------------------------------------------------------------------------------


def walked(begin: datetime, zone: ZoneInfo, seconds: int, starts: Callable[[datetime], bool], days: int) -> set[int]:
    """Minutes covered, found by looking at the wall clock of every minute."""
    covered: set[int] = set()
    at = begin.replace(second=0)
    before = (at - MINUTE).astimezone(zone)
    for _ in range(days * 1440):
        now = at.astimezone(zone)
        wall, last = now.replace(tzinfo=None), before.replace(tzinfo=None)
        skipped = int((wall - last) / MINUTE) - 1  # minutes that the clock jumped over
        here = [at] if starts(wall) and now.fold == 0 else []
        here += [at + i * MINUTE for i in range(skipped) if starts(last + (i + 1) * MINUTE)]
        for moment in here:
            first = moment.timestamp() + begin.second
            covered.update(range(int(first // 60), int(-(-(first + seconds) // 60))))
        at, before = at + MINUTE, now
    return covered


def pattern(rule: str, begin: datetime, every: int) -> tuple[str, Callable[[datetime], bool]]:
    """(RRULE, does a wall-clock minute begin one?) for a rule that begins at `begin` (wall clock)."""
    day = begin.replace(hour=0, minute=0, second=0)
    monday = day - timedelta(days=begin.weekday())

    def clock(wall: datetime) -> bool:
        return (wall.hour, wall.minute) == (begin.hour, begin.minute) and wall >= begin.replace(second=0)

    def daily(wall: datetime) -> bool:
        return clock(wall) and (wall - day).days % every == 0

    def weekly(wall: datetime) -> bool:
        here = wall.weekday() in (begin.weekday(), 6)
        return clock(wall) and here and (wall - monday).days // 7 % every == 0

    def monthly(wall: datetime) -> bool:
        months = (wall.year - begin.year) * 12 + wall.month - begin.month
        return clock(wall) and wall.day == begin.day and months % every == 0

    def hourly(wall: datetime) -> bool:
        hours = (wall.replace(minute=0) - begin.replace(minute=0, second=0)) // timedelta(hours=1)
        return wall >= begin.replace(second=0) and wall.minute == begin.minute and hours % every == 0

    two = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[begin.weekday()] + ",SU"
    return {
        "daily": (f"FREQ=DAILY;INTERVAL={every}", daily),
        "weekly": (f"FREQ=WEEKLY;INTERVAL={every};BYDAY={two}", weekly),
        "monthly": (f"FREQ=MONTHLY;INTERVAL={every};BYMONTHDAY={begin.day}", monthly),
        "hourly": (f"FREQ=HOURLY;INTERVAL={every}", hourly),
    }[rule]


#: (zone, day whose night has a jump): forward, back, half an hour on Lord Howe, at midnight in Beirut
NIGHTS = [
    ("Europe/London", datetime(2026, 3, 29)),
    ("Europe/London", datetime(2026, 10, 25)),
    ("America/New_York", datetime(2026, 3, 8)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5)),
    ("Australia/Lord_Howe", datetime(2026, 10, 4)),
    ("Asia/Beirut", datetime(2026, 3, 29)),
    ("Asia/Kolkata", datetime(2026, 3, 29)),
]


@settings(max_examples=examples(30), deadline=None)
@given(
    night=st.sampled_from(NIGHTS),
    rule=st.sampled_from(["daily", "weekly", "monthly", "hourly"]),
    every=st.integers(1, 3),
    before=st.integers(1, 9),
    at=st.one_of(st.integers(0, 4 * 60), st.integers(0, 1439)),
    second=st.sampled_from([0, 0, 30]),
    seconds=st.sampled_from([60, 90, 1800, 3600, 30 * 3600]),
    cut=st.integers(0, 8 * 1440),
)
def test_spans_are_what_a_walk_from_minute_to_minute_finds(
    night: tuple[str, datetime], rule: str, every: int, before: int, at: int, second: int, seconds: int, cut: int
) -> None:
    zone = ZoneInfo(night[0])
    wall = night[1] - timedelta(days=before) + timedelta(minutes=at, seconds=second)
    begin = wall.replace(tzinfo=zone).astimezone(UTC)
    text, starts = pattern(rule, wall, every)
    correction = Correction("c", "other", "r", "a", begin, float(seconds), rrule=text, zone=night[0])
    expected = walked(begin, zone, seconds, starts, 14)
    low = int(begin.timestamp() // 60) + cut
    high = int(begin.timestamp() // 60) + 12 * 1440  # two days less than the walk: it saw all that begins there
    found = spans([correction], "x", low, high)
    covered = {m for first, last in found.tolist() for m in range(first, last)}
    assert covered == {m for m in expected if low <= m < high}
    assert (found[1:, 0] > found[:-1, 1]).all() and (found[:, 0] < found[:, 1]).all()


def test_far_from_its_start_a_rule_gives_the_same_times() -> None:
    """The start is moved on by whole periods, which must change nothing."""
    begin = datetime(1999, 1, 4, 9, 30, tzinfo=UTC)
    late = datetime(2026, 3, 2, tzinfo=UTC)
    for text in ("FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "FREQ=HOURLY;INTERVAL=5",
                 "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1", "FREQ=DAILY;BYMONTH=2,3;BYDAY=SA",
                 "FREQ=MONTHLY;BYDAY=1SU", "FREQ=YEARLY;BYWEEKNO=10"):  # fmt: skip
        slow = [
            t for t in Rule.parse(text).starts(begin, "Europe/London", begin, late + timedelta(days=60)) if t >= late
        ]
        assert list(Rule.parse(text).starts(begin, "Europe/London", late, late + timedelta(days=60))) == slow != []


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"category": "maintenance"}, "scheduled_maintenance"),
        ({"reason": "  "}, "reason"),
        ({"approver": None}, "approver: a text is needed: who agreed"),
        ({"id": "a/b"}, "letters, digits"),
        ({"seconds": 59}, "1 minute to 366 days"),
        ({"seconds": 367 * 86_400}, "1 minute to 366 days"),
        ({"seconds": float("nan")}, "no number"),
        ({"seconds": None}, "either an end, or a length"),
        ({"seconds": None, "ends_at": "2026-03-02T01:00Z"}, "1 minute to 366 days"),
        ({"zone": "Europe/Pariss"}, 'did you mean "Europe/Paris"'),
        ({"starts_at": "tomorrow"}, "start: 'tomorrow' is no time"),
        ({"starts_at": "1969-12-31T00:00Z"}, "before 1970"),
        ({"starts_at": "9999-12-31T00:00Z"}, "too far ahead"),
        ({"starts_at": "2026-03-29T01:30", "zone": "Europe/London"}, "does not exist in Europe/London"),
        ({"slos": "logn"}, 'did you mean "login"'),
        ({"slos": ","}, "leave it out for all"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=SU"}, "its first is Sun 2026-03-08 02:00 UTC"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260101"}, "gives no time"),
        ({"rrule": "FREQ=DAILY;INTERVAL=7;BYDAY=TU"}, "gives no time"),
        ({"rrule": "FREQ=DALY"}, 'did you mean "DAILY"'),
        ({"rrule": "FREQ=MINUTELY"}, "HOURLY at most"),
        ({"rrule": "every sunday"}, "FREQ=WEEKLY;BYDAY=SU"),
        ({"rrule": "FREQ=DAILY;BYHOURS=2"}, 'did you mean "BYHOUR"'),
        ({"rrule": "FREQ=DAILY;BYHOUR=24"}, "outside 0 to 23"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=1SU"}, "MONTHLY or YEARLY"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=SO"}, "no weekday"),
        ({"rrule": "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"}, "no month of BYMONTH=2 has a day 30"),
        ({"rrule": "FREQ=HOURLY;BYSETPOS=2"}, "goes with FREQ"),
        ({"rrule": "FREQ=HOURLY;INTERVAL=2;BYHOUR=3"}, "empty set"),
        ({"rrule": "FREQ=DAILY;COUNT=2;UNTIL=20270101"}, "keep one"),
        ({"rrule": "FREQ=DAILY;UNTIL=2027"}, "20261231"),
        ({"rrule": "FREQ=DAILY;COUNT=0"}, "outside 1 to"),
        ({"rrule": "FREQ=DAILY\nEXDATE:20260303T020000"}, "none of YEARLY"),
        ({"rrule": "FREQ=HOURLY;BYMINUTE=" + ",".join(map(str, range(60)))}, "more than 100,000 times"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_would_work(given: dict[str, Any], says: str) -> None:
    row = {
        "id": "c",
        "category": "other",
        "reason": "r",
        "approver": "a",
        "starts_at": "2026-03-02T02:00",
        "seconds": 60,
    }
    with pytest.raises(SloError, match=says):
        check(row | given, names=["login", "signup"])


def test_a_rule_nobody_can_fulfil_takes_no_time() -> None:
    began = time.process_time()
    with pytest.raises(SloError):
        made("2026-03-02T02:00", rrule="FREQ=HOURLY;INTERVAL=168;BYDAY=TU")
    assert time.process_time() - began < 20, "dateutil looks for one up to the year 9999"


def test_a_correction_survives_its_row() -> None:
    whole = made("2026-03-01T02:00", 90, slos=["a", "b"], rrule="FREQ=WEEKLY;BYDAY=SU", zone="Europe/London")
    assert of_row(row_of(whole, whole.starts_at)) == whole
    assert of_row(row_of(made("2026-03-01T02:00"), whole.starts_at)) == made("2026-03-01T02:00")


# --- out of the counts --------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    at=st.sets(st.integers(0, 60), max_size=40),
    pairs=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=5),
)
def test_without_takes_whole_minutes_out_of_every_column(at: set[int], pairs: list[tuple[int, int]]) -> None:
    minutes = np.array(sorted(at), dtype=np.int64)
    columns = [minutes * float(k) for k in range(1, 6)]
    corrections = [made(datetime.fromtimestamp(m * 60, UTC), length, id=f"c{i}") for i, (m, length) in enumerate(pairs)]
    left = without(Minutes(minutes, *columns), spans(corrections, "x", 0, 61))
    gone = {m for first, length in pairs for m in range(first, first + length)}
    assert left.at.tolist() == [m for m in sorted(at) if m not in gone]
    for k, column in enumerate((left.good, left.valid, left.squares, left.rows, left.unmeasured), 1):
        assert column.tolist() == [m * k for m in left.at.tolist()]
