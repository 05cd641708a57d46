"""All checks side by side: one that hangs delays none, what counts as down, what becomes of results."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from pitchey_slo.names import PROBE_SERIES
from pitchey_slo.probe import Result, rows_of
from pitchey_slo.probe.health import Context, HealthConfig, Planned, Runner, Seen, Status, Trouble, Workbench, down
from pitchey_slo.probe.health.daemons import Daemons
from pitchey_slo.probe.health.look import look
from pitchey_slo.promql import evaluate  # noqa: F401  # the room is there
from pitchey_slo.series import SampleBatch, is_stale
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock

from .servers import eventually, planned


@dataclass(frozen=True)
class Doing:
    """A check that does what it is told."""

    what: Callable[[], object] = lambda: None

    async def look(self, context: Context) -> Seen:
        found = self.what()
        if asyncio.iscoroutine(found):
            await found
        return Seen({"query_seconds": 0.01})


def check(name: str, what: Callable[[], object] = lambda: None, **more: object) -> Planned:
    usual = planned('{pg: {check: postgres, url: "postgresql://x", timeout: 1s}}')
    given = {"interval": 0.2, "timeout": 0.15, **more}
    return replace(usual, name=name, check=Doing(what), **given)  # type: ignore[arg-type]


@dataclass
class Kept:
    """What a runner hands on."""

    results: list[Result]
    batches: list[SampleBatch]

    def sink(self, results: list[Result], batch: SampleBatch) -> None:
        self.results += results
        self.batches.append(batch)

    def of(self, name: str) -> list[Result]:
        return [r for r in self.results if r.test == name]


@contextmanager
def run(*checks: Planned, **more: object) -> Iterator[tuple[Runner, Kept]]:
    kept = Kept([], [])
    runner = Runner(HealthConfig(checks), kept.sink, location="here", seed=1, **more)  # type: ignore[arg-type]
    try:
        yield runner, kept
    finally:
        runner.close()


def raises(error: BaseException) -> Callable[[], object]:
    def what() -> None:
        raise error

    return what


async def swallows() -> None:
    """Hangs, and does not stop when it is told to."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            continue


def test_one_that_hangs_delays_no_other_and_not_the_end() -> None:
    hangs = [check(f"hangs-{i}", swallows) for i in range(5)]
    in_thread = check("thread", lambda: asyncio.to_thread(time.sleep, 60))
    begin = time.monotonic()
    with run(*hangs, in_thread, check("good")) as (runner, kept):
        runner.start()
        eventually(lambda: len(kept.of("good")) >= 12 and kept.of("hangs-0") and kept.of("thread"))
        assert all((r.duration_ms or 0) < 100 for r in kept.of("good"))
        gaps = [(b.at - a.at).total_seconds() for a, b in zip(kept.of("good"), kept.of("good")[1:], strict=False)]
        assert sorted(gaps)[len(gaps) // 2] == pytest.approx(0.2, abs=0.1)
        hung = kept.of("hangs-0")[0]
        assert (hung.state, hung.failure) == ("unknown", "timeout")
        assert kept.of("thread")[0].failure == "timeout"
        closing = time.monotonic()
    assert time.monotonic() - closing < 5 and time.monotonic() - begin < 25


def test_a_process_ends_though_a_name_server_hangs() -> None:
    code = (
        "import asyncio, time\n"
        "from pitchey_slo.probe.health.daemons import Daemons\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.set_default_executor(Daemons())\n"
        "async def main():\n"
        "    await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(time.sleep, 60))], timeout=0.1)\n"
        "loop.run_until_complete(main())\n"
    )
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert time.monotonic() - begin < 25


def test_calls_that_hang_are_bounded() -> None:
    stop = threading.Event()
    daemons = Daemons(2)
    futures = [daemons.submit(stop.wait, 30) for _ in range(2)]
    with pytest.raises(RuntimeError, match="too many calls hang"):
        daemons.submit(print)
    stop.set()
    assert [f.result(10) for f in futures] == [True, True]
    assert daemons.submit(lambda: 7).result(10) == 7


def point(batch: SampleBatch, name: str) -> list[float]:
    index = [i for i, labels in enumerate(batch.labels) if dict(labels)["__name__"] == name]
    return [v for s, v in zip(batch.series.tolist(), batch.value.tolist(), strict=True) if s in index]


def story(status: Status, *failures: str | None) -> list[tuple[str, bool | None, list[float]]]:
    """State, whether up, and samples of pitchey_db_up after each of these looks."""
    from pitchey_slo.probe.health.series import batch_of

    found = []
    for i, failure in enumerate(failures):
        error = None if failure is None else Trouble(failure, "so it is", answered=failure == "assertion")
        one = replace(status.planned, check=Doing(raises(error) if error else lambda: None))
        now = NOON + timedelta(seconds=30 * i)
        result = asyncio.run(look(one, Context("pg", "here", lambda now=now: now)))  # type: ignore[misc]
        status = status.after(result)
        batch = batch_of((p, 0) for p in status.points())
        found.append((result.state, status.up, point(batch, "pitchey_db_up")))
    return found


def test_what_counts_as_down() -> None:
    usual = Status(check("pg"))
    assert story(usual, None, "connect", None) == [
        ("healthy", True, [1.0]),
        ("unhealthy", False, [0.0]),
        ("healthy", True, [1.0]),
    ]
    # one look out of time says nothing, the second in a row counts
    assert story(usual, None, "timeout", "timeout", "timeout", None, "timeout") == [
        ("healthy", True, [1.0]),
        ("unknown", True, []),
        ("unknown", False, [0.0]),
        ("unknown", False, [0.0]),
        ("healthy", True, [1.0]),
        ("unknown", True, []),
    ]
    # broken, but it answers
    assert story(usual, "assertion") == [("unhealthy", True, [1.0])]
    # our own fault ends the series: nothing is known, nobody is paged
    states = story(usual, "connect", "probe_error", "timeout", "timeout")
    assert [s[1] for s in states] == [False, None, None, False]
    assert math.isnan(states[1][2][0]) and states[2][2] == [] and states[3][2] == [0.0]


def test_the_state_ends_while_it_is_unknown() -> None:
    from pitchey_slo.probe.health.series import batch_of, points_of

    for failure, state in ((None, 2.0), ("connect", 0.0)):
        one = check("pg", raises(Trouble(failure, "x")) if failure else lambda: None)
        result = asyncio.run(look(one, Context("pg", "here", lambda: NOON)))
        batch = batch_of((p, 0) for p in points_of(one, result, up=True))
        assert point(batch, "pitchey_health_state") == [state]
        assert {dict(labels)["__name__"] for labels in batch.labels} <= set(PROBE_SERIES)
    result = asyncio.run(look(check("pg", raises(Trouble("timeout", "x"))), Context("pg", "here", lambda: NOON)))
    batch = batch_of((p, 0) for p in points_of(check("pg"), result, up=None))
    stale = dict(zip([dict(batch.labels[i])["__name__"] for i in batch.series], is_stale(batch.value), strict=True))
    assert stale["pitchey_health_state"] and stale["pitchey_health_latency_seconds"]
    assert not stale["pitchey_health_probe_error"] and "pitchey_health_up" not in stale


def test_an_error_nobody_foresaw_is_our_own_fault() -> None:
    with run(check("odd", raises(KeyError("what"))), check("good")) as (runner, kept):
        runner.refresh(["odd", "good"]).result(10)
        odd = eventually(lambda: kept.of("odd"))[0]
    assert (odd.state, odd.failure) == ("unknown", "probe_error") and "KeyError" in (odd.reason or "")


def test_a_look_goes_on_once_at_a_time_and_only_when_it_is_asked_for() -> None:
    count: list[int] = []
    slow = check("slow", lambda: (count.append(1), asyncio.sleep(0.05))[1], timeout=5.0)
    with run(slow) as (runner, _):
        futures = [runner.refresh(["slow", "unknown"]) for _ in range(20)]
        for future in futures:
            future.result(10)
        assert len(count) == 1 and runner.status()["slow"].result is not None
        time.sleep(0.5)
        assert len(count) == 1  # nothing is scheduled before `start`
        runner.refresh(["slow"]).result(10)
    assert len(count) == 2


def test_a_sink_that_fails_or_is_slow_holds_nothing_up() -> None:
    gate = threading.Event()
    told: list[int] = []

    def sink(results: list[Result], _: SampleBatch) -> None:
        told.append(len(results))
        if len(told) == 1:
            raise OSError("disk full")
        gate.wait(20)

    runner = Runner(HealthConfig((check("good"),)), sink, seed=1)
    try:
        runner.start()
        looks = [runner.status()["good"].result]
        eventually(lambda: (looks.append(runner.status()["good"].result), len({id(x) for x in looks}) > 5)[1])
        gate.set()
        eventually(lambda: len(told) >= 3 and max(told) > 1)  # what waited is told together
    finally:
        gate.set()
        runner.close()


def test_a_changed_file_stops_starts_and_leaves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitchey_slo.probe.health.runner.FILE_SECONDS", 0.05)
    stays, goes, comes = check("stays"), check("goes"), check("comes")
    news: list[HealthConfig] = []
    with run(stays, goes, changed=lambda: news.pop() if news else None) as (runner, kept):
        runner.start()
        eventually(lambda: kept.of("stays") and kept.of("goes"))
        news.append(HealthConfig((stays, comes)))
        eventually(lambda: kept.of("comes"))
        assert set(runner.status()) == {"stays", "comes"}
        ended = eventually(lambda: [b for b in kept.batches if len(b) and is_stale(b.value).sum() > 5])[0]
        assert {dict(labels).get("instance") or dict(labels)["test"] for labels in ended.labels} == {"goes"}


def test_the_workbench_looks_at_itself() -> None:
    facts = Workbench(ready=True, lake_lag_seconds=500.0, queue_share=0.1, disk_free_bytes=8 << 30,
                      disk_floor_bytes=1 << 30, memory_used_bytes=5e8, memory_limit_bytes=1e9)  # fmt: skip
    own = planned("{workbench: {check: workbench}}")

    def told(facts: Workbench) -> Result:
        return asyncio.run(look(own, Context("workbench", "here", lambda: NOON, lambda: facts)))

    result = told(facts)
    assert result.state == "degraded" and result.reason == "the lag of the lake is 500 s, at most 120 s is good"
    assert result.details["values"]["memory_share"] == 0.5 and result.details["values"]["disk_floors"] == 8
    assert told(replace(facts, lake_lag_seconds=1.0)).state == "healthy"
    shut = told(replace(facts, ready=False, reason="disk full"))
    assert (shut.state, shut.failure) == ("unhealthy", "assertion") and "disk full" in (shut.reason or "")


def test_results_and_samples_are_taken_by_a_store(store: Store, clock: FixedClock) -> None:
    def sink(results: list[Result], batch: SampleBatch) -> None:
        store.append("probes", rows_of(results))
        receipt = store.samples(batch).result(10)
        assert receipt.counts == {}

    runner = Runner(HealthConfig((check("pg"),)), sink, location="here", clock=clock)
    try:
        runner.refresh(["pg"]).result(10)
        names = eventually(lambda: {row["name"] for row in store.query("SELECT name FROM series").to_pylist()})
    finally:
        runner.close()
    rows = store.query("FROM probes").to_pylist()
    assert [(r["test"], r["kind"], r["state"], r["location"]) for r in rows] == [("pg", "health", "healthy", "here")]
    assert {"pitchey_db_up", "pitchey_health_state", "pitchey_db_query_seconds"} <= names


def test_down_are_those_that_do_not_answer_and_those_that_say_they_are_broken() -> None:
    def status(name: str, state: str, up: bool | None) -> Status:
        return Status(check(name), Result(name, state, NOON), up)  # type: ignore[arg-type]

    found = [status("a", "healthy", True), status("b", "unhealthy", True), status("c", "unknown", None),
             status("d", "unknown", False), Status(check("e"))]  # fmt: skip
    assert [s.planned.name for s in down(found)] == ["b", "d"]


def test_fresh_is_a_look_of_the_last_interval() -> None:
    one = Status(check("a", interval=30.0, timeout=10.0), Result("a", "healthy", NOON))
    assert one.fresh(NOON + timedelta(seconds=45)) and not one.fresh(NOON + timedelta(seconds=47))
    assert not Status(check("a")).fresh(NOON)
