"""The whole platform in a thread of its own: listeners, database, cache, faults."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pitchey_slo.demo.platform.app import App
from pitchey_slo.demo.platform.cache import Cache
from pitchey_slo.demo.platform.call import new_id, now
from pitchey_slo.demo.platform.control import Control
from pitchey_slo.demo.platform.database import Database, Gate, Postgres, Sqlite, moved, where
from pitchey_slo.demo.platform.faults import CERTIFICATES, Faults
from pitchey_slo.demo.platform.http import Listener
from pitchey_slo.demo.platform.proxy import Mode, Proxy
from pitchey_slo.demo.platform.sender import Sender, Sink
from pitchey_slo.errors import ConfigError, StoreUnavailable

log = logging.getLogger(__name__)

#: Certificate and key, both PEM files.
Pair = tuple[Path, Path]
_HOUSE: Final = ("00000000000000000000000000000001", "house@pitchey.example", "The house")
_FIRST: Final = (
    ("The Lighthouse Keeper's Daughter", "drama", "A keeper's daughter lights the lamp for a ship that sank."),
    ("Six Minutes to Midnight Bus", "comedy", "Three strangers miss the last bus and find a better way home."),
    ("Undertow", "thriller", "A diver finds a car in the harbour, and somebody who waits for it."),
)


class Platform:
    """A context manager. `url` is where users go, `control` where faults are switched.

    database       `postgresql://...`; None keeps things in the SQLite file `folder/platform.sqlite`
    redis          `redis://...`; None: no cache
    certificates   "good" and, for the faults, "expired", "wrong_host", "self_signed"; without "good" it speaks HTTP
    sink           takes rows of `requests`, such as `door.append`; None: nothing is written down
    clock          gives the times of those rows
    `database_url` and `redis_url` are where checks must look, so that they see the faults too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        database: str | None = None,
        redis: str | None = None,
        certificates: Mapping[str, Pair] | None = None,
        sink: Sink | None = None,
        location: str = "local",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder, self._host, self._port = folder, host, port
        self._dsn, self._redis, self._location, self._clock = database, redis, location, clock
        self._certificates = dict(certificates or {})
        self._tls = _context(self._certificates)
        self._sender = Sender(sink)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="demo-platform", daemon=True)
        self._proxies: dict[str, Proxy] = {}
        self._gate: Gate | None = None
        self._cache: Cache | None = None
        self._public: Listener | None = None
        self._private: Listener | None = None
        self._certificate = "good"
        self.faults = Faults()
        self.url = self.control = ""
        self.database_url: str | None = None
        self.redis_url: str | None = None

    def __enter__(self) -> Platform:
        self._thread.start()
        try:
            self._ask(self._start()).result(30)
        except BaseException as error:
            self.__exit__(None, None, None)
            if isinstance(error, OSError):
                raise StoreUnavailable(f"the platform cannot listen on {self._host}:{self._port}: {error}") from None
            raise
        self.faults.told = self._apply_now
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.told = lambda: None
        self._ask(self._end()).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._sender.close()

    @property
    def sent(self) -> int:
        """Rows that the workbench has taken."""
        return self._sender.sent

    def flush(self) -> None:
        """Hand what was answered to the sink now; it does so once a second anyway."""
        self._sender.flush()

    def _ask(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _start(self) -> None:
        gate = self._gate = Gate(await self._database())
        cache = self._cache = Cache(await self._behind("cache", self._redis, 6_379))
        self.redis_url = None if self._redis is None else moved(self._redis, self._proxies["cache"].port)
        await gate.open()
        await _furnish(gate)
        app = App(gate, cache, self.faults, self._sender.note, self._location, self._clock)
        self._public = Listener(app.answer, talk=app.talk, tls=self._tls)
        await self._public.open(self._host, self._port)
        self._private = Listener(Control(self.faults).answer)
        await self._private.open("127.0.0.1", 0)
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://{self._host}:{self._public.port}"
        self.control = f"http://127.0.0.1:{self._private.port}"

    async def _database(self) -> Database:
        if self._dsn is None:
            return Sqlite(self._folder / "platform.sqlite")
        self.database_url = await self._behind("database", self._dsn, 5_432)
        return Postgres(self.database_url or self._dsn)

    async def _behind(self, name: str, url: str | None, standard: int) -> str | None:
        """The address of a proxy in front of `url`."""
        if url is None:
            return None
        proxy = self._proxies[name] = Proxy(*where(url, standard))
        await proxy.open()
        return moved(url, proxy.port)

    async def _end(self) -> None:
        for part in (self._public, self._private, self._cache, self._gate, *self._proxies.values()):
            if part is not None:
                try:
                    await part.close()
                except OSError as error:
                    log.warning("ending %s: %s", type(part).__name__, error)

    def _apply_now(self) -> None:
        """Faults hold when the call that changed them returns; from the platform's own thread, soon after."""
        asked = self._ask(self._apply())
        if threading.current_thread() is not self._thread:
            asked.result(10)

    async def _apply(self) -> None:
        faults, public = self.faults, self._public
        assert public is not None and self._gate is not None
        database: Mode = _mode(faults, "database")
        if "database" in self._proxies:
            await self._proxies["database"].use(database)
        else:
            self._gate.mode = database
        if "cache" in self._proxies:
            await self._proxies["cache"].use(_mode(faults, "cache"))
        self._present(next((name for name in CERTIFICATES if name in faults), "good"))
        public.hanging = "hang" in faults
        if "refused" in faults:
            await public.close()
        else:
            await public.open()

    def _present(self, certificate: str) -> None:
        """Show that certificate to whoever connects from now on."""
        if certificate == self._certificate:
            return
        if self._tls is None or certificate not in self._certificates:
            log.warning("the platform has no certificate %r: the fault changes nothing", certificate)
            return
        self._tls.load_cert_chain(*self._certificates[certificate])
        self._certificate = certificate


def _context(certificates: Mapping[str, Pair]) -> ssl.SSLContext | None:
    if not certificates:
        return None
    if "good" not in certificates:
        raise ConfigError("no good certificate", key="certificates", hint="give the pair named good")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.options |= ssl.OP_NO_TICKET  # so that everybody sees a new certificate at once
    context.load_cert_chain(*certificates["good"])
    return context


def _mode(faults: Faults, part: str) -> Mode:
    return "dead" if f"dead_{part}" in faults else "hang" if f"hanging_{part}" in faults else "pass"


async def _furnish(database: Database) -> None:
    """A first user with first pitches, so that lists are not empty."""
    number, email, name = _HOUSE
    if await database.rows("SELECT id FROM users WHERE id = $1", number):
        return
    await database.change(
        "INSERT INTO users (id, email, name, role, password, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        number, email, name, "creator", ":", now(),
    )  # fmt: skip
    for title, genre, logline in _FIRST:
        await database.change(
            "INSERT INTO pitches (id, user_id, title, genre, logline, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            new_id(), number, title, genre, logline, now(),
        )  # fmt: skip
