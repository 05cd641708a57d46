"""When each test runs: spread over its interval by a hash, never twice at once, at most so many together.

A test has its slots for ever: one per interval, at a place in it that a hash of its name and location chooses, so that
a restart bunches nothing and two locations look at different moments. Each slot is moved by up to a tenth of the
interval (a hash of its number), so that a test does not meet a job of the same period again and again. A slot that
comes while the run before is still going is skipped and counted; after a pause of the machine the missed slots are
counted, not made up for.

`Plan` is the arithmetic, without a clock; `Scheduler` runs it in an event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import logging
import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pitchey_slo.probe.result import Result

log = logging.getLogger(__name__)

#: A slot is moved by up to this share of the interval.
JITTER: Final = 0.1
#: Runs at once; the rest wait, and are late.
AT_ONCE: Final = 64
#: Seconds the loop sleeps at most: a clock that was set is noticed by then.
LONGEST_SLEEP: Final = 1.0
#: Seconds that runs have to end, and to clean up, when they are told to stop.
GRACE: Final = 10.0
#: Starts that the lateness is told of.
REMEMBERED: Final = 2_000


def place(*parts: object) -> float:
    """A number in [0, 1) that is always the same for the same parts.

    >>> place("login", "eu") == place("login", "eu"), 0 <= place("login", "us") < 1
    (True, True)
    """
    digest = hashlib.blake2b("\xff".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def slot_after(name: str, location: str, interval: float, now: float) -> float:
    """The next start of a test after `now`; all in seconds, `now` and the answer since 1970."""
    first = math.floor(now / interval) - 1
    phase = place(name, location)
    return next(
        due
        for k in range(first, first + 5)
        if (due := (k + phase + JITTER * place(name, location, k)) * interval) > now
    )


@dataclass(frozen=True)
class Start:
    """One run to begin: when it was due, and how many slots before it were missed."""

    name: str
    due: float
    missed: int = 0


@dataclass
class Plan:
    """The slots of a location's tests. Times are seconds since 1970, given by the caller."""

    location: str
    _intervals: dict[str, float] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _heap: list[tuple[float, str]] = field(default_factory=list)
    _now: float = -math.inf

    def use(self, intervals: Mapping[str, float], now: float) -> None:
        """These tests from now on, each with its interval in seconds; one that stays keeps its next slot."""
        for name in [n for n in self._intervals if n not in intervals]:
            del self._intervals[name], self._due[name]
        for name, interval in intervals.items():
            if self._intervals.get(name) != interval:
                self._intervals[name] = interval
                self._set(name, now)

    def take(self, now: float) -> list[Start]:
        """What is due, oldest first; each is planned again for its next slot after `now`."""
        if now < self._now - LONGEST_SLEEP:  # the clock was set back: the slots that are planned lie too far ahead
            for name in self._intervals:
                self._set(name, now)
        self._now = now
        found = []
        while self._heap and self._heap[0][0] <= now:
            due, name = heapq.heappop(self._heap)
            if self._due.get(name) != due:
                continue  # was planned anew, or is gone
            found.append(Start(name, due, max(0, math.floor((now - due) / self._intervals[name]))))
            self._set(name, now)
        return found

    def next_at(self) -> float | None:
        """When something is due next; None without tests."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _set(self, name: str, now: float) -> None:
        self._due[name] = due = slot_after(name, self.location, self._intervals[name], now)
        heapq.heappush(self._heap, (due, name))


@dataclass
class Lateness:
    """How late the last runs began, and what was not run: told as series by whoever asks."""

    late: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    #: runs begun, by test
    started: Counter[str] = field(default_factory=Counter)
    #: slots that came while the run before was still going, by test
    skipped: Counter[str] = field(default_factory=Counter)
    #: slots that passed while nothing ran here, by test
    missed: Counter[str] = field(default_factory=Counter)

    def quantile(self, q: float) -> float | None:
        """Seconds late, of the last runs; None before the first."""
        found = sorted(self.late)
        return found[min(len(found) - 1, math.ceil(q * len(found)) - 1 if q else 0)] if found else None


Run = Callable[[str], Awaitable[Sequence[Result]]]
Sink = Callable[[Sequence[Result]], Awaitable[None]]


class Scheduler:
    """Runs the tests of one location until it is told to stop. Belongs to one event loop.

    run     makes one run of the named test; an exception of it is logged and is not a result
    sink    takes what a run found
    clock, sleep   time; a test may turn its own
    grace   seconds that runs have to end when it is told to stop
    """

    def __init__(
        self,
        location: str,
        run: Run,
        sink: Sink,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        at_once: int = AT_ONCE,
        grace: float = GRACE,
    ) -> None:
        self._grace = grace
        self.plan = Plan(location)
        self.lateness = Lateness()
        self._run, self._sink = run, sink
        self._clock, self._sleep = clock, sleep
        self._places = asyncio.Semaphore(at_once)
        self._going: dict[str, asyncio.Task[Sequence[Result]]] = {}
        self._news = asyncio.Event()

    def use(self, intervals: Mapping[str, float]) -> None:
        """These tests from now on. A run that is going ends; its test has no next one when it is not among them."""
        self.plan.use(intervals, self._now())
        self._news.set()

    async def now(self, name: str) -> Sequence[Result]:
        """Run a test now and give what it found, which also goes where all results go; a run that is going is waited
        for instead."""
        return await asyncio.shield(self._begin(name, self._now()))

    async def work(self, stop: asyncio.Event) -> None:
        """Run what is due until `stop`; what is going then may end (a journey cleans up what it made), for so long."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                now = self._now()
                for start in self.plan.take(now):
                    self.lateness.missed[start.name] += start.missed
                    if start.name in self._going:
                        self.lateness.skipped[start.name] += 1
                    else:
                        self._begin(start.name, start.due)
                self._news.clear()
                await self._pause(self.plan.next_at(), stopping)
        finally:
            stopping.cancel()
            going = list(self._going.values())
            if going and self._grace > 0:
                await asyncio.wait(going, timeout=self._grace)
            for task in going:
                task.cancel()
            await asyncio.gather(*going, return_exceptions=True)

    def _now(self) -> float:
        return self._clock().timestamp()

    async def _pause(self, until: float | None, stopping: asyncio.Task[bool]) -> None:
        seconds = LONGEST_SLEEP if until is None else min(max(until - self._now(), 0.0), LONGEST_SLEEP)
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.create_task(self._news.wait())]
        try:
            await asyncio.wait([*waits, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _begin(self, name: str, due: float) -> asyncio.Task[Sequence[Result]]:
        if name in self._going:
            return self._going[name]
        task = self._going[name] = asyncio.create_task(self._one(name, due))
        task.add_done_callback(lambda _: self._going.pop(name, None))
        return task

    async def _one(self, name: str, due: float) -> Sequence[Result]:
        async with self._places:
            self.lateness.late.append(max(0.0, self._now() - due))
            self.lateness.started[name] += 1
            try:
                found = await self._run(name)
            except Exception:
                log.exception("the test %s could not be run", name)
                return []
        kept = asyncio.ensure_future(self._sink(found))
        try:
            await asyncio.shield(kept)
        except asyncio.CancelledError:
            await kept  # we are told to stop: what was found is kept all the same
            raise
        return found
