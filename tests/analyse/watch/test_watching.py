"""The scorer on a real store, with a clock that is turned: history first, then a minute at a time, the same scores."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.analyse.anomaly import score
from pitchey_slo.analyse.watch import Watching
from pitchey_slo.errors import DiskFull
from pitchey_slo.promql import Matcher, instant
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store

FILE = "watch:\n- {name: load, expr: load, detectors: [mad, threshold], history: 2d}\n"
MINUTE = 60_000
END = round(NOON.timestamp() * 1000)


class Bench:
    """A store with one series a minute, and a watching over it."""

    def __init__(self, folder: Path, store: Store, clock: FixedClock) -> None:
        self.store, self.clock, self.file = store, clock, folder / "anomalies.yml"
        self.file.write_text(FILE)
        self.scan = StoreScan(store)
        self.broken = False
        rng = np.random.default_rng(3)
        self.values = 50 + rng.normal(0, 3, 2 * 1_440)
        self.values[-200] = 400.0
        self.add(END - (len(self.values) - 1) * MINUTE + MINUTE * np.arange(len(self.values)), self.values)
        self.watching = self.restarted()

    def restarted(self) -> Watching:
        self.watching = Watching(self.file, self.scan, self.sink, self.clock)
        return self.watching

    def sink(self, batch: SampleBatch, /, *, backfill: bool) -> None:
        if self.broken:
            raise DiskFull("no space")
        receipt = self.store.samples(batch, backfill=backfill).result(10)
        assert not receipt.counts, receipt.refused

    def add(self, at: np.ndarray, values: np.ndarray, **labels: str) -> None:
        pairs = labels_of({"__name__": "load", **labels})
        places = np.zeros(len(at), np.int64)
        self.store.samples(SampleBatch([pairs], places, at, np.asarray(values)), backfill=True).result(10)

    def next(self, value: float) -> None:
        """A minute later there is one more sample, and the scorer has looked."""
        self.clock.forward(minutes=1)
        self.add(np.array([round(self.clock().timestamp() * 1000) - 15_000]), np.array([value]))
        self.watching.step()

    def caught_up(self) -> None:
        for _ in range(40):
            if not self.watching.step():
                return
        raise AssertionError("still behind after forty steps")

    def scores(self, detector: str = "mad") -> tuple[np.ndarray, np.ndarray]:
        matchers = [Matcher("__name__", "=", "pitchey_anomaly_score"), Matcher("detector", "=", detector)]
        block = self.scan.select(matchers, 0, END + 86_400_000)
        assert len(block.labels) <= 1
        return block.ts, block.values


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = FixedClock(NOON + timedelta(seconds=15))
    with fresh_store(tmp_path / "home", clock=clock) as store:
        yield Bench(tmp_path, store, clock)


def test_history_is_scored_as_a_notebook_scores_it(bench: Bench) -> None:
    bench.caught_up()
    at, found = bench.scores()
    every = END - (len(bench.values) - 1) * MINUTE + MINUTE * np.arange(len(bench.values))
    wanted = score(every, bench.values, "mad").scores
    known = np.isfinite(wanted)
    assert at.tolist() == every[known].tolist()
    np.testing.assert_allclose(found, wanted[known], atol=1e-9)
    assert found[at == every[-200]][0] > 0.999


def test_a_minute_at_a_time_goes_on_with_the_same_scores(bench: Bench) -> None:
    bench.caught_up()
    for value in (51.0, 49.0, 300.0, 50.0):
        bench.next(value)
    at, found = bench.scores()
    at, found = at[-4:], found[-4:]
    assert (np.diff(at) == MINUTE).all()
    # the sample of 15 s before is what the minute sees
    every = END - (len(bench.values) - 1) * MINUTE + MINUTE * np.arange(len(bench.values) + 4)
    wanted = score(every, [*bench.values, 51.0, 49.0, 300.0, 50.0], "mad").scores[-4:]
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert found[2] > 0.999 > found[1]


def test_the_score_is_a_series_like_any_other(bench: Bench) -> None:
    bench.caught_up()
    bench.next(400.0)
    at = round(bench.clock().timestamp() * 1000)
    rule = instant('max by (series) (pitchey_anomaly_score{detector="mad"}) > 0.999', bench.scan, at)
    assert [dict(labels) for labels in rule.labels] == [{"series": "load"}]


def test_a_restart_adds_what_was_missed_and_changes_nothing(bench: Bench) -> None:
    bench.caught_up()
    before_at, before = bench.scores()
    bench.clock.forward(minutes=3)
    late = END + MINUTE * np.arange(1, 4)
    bench.add(late, np.array([50.0, 51.0, 52.0]))
    bench.restarted()
    bench.caught_up()
    at, found = bench.scores()
    assert at[: len(before_at)].tolist() == before_at.tolist()
    assert found[: len(before)].tolist() == before.tolist()
    assert at[len(before_at) :].tolist() == late.tolist()


def test_a_gap_has_no_score(bench: Bench) -> None:
    bench.caught_up()
    count = len(bench.scores()[0])
    bench.clock.forward(minutes=30)
    bench.watching.step()
    at, _ = bench.scores()
    assert 0 < len(at) - count <= 5  # a sample counts for five minutes, and not for more


def test_what_a_full_disk_refuses_is_stored_later(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.caught_up()
    count = len(bench.scores()[0])
    bench.broken = True
    with caplog.at_level(logging.WARNING):
        bench.next(50.0)
        bench.next(51.0)
    assert "wait to be stored" in caplog.text
    assert len(bench.scores()[0]) == count
    bench.broken = False
    bench.next(52.0)
    assert len(bench.scores()[0]) == count + 3


def test_a_bad_file_is_told_and_the_old_one_goes_on(bench: Bench) -> None:
    bench.caught_up()
    bench.file.write_text("watch:\n- {name: load, expr: 'rate('}\n")
    count = len(bench.scores()[0])
    bench.next(50.0)
    assert bench.watching.problem is not None
    assert "anomalies.yml:2" in bench.watching.problem
    assert len(bench.scores()[0]) == count + 1
    bench.file.write_text(FILE.replace("threshold", "ewma"))
    bench.caught_up()
    assert bench.watching.problem is None
    assert len(bench.scores("ewma")[0]) > 1_000


def test_an_expression_that_fails_is_told_and_the_others_go_on(bench: Bench) -> None:
    bench.add(np.array([END]), np.array([1.0]), host="b")
    twice = 'label_replace(load, "host", "same", "", "")'
    bench.file.write_text(
        FILE.replace("expr: load", "expr: 'load{host=\"\"}'") + f"- {{name: twice, expr: '{twice}'}}\n"
    )
    bench.caught_up()
    told = {each["series"]: each["error"] for each in bench.watching.told()}
    assert told["load"] is None
    assert "same label" in told["twice"]
    assert len(bench.scores()[0]) > 1_000


def test_too_many_series_are_refused_with_what_would_work(bench: Bench) -> None:
    for i in range(51):
        bench.add(np.array([END - MINUTE]), np.array([1.0]), host=f"h{i}")
    bench.watching.step()
    bench.watching.step()
    [told] = bench.watching.told()
    assert "more than the 50" in told["error"]
    assert "sum by" in told["error"]


def test_what_it_says_of_itself(bench: Bench) -> None:
    bench.caught_up()
    [told] = bench.watching.told()
    assert told["series"] == "load"
    assert told["scored_until"] == NOON
    assert {s["labels"]["detector"] for s in told["scores"]} == {"mad", "threshold"}
    assert told["error"] is None
