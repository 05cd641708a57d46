"""The scraper: asks every target at its own time and hands what it says to a `sink`.

One thread with an event loop waits for all targets; reading and storing happen in worker threads, so that a slow store
delays nobody's question. Each target has its fixed offset within the interval, so load is even and a restart does
not move it. A scrape that is late is left out, never made up for.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_slo.collect.prometheus.config import read_groups
from pitchey_slo.collect.prometheus.fetch import client_for, fetch, trust_of
from pitchey_slo.collect.prometheus.jobs import Group, Job, ScrapeConfig
from pitchey_slo.collect.prometheus.target import Key, Target, TargetSeries, targets_of
from pitchey_slo.collect.prometheus.text import is_openmetrics
from pitchey_slo.errors import CollectError, ConfigError, PitcheyError
from pitchey_slo.series import SampleBatch

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

Sink = Callable[[SampleBatch], object]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class TargetState:
    """How a target did last: `health` is up, down or unknown (not asked yet); `error` says why it is down."""

    job: str
    url: str
    labels: dict[str, str]
    health: str = "unknown"
    error: str | None = None
    last_scrape: datetime | None = None
    seconds: float = 0.0
    samples: int = 0


class _Asked:
    """A target while it is being asked."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.series = TargetSeries(target)
        self.state = TargetState(target.job.name, target.url, dict(target.labels))
        self.task: asyncio.Task[None] | None = None
        self.turn = threading.Lock()
        self.over = False


class Scraper:
    """Scrapes what a configuration names until `stop`. `sink` gets a SampleBatch per scrape, in a worker thread, one at
    a time per target; what it raises is logged, and that scrape's samples are lost. `clock` gives the samples' time.

    Raises ConfigError when certificates or addresses make no sense.
    """

    def __init__(self, config: ScrapeConfig, sink: Sink, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.config = config
        self._sink = sink
        self._clock = clock
        self._asked: dict[Key, _Asked] = {}
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Event | None = None
        self._started = threading.Event()
        # here, not in the loop: reading the machine's certificates takes a while, and may fail
        usual = ssl.create_default_context()
        self._trust = {job.name: trust_of(job, usual) for job in config.jobs}
        for job in config.jobs:
            for target in _find(job):
                self._asked[target.key] = _Asked(target)

    @property
    def states(self) -> list[TargetState]:
        """All targets, as of their last scrape."""
        return [asked.state for asked in list(self._asked.values())]

    def start(self) -> None:
        """Begins to scrape; returns when the loop runs."""
        if self._thread is not None:
            raise RuntimeError("the scraper runs already")
        self._started.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="scraper", daemon=True)
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Ends; after it returns the sink is not called again. Scrapes under way are given up."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._done is not None:
            self._loop.call_soon_threadsafe(self._done.set)
        thread.join()

    def scrape_now(self) -> list[TargetState]:
        """Asks every target once, now, all together; for tests and for checking a configuration. Not while it runs."""
        if self._thread is not None:
            raise RuntimeError("the scraper runs already")
        asyncio.run(self._once())
        return self.states

    async def _once(self) -> None:
        try:
            self._refresh(self.config.jobs)
            await asyncio.gather(*(self._scrape(asked) for asked in list(self._asked.values())))
        finally:
            await self._close()

    async def _run(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        refreshing = [asyncio.create_task(self._keep_fresh(job)) for job in self.config.jobs if job.files]
        for asked in self._asked.values():
            asked.task = asyncio.create_task(self._keep_asking(asked))
        self._started.set()
        try:
            await self._done.wait()
        finally:
            tasks = [*refreshing, *(a.task for a in self._asked.values() if a.task)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()

    async def _close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _keep_asking(self, asked: _Asked) -> None:
        interval = asked.target.job.interval
        loop = asyncio.get_running_loop()
        at = loop.time() + (asked.target.offset() - self._clock().timestamp()) % interval
        while True:
            await asyncio.sleep(at - loop.time())
            await self._scrape(asked)
            at += interval
            late = loop.time() - at
            if late > 0:
                at += (late // interval + 1) * interval

    async def _scrape(self, asked: _Asked) -> None:
        job = asked.target.job
        client = self._client(job)
        now, start = self._clock(), time.monotonic()
        body, kind, error = b"", None, None
        try:
            body, kind = await fetch(client, asked.target.url, job)
        except PitcheyError as failure:
            error = failure.message
        seconds = time.monotonic() - start
        await asyncio.to_thread(self._take, asked, body, kind, error, now, seconds)

    def _take(
        self, asked: _Asked, body: bytes, kind: str | None, error: str | None, now: datetime, seconds: float
    ) -> None:
        """Reads an answer and hands it on; runs in a worker thread."""
        with asked.turn:
            if not asked.over:
                self._read(asked, body, kind, error, now, seconds)

    def _end(self, asked: _Asked) -> None:
        """The markers of a target that nobody asks any more."""
        with asked.turn:
            asked.over = True
            self._hand_on(asked.series.ended(now=round(self._clock().timestamp() * 1000)), asked.target)

    def _read(
        self, asked: _Asked, body: bytes, kind: str | None, error: str | None, now: datetime, seconds: float
    ) -> None:
        series, ms = asked.series, round(now.timestamp() * 1000)
        batch: SampleBatch | None = None
        if error is None:
            try:
                batch = series.scraped(body, openmetrics=is_openmetrics(kind), now=ms, seconds=seconds)
            except CollectError as failure:
                error = failure.message
        if batch is None:
            batch = series.failed(now=ms, seconds=seconds)
        if error is not None and asked.state.error != error:
            log.warning("scrape of %s (job %s) failed: %s", asked.target.url, asked.target.job.name, error)
        asked.state = TargetState(
            asked.target.job.name,
            asked.target.url,
            dict(asked.target.labels),
            "up" if error is None else "down",
            error,
            now,
            seconds,
            len(batch),
        )
        self._hand_on(batch, asked.target)

    def _hand_on(self, batch: SampleBatch, target: Target) -> None:
        try:
            self._sink(batch)
        except Exception:  # whatever a store throws, the next scrape must come
            log.exception("the samples of %s (job %s) could not be stored", target.url, target.job.name)

    def _client(self, job: Job) -> httpx.AsyncClient:
        if job.name not in self._clients:
            self._clients[job.name] = client_for(job, self._trust[job.name])
        return self._clients[job.name]

    async def _keep_fresh(self, job: Job) -> None:
        while True:
            await asyncio.sleep(min(f.refresh for f in job.files))
            gone = await asyncio.to_thread(self._refresh, [job])
            for asked in gone:
                if asked.task is not None:
                    asked.task.cancel()
                    await asyncio.gather(asked.task, return_exceptions=True)
                await asyncio.to_thread(self._end, asked)
            for asked in list(self._asked.values()):
                if asked.task is None:
                    asked.task = asyncio.create_task(self._keep_asking(asked))

    def _refresh(self, jobs: Iterable[Job]) -> list[_Asked]:
        """Reads the target files again; returns the targets that are gone. What cannot be read changes nothing."""
        gone: list[_Asked] = []
        for job in jobs:
            if not job.files:
                continue
            try:
                found = {target.key: target for target in _find(job)}
            except (CollectError, ConfigError) as error:
                log.warning("targets of job %s stay as they were: %s", job.name, error.message)
                continue
            for key, target in found.items():
                if key not in self._asked:
                    self._asked[key] = _Asked(target)
            gone += [self._asked.pop(key) for key in list(self._asked) if key[0] == job.name and key not in found]
        return gone


def _find(job: Job) -> list[Target]:
    """A job's targets, those in files as they are now."""
    groups: list[tuple[Group, dict[str, str]]] = [(group, {}) for group in job.groups]
    for files in job.files:
        for pattern in files.patterns:
            for path in sorted(Path(pattern).parent.glob(Path(pattern).name)):
                groups += [(group, {"__meta_filepath": str(path)}) for group in read_groups(path)]
    return targets_of(job, groups)
