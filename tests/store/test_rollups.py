"""Rollups against a slow obvious count: any order of arrival, any crash, upgrades, merging, retention."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.names import HOT_FILE
from pitchey_slo.store import LakeReader, Store, sketch
from pitchey_slo.store import flush as flush_module
from pitchey_slo.store.lake import Lake
from pitchey_slo.store.rollup_questions import bound_counts, rolling, sketch_quantiles
from pitchey_slo.tables import REQUESTS, ROLLUPS
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from tests.depth import examples

KEYS = ("tick", "route", "method", "status", "location", "bucket")


def tick_of(ts: datetime) -> datetime:
    seconds = (ts - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1) / 15e6
    return datetime.fromtimestamp(math.ceil(seconds) * 15, UTC)


def counted(requests: pa.Table) -> dict[tuple[Any, ...], tuple[int, float, float]]:
    """The obvious way: one row after the other."""
    found: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for row in requests.to_pylist():
        ms = row["duration_ms"]
        measured = ms is not None and math.isfinite(ms)
        bucket = int(sketch.buckets_of(np.array([ms]))[0]) if measured else None
        key = (tick_of(row["ts"]), *(row[name] for name in KEYS[1:-1]), bucket)
        found[key][0] += 1
        found[key][1] += row["sample_interval"]
        found[key][2] += ms * row["sample_interval"] if measured else 0
    return {key: (int(n), weight, pytest.approx(total)) for key, (n, weight, total) in found.items()}


def rolled(store: Store) -> dict[tuple[Any, ...], tuple[int, float, float]]:
    keys = ", ".join(KEYS)
    found = LakeReader(store.settings.lake_uri).query(
        f"SELECT {keys}, sum(rows)::BIGINT AS n, sum(requests) AS w, sum(duration_sum) AS d FROM rollups GROUP BY ALL"
    )
    return {tuple(row[name] for name in KEYS): (row["n"], row["w"], row["d"]) for row in found.to_pylist()}


def traffic(count: int, seed: int = 1, *, start: datetime = NOON, step: float = 3.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    ms: list[Any] = np.round(np.exp(rng.normal(4, 1.5, count)), 1).tolist()
    ms[:: max(count // 7, 1)] = [None] * len(ms[:: max(count // 7, 1)])
    return rows(
        count=count,
        start=start,
        step=step,
        route=rng.choice(["/a", "/b"], count).tolist(),
        status=rng.choice([200, 404, 503], count).tolist(),
        location=rng.choice(np.array(["LHR", None], dtype=object), count).tolist(),
        duration_ms=ms,
        sample_interval=rng.choice([1.0, 10.0], count).tolist(),
        event_id=[f"{seed}-{i}" for i in range(count)],
    )


def test_a_flush_counts_every_row_once(store: Store) -> None:
    table = traffic(500)
    store.append("requests", table)
    store.flush()
    assert rolled(store) == counted(table)
    store.flush()
    assert rolled(store) == counted(table)


def test_a_request_at_a_tick_counts_there(store: Store) -> None:
    store.append("requests", rows(count=3, start=NOON, step=15.0))
    store.flush()
    assert sorted(key[0] for key in rolled(store)) == [NOON + timedelta(seconds=s) for s in (0, 15, 30)]


@settings(max_examples=examples(6), deadline=None)
@given(st.permutations(range(40)), st.lists(st.integers(0, 40), max_size=3), st.booleans())
def test_any_order_of_arrival_ends_in_the_same_sums(order: list[int], cuts: list[int], again: bool) -> None:
    table = traffic(40, step=4_000.0)  # two days
    mixed = table.take(pa.array(order))
    edges = [0, *sorted(cuts), 40]
    with tempfile.TemporaryDirectory() as folder, fresh_store(Path(folder), clock=FixedClock()) as store:
        for low, high in itertools.pairwise(edges):
            store.append("requests", mixed.slice(low, high - low))
            store.flush()
            if again:
                store.compact()
        if again:
            store.append("requests", table)  # all of them are duplicates
            store.flush()
        assert rolled(store) == counted(table)


def test_a_crash_between_the_two_appends_repeats_nothing(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = traffic(100, 1), traffic(100, 2)
    append = Lake.append

    def dies_on_requests(self: Lake, name: str, reader: Any, seq: int) -> None:
        if name == REQUESTS.name:
            raise OSError("the power went out")
        append(self, name, reader, seq)

    store = Store.open(fresh_settings(tmp_path), clock=clock, background=False)
    store.append("requests", first)
    monkeypatch.setattr(Lake, "append", dies_on_requests)
    with pytest.raises(OSError, match="power"):
        store.flush()
    with pytest.raises(OSError, match="power"):
        store.close()
    monkeypatch.undo()
    with fresh_store(tmp_path, clock=clock) as reopened:
        assert rolled(reopened) == counted(first)
        reopened.append("requests", second)
        reopened.flush()
        assert rolled(reopened) == counted(pa.concat_tables([first, second]))
        assert LakeReader(reopened.settings.lake_uri).rows("requests") == 200


def fresh_settings(home: Path) -> Any:
    from pitchey_slo.settings import Settings

    return Settings.load(env_file=None, home=home)


def test_a_lake_without_rollups_gets_them_once(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = traffic(300, 1, start=NOON - timedelta(days=9), step=2_000.0), traffic(50, 2)
    with monkeypatch.context() as before_rollups:
        before_rollups.setattr(flush_module, "flush_rollups", lambda cursor, lake, upto: upto)
        with fresh_store(tmp_path, clock=clock) as store:
            store.append("requests", old)
            store.flush()
            assert store.trim()["requests"] == 0  # rows that are not counted yet are kept
            assert rolled(store) == {}
    with duckdb.connect(str(tmp_path / HOT_FILE)) as connection:  # the version before did trim them
        connection.execute("DELETE FROM requests WHERE ts < ?", [NOON])
    for _ in range(2):
        with fresh_store(tmp_path, clock=clock) as store:
            store.flush()
            assert rolled(store) == counted(old)
    with fresh_store(tmp_path, clock=clock) as store:
        store.append("requests", new)
        store.flush()
        assert rolled(store) == counted(pa.concat_tables([old, new]))


def test_a_past_day_is_added_up_and_late_rows_join_it(store: Store) -> None:
    days = [traffic(60, seed, start=NOON - timedelta(days=2), step=30.0) for seed in range(3)]
    for table in [*days, traffic(20, 9)]:
        store.append("requests", table)
        store.flush()
    everything = pa.concat_tables([*days, traffic(20, 9)])
    reader = LakeReader(store.settings.lake_uri)
    before = reader.rows("rollups")
    store.compact()
    assert reader.rows("rollups") < before
    assert reader.rows("rollups") == len(rolled(store))
    assert rolled(store) == counted(everything)
    version = reader.version("rollups")
    store.compact()
    assert reader.version("rollups") == version  # nothing left to do
    late = traffic(10, 10, start=NOON - timedelta(days=2))
    store.append("requests", late)
    store.flush()
    store.compact()
    assert reader.rows("rollups") == len(rolled(store))
    assert rolled(store) == counted(pa.concat_tables([everything, late]))


def test_rollups_outlive_the_requests(tmp_path: Path, clock: FixedClock) -> None:
    assert ROLLUPS.keep_days > REQUESTS.keep_days
    with fresh_store(tmp_path, clock=clock) as store:
        store.append("requests", traffic(50))
        store.flush()
        clock.forward(days=REQUESTS.keep_days + 1)
        store.apply_retention()
        reader = LakeReader(store.settings.lake_uri)
        assert reader.rows("requests") == 0
        assert rolled(store) == counted(traffic(50))
        clock.forward(days=ROLLUPS.keep_days)
        store.apply_retention()
        assert rolled(store) == {}


def test_a_backup_brings_rollups_back(tmp_path: Path, clock: FixedClock) -> None:
    from pitchey_slo.store import restore

    with fresh_store(tmp_path / "home", clock=clock) as store:
        store.append("requests", traffic(50))
        store.flush()
        copy = store.backup(tmp_path / "backups")
    restore(copy, tmp_path / "again")
    with fresh_store(tmp_path / "again", clock=clock) as store:
        assert rolled(store) == counted(traffic(50))


def exact(values: list[float], weights: list[float], q: float) -> float:
    """The smallest value at or below which at least the share q of the weight lies."""
    reached, total = 0.0, sum(weights)
    for value, weight in sorted(zip(values, weights, strict=True)):
        reached += weight
        if reached >= q * total:
            return value
    raise AssertionError


@settings(max_examples=examples(6), deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.002, 1e8), st.sampled_from([1.0, 3.0, 10.0])), min_size=1, max_size=60),
    st.lists(st.floats(0, 1), min_size=1, max_size=4, unique=True),
)
def test_every_quantile_of_the_sketch_is_within_a_percent(pairs: list[tuple[float, float]], qs: list[float]) -> None:
    ms, weights = [p[0] for p in pairs], [p[1] for p in pairs]
    qs = sorted({round(q, 3) for q in qs})
    with tempfile.TemporaryDirectory() as folder, fresh_store(Path(folder), clock=FixedClock()) as store:
        for part in (slice(0, None, 2), slice(1, None, 2)):
            mine = rows(count=len(ms[part]), duration_ms=ms[part], sample_interval=weights[part])
            if mine.num_rows:
                store.append("requests", mine)
                store.flush()
        reader = LakeReader(store.settings.lake_uri)
        found = sketch_quantiles(reader, NOON - timedelta(hours=1), NOON + timedelta(hours=1), qs).to_pylist()[0]
        for q, estimate in zip(qs, list(found.values())[:-1], strict=True):
            true = exact(ms, weights, q)
            assert abs(estimate - true) <= sketch.RELATIVE_ERROR * true
        bounds = bound_counts(reader, NOON - timedelta(hours=1), NOON + timedelta(hours=1))
        obvious: Counter[float] = Counter()
        for value, weight in pairs:
            obvious[next((b for b in sketch.RESPONSE_TIME_BOUNDS if value <= 1_000 * b), math.inf)] += weight
        assert dict(zip(bounds["le"].to_pylist(), bounds["weight"].to_pylist(), strict=True)) == dict(obvious)


@pytest.mark.parametrize(
    "where", ["status >= 500", "route = '/a' AND location IS NULL", "status <> 404 OR route = '/b'"]
)
def test_the_sketch_keeps_its_promise_under_filters(store: Store, where: str) -> None:
    table = traffic(900, 4, step=7.0)
    for part in (table.slice(0, 500), table.slice(500)):
        store.append("requests", part)
        store.flush()
    reader, shares = LakeReader(store.settings.lake_uri), [0.1, 0.5, 0.95, 0.999]
    start, end = NOON + timedelta(minutes=5), NOON + timedelta(minutes=90)  # a sketch holds start < t <= end
    bound = f"ts > TIMESTAMPTZ '{start}' AND ts <= TIMESTAMPTZ '{end}' AND duration_ms IS NOT NULL"
    wanted = reader.query(f"FROM requests WHERE {bound} AND ({where})").to_pylist()
    for found in sketch_quantiles(reader, start, end, shares, by="status", where=where).to_pylist():
        mine = [row for row in wanted if row["status"] == found["status"]]
        assert found["measured"] == sum(row["sample_interval"] for row in mine) > 0
        for q, estimate in zip(shares, list(found.values())[1:-1], strict=True):
            true = exact([r["duration_ms"] for r in mine], [r["sample_interval"] for r in mine], q)
            assert abs(estimate - true) <= sketch.RELATIVE_ERROR * true


def test_minutes_hold_what_happened_in_them(store: Store) -> None:
    table = traffic(400, step=0.7, start=NOON + timedelta(milliseconds=1))
    store.append("requests", table)
    store.flush()
    reader = LakeReader(store.settings.lake_uri)
    found = reader.query(
        """
        SELECT minute, route, status_class, location, rows, requests, errors, measured,
               list_sum([pair.weight FOR pair IN sketch]) AS sketched FROM rollups_1m
        """
    ).to_pylist()
    obvious: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for row in table.to_pylist():
        key = (row["ts"].replace(second=0, microsecond=0), row["route"], f"{row['status'] // 100}xx", row["location"])
        sums = obvious[key]
        sums[0] += 1
        sums[1] += row["sample_interval"]
        sums[2] += row["sample_interval"] if row["status"] >= 500 else 0
        sums[3] += row["sample_interval"] if row["duration_ms"] is not None else 0
    assert {tuple(r.values())[:4]: list(r.values())[4:8] for r in found} == obvious
    assert all((r["sketched"] or 0) == r["measured"] for r in found)


def test_rolling_windows_look_back_from_the_last_tick(store: Store) -> None:
    table = traffic(3_000, step=1.7, start=NOON)
    store.append("requests", table)
    store.flush()
    now = NOON + timedelta(seconds=3_000 * 1.7 - 200.2)
    end = datetime.fromtimestamp(now.timestamp() // 15 * 15, UTC)
    found = rolling(LakeReader(store.settings.lake_uri), now).to_pylist()
    assert [row["window"] for row in found] == ["1m", "5m", "15m", "1h"]
    for row, minutes in zip(found, (1, 5, 15, 60), strict=True):
        inside = [r for r in table.to_pylist() if end - timedelta(minutes=minutes) < r["ts"] <= end]
        assert row["requests"] == sum(r["sample_interval"] for r in inside)
        assert row["errors"] == sum(r["sample_interval"] for r in inside if r["status"] >= 500)
        assert row["error_ratio"] == row["errors"] / row["requests"]
        measured = [r for r in inside if r["duration_ms"] is not None]
        for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
            true = exact([r["duration_ms"] for r in measured], [r["sample_interval"] for r in measured], q)
            assert row[name] == pytest.approx(true, rel=sketch.RELATIVE_ERROR)


def test_rolling_by_route_and_without_data(store: Store) -> None:
    reader = LakeReader(store.settings.lake_uri)
    empty = rolling(reader, NOON).to_pylist()
    assert [(r["requests"], r["error_ratio"], r["p95"]) for r in empty] == [(0, None, None)] * 4
    assert rolling(reader, NOON, by="route").num_rows == 0
    store.append("requests", traffic(200))
    store.flush()
    found = rolling(reader, NOON + timedelta(minutes=10), by="route").to_pylist()
    assert {r["route"] for r in found} == {"/a", "/b"}
    total = {r["window"]: r["requests"] for r in rolling(reader, NOON + timedelta(minutes=10)).to_pylist()}
    for window, requests in total.items():
        assert sum(r["requests"] for r in found if r["window"] == window) == requests


def test_a_pinned_reader_stays_where_it_was(store: Store) -> None:
    reader = LakeReader(store.settings.lake_uri)
    store.append("requests", traffic(10, 1))
    store.flush()
    with reader.pinned():
        store.append("requests", traffic(10, 2))
        store.flush()
        assert reader.query("SELECT count(*) AS n FROM requests")["n"][0].as_py() == 10
        assert reader.flushed("requests", store_id(store)) == 1
    assert reader.query("SELECT count(*) AS n FROM requests")["n"][0].as_py() == 20
    assert reader.flushed("requests", store_id(store)) == 2


def store_id(store: Store) -> str:
    return str(store.query("SELECT value FROM facts WHERE name = 'store_id'")["value"][0].as_py())
