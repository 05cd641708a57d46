"""The store: Arrow tables in, one durable copy, any number of readers.

Two parts of one whole. *Hot* is a DuckDB file owned by one process: a row is acknowledged after its transaction is on
disk. The *lake* is a folder (or bucket) of Delta tables to which hot is flushed every ten seconds; every other
process reads only the lake, through `LakeReader`, without locks and without being able to slow the writer. What the
lake lacks is in hot; what hot trimmed is in the lake; a row is counted once.

    append/submit -> cleaning (personal data out) -> writer (group commit, duplicates out) -> hot.duckdb
                     flush every 10 s -> lake/<table>/day=.../*.parquet -> LakeReader

This room moves, keeps and counts rows (rollups are made at the flush). It does not judge them: no SLO and no rule lives
here, and it opens no port.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.errors import StoreUnavailable
from pitchey_slo.scrub import Scrubber, scrubber
from pitchey_slo.series import SampleBatch
from pitchey_slo.settings import Settings
from pitchey_slo.store import backup as _backup
from pitchey_slo.store import minutes, retention
from pitchey_slo.store.backup import Restored, restore
from pitchey_slo.store.cleaning import Cleaning
from pitchey_slo.store.dedup import Dedup
from pitchey_slo.store.effort import Disk, Effort, disk
from pitchey_slo.store.flush import Flusher, flush_table
from pitchey_slo.store.home import Home
from pitchey_slo.store.hot import Hot
from pitchey_slo.store.lake import Lake
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.store.repair import Repaired, repair
from pitchey_slo.store.retention import Removed
from pitchey_slo.store.samples import SampleReceipt, SeriesIndex
from pitchey_slo.store.tokens import Token, Tokens, digest
from pitchey_slo.store.writer import Receipt, Writer
from pitchey_slo.tables import GROWING, STORED

__all__ = [
    "Disk",
    "Effort",
    "LakeReader",
    "Receipt",
    "Removed",
    "Repaired",
    "Restored",
    "SampleReceipt",
    "Store",
    "StoreStatus",
    "Token",
    "Tokens",
    "digest",
    "repair",
    "restore",
    "utc_now",
]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class StoreStatus:
    """How the store is. `ready` False comes with a `reason` in plain words; `gaps` are ranges of commits that were
    acknowledged and are missing; `lake_lag_seconds` is the time since the last flush that worked."""

    ready: bool
    reason: str | None
    commit_seq: int
    flushed_seq: int
    queue_bytes: int
    free_bytes: int
    floor_bytes: int
    gaps: tuple[tuple[int, int], ...]
    lake_lag_seconds: float | None
    lake_error: str | None


class Store:
    """The store of one home folder, owned by this process from `open` to `close`; any thread may call any method."""

    def __init__(self, settings: Settings, home: Home, clock: Callable[[], datetime], *, background: bool) -> None:
        self.settings = settings
        self.home = home
        self._clock = clock
        self._cleaning = Cleaning(scrubber(settings))
        self._hot = Hot(self.home, settings.memory_limit, clock)
        self._hot.open()
        self._lake = Lake(settings.lake_uri, settings.storage_options, self._hot.fact("store_id") or "")
        self._reader: LakeReader | None = None
        dedup = Dedup(self._already_in_lake)
        index = SeriesIndex(
            self._samples_in_lake,
            series_limit=settings.series_limit,
            label_limit=settings.label_limit,
            late_seconds=settings.out_of_order_seconds,
        )
        with self._hot.cursor() as cursor:
            trimmed = retention.trimmed_before(cursor)
            dedup.load(cursor, trimmed)
            index.load(cursor, trimmed["samples"])
        self._dedup = dedup
        self._index = index
        self._reached = {name: self._lake.flushed(name) for name in STORED}
        # a lake that is ahead of hot (hot was lost or restored): its numbers are taken
        first = max(self._hot.last_commit(), self.home.acknowledged(), *self._reached.values())
        self._writer = Writer(self._hot, dedup, index, clock, settings.queue_limit, first)
        self._flush_lock = threading.Lock()
        self.tokens = Tokens(self._hot, self._writer, clock)
        self._gaps = tuple((int(g["first_seq"]), int(g["last_seq"])) for g in self._hot.query("FROM gaps").to_pylist())
        self._flusher = Flusher(settings.flush_seconds, self.flush, self._chores()) if background else None

    @classmethod
    def open(cls, settings: Settings, *, clock: Callable[[], datetime] = utc_now, background: bool = True) -> Store:
        """Take the home's lock, open and upgrade its files, start the writer, and with `background` the flush.

        Raises StoreLocked when another process owns the home, StoreDamaged when the file does not open.
        """
        home = Home(settings.home)
        home.lock()
        try:
            return cls(settings, home, clock, background=background)
        except BaseException:
            home.unlock()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, table: str, rows: pa.Table) -> Future[Receipt]:
        """Queue rows that conform to `HOT[table].schema`; the future resolves when they are durable.

        A stream keeps each (source, event_id) once; a register puts rows by id.
        Personal data and secrets are taken out first, by the rules of config/scrubbing.yml, in this thread.
        Raises StoreBusy, DiskFull or StoreUnavailable at once (all transient: try again later).
        """
        return self._writer.submit(table, self._cleaning.rows(table, rows))

    def append(self, table: str, rows: pa.Table) -> Receipt:
        """`submit`, and wait."""
        return self.submit(table, rows).result()

    def append_all(self, rows: Mapping[str, pa.Table]) -> dict[str, Receipt]:
        """Rows of several tables in one transaction, and wait: all of it is durable afterwards, or nothing is stored.

        Raises as `submit`.
        """
        clean = {table: self._cleaning.rows(table, part) for table, part in rows.items()}
        return self._writer.submit_all(clean).result() if rows else {}

    def samples(self, batch: SampleBatch, *, backfill: bool = False) -> Future[SampleReceipt]:
        """Queue time series samples; the future resolves when they are durable, and says which were refused and why.

        A sample equal to a stored one counts as a duplicate; `backfill` accepts samples of any age (files of history).
        """
        return self._writer.samples(self._cleaning.samples(batch), backfill=backfill)

    @property
    def scrubber(self) -> Scrubber:
        """What takes personal data out of everything that is stored here, and counts it."""
        return self._cleaning.scrubber

    def query(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        """Ask hot: the server's own fixed queries, never text from people."""
        return self._hot.query(sql, params)

    def fact(self, name: str) -> str | None:
        """What `put_fact` wrote last under this name; None before."""
        return self._hot.fact(name)

    def put_fact(self, name: str, value: str) -> None:
        """Keep a small fact in the hot file, such as how far something was read; returns when it is durable."""

        def put(cursor: duckdb.DuckDBPyConnection) -> None:
            cursor.execute("DELETE FROM facts WHERE name = ?", [name])
            cursor.execute("INSERT INTO facts VALUES (?, ?)", [name, value])

        self._writer.write(put).result()

    def flush(self) -> None:
        """Bring everything committed so far into the lake. Idempotent; also runs every `flush_seconds`."""
        with self._flush_lock:
            for name in STORED:
                upto = self._writer.touched[name]
                if upto > self._reached[name]:
                    self._reached[name] = flush_table(self._hot, self._lake, name, upto)

    def compact(self) -> None:
        """Merge small files of the lake, one day per table; the background does this after flushes.

        Samples of a day that is over are rewritten sorted by series, so that a query for few series reads little;
        requests of such days are counted per minute, a few days at a time.
        """
        with self._lake.lock:
            self._lake.sort_past_day("samples", self._clock())
            minutes.count_past_days(self._lake, self._clock())
            for name in GROWING:
                self._lake.compact(name)

    def vacuum(self) -> None:
        """Remove lake files that no recent version needs."""
        with self._lake.lock:
            for name in STORED:
                self._lake.vacuum(name)

    def trim(self) -> dict[str, int]:
        """Remove from hot what happened more than `hot_days` ago and lies in the lake; returns rows per stream."""
        self.flush()
        return retention.trim_hot(
            self._lake, self._writer, self._dedup, self._index, self._clock(), self.settings.hot_days
        )

    def apply_retention(self, *, dry_run: bool = False) -> list[Removed]:
        """Remove what is older than each table's retention, in hot and lake; with `dry_run` only count it."""
        self.flush()
        keep = {name: self.settings.keep_days(name) for name in STORED}
        now = self._clock()
        removed = retention.apply(self._hot, self._lake, self._writer, keep, now, dry_run=dry_run)
        if not dry_run:
            retention.thin_commits(self._writer, now)
            self.flush()
        return removed

    def backup(self, folder: Path) -> Path:
        """Write a consistent, verified copy of hot and lake below `folder` while everything runs; returns its path."""
        return _backup.backup(self._hot, self._lake, folder, self._clock())

    def status(self) -> StoreStatus:
        """Cheap enough for a probe every second."""
        reason = None
        try:
            with self._hot.cursor() as cursor:
                cursor.execute("SELECT 1").fetchone()
            self.home.check_space()
        except StoreUnavailable as error:
            reason = error.message
        except duckdb.Error as error:
            reason = f"the store does not answer: {error}"
        except OSError as error:
            reason = f"{self.home.folder}: {error}"
        except Exception as error:  # noqa: BLE001  # DiskFull and whatever else: a probe answers, it does not raise
            reason = str(error)
        return StoreStatus(
            ready=reason is None,
            reason=reason,
            commit_seq=self._writer.seq,
            flushed_seq=min(
                self._writer.seq if self._reached[n] >= self._writer.touched[n] else self._reached[n] for n in STORED
            ),
            queue_bytes=self._writer.queue_bytes,
            free_bytes=self.home.free_bytes(),
            floor_bytes=self.home.floor_bytes(),
            gaps=self._gaps,
            lake_lag_seconds=self._flusher.lag() if self._flusher else None,
            lake_error=self._flusher.last_error if self._flusher else None,
        )

    def effort(self) -> Effort:
        """What was committed and flushed since `open`, and how long that took."""
        flushed = self._flusher.effort if self._flusher else Effort()
        return replace(
            self._writer.effort,
            series=len(self._index),
            flushes=flushed.flushes,
            flushes_failed=flushed.flushes_failed,
            flush_seconds=flushed.flush_seconds,
        )

    def disk(self) -> Disk:
        """What the store takes of this machine's disk."""
        lake = None if "://" in self.settings.lake_uri else Path(self.settings.lake_uri)
        return disk(self.home.hot, self.home.wal, lake)

    def close(self) -> None:
        """Commit what waits, flush to the lake, fold the log into the file, release the lock."""
        if self._flusher is not None:
            self._flusher.close()
        self._writer.close()
        try:
            self.flush()
        finally:
            self._hot.close()
            self.home.unlock()

    def _chores(self) -> list[tuple[str, float, Callable[[], object]]]:
        hour = 3_600.0
        return [
            ("compact", 60.0, self.compact),
            ("trim", hour, self.trim),
            ("vacuum", hour, self.vacuum),
            ("retention", 24 * hour, self.apply_retention),
        ]

    def _samples_in_lake(self, late: pa.Table) -> pa.Table:
        """Which late samples (row, series_id, ts) the lake holds, with their values; the writer's thread asks."""
        return self._lake_reader().samples_there(late)

    def _already_in_lake(self, table: str, candidates: pa.Table) -> NDArray[np.int64]:
        """Positions of the candidates (source, event_id, ts, position) that the lake holds; the writer's thread
        asks."""
        return self._lake_reader().already_there(table, candidates)

    def _lake_reader(self) -> LakeReader:
        if self._reader is None:
            self._reader = LakeReader(self.settings.lake_uri, self.settings.storage_options, self.settings.memory_limit)
        return self._reader
