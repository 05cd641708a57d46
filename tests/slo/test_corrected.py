"""Corrections in every number they touch: against loops over the rows, and against reports without them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.slo import SloReport, evaluate
from pitchey_slo.slo.model import Correction
from pitchey_slo.slo.spec.openslo import parse

from . import naive
from .made import T0, MemoryReader, request, spec_text
from .test_numbers import random_rows

Row = dict[str, Any]
SLICES = "[{target: 0.9, timeSliceTarget: 0.75, timeSliceWindow: 30m}]"


def correction(start: datetime, minutes: float, **more: Any) -> Correction:
    plain: dict[str, Any] = {"id": f"c-{start:%d%H%M}-{minutes:g}", "category": "deployment", "reason": "moved"}
    return Correction(**plain | {"approver": "ann", "starts_at": start, "seconds": minutes * 60} | more)


def stored(rows: list[Row]) -> MemoryReader:
    reader = MemoryReader()
    if rows:
        reader.add("requests", rows)
    return reader


def judged(
    rows: list[Row] | MemoryReader, corrections: list[Correction], window: str = "2d", end: datetime = T0, **spec: str
) -> SloReport:
    reader = rows if isinstance(rows, MemoryReader) else stored(rows)
    slos = parse(spec_text(**spec)).slos
    (found,) = evaluate(slos, reader, end=end, windows=[window], now=end, corrections=corrections)
    return found


def outside(rows: list[Row], corrections: list[Correction]) -> list[Row]:
    """Rows in no minute that a correction touches."""
    kept = []
    for row in rows:
        minute = row["ts"].replace(second=0, microsecond=0)
        touched = any(
            c.starts_at < minute + timedelta(minutes=1) and c.starts_at + timedelta(seconds=c.seconds) > minute
            for c in corrections
        )
        if not touched:
            kept.append(row)
    return kept


@st.composite
def some_corrections(draw: st.DrawFn) -> list[Correction]:
    return [
        correction(T0 - timedelta(seconds=draw(st.integers(0, 3 * 86_400))), draw(st.integers(1, 600)), id=f"c{i}")
        for i in range(draw(st.integers(0, 4)))
    ]


@settings(max_examples=10, deadline=None)
@given(rows=random_rows(), given_=some_corrections())
def test_events_inside_are_left_out_of_every_number(rows: list[Row], given_: list[Correction]) -> None:
    reader = stored(rows)
    found, without, bare = judged(reader, given_), judged(outside(rows, given_), []), judged(reader, [])
    for name in ("good", "bad", "valid", "rows", "unmeasured", "sli", "sli_low", "spent", "budget_left", "burn"):
        assert getattr(found, name) == pytest.approx(getattr(without, name)), name
    assert found.exhaustion.since == without.exhaustion.since
    assert found.burn_down.spent.tolist() == pytest.approx(without.burn_down.spent.tolist())
    numbers = (bare.sli, bare.spent, bare.remaining, bare.budget_left)
    told = found.uncorrected
    assert (told.sli, told.spent, told.remaining, told.budget_left) == pytest.approx(numbers)
    # what has data has data, corrected or not
    assert found.coverage.minutes_with_rows == bare.coverage.minutes_with_rows
    inside = [c for c in given_ if c.starts_at < found.end and c.starts_at + timedelta(seconds=c.seconds) > found.start]
    assert [c.id for c in found.corrections] == [c.id for c in inside]
    assert found.provenance.corrections == tuple(c.id for c in inside)
    for one, told_one in zip(inside, found.corrections, strict=True):
        others = judged(reader, [c for c in given_ if c is not one])
        assert told_one.budget_left == pytest.approx(others.budget_left)
        gone = [row for row in rows if row not in outside([row], [one])]
        slow = naive.count(gone, found.start, found.end, naive.bad_status)
        assert (told_one.good, told_one.bad, told_one.valid) == pytest.approx(
            (slow["good"], slow["bad"], slow["valid"])
        )


@settings(max_examples=10, deadline=None)
@given(rows=random_rows(), given_=some_corrections(), method=st.sampled_from(["Timeslices", "RatioTimeslices"]))
def test_slices_inside_are_good_and_others_keep_what_is_left(
    rows: list[Row], given_: list[Correction], method: str
) -> None:
    found = judged(rows, given_, "6h", method=method, objectives=SLICES)
    left, covered = outside(rows, given_), set()
    at = T0 - timedelta(days=4)
    while at < T0:
        if any(
            c.starts_at < at + timedelta(minutes=1) and c.starts_at + timedelta(seconds=c.seconds) > at for c in given_
        ):
            covered.add(at)
        at += timedelta(minutes=1)
    ratios = []
    for start, ratio in naive.slices(left, found.start, found.end, 30, naive.bad_status):
        whole = all(start + timedelta(minutes=m) in covered for m in range(30))
        ratios.append(1.0 if whole else ratio)
    seen = [r for r in ratios if r is not None]
    shares = [float(r >= 0.75) for r in seen] if method == "Timeslices" else seen
    assert found.slices is not None
    assert (found.slices.total, found.slices.no_data) == (12, 12 - len(seen))
    assert found.sli == (pytest.approx(sum(shares) / len(seen)) if seen else None)
    if seen:
        # time is not stretched: the budget stays a part of all slices
        assert found.spent == pytest.approx((len(seen) - sum(shares)) / (0.1 * 12))


def outage(start: datetime, end: datetime, bad: tuple[datetime, datetime]) -> list[Row]:
    """A request each minute; those within `bad` fail."""
    count = int((end - start).total_seconds()) // 60
    times = [start + timedelta(minutes=i, seconds=7) for i in range(count)]
    return [request(t, status=500 if bad[0] <= t < bad[1] else 200) for t in times]


def test_the_budget_with_and_without_each() -> None:
    rows = outage(T0 - timedelta(days=2), T0, (T0 - timedelta(hours=3), T0 - timedelta(hours=1)))
    first = correction(T0 - timedelta(hours=3), 60, id="first", reason="database moved")
    second = correction(T0 - timedelta(hours=2), 30, id="second")
    found = judged(rows, [first, second], "1d")
    assert found.spent == pytest.approx(30 / (0.1 * (1440 - 90)))
    assert [(c.id, c.minutes, c.bad, c.valid) for c in found.corrections] == [
        ("first", 60, 60.0, 60.0),
        ("second", 30, 30.0, 30.0),
    ]
    assert found.corrections[0].budget_left == pytest.approx(1 - 90 / (0.1 * (1440 - 30)))
    assert found.uncorrected.budget_left == pytest.approx(1 - 120 / 144)
    told = found.as_dict()
    assert told["corrections"][0]["reason"] == "database moved" and json.dumps(told, allow_nan=False)
    assert "2 corrections cover 1 h 30 min of the window: what happened then is left out." in found.sentence()


def test_only_the_slos_named_are_corrected_and_those_of_the_spec_are() -> None:
    rows = outage(T0 - timedelta(days=1), T0, (T0 - timedelta(hours=1), T0))
    other = correction(T0 - timedelta(hours=1), 60, slos=("other",))
    assert judged(rows, [other]).corrections == ()
    own = replace(parse(spec_text()).slos[0], corrections=(correction(T0 - timedelta(hours=1), 60, id="own"),))
    reader = MemoryReader()
    reader.add("requests", rows)
    (found,) = evaluate([own], reader, end=T0, windows=["1d"], now=T0)
    assert (found.bad, found.provenance.corrections) == (0.0, ("own",))


def test_a_time_covered_twice_is_taken_out_once() -> None:
    rows = outage(T0 - timedelta(days=1), T0, (T0 - timedelta(hours=2), T0))
    twice = [correction(T0 - timedelta(hours=2), 90, id=i) for i in "ab"]
    found = judged(rows, twice, "1d")
    assert (found.bad, found.valid) == (30.0, 1350.0)
    # without one of them nothing changes
    assert [c.budget_left for c in found.corrections] == [found.budget_left] * 2


def test_a_weekly_window_stays_at_its_hour_when_clocks_change() -> None:
    # Sundays 02:30 to 03:30 in London: 2026-03-22 is in winter time; on the 29th the clock jumps from 01:00 to 02:00
    rule = correction(
        datetime(2026, 3, 15, 2, 30, tzinfo=UTC), 60, id="weekly", rrule="FREQ=WEEKLY;BYDAY=SU", zone="Europe/London"
    )
    end = datetime(2026, 3, 31, 23, tzinfo=UTC)
    rows = []
    for day, hour in ((22, 2), (29, 1)):  # in UTC
        start = datetime(2026, 3, day, hour, 30, tzinfo=UTC)
        rows += outage(start - timedelta(hours=3), start + timedelta(hours=4), (start, start + timedelta(hours=1)))
    found = judged(rows, [rule], "1M Europe/London", end)
    assert found.bad == 0.0 and found.uncorrected.sli == pytest.approx(1 - 120 / 840)
    assert found.corrections[0].minutes == 3 * 60  # the 15th too


@pytest.mark.parametrize(
    ("window", "end", "start", "last"),
    [
        ("1M Europe/London", datetime(2026, 3, 30, 12, tzinfo=UTC), datetime(2026, 3, 1), datetime(2026, 3, 31, 23)),
        ("1Q Europe/London", datetime(2026, 5, 20, tzinfo=UTC), datetime(2026, 3, 31, 23), datetime(2026, 6, 30, 23)),
        ("1Q UTC", datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 1, 1), datetime(2026, 4, 1)),
        ("1d Europe/London", datetime(2026, 3, 29, 20, tzinfo=UTC), datetime(2026, 3, 29), datetime(2026, 3, 29, 23)),
        (
            "1d America/New_York",
            datetime(2026, 11, 1, 20, tzinfo=UTC),
            datetime(2026, 11, 1, 4),
            datetime(2026, 11, 2, 5),
        ),
    ],
)
def test_burn_down_of_calendar_windows_with_corrections(
    window: str, end: datetime, start: datetime, last: datetime
) -> None:
    rows = [
        request(end - timedelta(minutes=13 * i, seconds=3), status=500 if i % 11 == 0 else 200) for i in range(3000)
    ]
    fixes = [correction(end - timedelta(hours=6), 90), correction(end - timedelta(days=20), 600)]
    found = judged(rows, fixes, window, end)
    assert (found.start, found.window_end) == (start.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
    curve = found.burn_down
    assert (np.diff(curve.spent) >= 0).all() and curve.spent[0] == 0.0
    assert found.full_window is not None and curve.budget == found.full_window.allowed.mid
    assert curve.spent[-1] == pytest.approx(found.full_window.spent.mid)
    # what may come begins where the count ends, and does not fall back in a calendar window
    assert curve.low[0] == pytest.approx(curve.spent[-1]) and (np.diff(curve.low) >= -1e-12).all()
    assert (curve.low <= curve.high).all() and curve.projected_time[-1] == np.datetime64(last)
    left = naive.count(outside(rows, fixes), found.start, found.end, naive.bad_status)
    assert (found.bad, found.valid) == (left["bad"], left["valid"])


def test_a_window_all_inside_a_correction_is_no_data_of_events_and_uptime_of_slices() -> None:
    rows = outage(T0 - timedelta(days=1), T0, (T0 - timedelta(hours=6), T0))
    cover = [correction(T0 - timedelta(hours=7), 600)]
    events = judged(rows, cover, "6h")
    assert (events.state, events.sli, events.uncorrected.sli) == ("no_data", None, 0.0)
    slices = judged(rows, cover, "6h", method="Timeslices", objectives=SLICES)
    assert (slices.sli, slices.spent, slices.sli_low) == (1.0, 0.0, None)
    assert slices.uncorrected.sli == 0.0
