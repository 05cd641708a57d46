"""The hot file: opening it with suspicion, upgrading its schema, reopening it after a fatal error.

Opening copies database and write-ahead log aside first when there is a log to replay (an unclean stop): replay may
remove the log, and a damaged one can replay to a silent prefix. After opening, the highest commit is compared with
the side file; a gap is written to table `gaps`, the copies are kept, and the store says so until someone runs
`pitchey-slo repair`."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pitchey_slo.errors import StoreDamaged, StoreUnavailable
from pitchey_slo.store.home import Home

log = logging.getLogger(__name__)

#: The write-ahead log is folded into the file at this size: replay of it takes about a second.
CHECKPOINT_AT = "128MB"


class Hot:
    """One DuckDB file, opened for writing by one process. `cursor()` gives every thread its own."""

    def __init__(self, home: Home, memory_limit: str, clock: Callable[[], datetime]) -> None:
        self.home = home
        self._memory_limit = memory_limit
        self._clock = clock
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._users = 0
        self._gate = threading.Condition()

    def open(self) -> None:
        """Open, upgrade, compare with the side file. Raises StoreDamaged when DuckDB cannot open the file."""
        aside = self._copy_aside()
        try:
            connection = self._connect()
            migrate(connection)
        except duckdb.Error as error:
            raise StoreDamaged(
                f"{self.home.hot} does not open: {error}; run `pitchey-slo repair`"
                + (f" (untouched copies lie in {aside})" if aside else "")
            ) from error
        self._connection = connection
        gap = self._find_gap(connection)
        if aside and not gap:
            shutil.rmtree(aside)

    def close(self) -> None:
        """Wait for the cursors in use, fold the log into the file, close."""
        with self._gate:
            self._gate.wait_for(lambda: self._users == 0, timeout=30)
            connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.execute("CHECKPOINT")
            finally:
                connection.close()

    def reopen(self) -> None:
        """After duckdb.FatalException: drop every handle (DuckDB stays invalid while one is open), open again."""
        log.error("the hot store is invalid; reopening it")
        with self._gate:
            connection, self._connection = self._connection, None
            self._gate.wait_for(lambda: self._users == 0, timeout=30)
        if connection is not None:
            connection.close()
        self.open()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one thread and one piece of work. Raises StoreUnavailable while the file is reopened."""
        with self._gate:
            if self._connection is None:
                raise StoreUnavailable("the store is opening; try again in a moment")
            cursor = self._connection.cursor()
            self._users += 1
        try:
            yield cursor
        finally:
            cursor.close()
            with self._gate:
                self._users -= 1
                self._gate.notify_all()

    def query(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        with self.cursor() as cursor:
            return cursor.sql(sql, params=list(params)).to_arrow_table()

    def last_commit(self) -> int:
        """Highest sequence number in the file; 0 when it is empty."""
        with self.cursor() as cursor:
            row = cursor.execute("SELECT coalesce(max(seq), 0) FROM commits").fetchone()
        return int(row[0]) if row else 0

    def fact(self, name: str) -> str | None:
        with self.cursor() as cursor:
            row = cursor.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return str(row[0]) if row else None

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            str(self.home.hot),
            config={
                "memory_limit": self._memory_limit,
                "checkpoint_threshold": CHECKPOINT_AT,
                # lets one INSERT use both cores; rows carry their time, their order in the file means nothing
                "preserve_insertion_order": False,
                "python_enable_replacements": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def _copy_aside(self) -> Path | None:
        if not self.home.wal.exists() or not self.home.wal.stat().st_size:
            return None
        aside = self.home.folder / f"before-open-{self._clock():%Y%m%dT%H%M%S%f}"
        aside.mkdir()
        for file in (self.home.hot, self.home.wal, self.home.sequence_file):
            if file.exists():
                shutil.copy2(file, aside / file.name)
        return aside

    def _find_gap(self, connection: duckdb.DuckDBPyConnection) -> bool:
        row = connection.execute("SELECT coalesce(max(seq), 0) FROM commits").fetchone()
        have, promised = int(row[0]) if row else 0, self.home.acknowledged()
        if promised <= have:
            return False
        log.critical("commits %d to %d were acknowledged and are missing from %s", have + 1, promised, self.home.hot)
        connection.execute("INSERT INTO gaps VALUES (?, ?, ?)", [self._clock(), have + 1, promised])
        # the next commit takes a number nobody was promised
        connection.execute("INSERT INTO commits VALUES (?, ?, 0)", [promised, self._clock()])
        return True


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Apply the numbered files of `schema/` that this file has not seen; a checkpoint follows each, so that no schema
    change ever waits in the log."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER NOT NULL, name VARCHAR NOT NULL)")
    row = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
    done = int(row[0]) if row else 0
    files = sorted(p.name for p in resources.files(__package__).joinpath("schema").iterdir() if p.name.endswith(".sql"))
    if files and done > int(files[-1][:4]):
        raise StoreDamaged(
            f"the store was written by a newer version (schema {done}, this one knows {int(files[-1][:4])}); "
            "upgrade this one"
        )
    for name in files:
        number = int(name[:4])
        if number <= done:
            continue
        connection.execute("BEGIN")
        connection.execute(resources.files(__package__).joinpath("schema", name).read_text(encoding="utf-8"))
        connection.execute("INSERT INTO migrations VALUES (?, ?)", [number, name])
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT")
