"""Requests counted per minute against a slow obvious count: late rows, compaction, retention, a second store."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pitchey_slo.names import HOT_FILE, MINUTE_EDGES_MS, RESPONSE_TIME_BOUNDS, SEQUENCE_FILE
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.store.minutes import ROUND, DayFiles, count_past_days, spans
from pitchey_slo.tables import REQUEST_MINUTES, REQUESTS
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

KEYS = ("minute", "route", "method", "status", "location", "le_ms")
MIDNIGHT = NOON.replace(hour=0)
DAY = timedelta(days=1)


def traffic(count: int, seed: int = 1, *, start: datetime = NOON - 2 * DAY, hours: float = 20) -> pa.Table:
    """Whole seconds, exact ticks and minutes, any weight, latencies on and beside the edges or missing."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.choice(np.arange(0, hours * 3_600, 0.25), count))
    times[::3] = np.floor(times[::3])
    times[::5] = np.floor(times[::5] / 15) * 15
    times[::7] = np.floor(times[::7] / 60) * 60
    ms = [*MINUTE_EDGES_MS, *(math.nextafter(edge, math.inf) for edge in MINUTE_EDGES_MS), 0.0, 17.3, 9e5]
    return rows(
        count=count,
        ts=[start + timedelta(seconds=t) for t in times.tolist()],
        route=rng.choice(["/a", "/b", "/api/x"], count).tolist(),
        method=rng.choice(["GET", "POST"], count).tolist(),
        status=rng.choice([200, 404, 503], count).tolist(),
        location=rng.choice(np.array(["LHR", None], dtype=object), count).tolist(),
        duration_ms=rng.choice(np.array([*ms, None, math.nan, math.inf], dtype=object), count).tolist(),
        sample_interval=rng.choice(np.array([1.0, 1.0, 10.0, 2.5, None, math.nan, math.inf], object), count).tolist(),
        event_id=[f"{seed}-{i}" for i in range(count)],
    )


def counted(*requests: pa.Table, before: datetime = MIDNIGHT) -> dict[tuple[Any, ...], tuple[float, ...]]:
    """The obvious way: one row after the other."""
    found: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0])
    for row in (row for table in requests for row in table.to_pylist() if row["ts"] < before):
        ms, weight = row["duration_ms"], row["sample_interval"]
        measured = ms is not None and math.isfinite(ms)
        le = next((e for e in MINUTE_EDGES_MS if ms <= e), math.inf) if measured else None
        sums = found[row["ts"].replace(second=0, microsecond=0), *(row[name] for name in KEYS[1:-1]), le]
        weight = 1.0 if weight is None else weight
        sums[0] += 1
        if math.isfinite(weight):
            sums[1:] = [sums[1] + 1, sums[2] + weight, sums[3] + weight * weight]
    return {key: tuple(sums) for key, sums in found.items()}


def stored(store: Store) -> dict[tuple[Any, ...], tuple[float, ...]]:
    found = LakeReader(store.settings.lake_uri).query("FROM request_minutes").to_pylist()
    keys = [tuple(row[name] for name in KEYS) for row in found]
    assert len(set(keys)) == len(keys)
    full = [tuple(row["rows"] if row[n] is None else row[n] for n in ("usable", "weight", "squares")) for row in found]
    return {key: (row["rows"], *sums) for key, row, sums in zip(keys, found, full, strict=True)}


def known(store: Store, start: datetime = NOON - 40 * DAY, end: datetime = NOON + DAY) -> list[tuple[datetime, ...]]:
    return list(LakeReader(store.settings.lake_uri).counted_spans(start, end)[0])


def put(store: Store, table: pa.Table) -> None:
    store.append("requests", table)
    store.flush()


def test_days_that_are_over_are_counted(store: Store) -> None:
    past, today = traffic(900), traffic(200, 2, start=MIDNIGHT, hours=9)
    put(store, pa.concat_tables([past, today]))
    assert stored(store) == {}
    assert known(store) == []
    store.compact()
    assert stored(store) == counted(past)
    assert known(store) == [(MIDNIGHT - 2 * DAY, MIDNIGHT)]
    reader = LakeReader(store.settings.lake_uri)
    assert reader.counted_spans(NOON - DAY, NOON) == ([(NOON - DAY, MIDNIGHT)], [(MIDNIGHT, NOON)])
    version = reader.version("request_minutes")
    store.compact()
    assert reader.version("request_minutes") == version  # nothing left to do


def test_late_rows_are_read_from_requests_until_they_are_counted(store: Store) -> None:
    first, late, later = traffic(500), traffic(40, 2, hours=3), traffic(30, 3, start=NOON - 9 * DAY, hours=2)
    put(store, first)
    store.compact()
    put(store, late)
    assert known(store) == [(MIDNIGHT - DAY, MIDNIGHT)]  # the late ones are of the day before
    put(store, later)
    store.compact()
    assert stored(store) == counted(first, late, later)
    assert known(store) == [(MIDNIGHT - 9 * DAY, MIDNIGHT - 8 * DAY), (MIDNIGHT - 2 * DAY, MIDNIGHT)]
    assert LakeReader(store.settings.lake_uri).counted_spans(NOON - 40 * DAY, NOON)[1] == []


def test_days_that_weigh_one_say_so(store: Store) -> None:
    put(store, rows(count=50, start=NOON - DAY))
    put(store, rows(count=50, start=NOON - 3 * DAY, sample_interval=2.0))
    store.compact()
    reader = LakeReader(store.settings.lake_uri)
    assert reader.uniform_weights("request_minutes", NOON - DAY, NOON)
    assert not reader.uniform_weights("request_minutes", NOON - 4 * DAY, NOON)


def test_minutes_outlive_the_requests_and_take_late_rows_then(tmp_path: Path, clock: FixedClock) -> None:
    assert REQUEST_MINUTES.keep_days > REQUESTS.keep_days
    old, late = traffic(300), traffic(20, 5, hours=2)
    with fresh_store(tmp_path, clock=clock) as store:
        put(store, old)
        store.compact()
        clock.forward(days=REQUESTS.keep_days - 1)
        put(store, late)  # the server was away for long
        store.compact()
        clock.forward(days=2)
        store.apply_retention()
        reader = LakeReader(store.settings.lake_uri)
        assert reader.rows("requests") == late.num_rows
        assert stored(store) == counted(old, late)
        assert known(store)[0] == (MIDNIGHT - 2 * DAY, MIDNIGHT)
        put(store, traffic(10, 6, hours=2))
        assert known(store) == [(MIDNIGHT - DAY, MIDNIGHT)]
        store.compact()
        assert stored(store) == counted(old, late, traffic(10, 6, hours=2))
        assert known(store) == [(MIDNIGHT - 2 * DAY, MIDNIGHT)]


def test_retention_takes_whole_days(tmp_path: Path, clock: FixedClock) -> None:
    with fresh_store(tmp_path, clock=clock, retention={"request_minutes": 10}) as store:
        put(store, traffic(400, hours=30))
        clock.forward(hours=20)
        put(store, traffic(40, 2, start=MIDNIGHT + timedelta(hours=30), hours=1))  # tomorrow's, by a wrong clock
        clock.forward(days=2)
        store.compact()
        clock.now = NOON + timedelta(days=10, hours=19)  # the cut is in the middle of that day, and before its arrival
        store.apply_retention()
        assert known(store, end=NOON + 9 * DAY) == [(MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)]
        clock.forward(days=1)
        store.apply_retention()
        assert stored(store) == {}


def test_a_second_store_in_the_same_lake_is_noticed(tmp_path: Path, clock: FixedClock) -> None:
    first, second = traffic(300), traffic(50, 2)
    with fresh_store(tmp_path, clock=clock) as store:
        for i in range(3):
            put(store, first.slice(i * 100, 100))
        store.compact()
    for name in (HOT_FILE, SEQUENCE_FILE):  # hot was lost: its numbers begin anew
        (tmp_path / name).unlink()
    with fresh_store(tmp_path, clock=clock) as store:
        put(store, second)
        assert known(store) == []
        store.compact()
        assert stored(store) == counted(first, second)
        assert known(store) == [(MIDNIGHT - 2 * DAY, MIDNIGHT)]


def test_a_round_is_bounded_and_the_oldest_day_comes_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ROUND >= 1_000_000
    monkeypatch.setattr("pitchey_slo.store.minutes.ROUND", 250)
    for day in range(1, 5):
        put(store, rows(count=100, start=NOON - day * DAY))
    lake = store._lake
    assert [count_past_days(lake, NOON) for _ in range(3)] == [2, 2, 0]
    assert known(store) == [(MIDNIGHT - 4 * DAY, MIDNIGHT)]


def test_spans_say_where_each_day_is_to_be_read() -> None:
    requests = {"2026-03-01": DayFiles(5, 9), "2026-03-02": DayFiles(5, 10), "2026-03-03": DayFiles(6, 9)}
    minutes = {f"2026-03-0{d}": DayFiles(2, 9, 5) for d in (1, 2, 3, 4)}
    days = [datetime(2026, 3, d, tzinfo=NOON.tzinfo) for d in range(1, 6)]
    assert spans(requests, minutes, days[0] - DAY, days[4] + DAY) == (
        [(days[0], days[1]), (days[3], days[4])],
        [(days[1], days[3])],
    )
    unknown = {"2026-03-01": DayFiles(5, None)}
    assert spans(unknown, minutes, days[0], days[1]) == ([], [(days[0], days[1])])
    assert spans(requests, {}, days[0], days[0]) == ([], [])


def test_the_edges_hold_those_of_the_histogram() -> None:
    assert {1_000 * bound for bound in RESPONSE_TIME_BOUNDS} <= set(MINUTE_EDGES_MS)
    assert list(MINUTE_EDGES_MS) == sorted(set(MINUTE_EDGES_MS))
