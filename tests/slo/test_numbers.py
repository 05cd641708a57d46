"""Each number of a report against the loop of `naive.py`."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.slo import Slo, SloReport, evaluate
from pitchey_slo.slo.spec.openslo import parse

from . import naive
from .made import T0, EvenReader, MemoryReader, request, spec_text

THRESHOLD = "thresholdMetric: {metricSource: {type: pitchey, spec: {table: requests, value: duration_ms}}}"
SECONDS = st.integers(min_value=0, max_value=4 * 86_400)


def slo(**given: Any) -> Slo:
    return parse(spec_text(**given)).slos[0]


def judged(one: Slo, rows: list[dict[str, Any]], window: str | None = None, **more: Any) -> SloReport:
    reader = more.pop("reader", None) or MemoryReader()
    if rows:
        reader.add("requests", rows)
    (found,) = evaluate([one], reader, end=more.pop("end", T0), windows=[window] if window else None, now=T0)
    return found


@st.composite
def random_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of the last four days in bunches with gaps between; weights and durations also missing, NaN or infinite."""
    weights = st.sampled_from([1.0, 1.0, 1.0, 10.0, 2.5, None, math.nan, math.inf])
    durations = st.sampled_from([1.0, 499.9, 500.0, 500.1, 9_000.0, None, math.nan, math.inf])
    return [
        request(
            T0 - timedelta(seconds=ago + i * 37),
            status=draw(st.sampled_from([200, 200, 404, 500, 503])),
            duration_ms=draw(durations),
            sample_interval=draw(weights),
        )
        for ago in draw(st.lists(SECONDS, min_size=0, max_size=12))
        for i in range(draw(st.integers(1, 8)))
    ]


@settings(max_examples=60, deadline=None)
@given(
    rows=random_rows(), window=st.sampled_from(["1h", "6h", "2d", "28d"]), kind=st.sampled_from(["ratio", "threshold"])
)
def test_counts_and_burn_rates(rows: list[dict[str, Any]], window: str, kind: str) -> None:
    metric = THRESHOLD if kind == "threshold" else ""
    judge = naive.slow if kind == "threshold" else naive.bad_status
    found = judged(slo(metric=metric, objectives="[{target: 0.9, op: lte, value: 500}]"), rows, window)
    slow = naive.count(rows, found.start, found.end, judge)
    for name in ("good", "bad", "valid", "unmeasured", "rows"):
        assert getattr(found, name) == pytest.approx(slow[name]), name
    assert found.burn == pytest.approx(naive.burn(rows, T0, 0.9, judge))
    if slow["valid"] == 0:
        assert found.state == "no_data"
        assert found.sli is found.sli_low is found.spent is found.remaining is found.budget_left is None
        assert "no data" in found.sentence()
        return
    assert found.sli == pytest.approx(slow["good"] / slow["valid"])
    assert found.allowed == pytest.approx(0.1 * slow["valid"])
    assert found.spent == pytest.approx(slow["bad"] / (0.1 * slow["valid"]))
    assert found.remaining == pytest.approx(1 - found.spent)
    assert found.sli_low is not None and found.sli_high is not None
    assert found.sli_low <= found.sli <= found.sli_high


@settings(max_examples=25, deadline=None)
@given(
    rows=random_rows(), method=st.sampled_from(["Timeslices", "RatioTimeslices"]), minutes=st.sampled_from([1, 5, 60])
)
def test_slices(rows: list[dict[str, Any]], method: str, minutes: int) -> None:
    goal = f"[{{target: 0.9, timeSliceTarget: 0.75, timeSliceWindow: {minutes}m}}]"
    found = judged(slo(method=method, objectives=goal), rows, "6h")
    ratios = [r for _, r in naive.slices(rows, found.start, found.end, minutes, naive.bad_status)]
    seen = [r for r in ratios if r is not None]
    assert found.slices is not None
    assert (found.slices.total, found.slices.no_data) == (360 // minutes, len(ratios) - len(seen))
    shares = [float(r >= 0.75) for r in seen] if method == "Timeslices" else seen
    assert found.valid == pytest.approx(len(seen))
    if not seen:
        assert found.sli is None
        return
    assert found.sli == pytest.approx(sum(shares) / len(seen))
    assert found.bad == pytest.approx(len(seen) - sum(shares))
    assert found.spent == pytest.approx(found.bad / (0.1 * len(ratios)))


@settings(max_examples=25, deadline=None)
@given(rows=random_rows())
def test_burn_down_ends_at_what_is_spent_and_never_rises_back(rows: list[dict[str, Any]]) -> None:
    found = judged(slo(), rows, "2d")
    if found.sli is None:
        assert len(found.burn_down.time) == 0
        return
    assert (np.diff(found.burn_down.spent) >= 0).all()
    assert found.burn_down.spent[-1] == pytest.approx(found.spent)
    for at, spent in list(zip(found.burn_down.time, found.burn_down.spent, strict=True))[::40]:
        until = at.item().replace(tzinfo=T0.tzinfo)
        assert spent == pytest.approx(naive.count(rows, found.start, until, naive.bad_status)["bad"] / found.allowed)
    since = naive.used_up(rows, found.start, found.end, found.allowed or 0, naive.bad_status)
    assert found.exhaustion.since == since
    assert (found.state == "exhausted") == (since is not None)


@settings(max_examples=25, deadline=None)
@given(rows=random_rows())
def test_series_adds_up_to_the_window(rows: list[dict[str, Any]]) -> None:
    found = judged(slo(), rows, "2d")
    assert found.series.valid.sum() == pytest.approx(found.valid)
    assert found.series.bad.sum() == pytest.approx(found.bad)
    step = timedelta(seconds=found.series.seconds)
    for at, sli in list(zip(found.series.time, found.series.sli, strict=True))[::25]:
        start = max(at.item().replace(tzinfo=T0.tzinfo), found.start)
        slow = naive.count(rows, start, min(start + step, found.end), naive.bad_status)
        if slow["valid"] and start == at.item().replace(tzinfo=T0.tzinfo):
            assert sli == pytest.approx(slow["good"] / slow["valid"])
    assert np.isnan(found.series.sli[found.series.valid == 0]).all()


def test_even_weights_give_the_same_report_from_fewer_columns() -> None:
    rows = [request(T0 - timedelta(seconds=i * 97), status=500 if i % 7 == 0 else 200) for i in range(900)]
    slow, fast = MemoryReader(), EvenReader()
    one, other = judged(slo(), rows, reader=slow), judged(slo(), rows, reader=fast)
    assert one.as_dict() | {"provenance": None} == other.as_dict() | {"provenance": None}
    assert "sample_interval" in slow.queries[-1] and "sample_interval" not in fast.queries[-1]


def test_all_slos_share_one_scan() -> None:
    reader = MemoryReader()
    reader.add("requests", [request(T0 - timedelta(minutes=5))])
    evaluate([slo(name=f"s{i}") for i in range(5)], reader, now=T0)
    assert len(reader.queries) == 1


def test_more_filters_than_bits_in_a_number() -> None:
    rows = [request(T0 - timedelta(minutes=i), status=400 + i) for i in range(1, 90)]
    reader = MemoryReader()
    reader.add("requests", rows)
    filters = [f'"status = {400 + i}"' for i in range(1, 90)]
    source = "metricSource: {type: pitchey, spec: {table: requests, filter: %s}}"
    many = [
        slo(name=f"s{i}", metric=f"ratioMetric: {{good: {{{source % f}}}, total: {{{source % f}}}}}")
        for i, f in enumerate(filters)
    ]
    assert [r.good for r in evaluate(many, reader, now=T0)] == [1.0] * 89


def test_ratio_of_sums_not_mean_of_ratios() -> None:
    # a quiet minute with 1 of 1 bad and a busy one with 0 of 99 bad: 99 %, not 50 %
    rows = [request(T0 - timedelta(minutes=5), status=500)]
    rows += [request(T0 - timedelta(minutes=9)) for _ in range(99)]
    assert judged(slo(), rows, "1h").sli == 0.99


def test_missing_durations_are_neither_good_nor_bad() -> None:
    rows = [request(T0 - timedelta(minutes=5), duration_ms=d) for d in (100.0, None, math.nan, math.inf, 900.0)]
    found = judged(slo(metric=THRESHOLD, objectives="[{target: 0.9, op: lt, value: 500}]"), rows, "1h")
    assert (found.good, found.bad, found.unmeasured) == (1.0, 1.0, 3.0)
    none = judged(slo(metric=THRESHOLD, objectives="[{target: 0.9, op: gt, value: 500}]"), rows[1:4], "1h")
    assert none.state == "no_data"
    assert none.sentence() == "x: no data in the last hour (3 could not be measured)."


@pytest.mark.parametrize(("op", "good"), [("lt", 1), ("lte", 2), ("gt", 1), ("gte", 2)])
def test_each_operator(op: str, good: int) -> None:
    rows = [request(T0 - timedelta(minutes=5), duration_ms=d) for d in (400.0, 500.0, 600.0)]
    found = judged(slo(metric=THRESHOLD, objectives=f"[{{target: 0.9, op: {op}, value: 500}}]"), rows, "1h")
    assert found.good == good


def test_nan_in_a_filter_is_unknown_not_large() -> None:
    source = "metricSource: {type: pitchey, spec: {table: requests%s}}"
    slow = source % ', filter: "duration_ms > 500"'
    rows = [request(T0 - timedelta(minutes=5), duration_ms=d) for d in (math.nan, math.inf, 900.0, 1.0)]
    found = judged(slo(metric=f"ratioMetric: {{bad: {{{slow}}}, total: {{{source % ''}}}}}"), rows, "1h")
    assert (found.bad, found.valid) == (1.0, 4.0)


def test_good_over_total_is_named_and_never_above_one() -> None:
    source = "metricSource: {type: pitchey, spec: {table: requests%s}}"
    few = source % ', filter: "status = 500"'
    rows = [request(T0 - timedelta(minutes=5), status=s) for s in (500, 200, 200)]
    found = judged(slo(metric=f"ratioMetric: {{good: {{{source % ''}}}, total: {{{few}}}}}"), rows, "1h")
    assert found.good_over_total and found.sli == 1.0 and found.bad == 0.0
    assert "Beware" in found.sentence()
    back = judged(slo(metric=f"ratioMetric: {{bad: {{{source % ''}}}, total: {{{few}}}}}"), rows, "1h")
    assert back.good_over_total and back.sli == 0.0


def test_good_and_total_from_two_tables() -> None:
    reader = MemoryReader()
    reader.add("requests", [request(T0 - timedelta(minutes=i), route="/api/payments") for i in (5, 6, 7, 8)])
    event = {"event": "payment_succeeded", "sample_interval": 1.0, "source": "test"}
    reader.add("business_events", [event | {"ts": T0 - timedelta(minutes=i)} for i in (5, 6, 9)])
    good = "metricSource: {type: pitchey, spec: {table: business_events, filter: \"event = 'payment_succeeded'\"}}"
    total = "metricSource: {type: pitchey, spec: {table: requests}}"
    found = judged(slo(metric=f"ratioMetric: {{good: {{{good}}}, total: {{{total}}}}}"), [], "1h", reader=reader)
    assert (found.good, found.valid, found.good_over_total) == (3.0, 4.0, False)


def test_end_is_the_minute_after_the_newest_row_but_not_after_now() -> None:
    reader = MemoryReader()
    reader.add("requests", [request(T0 - timedelta(minutes=90, seconds=20))])
    (found,) = evaluate([slo()], reader, now=T0)
    assert found.end == T0 - timedelta(minutes=90)
    (early,) = evaluate([slo()], reader, now=T0 - timedelta(minutes=91, seconds=-15))
    assert early.end == T0 - timedelta(minutes=91)
    assert early.state == "no_data"
    (empty,) = evaluate([slo()], MemoryReader(), now=T0)
    assert (empty.end, empty.state) == (T0, "no_data")


def test_weights_count_as_events_but_not_as_evidence() -> None:
    heavy = judged(slo(), [request(T0 - timedelta(minutes=5), sample_interval=10.0) for _ in range(100)], "1h")
    light = judged(slo(), [request(T0 - timedelta(minutes=5)) for _ in range(100)], "1h")
    assert (heavy.valid, heavy.rows, light.valid) == (1000.0, 100, 100.0)
    assert heavy.sli_low == light.sli_low


def test_minutes_after_the_last_whole_slice_are_not_counted_yet() -> None:
    goal = "[{target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: 1h}]"
    rows = [request(T0 + timedelta(minutes=m), status=500) for m in (-30, 0, 1)]
    found = judged(slo(method="Timeslices", objectives=goal), rows, "6h", end=T0 + timedelta(minutes=2))
    assert (found.end, found.rows, found.bad) == (T0, 1, 1.0)
    assert found.series.valid.sum() == 1.0
