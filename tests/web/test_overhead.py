"""The workbench's own series: stored like any other, right after a restart, cheap, and described."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pitchey_slo.names import OWN_SERIES
from pitchey_slo.promql import instant
from pitchey_slo.series import Labels, SampleBatch, labels_of
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.store.effort import disk
from pitchey_slo.testing import FixedClock
from pitchey_slo.web.app import create_app
from pitchey_slo.web.meter import BOUNDS, MOST_SOURCES, Meter
from pitchey_slo.web.overhead import FULL, Overhead, of_process

from .conftest import event

ROOT = Path(__file__).parents[2]
T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class House:
    """A server's application on a real store with a clock of ours, and no threads but the store's."""

    def __init__(self, home: Path, clock: FixedClock) -> None:
        settings = Settings.load(env_file=None, home=home, config=home / "no-config", investigate="")
        self.store = Store.open(settings, clock=clock, background=False)
        self.app: FastAPI = create_app(self.store, settings, clock=clock)
        self.overhead: Overhead = self.app.state.overhead
        self.token = self.app.state.house.guard.make_local()
        self.http = TestClient(self.app, headers={"Authorization": f"Bearer {self.token}"})

    def send(self, *events: dict[str, Any]) -> None:
        assert self.http.post("/api/monitoring/events", json=list(events)).status_code == 200

    def value(self, expr: str, at: datetime) -> float | None:
        found = instant(expr, self.app.state.series.scan(), round(at.timestamp() * 1_000))
        return float(found.values[0, 0]) if len(found.values) and found.present[0, 0] else None


@contextmanager
def house(home: Path, clock: FixedClock) -> Iterator[House]:
    it = House(home, clock)
    it.overhead.start()
    try:
        yield it
    finally:
        it.overhead.close()
        it.app.state.series.close()
        it.store.close()


def sent(n: int, since: int = 0) -> list[dict[str, Any]]:
    return [event(ts=T0.isoformat(), source="edge", event_id=f"e{since + i}") for i in range(n)]


def test_counters_survive_a_restart_as_increases(tmp_path: Path) -> None:
    """5 rows, then 7 after the restart: 12, though the counter of the second life is the greater one."""
    clock = FixedClock(T0)
    with house(tmp_path, clock) as it:
        it.send(*sent(5))
        clock.now = T0 + timedelta(seconds=15)
        it.overhead.look()
        clock.now += timedelta(seconds=15)
    clock.now = T0 + timedelta(seconds=60)
    with house(tmp_path, clock) as it:
        clock.now += timedelta(seconds=15)
        it.send(*sent(7, since=5))
        it.overhead.look()
        rows = 'pitchey_slo_rows_total{table="requests",outcome="stored"}'
        assert it.value(rows, clock.now) == 7
        # all samples of both lives, by hand: 0, 5, 5 | 0, 7
        ids = it.store.query(
            "SELECT value FROM samples JOIN series USING (series_id) WHERE name = 'pitchey_slo_rows_total' "
            "AND labels LIKE '%stored%' ORDER BY ts"
        )["value"].to_pylist()
        assert ids == [0, 5, 0, 7] or ids == [0, 5, 5, 0, 7]
        steps = np.diff(ids)
        assert sum(step if step >= 0 else after for step, after in zip(steps, ids[1:], strict=True)) == 12
        assert it.value(f"resets({rows}[5m])", clock.now) == 1
        assert it.value('pitchey_slo_source_rows_total{table="requests",source="edge"}', clock.now) == 7
        path = 'path="/api/monitoring/events"'
        assert it.value(f"pitchey_slo_ack_seconds_count{{{path}}}", clock.now) == 1
        assert it.value(f'pitchey_slo_ack_seconds_bucket{{{path},le="+Inf"}}', clock.now) == 1
        assert (it.value('pitchey_slo_decode_seconds_count{table="requests"}', clock.now)) == 1
        assert (it.value("pitchey_slo_commits_total", clock.now) or 0) >= 1
        assert it.value("pitchey_slo_commit_rows_total", clock.now) == 7
        assert (it.value('pitchey_slo_hot_bytes{part="data"}', clock.now) or 0) > 0
        assert it.value('pitchey_slo_lake_files{table="requests"}', clock.now) == 1
        assert (it.value('pitchey_slo_process_resident_bytes{process="server"}', clock.now) or 0) > 1e7
        told = it.http.get("/api/monitoring/metrics").text
        assert "# TYPE pitchey_slo_ack_seconds histogram" in told
        assert "# HELP pitchey_slo_commits_total transactions committed" in told


def test_what_was_taken_out_is_counted(tmp_path: Path) -> None:
    clock = FixedClock(T0)
    with house(tmp_path, clock) as it:
        line = {"ts": T0.isoformat(), "level": "error", "message": "mail ann@example.org failed", "source": "edge"}
        assert it.http.post("/api/monitoring/events/logs", json=[line]).status_code == 200
        clock.now += timedelta(seconds=15)
        it.overhead.look()
        assert it.value("sum(pitchey_scrubbed_total)", clock.now) == 1
        assert it.value('pitchey_scrubbed_total{rule="email"}', clock.now) == 1


def test_what_stands_still_is_stored_once_a_minute() -> None:
    names: list[Labels] = [labels_of({"__name__": n}) for n in ("moves_total", "stands_total", "level")]
    overhead = Overhead.__new__(Overhead)
    overhead._last, overhead._looks, overhead._before_ms = {}, 0, 1_000
    stored: list[tuple[str, int, float]] = []
    for look in range(2 * FULL):
        now = 16_000 + look * 15_000
        batch = SampleBatch(names, np.arange(3), np.full(3, now), np.array([look + 1.0, 3.0, 0.5]))
        news = overhead.changed(batch, now)
        stored += [
            (dict(news.labels[i])["__name__"], int(ts), value)
            for i, ts, value in zip(news.series, news.ts, news.value.tolist(), strict=True)
        ]
    moves = [(ts, value) for name, ts, value in stored if name == "moves_total"]
    assert moves == [(1_000, 0.0), *((16_000 + i * 15_000, i + 1.0) for i in range(2 * FULL))]
    assert [ts for name, ts, _ in stored if name == "stands_total"] == [1_000, 16_000, 76_000]
    assert [ts for name, ts, _ in stored if name == "level"] == [16_000, 76_000]


def test_a_look_is_cheap(tmp_path: Path) -> None:
    """Measured: a few milliseconds of processor time; a hundred would be 0.7 % of a core."""
    clock = FixedClock(T0)
    with house(tmp_path, clock) as it:
        it.send(*sent(3))
        for _ in range(3):
            clock.now += timedelta(seconds=15)
            it.overhead.look()
        begun = time.process_time()
        for _ in range(5):
            clock.now += timedelta(seconds=15)
            it.overhead.look()
        assert (time.process_time() - begun) / 5 < 0.1


def test_a_histogram_counts_as_a_loop_does() -> None:
    meter, taken = Meter(), [0.0004, 0.005, 0.0051, 0.3, 7.0]
    for seconds in taken:
        meter.observe("ack_seconds", seconds, path="/x")
    counts = {dict(labels).get("le"): value for labels, value in meter._counts.items() if "le" in dict(labels)}
    assert counts == {**{f"{b:g}": sum(t <= b for t in taken) for b in BOUNDS}, "+Inf": 5}


def test_sources_without_end_are_counted_together() -> None:
    meter = Meter()
    for i in range(MOST_SOURCES + 5):
        meter.sources("requests", {f"s{i}": 2, None: 1})
    by = {dict(labels)["source"]: value for labels, value in meter._counts.items()}
    assert len(by) == MOST_SOURCES + 1 and by["nobody"] == MOST_SOURCES + 5
    assert by["(other)"] == 2 * 6


def test_a_part_that_cannot_answer_is_left_out(tmp_path: Path) -> None:
    """Alerting was not started: its series are missing, all others are there."""
    with house(tmp_path, FixedClock(T0)) as it:
        told = it.http.get("/api/monitoring/metrics").text
    assert "pitchey_slo_process_threads" in told and "pitchey_slo_evaluations_total" not in told


def test_a_process_that_is_gone_says_nothing() -> None:
    assert {name for name, _, _ in of_process("me", os.getpid())} >= {"pitchey_slo_process_open_files"}
    assert not list(of_process("nobody", 2**22 + 1))


def test_the_disk_is_counted_as_it_lies(tmp_path: Path) -> None:
    (tmp_path / "lake" / "requests" / "day=2026-03-02").mkdir(parents=True)
    (tmp_path / "lake" / "requests" / "day=2026-03-02" / "a.parquet").write_bytes(b"x" * 100)
    (tmp_path / "lake" / "requests" / "log.json").write_bytes(b"x" * 11)
    found = disk(tmp_path / "hot", tmp_path / "wal", tmp_path / "lake")
    assert (found.hot, found.lake, found.files) == (0, {"requests": 111}, {"requests": 1})
    assert disk(tmp_path, tmp_path / "wal", None).lake == {}


@pytest.mark.parametrize("file", ["docs/overhead.md", "config/dashboards/workbench.yml"])
def test_names_in_files_exist(file: str) -> None:
    text = (ROOT / file).read_text()
    found = set(re.findall(r"\bpitchey_(?:slo_[a-z_]+|scrubbed_total)", text))
    known = set(OWN_SERIES) | {f"{n}{end}" for n in OWN_SERIES for end in ("_bucket", "_count", "_sum")}
    assert found - known == set()
    if file.endswith(".md"):
        assert set(OWN_SERIES) - found == set(), "docs/overhead.md names every series"
