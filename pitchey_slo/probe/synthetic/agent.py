"""An agent: runs the tests of one location, anywhere, and brings what it finds to the API.

It pulls its definitions (`GET /api/monitoring/synthetic/tests`), runs them on their schedule, writes every result to
its spool and delivers from there (`POST /api/monitoring/synthetic/results`). While the API is away it goes on with the
definitions it knows, also over a restart, and what it found is delivered later with its own times. A delivery whose
answer was lost is sent again: the results' `event_id`s keep them single.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from pitchey_slo.errors import PitcheyError, StoreUnavailable, Unauthorized
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.probe.synthetic.schedule import AT_ONCE, Scheduler
from pitchey_slo.probe.synthetic.shelf import needs_base
from pitchey_slo.probe.synthetic.spool import Spool

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

TESTS: Final = "/api/monitoring/synthetic/tests"
RESULTS: Final = "/api/monitoring/synthetic/results"
#: Seconds between looks for changed definitions, and between deliveries when nothing goes wrong.
PULL_SECONDS: Final = 30.0
PUSH_SECONDS: Final = 1.0
#: Seconds until a delivery is tried again: doubled from the first to the last.
AGAIN: Final = (1.0, 60.0)
#: Rows of one delivery.
ROWS: Final = 500
KNOWN: Final = "tests.json"

#: Runs one test from a location. The engine is one; a test of ours may bring another.
RunTest = Callable[[Definition, str | None], Awaitable[Sequence[Result]]]
#: Reads a definition: (text, name of the file) -> definition.
Read = Callable[[str, str], Definition]


@dataclass(frozen=True)
class Told:
    """What the API gave: texts of definitions by name, and the address that `{{ base }}` means."""

    tests: Mapping[str, str]
    base: str | None = None


class Api:
    """The two paths an agent needs. Raises StoreUnavailable when the API is away, Unauthorized for a bad token."""

    def __init__(self, url: str, token: str | None, location: str, *, seconds: float = 30.0) -> None:
        import httpx

        self.location = location
        self._etag: str | None = None
        self._client: httpx.AsyncClient = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(seconds, connect=5.0),
            trust_env=False,  # a proxy of the environment must not see the token
        )

    async def tests(self) -> Told | None:
        """The definitions of this location; None when they are what they were last time."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        answer = await self._ask("GET", TESTS, params={"location": self.location}, headers=headers)
        if answer.status_code == 304:
            return None
        self._etag = answer.headers.get("etag")
        given = answer.json()
        return Told({t["name"]: t["definition"] for t in given["tests"]}, given.get("base"))

    async def deliver(self, rows: Sequence[Mapping[str, Any]], dropped: int) -> dict[str, Any]:
        """Store these; answers what became of them."""
        body = b"\n".join(orjson.dumps(row) for row in rows)
        answer = await self._ask(
            "POST", RESULTS, params={"location": self.location, "dropped": dropped}, content=body,
            headers={"Content-Type": "application/x-ndjson"}, also=(422,),
        )  # fmt: skip
        found: dict[str, Any] = answer.json()
        return found

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, path: str, *, also: Sequence[int] = (), **given: Any) -> httpx.Response:
        import httpx

        try:
            answer = await self._client.request(method, path, **given)
        except (httpx.HTTPError, OSError) as error:
            raise StoreUnavailable(f"{self._client.base_url}: {error or type(error).__name__}") from None
        if answer.status_code in (401, 403):
            raise Unauthorized(f"{path}: {_message(answer)}")
        if answer.status_code in (200, 304, *also):
            return answer
        raise StoreUnavailable(f"{path}: {answer.status_code} {_message(answer)}")


class Agent:
    """Runs until it is told to stop. Belongs to one event loop.

    run     makes one run of a test; read   reads a definition's text
    base    what `{{ base }}` means here; None: what the API says
    only    names of the tests to run; empty: all of this location
    """

    def __init__(
        self,
        location: str,
        api: Api,
        spool: Spool,
        run: RunTest,
        read: Read,
        *,
        base: str | None = None,
        only: Sequence[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        at_once: int = AT_ONCE,
    ) -> None:
        self.location, self.spool = location, spool
        self.scheduler = Scheduler(location, self._run, self._keep, clock=clock, at_once=at_once)
        self.tests: dict[str, Definition] = {}
        #: why the API was not reached last time; None when it was
        self.away: str | None = None
        self._api, self._engine, self._read = api, run, read
        self._base, self._only = base, tuple(only)
        self._told_base: str | None = None
        self._waiting: list[str] = []
        self._disk = asyncio.Lock()

    async def work(self, stop: asyncio.Event) -> None:
        """Pull, run and deliver until `stop`; then deliver once more."""
        self.recall()
        await self.pull()
        tasks = [asyncio.create_task(each) for each in (self._pulling(stop), self._pushing(stop))]
        try:
            await self.scheduler.work(stop)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.push()
            await self._api.close()

    async def once(self) -> list[Result]:
        """Pull, run every test once, deliver; answers what was found. Raises the API's error when there is nothing to
        run because of it, and when nothing could be delivered (which then waits in the spool)."""
        self.recall()
        await self.pull()
        if not self.tests and self.away:
            raise StoreUnavailable(self.away)
        try:
            found = await asyncio.gather(*(self.scheduler.now(name) for name in self.tests))
            await self.push()
        finally:
            await self._api.close()
        return [result for results in found for result in results]

    async def pull(self) -> bool:
        """Ask for definitions; whether the API answered. What was known before holds on when it did not."""
        try:
            told = await self._api.tests()
        except PitcheyError as error:
            self._is_away(error)
            return False
        self._is_there()
        if told is not None:
            self._use(told)
            await asyncio.to_thread(self._remember, told)
        return True

    def recall(self) -> None:
        """Definitions of an earlier life."""
        try:
            known = orjson.loads((self.spool.folder / KNOWN).read_bytes())
            self._use(Told(known["tests"], known.get("base")))
        except (OSError, ValueError, KeyError, TypeError):
            return

    async def push(self) -> bool:
        """Deliver what waits; whether all of it was."""
        while True:
            async with self._disk:
                waiting = await asyncio.to_thread(self.spool.waiting, ROWS)
                dropped = self.spool.dropped
            if waiting is None:
                return True
            try:
                answer = await self._api.deliver(waiting.rows, dropped)
            except PitcheyError as error:
                self._is_away(error)
                return False
            self._is_there()
            if refused := _refused(answer):  # the same rows would be refused again
                log.error("the API refused %s", refused)
            async with self._disk:
                await asyncio.to_thread(self.spool.delivered, waiting)
                if dropped:
                    await asyncio.to_thread(self.spool.told, dropped)

    def _use(self, told: Told) -> None:
        found = {}
        for name, text in told.tests.items():
            if self._only and name not in self._only:
                continue
            try:
                found[name] = self._read(text, f"{name}.yaml")
            except PitcheyError as error:  # written for a newer version, perhaps
                log.error("the test %s is not run: %s", name, error.message)
        waiting = [n for n, d in found.items() if needs_base(d)] if not (self._base or told.base) else []
        for name in waiting:  # it would begin nowhere, fail, and page for nothing
            del found[name]
        if waiting and waiting != self._waiting:
            log.warning("not run, since nobody said what {{ base }} means (API_BASE_URL): %s", ", ".join(waiting))
        self._waiting = waiting
        self.tests, self._told_base = found, told.base
        self.scheduler.use({name: each.interval for name, each in found.items()})

    def _remember(self, told: Told) -> None:
        path: Path = self.spool.folder / KNOWN
        draft = path.with_suffix(".draft")
        try:
            draft.write_bytes(orjson.dumps({"tests": dict(told.tests), "base": told.base}))
            draft.replace(path)
        except OSError as error:
            log.warning("%s: definitions are not kept for a restart: %s", path, error)

    async def _run(self, name: str) -> Sequence[Result]:
        definition = self.tests.get(name)
        if definition is None:  # taken away meanwhile
            return []
        async with asyncio.timeout(definition.longest + 30.0):
            found = await self._engine(definition, self._base or self._told_base)
        return [replace(r, location=self.location, source=f"agent:{self.location}") for r in found]

    async def _keep(self, results: Sequence[Result]) -> None:
        rows = [{**r.row(), "event_id": r.event_id or event_id(r)} for r in results]
        async with self._disk:
            try:
                await asyncio.to_thread(self.spool.append, rows)
            except OSError as error:
                log.error("%d results are lost: %s: %s", len(rows), self.spool.folder, error)

    def _is_away(self, error: PitcheyError) -> None:
        if self.away is None:
            log.warning("the API is away; tests run on, results wait on disk: %s", error.message)
        self.away = error.message

    def _is_there(self) -> None:
        if self.away is not None:
            log.info("the API is back; what was found meanwhile is delivered")
        self.away = None

    async def _pulling(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.sleep(PULL_SECONDS * random.uniform(0.8, 1.2))
            await self.pull()

    async def _pushing(self, stop: asyncio.Event) -> None:
        wait = AGAIN[0]
        while not stop.is_set():
            done = await self.push()
            wait = AGAIN[0] if done else min(2 * wait, AGAIN[1])
            await asyncio.sleep(PUSH_SECONDS if done else wait * random.uniform(0.5, 1.0))


def event_id(result: Result) -> str:
    """What names one result: its run, and its place in it."""
    parts = (result.run_id or uuid.uuid4().hex, result.scope, result.attempt or "", result.step or "")
    return ":".join(str(p) for p in parts)[:256]


def _refused(answer: Mapping[str, Any]) -> str:
    told = answer.get("error", {}).get("detail") or answer
    rows = told.get("rows") or []
    return f"{told['rejected']} rows: {rows[0]['message'] if rows else ''}" if told.get("rejected") else ""


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
