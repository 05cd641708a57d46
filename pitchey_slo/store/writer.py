"""The one writer: a thread that commits whatever waits as one transaction (group commit).

A caller hands in rows and gets a future. The future resolves after COMMIT and the sync of the side file, so a
resolved future is a stored row. While one transaction is being written the next group gathers: one sync serves all
that waited, and the group grows by itself when the disk is slow or the load is high."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pitchey_slo.errors import PitcheyError, StoreBusy, StoreError, StoreUnavailable
from pitchey_slo.series import SampleBatch
from pitchey_slo.store.dedup import Dedup
from pitchey_slo.store.effort import Effort
from pitchey_slo.store.hot import Hot
from pitchey_slo.store.samples import SampleReceipt, SeriesIndex
from pitchey_slo.store.seen import Hashes
from pitchey_slo.tables import HOT, SAMPLES, SERIES, STORED, STREAMS

log = logging.getLogger(__name__)

#: Rows of one transaction, at most: above it a group is split, so that nobody waits long for a bulk load.
GROUP_ROWS = 1_000_000
#: Rows per Arrow chunk of an INSERT: small enough for both cores to share the work.
CHUNK_ROWS = 20_480

Action = Callable[[duckdb.DuckDBPyConnection], Any]


@dataclass(frozen=True)
class Receipt:
    """What became of a delivery: rows stored, rows that were there before, and the commit that holds them."""

    stored: int
    duplicates: int
    commit_seq: int


@dataclass
class Job:
    """One delivery (`table`, `rows`), several that belong together (`parts`) or one small change (`action`), and who
    waits for it."""

    table: str = ""
    rows: Any = None  # pa.Table; pyarrow ships no types
    parts: tuple[Job, ...] = ()
    action: Action | None = None
    changes: tuple[str, ...] = ()
    samples: SampleBatch | None = None
    backfill: bool = False
    size: int = 0
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Owns all writes to hot. `submit` and `write` may be called from any thread."""

    def __init__(
        self,
        hot: Hot,
        dedup: Dedup,
        index: SeriesIndex,
        clock: Callable[[], datetime],
        queue_limit: int,
        first_seq: int,
    ) -> None:
        self._hot = hot
        self._dedup = dedup
        self._index = index
        self._clock = clock
        self._queue_limit = queue_limit
        self._queue: deque[Job] = deque()
        self._queued = 0
        self._wake = threading.Condition()
        self._closed = False
        self._space_checked = 0.0
        self.seq = first_seq
        #: last commit that touched a table; the flush reads it to know what is new
        self.touched: dict[str, int] = dict.fromkeys(STORED, first_seq)
        #: of the commits, written by the writer's thread
        self.effort = Effort()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def queue_bytes(self) -> int:
        return self._queued

    def submit(self, table: str, rows: pa.Table) -> Future[Receipt]:
        """Queue rows that conform to the table's schema. Raises StoreBusy, DiskFull or StoreUnavailable at once."""
        self._check_space()
        return self._enqueue(_delivery(table, rows))

    def submit_all(self, rows: Mapping[str, pa.Table]) -> Future[dict[str, Receipt]]:
        """`submit` for several tables in one transaction: all of it is stored, or nothing."""
        self._check_space()
        parts = tuple(_delivery(table, part) for table, part in rows.items())
        return self._enqueue(Job(parts=parts, size=sum(part.size for part in parts)))

    def samples(self, batch: SampleBatch, *, backfill: bool) -> Future[SampleReceipt]:
        """Queue samples. Raises StoreBusy, DiskFull or StoreUnavailable at once."""
        self._check_space()
        return self._enqueue(Job(samples=batch, backfill=backfill, size=24 * len(batch)))

    def write(self, action: Action, *, changes: tuple[str, ...] = ()) -> Future[Any]:
        """Run `action(connection)` inside the writer's next transaction; resolves to what it returns.

        `changes` names the registers it changes, so that the lake mirrors them again.
        """
        return self._enqueue(Job(action=action, changes=changes))

    def close(self) -> None:
        """Commit what waits, then stop."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _enqueue(self, job: Job) -> Future[Any]:
        with self._wake:
            if self._closed:
                raise StoreUnavailable("the store is closing; try again in a moment")
            if self._queued and self._queued + job.size > self._queue_limit:
                raise StoreBusy(
                    f"{self._queued:,} bytes wait to be written (limit {self._queue_limit:,}); try again in a moment"
                )
            self._queue.append(job)
            self._queued += job.size
            self._wake.notify()
        return job.future

    def _check_space(self) -> None:
        if time.monotonic() - self._space_checked > 1:
            self._hot.home.check_space()
            self._space_checked = time.monotonic()

    def _run(self) -> None:
        while group := self._next_group():
            self._commit_or_answer(group)
            with self._wake:
                self._queued -= sum(job.size for job in group)

    def _next_group(self) -> list[Job]:
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closed)
            group, rows = [], 0
            while self._queue and rows < GROUP_ROWS:
                job = self._queue.popleft()
                rows += sum(part.rows.num_rows for part in (job.parts or (job,)) if part.rows is not None)
                group.append(job)
            return group

    def _commit_or_answer(self, group: list[Job]) -> None:
        """Commit the group; when that fails, each job alone, so that one bad job fails by itself."""
        try:
            results = self._commit(group)
        except (duckdb.FatalException, StoreUnavailable) as error:
            # whether the transaction is on disk is unknown: the sender must ask again, event ids keep it single
            self._refuse(group, StoreUnavailable(f"the store is being reopened: {error}"))
            self._recover()
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the callers, the writer must live on
            if len(group) > 1:
                for job in group:
                    self._commit_or_answer([job])
            else:
                self._refuse(group, error)
        else:
            for job, result in zip(group, results, strict=True):
                _answer(job, result)

    def _commit(self, group: list[Job]) -> list[Any]:
        seq, begun = self.seq + 1, time.monotonic()
        with self._hot.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                transaction = _Transaction(cursor, self._dedup, self._index, seq, self._clock())
                results = transaction.run(group)
                cursor.execute("INSERT INTO commits VALUES (?, ?, ?)", [seq, self._clock(), transaction.stored])
                cursor.execute("COMMIT")
            except duckdb.FatalException:
                raise
            except Exception:
                with contextlib.suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                if any(job.samples is not None for job in group):
                    self._index.reload(cursor)  # it may know series and times that were not stored
                raise
        self._hot.home.acknowledge(seq)
        self.seq = seq
        self.effort.commits += 1
        self.effort.commit_seconds += time.monotonic() - begun
        self.effort.commit_bytes += sum(job.size for job in group)
        self.effort.commit_rows += transaction.stored
        for table, hashes in transaction.new_hashes:
            self._dedup.remember(table, hashes)
        for table in transaction.tables:
            self.touched[table] = seq
        return results

    def _recover(self) -> None:
        try:
            self._hot.reopen()
            with self._hot.cursor() as cursor:
                self._dedup.reload(cursor)
                self._index.reload(cursor)
            self.seq = max(self.seq, self._hot.last_commit())
            self.touched = dict.fromkeys(STORED, self.seq)  # the last transaction may have reached the disk after all
        except (PitcheyError, duckdb.Error):
            log.exception("the store could not be reopened; the next write tries again")

    def _refuse(self, group: list[Job], error: Exception) -> None:
        if isinstance(error, duckdb.Error) and not isinstance(error, PitcheyError):
            log.error("commit failed: %s", error)
            error = StoreUnavailable(f"the store could not write this: {error}")
        for job in group:
            with contextlib.suppress(InvalidStateError):
                job.future.set_exception(error)


def _delivery(table: str, rows: pa.Table) -> Job:
    expected = HOT[table].schema
    if rows.schema != expected:
        raise StoreError(f"{table}: rows have schema {rows.schema.names}, expected {expected.names}")
    return Job(table=table, rows=rows, size=rows.nbytes)


def _answer(job: Job, result: Any) -> None:
    with contextlib.suppress(InvalidStateError):  # the caller went away
        job.future.set_result(result)


class _Transaction:
    """What one transaction does with its jobs."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, dedup: Dedup, index: SeriesIndex, seq: int, now: datetime
    ) -> None:
        self._cursor = cursor
        self._dedup = dedup
        self._index = index
        self._seq = seq
        self._now = now
        self.stored = 0
        self.tables: set[str] = set()
        self.new_hashes: list[tuple[str, Hashes]] = []

    def run(self, group: list[Job]) -> list[Any]:
        """One result per job, in order."""
        results: dict[int, Any] = {}
        deliveries = [part for job in group for part in (job.parts or (job,)) if part.table]
        for table in dict.fromkeys(job.table for job in deliveries):
            jobs = [job for job in deliveries if job.table == table]
            receipts = self._append(table, jobs) if table in STREAMS else [self._put(table, job) for job in jobs]
            results |= {id(job): receipt for job, receipt in zip(jobs, receipts, strict=True)}
        for job in group:
            if job.parts:
                results[id(job)] = {part.table: results[id(part)] for part in job.parts}
            if job.samples is not None:
                results[id(job)] = self._sample(job.samples, backfill=job.backfill)
            if job.action:
                results[id(job)] = job.action(self._cursor)
                self.tables.update(job.changes)
        return [results[id(job)] for job in group]

    def _append(self, table: str, jobs: list[Job]) -> list[Receipt]:
        rows = pa.concat_tables([job.rows for job in jobs])
        keep, hashes = self._dedup.split(self._cursor, table, rows)
        fresh = rows if keep.all() else rows.filter(pa.array(keep))
        self._insert(table, fresh)
        self.new_hashes.append((table, hashes))
        ends = np.cumsum([job.rows.num_rows for job in jobs])
        kept = [int(part.sum()) for part in np.split(keep, ends[:-1])]
        return [
            Receipt(stored=n, duplicates=job.rows.num_rows - n, commit_seq=self._seq)
            for job, n in zip(jobs, kept, strict=True)
        ]

    def _put(self, table: str, job: Job) -> Receipt:
        """Put rows by id: the last one of a delivery wins over earlier ones and over what is stored."""
        rows = job.rows
        last = {key: i for i, key in enumerate(rows.column("id").to_pylist())}
        fresh = rows.take(pa.array(sorted(last.values()), type=pa.int64()))
        self._cursor.register("put", fresh)
        try:
            self._cursor.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM put)")
        finally:
            self._cursor.unregister("put")
        self._insert(table, fresh)
        return Receipt(stored=fresh.num_rows, duplicates=rows.num_rows - fresh.num_rows, commit_seq=self._seq)

    def _sample(self, batch: SampleBatch, *, backfill: bool) -> SampleReceipt:
        admitted = self._index.admit(self._cursor, batch, self._now, backfill=backfill)
        self._insert(SERIES.name, admitted.series)
        self._insert(SAMPLES.name, admitted.samples)
        return SampleReceipt(
            stored=admitted.samples.num_rows,
            duplicates=admitted.duplicates,
            refused=admitted.refused,
            counts=admitted.counts,
            commit_seq=self._seq,
        )

    def _insert(self, table: str, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        chunks = pa.Table.from_batches(rows.to_batches(max_chunksize=CHUNK_ROWS), schema=rows.schema)
        self._cursor.register("fresh", chunks)
        try:
            self._cursor.execute(f"INSERT INTO {table} SELECT *, {self._seq}::BIGINT FROM fresh")
        finally:
            with contextlib.suppress(duckdb.Error):  # of an aborted transaction: it would hide the cause
                self._cursor.unregister("fresh")
        self.stored += rows.num_rows
        self.tables.add(table)
