"""Which rows of a delivery are new: the same `source` and `event_id` is stored once, however often it is sent.

Three looks, the cheap one first. (1) A set of 64-bit hashes of all pairs in hot says "certainly new" for nearly every
row. (2) The rest is compared exactly with hot by a semi-join. (3) Rows older than what hot still keeps are compared
with the lake, pruned to the files that cover their times: a repeated delivery of the same event carries the same
time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pitchey_slo.store.engine import in_memory
from pitchey_slo.store.seen import Hashes, Seen
from pitchey_slo.tables import STREAMS

#: (table, candidates with columns position, source, event_id, ts) -> positions that the lake already holds
LakeLookup = Callable[[str, pa.Table], NDArray[np.int64]]

_HASH = "hash(source, event_id)"


class Dedup:
    """Knows what hot holds; asked by the one writer only."""

    def __init__(self, lake_lookup: LakeLookup) -> None:
        self._lake_lookup = lake_lookup
        self._seen = {name: Seen() for name in STREAMS}
        self._trimmed_before: dict[str, datetime | None] = dict.fromkeys(STREAMS)

    @functools.cached_property
    def _hasher(self) -> duckdb.DuckDBPyConnection:
        """An engine of its own: the hot one may return rows in any order (preserve_insertion_order is off)."""
        return in_memory(threads=1)

    def load(self, cursor: duckdb.DuckDBPyConnection, trimmed_before: dict[str, datetime | None]) -> None:
        """Read what hot holds; after opening and after rows were removed from hot."""
        self._trimmed_before = trimmed_before
        self.reload(cursor)

    def reload(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Read it again after the hot file was reopened."""
        for table, seen in self._seen.items():
            seen.clear()
            found = cursor.execute(f"SELECT {_HASH} AS h FROM {table} WHERE event_id IS NOT NULL").fetchnumpy()
            seen.add(np.sort(np.asarray(found["h"], dtype=np.uint64)))

    def split(self, cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> tuple[NDArray[np.bool_], Hashes]:
        """Mask of the rows to store, and the sorted hashes to `remember` once they are committed."""
        keep = np.ones(rows.num_rows, dtype=np.bool_)
        if rows.column("event_id").null_count == rows.num_rows:
            return keep, np.empty(0, dtype=np.uint64)
        hashes = self._hash(rows)
        named = np.asarray(rows.column("event_id").is_valid())
        old = self._older_than_hot(table, rows) & named
        # one sort serves both looks, and searching in order is several times faster than searching at random
        ordered = np.sort(hashes if named.all() else hashes[named])
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        known = ordered[self._seen[table].contains(ordered)]
        if len(twice) or len(known):
            suspects = np.isin(hashes, np.concatenate([twice, known])) & named
            keep[self._exact(cursor, table, rows, np.flatnonzero(suspects))] = False
        old &= keep
        if old.any():
            keep[self._lake_lookup(table, _candidates(rows, np.flatnonzero(old)))] = False
        return keep, ordered if keep.all() else np.sort(hashes[named & keep])

    def remember(self, table: str, hashes: Hashes) -> None:
        self._seen[table].add(hashes)

    def _hash(self, rows: pa.Table) -> Hashes:
        self._hasher.register("delivery", rows.select(["source", "event_id"]))
        try:
            found = self._hasher.execute(f"SELECT {_HASH} AS h FROM delivery").fetchnumpy()
        finally:
            self._hasher.unregister("delivery")
        return np.asarray(found["h"], dtype=np.uint64)

    def _older_than_hot(self, table: str, rows: pa.Table) -> NDArray[np.bool_]:
        limit = self._trimmed_before[table]
        if limit is None:
            return np.zeros(rows.num_rows, dtype=np.bool_)
        return np.asarray(pc.less(rows.column("ts"), pa.scalar(limit, type=rows.schema.field("ts").type)))

    def _exact(
        self, cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, positions: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Positions among `positions` that hot holds already or that repeat an earlier row of the delivery."""
        cursor.register("candidates", _candidates(rows, positions))
        try:
            found = cursor.execute(
                f"""
                SELECT position FROM candidates SEMI JOIN {table} USING (source, event_id)
                UNION
                SELECT position FROM candidates
                QUALIFY row_number() OVER (PARTITION BY source, event_id ORDER BY position) > 1
                """
            ).fetchnumpy()
        finally:
            cursor.unregister("candidates")
        return np.asarray(found["position"], dtype=np.int64)


def _candidates(rows: pa.Table, positions: NDArray[np.int64]) -> pa.Table:
    taken = rows.select(["source", "event_id", "ts"]).take(pa.array(positions))
    return taken.append_column("position", pa.array(positions))
