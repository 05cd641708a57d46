"""Slots that are the same for ever and spread out; runs that are never two at once, and late only when places lack."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.schedule import JITTER, Plan, Scheduler, place, slot_after

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def naive_slots(name: str, location: str, interval: float, start: float, end: float) -> list[float]:
    """Every slot there is, tried one after the other."""
    first, last = math.floor(start / interval) - 3, math.ceil(end / interval) + 3
    phase = place(name, location)
    every = [(k + phase + JITTER * place(name, location, k)) * interval for k in range(first, last)]
    return [due for due in every if start < due <= end]


@settings(max_examples=50)
@given(st.floats(1.0, 3_600.0), st.floats(0, 2e9), st.text(max_size=5))
def test_slots_come_once_per_interval_for_ever(interval: float, now: float, name: str) -> None:
    found = [slot_after(name, "eu", interval, now)]
    for _ in range(5):
        found.append(slot_after(name, "eu", interval, found[-1]))
    assert found[0] > now
    assert found[0] - now <= interval * (1 + JITTER) * 1.001
    assert all(0.89 * interval < b - a < 1.11 * interval for a, b in itertools.pairwise(found))
    assert found == naive_slots(name, "eu", interval, now, found[-1])


def test_a_restart_bunches_nothing() -> None:
    now = T0.timestamp()
    dues = [slot_after(f"test {i}", "eu", 60.0, now) - now for i in range(600)]
    tenths = Counter(min(int(due / 6), 9) for due in dues)
    assert min(tenths.values()) > 30
    assert slot_after("login", "eu", 60.0, now) != slot_after("login", "us", 60.0, now)


def test_the_plan_gives_every_slot_once() -> None:
    intervals = {"a": 10.0, "b": 17.0, "c": 60.0}
    plan, start = Plan("eu"), T0.timestamp()
    plan.use(intervals, start)
    now, found = start, []
    while (due := plan.next_at()) is not None and due <= start + 300:
        now = due
        found += [(s.name, s.due) for s in plan.take(now)]
    wanted = [(name, due) for name, i in intervals.items() for due in naive_slots(name, "eu", i, start, start + 300)]
    assert sorted(found) == sorted(wanted)


def test_after_a_pause_one_run_and_the_missed_ones_counted() -> None:
    plan, start = Plan("eu"), T0.timestamp()
    plan.use({"a": 10.0}, start)
    [run] = plan.take(start + 100.0)
    assert run.missed in (8, 9)
    assert plan.take(start + 100.0) == []


def test_a_clock_that_is_set_back_does_not_silence_anybody() -> None:
    plan, start = Plan("eu"), T0.timestamp()
    plan.use({"a": 10.0}, start)
    plan.take(start + 15)
    plan.take(start - 86_400)
    due = plan.next_at()
    assert due is not None and due < start - 86_400 + 12


def test_a_changed_test_is_planned_anew_and_the_others_keep_their_slot() -> None:
    plan, start = Plan("eu"), T0.timestamp()
    plan.use({"a": 60.0, "b": 60.0}, start)
    before = slot_after("a", "eu", 60.0, start)
    plan.use({"a": 60.0, "c": 5.0}, start)
    found = {s.name: s.due for s in plan.take(start + 66)}
    assert found["a"] == before
    assert set(found) == {"a", "c"}


class Turned:
    """Time that passes when everybody waits."""

    def __init__(self) -> None:
        self.now, self._count = T0.timestamp(), itertools.count()
        self._waiting: list[tuple[float, int, asyncio.Event]] = []

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._count), event))
        await event.wait()

    async def pass_(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            for _ in range(25):
                await asyncio.sleep(0)
            if not self._waiting or self._waiting[0][0] > end:
                break
            self.now, _, event = heapq.heappop(self._waiting)
            event.set()
        self.now = end


class Runs:
    """A runner that takes its time, and notes what it did."""

    def __init__(self, time: Turned, seconds: float) -> None:
        self.time, self.seconds = time, seconds
        self.spans: list[tuple[str, float, float]] = []
        self.together = self.most = 0
        self.kept: list[Result] = []

    async def run(self, name: str) -> Sequence[Result]:
        begun = self.time.now
        self.together += 1
        self.most = max(self.most, self.together)
        await self.time.sleep(self.seconds)
        self.together -= 1
        self.spans.append((name, begun, self.time.now))
        if name == "broken":
            raise RuntimeError("of the engine")
        return [Result(name, "healthy", self.time())]

    async def keep(self, results: Sequence[Result]) -> None:
        self.kept += results


async def live(runs: Runs, intervals: dict[str, float], seconds: float, at_once: int = 64) -> Scheduler:
    scheduler = Scheduler("eu", runs.run, runs.keep, clock=runs.time, sleep=runs.time.sleep, at_once=at_once, grace=0)
    scheduler.use(intervals)
    stop = asyncio.Event()
    work = asyncio.create_task(scheduler.work(stop))
    await runs.time.pass_(seconds)
    stop.set()
    await asyncio.wait_for(work, 5)
    return scheduler


def test_every_test_runs_at_its_slots_and_late_by_nothing() -> None:
    time = Turned()
    runs = Runs(time, 0.5)
    intervals = {"a": 10.0, "b": 15.0, "broken": 30.0}
    scheduler = asyncio.run(live(runs, intervals, 300))
    for name, interval in intervals.items():
        wanted = naive_slots(name, "eu", interval, T0.timestamp(), T0.timestamp() + 299)
        begun = [b for n, b, _ in runs.spans if n == name]
        assert begun == pytest.approx(wanted, abs=1e-3)
    assert scheduler.lateness.quantile(1) == pytest.approx(0.0, abs=1e-3)
    assert {r.test for r in runs.kept} == {"a", "b"}  # what broke gave no result, and stopped nobody


def test_never_two_runs_of_one_test_at_once() -> None:
    time = Turned()
    runs = Runs(time, 25.0)
    scheduler = asyncio.run(live(runs, {"slow": 10.0}, 300))
    spans = sorted((b, e) for _, b, e in runs.spans)
    assert len(spans) > 5
    assert all(e <= b for (_, e), (b, _) in itertools.pairwise(spans))
    assert scheduler.lateness.skipped["slow"] > len(spans)


def test_at_most_so_many_at_once_and_the_rest_is_late() -> None:
    time = Turned()
    runs = Runs(time, 8.0)
    scheduler = asyncio.run(live(runs, {f"t{i}": 20.0 for i in range(12)}, 100, at_once=3))
    assert runs.most == 3
    late = scheduler.lateness.quantile(0.95)
    assert late is not None and late > 1


def test_a_run_now_shares_the_one_that_goes_on_and_its_results_are_kept() -> None:
    async def both() -> tuple[Sequence[Result], Sequence[Result], Runs]:
        time = Turned()
        runs = Runs(time, 5.0)
        scheduler = Scheduler("eu", runs.run, runs.keep, clock=time, sleep=time.sleep)
        first, second = (asyncio.create_task(scheduler.now("a")) for _ in range(2))
        await time.pass_(6)
        return await first, await second, runs

    first, second, runs = asyncio.run(both())
    assert first == second
    assert len(runs.spans) == len(runs.kept) == 1


def test_what_was_found_is_kept_when_it_is_told_to_stop() -> None:
    async def stopped() -> list[Result]:
        time = Turned()
        kept: list[Result] = []

        async def run(name: str) -> Sequence[Result]:
            return [Result(name, "healthy", time() + timedelta(0))]

        async def slow_disk(results: Sequence[Result]) -> None:
            await asyncio.sleep(0.05)
            kept.extend(results)

        scheduler = Scheduler("eu", run, slow_disk, clock=time, sleep=time.sleep, grace=0)
        stop = asyncio.Event()
        work = asyncio.create_task(scheduler.work(stop))
        asking = asyncio.create_task(scheduler.now("a"))
        for _ in range(10):
            await asyncio.sleep(0)
        stop.set()
        await work
        with pytest.raises(asyncio.CancelledError):
            await asking
        return kept

    assert len(asyncio.run(stopped())) == 1


def test_a_run_that_goes_on_may_end_and_clean_up() -> None:
    async def stopped(grace: float) -> list[str]:
        time, done = Turned(), list[str]()

        async def run(name: str) -> Sequence[Result]:
            await asyncio.sleep(0.1)
            done.append("cleaned up")
            return []

        async def keep(results: Sequence[Result]) -> None: ...

        scheduler = Scheduler("eu", run, keep, clock=time, sleep=time.sleep, grace=grace)
        stop = asyncio.Event()
        work = asyncio.create_task(scheduler.work(stop))
        asking = asyncio.create_task(scheduler.now("a"))
        await asyncio.sleep(0.02)
        stop.set()
        await work
        await asyncio.gather(asking, return_exceptions=True)
        return done

    assert asyncio.run(stopped(5.0)) == ["cleaned up"]
    assert asyncio.run(stopped(0.0)) == []
