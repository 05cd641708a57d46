"""Which samples are taken: the index of all series, their newest samples, and the rules of order.

Per series the newest sample decides. Newer: taken. Same time: a duplicate when the bits are the same, refused
otherwise (the first wins). Older: taken when it is not older than the out-of-order window and its time is free. New
series are refused beyond the limit while existing ones keep flowing. Only the writer's thread asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.names import FUTURE_SECONDS
from pitchey_slo.series import SAMPLE_REASONS, Labels, RefusedSample, SampleBatch, series_id
from pitchey_slo.tables import SAMPLES, SERIES

#: Longest label name and value in characters (VictoriaMetrics' limits).
LONGEST_NAME, LONGEST_VALUE = 256, 4_096
#: A refused delivery lists so many samples, and counts all.
EXAMPLES = 20

#: late samples (columns row, series_id, ts) -> columns row, value of those that the lake holds
LakeLookup = Callable[[pa.Table], pa.Table]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class SampleReceipt:
    """What became of a delivery: samples stored, samples that were there before, `counts` of refused ones per reason
    (of `SAMPLE_REASONS`) and the first of them in `refused`, and the commit."""

    stored: int
    duplicates: int
    refused: list[RefusedSample]
    counts: dict[str, int]
    commit_seq: int


@dataclass(frozen=True)
class Admitted:
    """Rows to insert, and what was left out."""

    series: pa.Table
    samples: pa.Table
    duplicates: int
    refused: list[RefusedSample]
    counts: dict[str, int]


class SeriesIndex:
    """Labels -> position; per position the series' id, its newest time (ms) and value."""

    def __init__(self, lake_lookup: LakeLookup, *, series_limit: int, label_limit: int, late_seconds: int) -> None:
        self._lake_lookup = lake_lookup
        self._series_limit = series_limit
        self._label_limit = label_limit
        self._late_ms = late_seconds * 1_000
        self._positions: dict[Labels, int] = {}
        self._known_ids: set[int] = set()
        self._ids = np.empty(0, dtype=np.int64)
        self._newest = np.empty(0, dtype=np.int64)
        self._value = np.empty(0, dtype=np.float64)
        self._trimmed_ms = _NEVER

    def __len__(self) -> int:
        return len(self._positions)

    def load(self, cursor: duckdb.DuckDBPyConnection, trimmed_before: datetime | None) -> None:
        """Read all series and their newest samples; what was trimmed from hot counts as taken up to that time."""
        self._trimmed_ms = round(trimmed_before.timestamp() * 1_000) if trimmed_before else _NEVER
        self.reload(cursor)

    def reload(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Read it again: after a transaction failed or the file was reopened."""
        rows = cursor.execute(
            """
            SELECT series_id, labels, coalesce(epoch_ms(newest), ?) AS newest, coalesce(value, 0) AS value
            FROM series LEFT JOIN (
                SELECT series_id, max(ts) AS newest, arg_max(value, ts) AS value FROM samples GROUP BY series_id
            ) USING (series_id)
            """,
            [self._trimmed_ms],
        ).fetchnumpy()
        self._ids = np.asarray(rows["series_id"], dtype=np.int64)
        self._newest = np.asarray(rows["newest"], dtype=np.int64)
        self._value = np.asarray(rows["value"], dtype=np.float64)
        self._known_ids = set(self._ids.tolist())
        self._positions = {tuple(orjson.loads(text).items()): position for position, text in enumerate(rows["labels"])}

    def admit(
        self, cursor: duckdb.DuckDBPyConnection, batch: SampleBatch, now: datetime, *, backfill: bool = False
    ) -> Admitted:
        """Decide every sample of a delivery. The index takes the admitted ones as stored: `reload` it when they are
        not."""
        told = _Refusals(list(batch.refused))
        positions, fresh = self._resolve(batch.labels, told)
        position = positions[batch.series]
        told.count_known(batch.series[position < 0])
        future = batch.ts > round(now.timestamp() * 1_000) + FUTURE_SECONDS * 1_000
        told.add("too_far_in_future", batch.series[future & (position >= 0)])

        taken = np.flatnonzero((position >= 0) & ~future)
        taken = taken[np.lexsort((batch.ts[taken], position[taken]))]
        where, ts, value, origin = position[taken], batch.ts[taken], batch.value[taken], batch.series[taken]
        bits = value.view(np.int64)

        first = np.ones(len(taken), dtype=np.bool_)
        first[1:] = (where[1:] != where[:-1]) | (ts[1:] != ts[:-1])
        leader = np.maximum.accumulate(np.where(first, np.arange(len(taken)), 0))
        same = bits == bits[leader]
        duplicates = ~first & same
        conflict = ~first & ~same

        newest, last_bits = self._newest[where], self._value.view(np.int64)[where]
        again = first & (ts == newest)
        duplicates |= again & (bits == last_bits)
        conflict |= again & (bits != last_bits)
        older = first & (ts < newest)
        if not backfill:
            too_old = older & (ts < np.maximum(newest - self._late_ms, self._trimmed_ms))
            told.add("too_old", origin[too_old])
            older &= ~too_old
        accept = first & (ts > newest)
        if older.any():
            free, equal = self._look_up(cursor, np.flatnonzero(older), where, ts, bits)
            accept[free] = True
            duplicates[equal] = True
            conflict |= older & ~accept & ~duplicates
        told.add("duplicate_timestamp", origin[conflict])

        self._advance(where[accept], ts[accept], value[accept])
        return Admitted(
            series=self._series_rows(fresh, now),
            samples=pa.Table.from_arrays(
                [
                    pa.array(self._ids[where[accept]]),
                    pa.array(ts[accept] * 1_000, pa.timestamp("us", tz="UTC")),
                    pa.array(value[accept]),
                ],
                schema=SAMPLES.schema,
            ),
            duplicates=int(duplicates.sum()),
            refused=told.examples,
            counts=told.counts,
        )

    def _resolve(self, labels: list[Labels], told: _Refusals) -> tuple[Ints, list[Labels]]:
        """Position of each label set (-1: refused), and those that are new."""
        positions = np.empty(len(labels) + 1, dtype=np.int64)
        fresh: list[Labels] = []
        for i, pairs in enumerate(labels):
            known = self._positions.get(pairs)
            if known is None:
                problem = self._problem(pairs)
                if problem:
                    told.series(i, *problem)
                    known = -1
                else:
                    known = len(self._positions)
                    self._positions[pairs] = known
                    self._known_ids.add(series_id(pairs))
                    fresh.append(pairs)
            positions[i] = known
        self._grow(fresh)
        return positions, fresh

    def _problem(self, pairs: Labels) -> tuple[str, str] | None:
        """Reason and message when a new series may not come in."""
        names = [name for name, _ in pairs]
        if len(self._positions) >= self._series_limit:
            return "series_limit", f"{self._series_limit:,} series are stored (PITCHEY_SERIES_LIMIT); this one is new"
        if not dict(pairs).get("__name__"):
            return "invalid_labels", "no metric name"
        if names != sorted(set(names)):
            return "invalid_labels", f"label names must be sorted and unique, these are {', '.join(names)[:200]}"
        if len(pairs) > self._label_limit:
            return "too_many_labels", f"{len(pairs)} labels, {self._label_limit} are allowed (PITCHEY_LABEL_LIMIT)"
        for name, value in pairs:
            if len(name) > LONGEST_NAME or len(value) > LONGEST_VALUE:
                return (
                    "label_too_long",
                    f"{name[:60]}: a name may have {LONGEST_NAME}, a value {LONGEST_VALUE} characters",
                )
            if not (name + value).isprintable() and not _storable(name + value):
                return "invalid_labels", f"{name[:60]!r}: not valid UTF-8 text"
        if series_id(pairs) in self._known_ids:
            return "invalid_labels", "these labels collide with another series' id; rename one label"
        return None

    def _grow(self, fresh: list[Labels]) -> None:
        if fresh:
            self._ids = np.append(self._ids, np.array([series_id(pairs) for pairs in fresh], dtype=np.int64))
            self._newest = np.append(self._newest, np.full(len(fresh), _NEVER, dtype=np.int64))
            self._value = np.append(self._value, np.zeros(len(fresh)))

    def _look_up(
        self, cursor: duckdb.DuckDBPyConnection, rows: Ints, where: Ints, ts: Ints, bits: Ints
    ) -> tuple[Ints, Ints]:
        """Among late samples: (those whose time is free, those that are stored already with the same bits)."""
        asked = pa.table(
            {
                "row": rows,
                "series_id": self._ids[where[rows]],
                "ts": pa.array(ts[rows] * 1_000, pa.timestamp("us", tz="UTC")),
            }
        )
        cursor.register("late_samples", asked)
        try:
            found = cursor.execute(
                "SELECT row, value FROM late_samples JOIN samples USING (series_id, ts)"
            ).fetchnumpy()
        finally:
            cursor.unregister("late_samples")
        stored = np.asarray(found["row"], dtype=np.int64)
        stored_bits = np.asarray(found["value"], dtype=np.float64).view(np.int64)
        if (ts[rows] < self._trimmed_ms).any():  # only a backfill reaches behind what hot keeps
            in_lake = self._lake_lookup(asked)
            stored = np.append(stored, in_lake["row"].to_numpy())
            stored_bits = np.append(stored_bits, in_lake["value"].to_numpy().view(np.int64))
        return np.setdiff1d(rows, stored), stored[bits[stored] == stored_bits]

    def _advance(self, where: Ints, ts: Ints, value: NDArray[np.float64]) -> None:
        """Sorted by series and time: the last of each series is its newest, unless all of them were late."""
        if not len(where):
            return
        last = np.append(where[1:] != where[:-1], True)
        newer = last & (ts > self._newest[where])
        self._newest[where[newer]] = ts[newer]
        self._value[where[newer]] = value[newer]

    def _series_rows(self, fresh: list[Labels], now: datetime) -> pa.Table:
        rows = [
            {
                "series_id": series_id(pairs),
                "name": dict(pairs)["__name__"],
                "labels": orjson.dumps(dict(pairs)).decode(),
                "first_seen": now,
            }
            for pairs in fresh
        ]
        return pa.Table.from_pylist(rows, schema=SERIES.schema)


class _Refusals:
    """Counts every refused sample by reason, keeps the first few."""

    def __init__(self, decoded: list[RefusedSample]) -> None:
        self.examples = decoded[:EXAMPLES]
        self._counts = Counter(r.reason for r in decoded)
        self._reason: dict[int, str] = {}

    @property
    def counts(self) -> dict[str, int]:
        return {reason: n for reason, n in self._counts.items() if n}

    def series(self, index: int, reason: str, message: str) -> None:
        """A whole series is refused; its samples are counted later, by `count_known`."""
        self._reason[index] = reason
        self._example(RefusedSample(index, reason, message))

    def count_known(self, indexes: Ints) -> None:
        self._counts.update(self._reason[int(i)] for i in indexes)

    def add(self, reason: str, indexes: Ints) -> None:
        """Samples refused one by one: `indexes` has their series' place in the delivery."""
        self._counts[reason] += len(indexes)
        for i in indexes[: EXAMPLES - len(self.examples)].tolist():
            self._example(RefusedSample(i, reason, SAMPLE_REASONS[reason]))

    def _example(self, refused: RefusedSample) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(refused)


def _storable(text: str) -> bool:
    try:
        return "\0" not in text and bool(text.encode("utf-8"))
    except UnicodeEncodeError:  # a lone surrogate
        return False
