"""From hot to lake, every ten seconds: what was committed since the last time, exactly once.

The background thread also compacts (one day per round), vacuums and trims hot once an hour, and applies retention
once a day."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError

from pitchey_slo.errors import PitcheyError
from pitchey_slo.store import rollups
from pitchey_slo.store.effort import Effort
from pitchey_slo.store.engine import in_memory
from pitchey_slo.store.hot import Hot
from pitchey_slo.store.lake import Lake, plain_schema
from pitchey_slo.tables import REGISTERS, REQUEST_MINUTES, REQUESTS, ROLLUPS, STORED

log = logging.getLogger(__name__)

#: Rows per Arrow batch on the way to the lake: one row group.
CHUNK = 122_880


def flush_table(hot: Hot, lake: Lake, name: str, upto: int) -> int:
    """Bring one table's commits up to sequence number `upto` into the lake; returns the number it reached.

    Safe to repeat and to interrupt anywhere: the lake's own commit says how far it got. Rollups go before the requests
    they count: what hot still has to hand over is always enough to count the rest.
    """
    with lake.lock, hot.cursor() as cursor:
        if name == REQUEST_MINUTES.name:
            return upto  # counted when a day is over, from what is in the lake (minutes.py)
        if name == ROLLUPS.name:
            return flush_rollups(cursor, lake, upto)
        since = lake.flushed(name)
        if since >= upto:
            return since
        if name in REGISTERS:
            lake.mirror(name, cursor.sql(f"SELECT * FROM {name} ORDER BY id").to_arrow_table(), upto)
            return upto
        if not _fresh(cursor, name, since, upto):
            return upto
        if name == REQUESTS.name:
            flush_rollups(cursor, lake, upto)
        table = STORED[name]
        rows: Any = cursor.sql(
            f"""
            SELECT *, strftime({table.time}, '%Y-%m-%d') AS day FROM {name}
            WHERE commit_seq > ? AND commit_seq <= ? ORDER BY {table.order}
            """,
            params=[since, upto],
        ).to_arrow_reader(CHUNK)
        lake.append(name, pa.RecordBatchReader.from_batches(plain_schema(rows.schema), rows), upto)
        return upto


def flush_rollups(cursor: duckdb.DuckDBPyConnection, lake: Lake, upto: int) -> int:
    """Count the requests up to commit `upto` into the lake's rollups, in one append; returns the number it reached.

    Requests that the lake got before it kept rollups are counted there, once.
    """
    since, there = lake.flushed(ROLLUPS.name), lake.flushed(REQUESTS.name)
    if since >= upto:
        return since
    first = lake.table(ROLLUPS.name).version() == 0
    behind = first or since < there
    since_hot = max(since, there)
    parts: list[Iterator[pa.RecordBatch]] = []
    if behind:
        condition = "true" if first else f"commit_seq > {since} AND commit_seq <= {there}"
        parts.append(_in_thread(_from_lake(lake, condition, upto)))
    if _fresh(cursor, REQUESTS.name, since_hot, upto):
        source = f"(SELECT * FROM requests WHERE commit_seq > {since_hot} AND commit_seq <= {upto})"
        parts.append(cursor.sql(rollups.stored_sql(source, f"{upto}::BIGINT")).to_arrow_reader(CHUNK))
    batches = itertools.chain.from_iterable(parts)
    head = next(iter(batches), None)
    if head is not None:
        schema = plain_schema(head.schema)
        lake.append(ROLLUPS.name, pa.RecordBatchReader.from_batches(schema, itertools.chain([head], batches)), upto)
    return upto


def _from_lake(lake: Lake, condition: str, upto: int) -> Iterator[pa.RecordBatch]:
    """Rollup rows of the lake's requests, a day at a time so that memory is bounded."""
    for day in sorted(set(lake.days(REQUESTS.name))):
        with in_memory() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("lake_requests", lake.table(REQUESTS.name).to_pyarrow_dataset())
            source = f"(SELECT * FROM lake_requests WHERE day = '{day}' AND {condition})"
            yield from connection.sql(rollups.stored_sql(source, f"{upto}::BIGINT")).to_arrow_reader(CHUNK)


def _in_thread(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same, read in a thread of its own: deltalake cannot read a table in the thread in which it writes one."""
    with ThreadPoolExecutor(1) as reader:
        while (batch := reader.submit(next, batches, None).result()) is not None:
            yield batch


def _fresh(cursor: duckdb.DuckDBPyConnection, name: str, since: int, upto: int) -> bool:
    """Whether hot has rows of these commits."""
    found = cursor.execute(f"SELECT 1 FROM {name} WHERE commit_seq > ? AND commit_seq <= ? LIMIT 1", [since, upto])
    return bool(found.fetchall())


class Flusher:
    """The background thread. `chores` are (name, every N seconds, function)."""

    def __init__(
        self, seconds: float, flush: Callable[[], None], chores: Sequence[tuple[str, float, Callable[[], object]]]
    ):
        self._seconds = seconds
        self._flush = flush
        self._chores = chores
        self._due = {name: time.monotonic() + every for name, every, _ in chores}
        self._stop = threading.Event()
        #: monotonic time of the last flush that worked; the age of it is the lag of the lake
        self.last_success = time.monotonic()
        self.last_error: str | None = None
        #: of the flushes, written by this thread
        self.effort = Effort()
        self._thread = threading.Thread(target=self._run, name="flush", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def lag(self) -> float:
        """Seconds since the last flush that worked."""
        return time.monotonic() - self.last_success

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            begun = time.monotonic()
            if self._attempt("flush", self._flush):
                self.last_success, self.last_error = time.monotonic(), None
            else:
                self.effort.flushes_failed += 1
            self.effort.flushes += 1
            self.effort.flush_seconds += time.monotonic() - begun
            for name, every, chore in self._chores:
                if time.monotonic() >= self._due[name] and not self._stop.is_set():
                    self._attempt(name, chore)
                    self._due[name] = time.monotonic() + every

    def _attempt(self, name: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except (PitcheyError, DeltaError, duckdb.Error, OSError) as error:
            # the rows are safe in hot; the next round tries again
            log.error("%s failed: %s", name, error)
            self.last_error = f"{name}: {error}"
            return False
        return True
