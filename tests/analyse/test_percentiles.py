"""Three ways to a quantile: each against the obvious computation, and the interpolation against PromQL's own."""

from __future__ import annotations

import itertools
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pitchey_slo.analyse import interpolated, percentile_methods
from pitchey_slo.names import RESPONSE_TIME_BOUNDS
from pitchey_slo.promql import instant
from pitchey_slo.promql.lake_scan import LakeScan
from pitchey_slo.settings import Settings
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, rows
from pitchey_slo.workbench import Workbench

END = NOON + timedelta(hours=2)


def requests(count: int = 1_500) -> pa.Table:
    rng = np.random.default_rng(4)
    ms: list[Any] = np.exp(rng.normal(4.5, 1.4, count)).tolist()
    ms[::13] = [None] * len(ms[::13])
    return rows(
        count=count,
        start=NOON + timedelta(milliseconds=7),
        step=7_000 / count,
        route=rng.choice(["/a", "/b"], count).tolist(),
        location=rng.choice(np.array(["LHR", None], dtype=object), count).tolist(),
        duration_ms=ms,
        sample_interval=rng.choice([1.0, 10.0], count).tolist(),
    )


@pytest.fixture
def reader(store: Store) -> LakeReader:
    store.append("requests", requests())
    store.flush()
    return LakeReader(store.settings.lake_uri)


def exact(table: list[dict[str, Any]], q: float) -> float:
    pairs = sorted((r["duration_ms"], r["sample_interval"]) for r in table if r["duration_ms"] is not None)
    total, reached = sum(w for _, w in pairs), 0.0
    for value, weight in pairs:
        reached += weight
        if reached >= q * total:
            return float(value)
    raise AssertionError


def by_prometheus(table: list[dict[str, Any]], q: float) -> float:
    """histogram_quantile, one step after the other."""
    bounds = [0.0, *(1_000 * b for b in RESPONSE_TIME_BOUNDS), math.inf]
    measured = [r for r in table if r["duration_ms"] is not None]
    rank = q * sum(r["sample_interval"] for r in measured)
    reached = 0.0
    for low, high in itertools.pairwise(bounds):
        inside = sum(r["sample_interval"] for r in measured if low < r["duration_ms"] <= high)
        if reached + inside >= rank:
            return low if high == math.inf else low + (high - low) * (rank - reached) / inside
        reached += inside
    raise AssertionError


@pytest.mark.parametrize("by", [None, "route", "location"])
@pytest.mark.parametrize("seconds", [None, 600])
def test_every_method_is_what_it_says(reader: LakeReader, by: str | None, seconds: int | None) -> None:
    qs = (0.5, 0.9, 0.99)
    found = percentile_methods(reader, NOON, END, qs, by=by, seconds=seconds)
    table = requests().to_pylist()
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in table:
        start = row["ts"] - timedelta(seconds=(row["ts"] - NOON).total_seconds() % seconds) if seconds else None
        groups.setdefault((start, row[by] if by else None), []).append(row)
    assert len(found) == len(groups) * len(qs)
    for row in found.to_dict("records"):
        value = row[by] if by else None
        mine = groups[row["time"].to_pydatetime() if seconds else None, value if isinstance(value, str) else None]
        true = exact(mine, row["quantile"])
        assert row["exact"] == true
        assert row["histogram"] == pytest.approx(by_prometheus(mine, row["quantile"]))
        assert abs(row["sketch"] - true) <= 0.01 * true
        assert row["sketch_error"] == pytest.approx((row["sketch"] - true) / true)
        assert row["histogram_error"] == pytest.approx((row["histogram"] - true) / true)
        assert row["measured"] == sum(r["sample_interval"] for r in mine if r["duration_ms"] is not None)


def test_a_filter_holds_for_all_three(reader: LakeReader) -> None:
    [row] = percentile_methods(reader, NOON, END, [0.9], where="route = '/a' AND status < 500").to_dict("records")
    mine = [r for r in requests().to_pylist() if r["route"] == "/a"]
    assert row["exact"] == exact(mine, 0.9)
    assert row["histogram"] == pytest.approx(by_prometheus(mine, 0.9))
    assert abs(row["sketch_error"]) <= 0.01


@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 0.95, 1.0])
def test_the_interpolation_is_that_of_promql(reader: LakeReader, q: float) -> None:
    at = round(NOON.timestamp() * 1_000) + 7_005_000
    expr = f"histogram_quantile({q}, sum by (le) (pitchey_http_response_time_bucket))"
    [row] = percentile_methods(reader, NOON, END, [q]).to_dict("records")
    assert instant(expr, LakeScan(reader), at).values[0, 0] * 1_000 == pytest.approx(row["histogram"])


def test_above_the_last_bound_the_last_bound_is_all_prometheus_knows() -> None:
    weights = np.zeros((3, len(RESPONSE_TIME_BOUNDS) + 1))
    weights[0, -1] = 5.0
    weights[1, 0] = 2.0
    assert interpolated(weights, 0.5).tolist()[:2] == [10.0, 0.0025]
    assert np.isnan(interpolated(weights, 0.5)[2])


def test_old_requests_are_gone_and_the_sketch_still_answers(store: Store, reader: LakeReader) -> None:
    with store._lake.lock:
        store._lake.delete("requests", "true")
    [row] = percentile_methods(reader, NOON, END, [0.9]).to_dict("records")
    assert np.isnan(row["exact"])
    assert np.isnan(row["sketch_error"])
    assert row["sketch"] == pytest.approx(exact(requests().to_pylist(), 0.9), rel=0.01)


def test_nothing_measured_is_an_empty_frame(tmp_path: Path, store: Store) -> None:
    found = percentile_methods(LakeReader(store.settings.lake_uri), NOON, END, [0.5], by="route", seconds=60)
    assert len(found) == 0
    assert {"time", "route", "quantile", "exact", "sketch", "histogram"} <= set(found.columns)


def test_the_workbench_asks_the_same(store: Store, reader: LakeReader) -> None:
    wb = Workbench(Settings.load(env_file=None, home=store.settings.home))
    found = wb.percentile_methods(NOON, END, bucket="10m", by="route")
    assert found.equals(percentile_methods(reader, NOON, END, by="route", seconds=600))
