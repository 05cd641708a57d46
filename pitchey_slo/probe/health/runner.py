"""All checks side by side, each in its own rhythm and within its own time, in a thread with an event loop of its own.

No check waits for another: one that hangs is out of time by itself, and what it left hanging is left behind. Results
are handed on by one more task, so that a store that is slow delays no look either.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pitchey_slo.probe.health.config import HealthConfig
from pitchey_slo.probe.health.daemons import Daemons
from pitchey_slo.probe.health.look import Planned, look
from pitchey_slo.probe.health.model import Context, Workbench
from pitchey_slo.probe.health.series import Point, batch_of, ends_of, points_of
from pitchey_slo.probe.result import Result
from pitchey_slo.series import SampleBatch

log = logging.getLogger(__name__)

Sink = Callable[[list[Result], SampleBatch], None]

#: The first looks are spread over so many seconds; later ones move by this share of the interval, so that checks of
#: many workbenches do not meet at their target.
SPREAD: Final = 2.0
JITTER: Final = 0.1
#: Seconds between looks at the file; results that may wait for the store before the oldest are dropped.
FILE_SECONDS: Final = 5.0
MOST_WAITING: Final = 1_000


@dataclass(frozen=True)
class Status:
    """What is known of one check: its last result, whether it is up (None: not known), since when its state is as it
    is, and how many looks in a row were out of time."""

    planned: Planned
    result: Result | None = None
    up: bool | None = None
    since: datetime | None = None
    unknowns: int = 0

    def after(self, result: Result) -> Status:
        """The status once one more result came."""
        unknowns = self.unknowns + 1 if result.failure == "timeout" else 0
        up: bool | None = result.details.get("up")
        if result.failure == "timeout":
            up = False if unknowns >= self.planned.unknown_after else self.up
        same = self.result is not None and self.result.state == result.state
        return replace(self, result=result, up=up, since=self.since if same else result.at, unknowns=unknowns)

    def points(self) -> list[Point]:
        """Samples of the last result; while a look out of time does not count yet, none says whether it is up."""
        assert self.result is not None
        waiting = self.result.failure == "timeout" and self.unknowns < self.planned.unknown_after
        return points_of(self.planned, self.result, None if waiting else self.up)

    def fresh(self, now: datetime) -> bool:
        """Whether the last look is as new as it should be."""
        if self.result is None:
            return False
        age = (now - self.result.at).total_seconds()
        return age <= self.planned.interval * (1 + 2 * JITTER) + self.planned.timeout


class Runner:
    """Looks from `location`. `sink` is handed results and their series, one call at a time, in a thread; `facts` tells
    of the workbench; `changed` gives another configuration once there is one. Nothing is looked at before `start` or
    `refresh`; `settle`: seconds from `start` to the first look, while a process that has just begun is busy with itself
    and would find everything slow."""

    def __init__(
        self,
        config: HealthConfig,
        sink: Sink,
        *,
        location: str = "local",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        facts: Callable[[], Workbench] | None = None,
        changed: Callable[[], HealthConfig | None] = lambda: None,
        settle: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self._sink, self._clock, self._facts, self._changed = sink, clock, facts, changed
        self._settle, self._chance = settle, random.Random(seed)
        self.location = location
        self._status: dict[str, Status] = {p.name: Status(p) for p in config.checks}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._going: dict[str, asyncio.Task[None]] = {}
        self._waiting: asyncio.Queue[tuple[list[Result], list[tuple[Point, int]]]] = asyncio.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._scheduled = False
        self._warm: set[str] = set()

    def start(self) -> None:
        """Look at everything in its rhythm from now on. Idempotent."""
        if not self._scheduled:
            self._scheduled = True
            self._ask(self._schedule())

    def refresh(self, names: Collection[str]) -> Future[None]:
        """Look at these now, at most once at a time each; done when all of them are."""
        return self._ask(self._refresh([name for name in names if name in self._status]))

    def status(self) -> Mapping[str, Status]:
        """What is known now, by the name of the check."""
        return dict(self._status)

    def close(self) -> None:
        """Look no more. What hangs is left behind."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(loop.stop)
            self._thread.join(5)

    def _ask(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(Daemons())
                self._thread = threading.Thread(target=self._work, args=(self._loop,), name="health", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        writing = loop.create_task(self._write())
        try:
            loop.run_forever()
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.wait([writing, *asyncio.all_tasks(loop)], timeout=1))
            loop.close()

    async def _schedule(self) -> None:
        await asyncio.sleep(self._settle)
        for planned in [status.planned for status in self._status.values()]:
            self._running[planned.name] = asyncio.create_task(self._keep(planned))
        self._running[""] = asyncio.create_task(self._follow())

    async def _keep(self, planned: Planned) -> None:
        due = time.monotonic() + self._chance.uniform(0, min(SPREAD, planned.interval))
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._refresh([planned.name])
            # from when it was due, not from when it ended: a slow target is not looked at less often
            due = max(time.monotonic(), due + planned.interval * self._chance.uniform(1 - JITTER, 1 + JITTER))

    async def _refresh(self, names: Collection[str]) -> None:
        for name in names:
            if name not in self._going:
                task = self._going[name] = asyncio.create_task(self._look(self._status[name].planned))
                task.add_done_callback(lambda _, name=name: self._going.pop(name, None))  # type: ignore[misc]
        looks = [self._going[name] for name in names]
        if looks:
            await asyncio.wait(looks)

    async def _look(self, planned: Planned) -> None:
        if planned.kind.name not in self._warm:
            await asyncio.get_running_loop().run_in_executor(None, planned.kind.warm)
            self._warm.add(planned.kind.name)
        context = Context(planned.name, self.location, self._clock, self._facts)
        result = await look(planned, context)
        before = self._status.get(planned.name)
        if before is None or before.planned is not planned:
            return  # the file was changed meanwhile
        after = before.after(result)
        # the row says what the looks before it made of this one, and for how long it speaks (three intervals)
        result = replace(result, details={**result.details, "up": after.up, "speaks_s": 3 * planned.interval})
        self._status[planned.name] = after = replace(after, result=result)
        if before.result is None or before.result.state != result.state:
            log.log(logging.INFO if result.ok else logging.WARNING, "%s (%s) is %s%s", planned.name, planned.component,
                    result.state, f": {result.reason}" if result.reason else "")  # fmt: skip
        at = round(result.at.timestamp() * 1000)
        self._tell([result], [(point, at) for point in after.points()])

    def _tell(self, results: list[Result], points: list[tuple[Point, int]]) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
            log.warning("the store takes nothing; the oldest result of a health check is dropped")
        self._waiting.put_nowait((results, points))

    async def _write(self) -> None:
        """Hands on what waits, all of it at once."""
        while True:
            told = [await self._waiting.get()]
            while not self._waiting.empty():
                told.append(self._waiting.get_nowait())
            results = [result for some, _ in told for result in some]
            batch = batch_of(point for _, some in told for point in some)
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._sink, results, batch)
            except Exception as error:  # noqa: BLE001  # the next results are told all the same
                log.warning("%d results of health checks were not stored: %s", len(results), error)

    async def _follow(self) -> None:
        """Takes another configuration once there is one; checks that stay as they are go on undisturbed."""
        while True:
            await asyncio.sleep(FILE_SECONDS)
            config = await asyncio.get_running_loop().run_in_executor(None, self._changed)
            if config is not None:
                self._use(config)

    def _use(self, config: HealthConfig) -> None:
        new = {planned.name: planned for planned in config.checks}
        for name, status in list(self._status.items()):
            if new.get(name) != status.planned:
                self._stop(status)
        for name, planned in new.items():
            if name not in self._status:
                self._status[name] = Status(planned)
                self._running[name] = asyncio.create_task(self._keep(planned))

    def _stop(self, status: Status) -> None:
        name = status.planned.name
        for tasks in (self._running, self._going):
            task = tasks.pop(name, None)
            if task is not None:
                task.cancel()
        del self._status[name]
        at = round(self._clock().timestamp() * 1000)
        self._tell([], [(point, at) for point in ends_of(status.planned, self.location)])


def down(statuses: Iterator[Status] | Collection[Status]) -> list[Status]:
    """Those that are not working: they do not answer, or answer that they are unhealthy."""
    return [s for s in statuses if s.up is False or (s.result is not None and s.result.state == "unhealthy")]
