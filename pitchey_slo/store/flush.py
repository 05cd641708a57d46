"""From hot to lake, every ten seconds: what was committed since the last time, exactly once.

The background thread also compacts (one day per round), vacuums and trims hot once an hour, and applies retention
once a day."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError

from pitchey_slo.errors import PitcheyError
from pitchey_slo.store.hot import Hot
from pitchey_slo.store.lake import Lake
from pitchey_slo.tables import REGISTERS, STORED

log = logging.getLogger(__name__)


def flush_table(hot: Hot, lake: Lake, name: str, upto: int) -> int:
    """Bring one table's commits up to sequence number `upto` into the lake; returns the number it reached.

    Safe to repeat and to interrupt anywhere: the lake's own commit says how far it got.
    """
    with lake.lock, hot.cursor() as cursor:
        since = lake.flushed(name)
        if since >= upto:
            return since
        if name in REGISTERS:
            lake.mirror(name, cursor.sql(f"SELECT * FROM {name} ORDER BY id").to_arrow_table(), upto)
            return upto
        fresh = "commit_seq > ? AND commit_seq <= ?"
        if not cursor.execute(f"SELECT 1 FROM {name} WHERE {fresh} LIMIT 1", [since, upto]).fetchall():
            return upto
        table = STORED[name]
        rows: Any = cursor.sql(
            f"""
            SELECT *, strftime({table.time}, '%Y-%m-%d') AS day FROM {name}
            WHERE {fresh} ORDER BY {table.order}
            """,
            params=[since, upto],
        ).to_arrow_reader(122_880)
        lake.append(name, pa.RecordBatchReader.from_batches(_plain(rows.schema), rows), upto)
        return upto


def _plain(schema: pa.Schema) -> pa.Schema:
    """DuckDB hands out `timestamp[us, tz=UTC]` under the session's zone name; the lake wants exactly UTC."""
    return pa.schema(
        [pa.field(f.name, pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(f.type) else f.type) for f in schema]
    )


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
            if self._attempt("flush", self._flush):
                self.last_success, self.last_error = time.monotonic(), None
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
