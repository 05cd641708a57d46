"""Budgets over time: calendar windows, projections, exhaustion, coverage, states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pitchey_slo.slo import SloReport, evaluate
from pitchey_slo.slo.budget import budget_part
from pitchey_slo.slo.spec.openslo import parse

from .made import T0, MemoryReader, request, spec_text

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def steady(start: datetime, end: datetime, *, every: int = 60, bad_every: int = 0) -> list[dict[str, object]]:
    """One request every so many seconds; each `bad_every`-th fails."""
    count = int((end - start).total_seconds()) // every
    return [
        request(start + timedelta(seconds=i * every), status=500 if bad_every and i % bad_every == 0 else 200)
        for i in range(count)
    ]


def judged(rows: list[dict[str, object]], window: str, end: datetime, **spec: str) -> SloReport:
    reader = MemoryReader()
    if rows:
        reader.add("requests", rows)
    (found,) = evaluate(parse(spec_text(**spec)).slos, reader, end=end, windows=[window], now=end)
    return found


def test_budget_part_is_decimal() -> None:
    assert [budget_part(t) for t in (0.999, 0.9999, 0.95, 0.0)] == [0.001, 0.0001, 0.05, 1.0]


def test_calendar_month_keeps_counted_and_expected_apart() -> None:
    # 28 days of 1,440 requests before, and one tenth of March so far; 1 in 20 fails
    end = MARCH + timedelta(days=3, hours=2, minutes=24)
    found = judged(steady(MARCH - timedelta(days=28), end, bad_every=20), "1M UTC", end)
    valid = 3.1 * 1440
    assert (found.start, found.end, found.window_end) == (MARCH, end, datetime(2026, 4, 1, tzinfo=UTC))
    assert found.valid == valid
    assert found.spent == pytest.approx(0.5, abs=0.01)
    full = found.full_window
    assert full is not None
    assert full.valid.low == full.valid.mid == full.valid.high == pytest.approx(31 * 1440)
    assert full.spent.mid == pytest.approx(0.05, abs=0.002)
    assert found.budget_left == pytest.approx(1 - full.spent.mid)
    assert found.burn_down.budget == pytest.approx(0.1 * 31 * 1440)
    assert found.burn_down.projected_time[-1] == np.datetime64("2026-04-01")
    assert found.burn_down.high[-1] == pytest.approx(0.5, abs=0.01)


def test_expected_rest_is_a_band_when_days_differ() -> None:
    rows = []
    for day in range(28):
        start = MARCH - timedelta(days=28 - day)
        rows += steady(start, start + timedelta(days=1), every=120 if day % 7 in (5, 6) else 60)
    rows.extend(steady(MARCH, MARCH + timedelta(days=1)))
    found = judged(rows, "1M UTC", MARCH + timedelta(days=1))
    full = found.full_window
    assert full is not None
    assert full.valid.low < full.valid.mid < full.valid.high
    assert full.valid.high == pytest.approx(31 * 1440)


def test_a_month_that_just_ended_is_told_whole() -> None:
    found = judged(steady(MARCH - timedelta(days=40), MARCH, bad_every=40), "1M UTC", MARCH)
    assert (found.start, found.window_end) == (datetime(2026, 2, 1, tzinfo=UTC), MARCH)
    assert found.full_window is not None
    assert found.full_window.spent.low == found.full_window.spent.high == found.spent


def test_a_day_of_23_hours_has_fewer_slices() -> None:
    # Europe/London went forward on 2026-03-29
    end = datetime(2026, 3, 29, 23, 0, tzinfo=UTC)
    rows = steady(end - timedelta(days=2), end, every=600)
    goal = "[{target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: 1h}]"
    found = judged(rows, "1d Europe/London", end, method="Timeslices", objectives=goal)
    assert found.slices is not None
    assert (found.slices.total, found.valid, found.slices.no_data) == (23, 23, 0)


def test_slices_of_a_full_month_are_known_exactly() -> None:
    end = MARCH + timedelta(days=1)
    goal = "[{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1h}]"
    rows = [*steady(MARCH, MARCH + timedelta(hours=2)), request(MARCH + timedelta(hours=3), status=500)]
    found = judged(rows, "1M UTC", end, method="Timeslices", objectives=goal)
    assert found.slices is not None and found.full_window is not None
    assert (found.slices.good, found.slices.bad, found.slices.no_data) == (2, 1, 21)
    assert found.full_window.valid.low == found.full_window.valid.high == 31 * 24
    assert found.full_window.spent.mid == pytest.approx(1 / (0.01 * 31 * 24))


def test_projection_of_a_steady_burn_is_the_burn_rate() -> None:
    # half the allowed failures for the whole window: it stays at one half for ever
    found = judged(steady(T0 - timedelta(days=7), T0, bad_every=20), "7d", T0)
    assert found.spent == pytest.approx(0.5)
    assert found.burn["1d"] == pytest.approx(0.5)
    assert found.burn_down.low == pytest.approx(0.5, abs=0.01)
    assert found.burn_down.high == pytest.approx(0.5, abs=0.01)
    assert (found.exhaustion.state, found.state) == ("not_in_window", "healthy")


def test_old_failures_leave_a_rolling_window() -> None:
    rows = steady(T0 - timedelta(days=7), T0 - timedelta(days=6), bad_every=2)
    rows += steady(T0 - timedelta(days=6), T0)
    found = judged(rows, "7d", T0)
    assert found.spent == pytest.approx(0.5 / 7 / 0.1)
    assert found.burn_down.high[-1] == pytest.approx(0.0, abs=1e-9)
    assert found.burn_down.spent[-1] == pytest.approx(found.burn_down.low[0])


def test_earliest_and_latest_exhaustion_of_a_calendar_window() -> None:
    # nothing bad for 29 days, then for 12 hours one in two: 6h burns 5, 1d burns 2.5, 3d burns 5/6
    end = MARCH + timedelta(days=1, hours=12)
    rows = steady(end - timedelta(days=30), end - timedelta(hours=12))
    rows += steady(end - timedelta(hours=12), end, bad_every=2)
    found = judged(rows, "1M UTC", end)
    assert found.burn["6h"] == pytest.approx(5.0)
    assert found.burn["3d"] == pytest.approx(5 / 6)
    budget, bad = 0.1 * 31 * 1440, 360
    days = (budget - bad) / (5.0 * 0.1 * 1440)
    assert found.exhaustion.earliest is not None
    assert found.exhaustion.earliest == end + timedelta(minutes=int(days * 1440))
    assert found.exhaustion.latest is None  # at 5/6 it lasts the month
    assert "and not before 2026-04-01" in found.sentence()


def test_an_exhausted_budget_says_since_when() -> None:
    rows = steady(T0 - timedelta(hours=5), T0 - timedelta(hours=1))
    rows += [request(T0 - timedelta(minutes=30) + timedelta(seconds=i), status=500) for i in range(40)]
    found = judged(rows, "6h", T0)
    assert (found.state, found.exhaustion.state) == ("exhausted", "exhausted")
    assert found.exhaustion.since == T0 - timedelta(minutes=29)
    assert "used up at 2026-03-02 11:31 UTC" in found.sentence()
    assert found.remaining is not None and found.remaining < 0


def test_a_window_longer_than_the_data_says_so() -> None:
    found = judged(steady(T0 - timedelta(days=3), T0), "28d", T0)
    assert found.coverage.data_starts_late
    assert found.coverage.first == T0 - timedelta(days=3)
    assert found.coverage.minutes_with_rows == 3 * 1440
    assert found.coverage.share == pytest.approx(3 / 28)
    assert "the data begin 2026-02-27 12:00 UTC" in found.sentence()
    assert not judged(steady(T0 - timedelta(days=3), T0), "2d", T0).coverage.data_starts_late


def test_no_data_is_its_own_state() -> None:
    rows = steady(T0 - timedelta(days=3), T0 - timedelta(days=2))
    found = judged(rows, "1d", T0)
    assert found.state == "no_data"
    assert set(found.burn.values()) == {None, 0.0}  # 3d saw data, the shorter ones did not
    assert found.burn["1h"] is None and found.burn["3d"] == 0.0
    assert found.as_dict()["sli"] is None


def test_a_burn_rate_is_not_rounded_away() -> None:
    rows = steady(T0 - timedelta(days=3), T0)
    found = judged([*rows, request(T0 - timedelta(days=2), status=500)], "3d", T0)
    assert found.burn["3d"] == pytest.approx(1 / 4321 / 0.1)
