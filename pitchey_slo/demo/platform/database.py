"""Where Pitchey keeps its things: the same few statements on PostgreSQL or SQLite.

Statements use `$1`, `$2`, ...; both know them. Whatever keeps an answer from coming in time is DatabaseGone.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import asyncpg

#: Seconds a statement may take, connecting included.
SECONDS: Final = 3.0
#: Connections kept open.
KEPT: Final = 5

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    role TEXT NOT NULL, password TEXT NOT NULL, created_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, created_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS pitches (id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, title TEXT NOT NULL, genre TEXT NOT NULL,
    logline TEXT NOT NULL, created_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ndas (id TEXT PRIMARY KEY,
    pitch_id TEXT NOT NULL REFERENCES pitches (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, signed_at TEXT NOT NULL,
    UNIQUE (pitch_id, user_id))""",
    """CREATE TABLE IF NOT EXISTS investments (id TEXT PRIMARY KEY,
    pitch_id TEXT NOT NULL REFERENCES pitches (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, amount DOUBLE PRECISION NOT NULL,
    currency TEXT NOT NULL, created_at TEXT NOT NULL)""",
)

Row = dict[str, Any]
_T = TypeVar("_T")


class DatabaseGone(Exception):
    """The database does not answer; `late`: it took too long to."""

    def __init__(self, message: str, *, late: bool = False) -> None:
        super().__init__(message)
        self.late = late


class Taken(Exception):
    """A value that must be unique is there already."""


class Database(Protocol):
    """Raises DatabaseGone and Taken."""

    async def open(self) -> None:
        """Make the tables that are missing."""
        ...

    async def rows(self, sql: str, *values: Any) -> list[Row]: ...

    async def change(self, sql: str, *values: Any) -> int:
        """How many rows it changed."""
        ...

    async def close(self) -> None: ...


class Sqlite:
    """One file, one connection, one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "demo-sqlite")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        await self._in_thread(self._connect)

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        return await self._in_thread(lambda: [dict(row) for row in self._run(sql, values)])

    async def change(self, sql: str, *values: Any) -> int:
        return await self._in_thread(lambda: self._run(sql, values).rowcount)

    async def close(self) -> None:
        if self._connection is not None:
            await self._in_thread(self._connection.close)
        self._thread.shutdown()

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        # a demo may lose its last second
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        for statement in SCHEMA:
            self._connection.execute(statement)

    def _run(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        assert self._connection is not None, "open it first"
        try:
            return self._connection.execute(sql, {str(i): value for i, value in enumerate(values, 1)})
        except sqlite3.IntegrityError as error:
            raise Taken(str(error)) from None
        except sqlite3.Error as error:
            raise DatabaseGone(str(error)) from None

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class Postgres:
    """A few connections to one server. One that was kept may have died meanwhile: then a fresh one is tried."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: list[asyncpg.Connection] = []

    async def open(self) -> None:
        for statement in SCHEMA:
            await self.change(statement)

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        return [dict(row) for row in await self._run(lambda c: c.fetch(sql, *values))]

    async def change(self, sql: str, *values: Any) -> int:
        told = str(await self._run(lambda c: c.execute(sql, *values)))
        last = told.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0

    async def close(self) -> None:
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    async def _run(self, work: Callable[[Any], Any]) -> Any:
        try:
            async with asyncio.timeout(SECONDS):
                while self._idle:
                    with contextlib.suppress(_Broken):
                        return await self._on(self._idle.pop(), work)
                return await self._on(await self._connect(), work)
        except TimeoutError:
            raise DatabaseGone(f"no answer within {SECONDS:g} s", late=True) from None
        except _Broken as error:
            raise DatabaseGone(str(error)) from None

    async def _connect(self) -> asyncpg.Connection:
        import asyncpg

        try:
            return await asyncpg.connect(self._dsn, timeout=SECONDS)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _Broken(str(error)) from None

    async def _on(self, connection: asyncpg.Connection, work: Callable[[Any], Any]) -> Any:
        import asyncpg

        try:
            found = await work(connection)
        except asyncpg.UniqueViolationError as error:
            self._keep(connection)
            raise Taken(str(error)) from None
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError) as error:
            connection.terminate()
            raise _Broken(str(error)) from None
        except BaseException:
            connection.terminate()
            raise
        self._keep(connection)
        return found

    def _keep(self, connection: asyncpg.Connection) -> None:
        if len(self._idle) < KEPT and not connection.is_closed():
            self._idle.append(connection)
        else:
            connection.terminate()


class _Broken(Exception):
    """This connection is of no use."""


class Gate:
    """A database that is on this machine and cannot be taken away from outside: `mode` says how it behaves."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.mode = "pass"

    async def open(self) -> None:
        await self._inner.open()

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        await self._through()
        return await self._inner.rows(sql, *values)

    async def change(self, sql: str, *values: Any) -> int:
        await self._through()
        return await self._inner.change(sql, *values)

    async def close(self) -> None:
        await self._inner.close()

    async def _through(self) -> None:
        if self.mode == "dead":
            raise DatabaseGone("connection refused")
        if self.mode == "hang":
            await asyncio.sleep(SECONDS)
            raise DatabaseGone(f"no answer within {SECONDS:g} s", late=True)


def where(url: str, standard: int) -> tuple[str, int]:
    """Host and port of an address.

    >>> where("postgresql://app:secret@db/pitchey", 5432)
    ('db', 5432)
    """
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or standard


def moved(url: str, port: int) -> str:
    """The same address on a port of this machine.

    >>> moved("postgresql://app:se@db:5432/pitchey", 9)
    'postgresql://app:se@127.0.0.1:9/pitchey'
    """
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login}{at}127.0.0.1:{port}").geturl()
