"""Synthetic tests inside the server: the tests there are, their last verdicts, the quorum, its series, and the tests
that run here.

One thread with an event loop of its own runs the tests of this location and writes series every second in which there
is news, at least every half minute. Results of agents come in by `take`, from any thread. Which results do not count
(maintenance) is decided here alone, by the time of the result: for those of agents that were away too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pitchey_slo.errors import NotFound, PitcheyError, StoreUnavailable, did_you_mean
from pitchey_slo.probe.result import Result, rows_of
from pitchey_slo.probe.synthetic import series
from pitchey_slo.probe.synthetic.agent import event_id
from pitchey_slo.probe.synthetic.board import Board, Last, in_maintenance
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.probe.synthetic.quorum import Judgement, Pair, Policy, Target
from pitchey_slo.probe.synthetic.schedule import Scheduler
from pitchey_slo.probe.synthetic.shelf import FOLDER, Shelf, Shelved, needs_base, secrets_here
from pitchey_slo.store import Receipt, SampleReceipt, Store
from pitchey_slo.web.house import House
from pitchey_slo.web.maintenance import Windows
from pitchey_slo.web.synthetic_numbers import Reading

log = logging.getLogger(__name__)

#: Seconds between looks at files, table and corrections; between series when nothing is new.
LOOK_SECONDS: Final = 5.0
SAY_SECONDS: Final = 30.0
#: A verdict older than this is history: its own series stand at its own time.
LATE: Final = timedelta(minutes=1)
#: A location that was silent for so long is forgotten: somebody took it away.
FORGOTTEN: Final = timedelta(days=1)
#: Verdicts of a pair that are read at a start: what was a row of failures before it goes on after it.
RESTORED: Final = 100


@dataclass(frozen=True)
class Known:
    """The tests as they were read last."""

    tests: Mapping[str, Shelved] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def intervals(self) -> dict[str, float]:
        return {name: target.interval for name, target in self.targets.items()}


class Synthetic:
    """One per application; nothing runs before `start`."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.location = house.settings.location
        #: what `{{ base }}` means; None while nobody said it: tests that begin there are not run
        self.base = house.settings.api_base_url if "api_base_url" in house.settings.model_fields_set else None
        self.policy = Policy(share=house.settings.quorum)
        self.board = Board(self.policy)
        self.windows = Windows(house)
        self.known = Known()
        self.dropped: dict[str, int] = {}
        self._shelf = Shelf(house.settings.config / FOLDER, _read)
        self.numbers = Reading(self)
        self._ends = series.Ends()
        self._lock = threading.RLock()
        self._news = True
        self._said: datetime | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.scheduler: Scheduler | None = None

    def start(self) -> None:
        """Begin to run tests and to write series, once the store is open."""
        try:
            self.look()
            self._restore(self.house.opened())
        except Exception:  # whatever it is: ingest and alerts do not wait for it, and the next look tries again
            log.exception("synthetic tests could not be read")
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work(ready)), name="synthetic", daemon=True)
        self._thread.start()
        ready.wait(10)

    def close(self) -> None:
        """Run and write no more; the store is still open."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(30)
        self.numbers.close()

    def look(self) -> Known:
        """Read tests and maintenance anew."""
        with self._lock:
            store = self.house.opened()
            rows = store.query("SELECT id, definition, added_by FROM synthetics WHERE removed_at IS NULL").to_pylist()
            tests, problems = self._shelf.current(rows)
            problems = (*problems, *self._not_run(tests))
            for problem in set(problems) - set(self.known.problems):
                log.warning("%s", problem)
            base = self.house.settings.api_base_url
            self.known = Known(tests, {name: t.target(base) for name, t in tests.items()}, problems)
            self.board.keep(tests, self.house.clock() - FORGOTTEN)
            self.windows.look(store, {name: t.definition for name, t in tests.items()})
            return self.known

    def judge(self) -> Judgement:
        """What all locations together say now."""
        with self._lock:
            return self.board.judge(self.known.targets, self.house.clock())

    def seen(self) -> tuple[Judgement, dict[Pair, Last]]:
        """The same, with the verdicts it rests on."""
        with self._lock:
            return self.judge(), dict(self.board)

    def read(self, text: str, file: str) -> Definition:
        """A definition. Raises ConfigError."""
        return _read(text, file)

    def note_dropped(self, location: str, count: int) -> None:
        """An agent tells that it had to drop so many results."""
        if count:
            log.warning("the agent at %s dropped %d results while it could not deliver", location, count)
            with self._lock:
                self.dropped[location[:128]] = self.dropped.get(location[:128], 0) + count

    def take(self, results: Sequence[Result]) -> Future[Receipt]:
        """Store these results, and learn from them. The future resolves when they are durable. Raises as
        `Store.submit`."""
        store = self.house.opened()
        marked = self.marked(results)
        waiting = store.submit("probes", rows_of(marked))
        now = self.house.clock()
        with self._lock:
            # a sender's clock may be ahead: what it says is of now at the latest
            self.board.take([replace(r, at=min(r.at, now)) for r in marked], self.known.intervals)
            self._news = True
        late = [r for r in marked if r.scope == "verdict" and r.at < now - LATE]
        if late:
            self._write(store.samples(series.of_then(late), backfill=True))
        return waiting

    def marked(self, results: Sequence[Result]) -> list[Result]:
        """The same, those that do not count marked, and each saying how long it speaks."""
        found = []
        for result in results:
            target = self.known.targets.get(result.test)
            if target is not None and result.scope == "verdict" and "speaks_s" not in result.details:
                speaks = self.policy.stale_intervals * target.interval
                result = replace(result, details={**result.details, "speaks_s": speaks})
            reason = self.windows.reason(result.test, result.at)
            found.append(in_maintenance(result, reason) if reason else result)
        return found

    def test(self, name: str) -> Shelved:
        """Raises NotFound."""
        found = self.known.tests.get(name)
        if found is None:
            hint = did_you_mean(name, self.known.tests) or f"tests: {', '.join(self.known.tests) or 'none'}"
            raise NotFound(f"no synthetic test {name[:128]!r}; {hint}")
        return found

    def of_location(self, location: str) -> dict[str, Shelved]:
        """The tests that run there."""
        return {name: t for name, t in self.known.tests.items() if t.definition.runs_at(location)}

    def _not_run(self, tests: Mapping[str, Shelved]) -> list[str]:
        """A test that begins nowhere would fail, and page, for nothing."""
        waiting = [n for n, t in tests.items() if self.base is None and needs_base(t.definition)]
        if not waiting:
            return []
        return [f"not run, since nobody said what {{{{ base }}}} means (API_BASE_URL): {', '.join(waiting)}"]

    async def run(self, name: str) -> list[Result]:
        """Run a test here and now. Raises NotFound, StoreUnavailable when nothing runs here (yet)."""
        self.test(name)
        if self._loop is None or self.scheduler is None:
            raise StoreUnavailable("no tests run in this server: PITCHEY_LOCATION is empty, or it is just starting")
        found: Future[Any] = asyncio.run_coroutine_threadsafe(self.scheduler.now(name), self._loop)
        return list(await asyncio.wrap_future(found))

    def say(self, *, all_: bool = False) -> None:
        """Write the series of now, when there is news or it is time."""
        now = self.house.clock()
        with self._lock:
            due = self._said is None or now - self._said >= timedelta(seconds=SAY_SECONDS) or now < self._said
            if not (self._news or due or all_) or not (self.known.tests or self._said):
                return
            self._news, self._said = False, now
            limits = {name: t.definition.consecutive for name, t in self.known.tests.items()}
            given = series.values(self.board, self.board.judge(self.known.targets, now), limits)
            if self.scheduler is not None and self.known.tests:
                given |= series.lateness(self.location, self.scheduler.lateness)
            given |= series.dropped(self.dropped)
            batch = self._ends.batch(now, given)
        self._write(self.house.opened().samples(batch))

    def _write(self, waiting: Future[SampleReceipt]) -> None:
        waiting.add_done_callback(_log_failure)

    def _restore(self, store: Store) -> None:
        """The verdicts of before a restart, from hot."""
        found = store.query(
            "SELECT * EXCLUDE (commit_seq) FROM probes WHERE scope = 'verdict' AND kind <> 'health' "
            "QUALIFY row_number() OVER (PARTITION BY test, location ORDER BY ts DESC) <= ? ORDER BY ts",
            [RESTORED],
        )
        for row in found.to_pylist():
            with contextlib.suppress(ValueError):
                if row["test"] in self.known.tests:
                    self.board.take([Result.of(row)], self.known.intervals)

    async def _work(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self.location:
            self.scheduler = Scheduler(self.location, self._run, self._keep, clock=self.house.clock)
            self._plan()
        ready.set()
        tasks = [asyncio.create_task(self._looking()), asyncio.create_task(self._saying())]
        try:
            if self.scheduler is not None:
                await self.scheduler.work(self._stop)
            else:
                await self._stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await asyncio.to_thread(self.look)
            except PitcheyError as error:
                log.warning("synthetic tests could not be read anew: %s", error.message)
            except Exception:
                log.exception("synthetic tests could not be read anew")
            self._plan()

    async def _saying(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                self.say()
            except PitcheyError as error:
                log.warning("series of synthetic tests could not be written: %s", error.message)
            except Exception:
                log.exception("series of synthetic tests could not be written")

    def planned(self) -> None:
        """Tests changed: plan them now. From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._plan)

    def _plan(self) -> None:
        if self.scheduler is not None:
            here = self.of_location(self.location)
            if self.base is None:
                here = {name: t for name, t in here.items() if not needs_base(t.definition)}
            self.scheduler.use({name: t.definition.interval for name, t in here.items()})

    async def _run(self, name: str) -> Sequence[Result]:
        test = self.known.tests.get(name)
        if test is None:  # taken away meanwhile
            return []
        definition = test.definition
        async with asyncio.timeout(definition.longest + 30.0):
            found = await run_here(definition, self.house)
        return [replace(r, location=self.location, event_id=r.event_id or event_id(r)) for r in found]

    async def _keep(self, results: Sequence[Result]) -> None:
        if results:
            try:
                await asyncio.wrap_future(self.take(results))
            except PitcheyError as error:
                log.error("%d results of %s are lost: %s", len(results), results[0].test, error.message)


async def run_here(definition: Definition, house: House) -> list[Result]:
    """One run by the engine, from this machine."""
    from pitchey_slo.probe.synthetic.keep import FOLDER
    from pitchey_slo.probe.synthetic.run import run

    settings = house.settings
    return await run(
        definition, base=settings.api_base_url, location=settings.location, clock=house.clock, secrets=secrets_here(),
        keep=settings.home / FOLDER,
    )  # fmt: skip


def _read(text: str, file: str) -> Definition:
    from pitchey_slo.probe.synthetic.reader import read

    return read(text, file)


def _log_failure(done: Future[SampleReceipt]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.warning("series of synthetic tests could not be written: %s", error)
