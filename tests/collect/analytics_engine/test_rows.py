"""What a data point becomes: missing is missing, weights stay, ids are made where there are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from pitchey_slo.collect.analytics_engine import load, read
from pitchey_slo.collect.analytics_engine.rows import batch_of, told_apart
from pitchey_slo.collect.batch import Batch
from pitchey_slo.testing import NOON
from tests.collect.analytics_engine.conftest import SHIPPED

REQUESTS, EVENTS = load(SHIPPED).tables


def point(**more: Any) -> dict[str, Any]:
    return {"timestamp": "2026-03-02 11:50:07", "_sample_interval": 1, "blob2": "/api/pitches", "blob3": "get",
            "blob4": "DUB", "blob5": "", "blob6": None, "blob7": "e-1", "blob8": "HIT", "double1": 200, "double2": 12.5,
            "double3": 512, **more}  # fmt: skip


def batch(*points: dict[str, Any]) -> Batch:
    return batch_of(REQUESTS, points, "worker", now=NOON)


def test_a_point_becomes_a_row() -> None:
    (row,) = batch(point(_sample_interval=25)).rows.to_pylist()
    assert row == {
        "ts": datetime(2026, 3, 2, 11, 50, 7, tzinfo=UTC), "route": "/api/pitches", "method": "GET", "status": 200,
        "duration_ms": 12.5, "location": "DUB", "user_hash": None, "trace_id": None, "cache_status": "HIT",
        "bytes": 512, "sample_interval": 25.0, "source": "worker", "event_id": "e-1",
    }  # fmt: skip


def test_minus_one_is_not_measured_and_nothing_else_is() -> None:
    (row,) = batch(point(double2=-1, double3=-1.0)).rows.to_pylist()
    assert (row["duration_ms"], row["bytes"]) == (None, None)
    (row,) = batch(point(double2=0)).rows.to_pylist()
    assert row["duration_ms"] == 0.0
    refund = {"timestamp": "2026-03-02 11:50:07", "blob2": "refunded", "double1": -1}
    (row,) = batch_of(EVENTS, [refund], "worker", now=NOON).rows.to_pylist()
    assert (row["value"], row["sample_interval"], row["currency"]) == (-1.0, 1.0, None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"double1": 1_000}, "out_of_range"),
        ({"double1": 200.5}, "wrong_type"),
        ({"double1": -1}, "missing_field"),
        ({"double1": None}, "missing_field"),
        ({"blob2": ""}, "missing_field"),
        ({"blob2": "x" * 3_000}, "too_long"),
        ({"double2": -2}, "out_of_range"),
        ({"_sample_interval": 0}, "out_of_range"),
        ({"timestamp": "yesterday"}, "bad_time"),
        ({"timestamp": None}, "missing_field"),
    ],
)
def test_a_bad_point_costs_itself_alone(given: dict[str, Any], reason: str) -> None:
    found = batch(point(), point(blob7="e-2", **given))
    assert [each.reason for each in found.rejected] == [reason]
    assert found.rows["event_id"].to_pylist() == ["e-1"]


def test_numbers_that_come_as_texts_are_numbers() -> None:
    found = batch(point(_sample_interval="10", double3="123"), point(blob7="e-2"))
    assert found.rows.select(["sample_interval", "bytes"]).to_pylist() == [
        {"sample_interval": 10.0, "bytes": 123},
        {"sample_interval": 1.0, "bytes": 512},
    ]


def test_the_workers_own_sampling_multiplies() -> None:
    own = read(SHIPPED.read_text().replace("status: double1", "status: double1, sample_interval: double4")).tables[0]
    found = batch_of(own, [point(double4=4, _sample_interval=10), point(double4=0, blob7="b")], "worker", now=NOON)
    assert found.rows["sample_interval"].to_pylist() == [40.0, 1.0]
    found = batch_of(own, [point(double4="4", _sample_interval=10), point(double4="x", blob7="b")], "w", now=NOON)
    assert found.rows["sample_interval"].to_pylist() == [40.0]


def test_ids_are_made_of_columns_and_time_and_number_equal_points() -> None:
    bare = point(blob7="")
    first = batch(bare, point(blob7=None), point(blob7="", double2=13.0)).rows["event_id"].to_pylist()
    assert first[1] == f"{first[0]}.2"
    assert len({*first}) == 3
    again = batch(point(blob7="", double2=13.0), bare, bare, bare).rows["event_id"].to_pylist()
    assert {*first} < {*again}
    weighted = batch(point(blob7="", _sample_interval=10)).rows["event_id"].to_pylist()
    assert weighted == first[:1]
    later = batch(point(blob7="", timestamp="2026-03-02 11:50:08")).rows["event_id"].to_pylist()
    assert later != first[:1]


def known(*pairs: tuple[str, float]) -> pa.Table:
    return pa.table({"event_id": [p[0] for p in pairs], "sample_interval": [p[1] for p in pairs]})


def test_two_samples_of_one_time_are_not_added_up() -> None:
    rows = batch(*(point(blob7=f"e-{i}", timestamp=f"2026-03-02 11:50:{i:02}") for i in range(6))).rows
    edge = datetime(2026, 3, 2, 11, 50, 3, tzinfo=UTC)
    fresh, left_out = told_apart(rows, known(("e-0", 10.0), ("e-4", 1.0)), [edge])
    assert (fresh["event_id"].to_pylist(), left_out) == (["e-3", "e-5"], 2)
    fresh, left_out = told_apart(rows, known(("e-0", 10.0)), [edge - timedelta(hours=1)])
    assert (fresh.num_rows, left_out) == (0, 5)
    fresh, left_out = told_apart(rows, known(("e-0", 1.0), ("gone", 7.0)), [])
    assert (fresh.num_rows, left_out) == (5, 0)
    assert told_apart(rows.slice(0, 0), known(("e-0", 10.0)), [])[1] == 0
