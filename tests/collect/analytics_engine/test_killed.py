"""A pull that is killed anywhere loses nothing and doubles nothing, and its watermark never runs ahead of its rows."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, fresh_store
from pitchey_slo.web.analytics_engine_keep import StoreKeep
from tests.collect.analytics_engine.conftest import SHIPPED, Made
from tests.collect.analytics_engine.engine import ACCOUNT, TOKEN, Engine, request

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("killed.py")


def points() -> list[dict[str, Any]]:
    """An hour of requests, every second one without an id, some of them equal."""
    begin = NOON - timedelta(minutes=58)
    return [
        request(begin + timedelta(seconds=7 * i), f"/r/{i % 5}", event_id=f"e{i}" if i % 2 else None)
        for i in range(480)
        for _ in range(1 if i % 2 else 2)
    ]


def begin(local: Engine, home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), local.url, str(home), NOON.isoformat(), ACCOUNT, TOKEN, str(SHIPPED)]
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("PITCHEY_")}, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=home.parent)
    assert child.stdout is not None
    assert child.stdout.readline() == "pulling\n"
    return child


def stored(home: Path) -> tuple[datetime | None, dict[datetime, float]]:
    """The watermark, and events per second."""
    with fresh_store(home) as store:
        mark = StoreKeep(store, store._clock).mark("pitchey_metrics")
        found = store.query("SELECT ts, sum(sample_interval) AS n FROM requests GROUP BY 1").to_pylist()
    return (mark.until if mark else None), {row["ts"]: row["n"] for row in found}


def test_killed_anywhere_nothing_is_lost_and_nothing_doubled(local: Engine, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    local.write(*points())
    written: dict[datetime, float] = {}
    for point in points():
        written[point["at"]] = written.get(point["at"], 0.0) + 1
    home = tmp_path / "home"
    with fresh_store(home):
        pass
    kills = int(os.environ.get("PITCHEY_CRASH_ROUNDS", "2"))
    for _ in range(kills):
        child = begin(local, home)
        asked, enough = len(local.asked), chance.randrange(1, 40)
        deadline = time.monotonic() + 30
        while len(local.asked) < asked + enough and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        child.kill()
        child.wait(30)
        until, found = stored(home)
        assert all(found[at] == written[at] for at in found), seed
        if until is not None:
            assert {at: n for at, n in written.items() if at < until}.items() <= found.items(), seed
    child = begin(local, home)
    assert child.wait(60) == 0
    until, found = stored(home)
    assert (until, found) == (NOON - timedelta(minutes=2), {a: n for a, n in written.items() if a < until}), seed


class Falls(StoreKeep):
    """Ends between the rows and the watermark, at the third window."""

    def put(self, rows: Mapping[str, pa.Table]) -> Mapping[str, int]:
        done = super().put(rows)
        self.left = getattr(self, "left", 3) - 1
        if not self.left:
            raise KeyboardInterrupt
        return done


def test_between_rows_and_watermark_the_rows_are_there_and_read_again(
    local: Engine, store: Store, puller: Made
) -> None:
    local.write(*points())
    one = puller(window=300)
    one._keep = Falls(store, local.clock)
    with pytest.raises(KeyboardInterrupt):
        one.pull()
    mark = StoreKeep(store, local.clock).mark("pitchey_metrics")
    assert mark is not None
    newest = store.query("SELECT max(ts) AS at, sum(sample_interval) AS n FROM requests").to_pylist()[0]
    assert newest["at"] > mark.until
    pull = puller(window=300).pull()
    assert pull.tables["requests"].duplicates > 0
    total = sum(1 for p in points() if p["at"] < NOON - timedelta(minutes=2))
    assert store.query("SELECT sum(sample_interval) AS n FROM requests")["n"].to_pylist() == [total]
