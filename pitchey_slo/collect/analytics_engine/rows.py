"""Data points -> rows of a table.

An empty blob is missing. -1 in a double is "not measured" where the column has no negative values; the Worker writes it
so, since a double that is left out comes back as 0. `_sample_interval` becomes the row's weight, times the column
`sample_interval` where the mapping has one (a Worker that itself writes one point for N).

A data point without an event id gets one made of its columns and its time, and its number among equal ones. Equal
points have the same second, and windows begin and end at whole seconds, so all of them are in one answer, whatever the
windows are; the weight is no part of the id, and gives the order among equals. What that can do: read the same points
again, or more of them that came late, and each is stored once. What it cannot: tell which of several equal points a
sampled answer left out; there the rows that are new are left out as a whole (see `told_apart`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.collect.analytics_engine.ask import Row
from pitchey_slo.collect.analytics_engine.config import Pulled, counts_from_zero
from pitchey_slo.collect.batch import Batch
from pitchey_slo.collect.conform import conform
from pitchey_slo.tables import TEXT, Column

WEIGHT: Final = "_sample_interval"
NOT_MEASURED: Final = -1.0


def batch_of(pulled: Pulled, rows: Sequence[Row], source: str, *, now: datetime) -> Batch:
    """Rows of an answer as rows of the table; those that cannot be such are `rejected`, each with its number in the
    answer."""
    found = {"ts": pa.array([_text(row.get("timestamp")) for row in rows], TEXT)}
    for column in pulled.table.columns:
        name = pulled.columns.get(column.name)
        if name is not None:
            found[column.name] = _column(column, [row.get(name) for row in rows])
    found["sample_interval"] = _weights(pulled, rows)
    found["event_id"] = pa.array(_ids(pulled, rows), TEXT)
    found["source"] = pa.repeat(pa.scalar(source, TEXT), len(rows))
    return conform(pulled.table, pa.table(found), now=now)


def told_apart(rows: pa.Table, known: pa.Table, edges: Sequence[datetime]) -> tuple[pa.Table, int]:
    """The rows that are new and may be stored, and how many may not although they are new.

    Analytics Engine may answer from a sample of what it holds (10 %, 1 %), and choose another one the next time. Rows
    of two samples of the same time must not be added up: one of them stands for the others already. `known` has
    event_id and sample_interval of what is stored of this time; where one of those rows comes again with another
    weight, the answer is from another sample, and new rows are left out, up to the `edges` within which everything was
    first asked at once. So the sample that came first stays, whole.
    """
    if not rows.num_rows or not known.num_rows:
        return rows, 0
    at = pc.index_in(rows["event_id"], value_set=known["event_id"].combine_chunks()).combine_chunks()
    old = at.is_valid().to_numpy(zero_copy_only=False)
    before = pc.take(known["sample_interval"], at).to_numpy(zero_copy_only=False)
    now = rows["sample_interval"].to_numpy()
    part = np.searchsorted(_micros(edges), _times(rows), side="right")
    other = np.unique(part[old & (before != now)])
    left_out = np.isin(part, other) & ~old
    return rows.filter(pa.array(~old & ~left_out)), int(left_out.sum())


def _times(rows: pa.Table) -> np.ndarray[Any, Any]:
    times: np.ndarray[Any, Any] = rows["ts"].cast(pa.int64()).to_numpy()
    return times


def _micros(edges: Sequence[datetime]) -> np.ndarray[Any, Any]:
    return np.array([round(edge.timestamp() * 1e6) for edge in sorted(edges)], np.int64)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None if value is None else str(value)


def _column(column: Column, values: list[Any]) -> pa.Array:
    if column.type == TEXT:
        return pa.array([_text(v) for v in values], TEXT)
    if counts_from_zero(column):
        values = [None if v == NOT_MEASURED or v == "-1" else v for v in values]
    return _numbers(values)


def _numbers(values: list[Any]) -> pa.Array:
    """Numbers as they are; where the API wrote one as text (64-bit integers), all as texts, which `conform` reads."""
    if all(v is None or type(v) in (int, float) for v in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([_text(v) for v in values], TEXT)


def _weights(pulled: Pulled, rows: Sequence[Row]) -> pa.Array:
    weights = _numbers([row.get(WEIGHT) for row in rows])
    own = pulled.columns.get("sample_interval")
    if own is None:
        return weights
    factors = _numbers([None if row.get(own) in (0, None) else row.get(own) for row in rows])
    if weights.type == TEXT or factors.type == TEXT:
        weights, factors = (pa.array([_number(v) for v in a.to_pylist()], pa.float64()) for a in (weights, factors))
    return pc.multiply(weights.fill_null(1.0), factors.fill_null(1.0))


def _number(text: Any) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return float("nan")


def _ids(pulled: Pulled, rows: Sequence[Row]) -> list[str]:
    """Event ids; those that are missing are made."""
    name = pulled.columns.get("event_id")
    found = ["" if name is None else _text(row.get(name)) or "" for row in rows]
    bare = [i for i, given in enumerate(found) if not given]
    columns = sorted(set(pulled.columns.values()))
    equal: Counter[str] = Counter()
    for i in sorted(bare, key=lambda i: _number(_text(rows[i].get(WEIGHT))) or 1.0):
        row = rows[i]
        what = orjson.dumps(
            [pulled.table.name, row.get("timestamp"), *("" if row.get(c) is None else row[c] for c in columns)]
        )
        digest = hashlib.blake2b(what, digest_size=12).hexdigest()
        equal[digest] += 1
        found[i] = digest if equal[digest] == 1 else f"{digest}.{equal[digest]}"
    return found
