"""One table, all filters, one query: rows per minute and mask of filters they pass, and sums of those that pass one.

What is read comes in parts: rows of the table itself, and for requests the minutes in which they are counted already
(`rollup_sli.py`). The parts hold different times, so their groups stand side by side.

A row counts as `sample_interval` events; `squares` sums the squared weights for the interval. Numbers that are NaN or
infinite are taken as NULL before any comparison, since `NaN > 5` is TRUE in DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.slo.filters import bit, masks
from pitchey_slo.tables import TABLES

if TYPE_CHECKING:
    from pitchey_slo.slo.sli import Reader

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: What a group sums: rows, those with a weight that can be meant, their weight and squared weight.
SUMS: Final = ("rows", "usable", "weight", "squares")


@dataclass(frozen=True, eq=False)
class Part:
    """What one query found: groups with `minute`, `mask0`..., and `SUMS` (only `rows` when all weigh 1). `read` rows
    of `table` went into it."""

    table: str
    sql: str
    groups: pa.Table
    read: int

    def sums(self, name: str) -> Floats:
        return floats(self.groups, name if name in self.groups.column_names else "rows")


#: Filters whose groups are remembered.
_LAST = 3


@dataclass(frozen=True, eq=False)
class TableScan:
    """All groups: place of each one's minute in `at`, its masks and sums."""

    parts: tuple[Part, ...]
    at: Ints
    place: Ints
    masks: list[Ints]
    sums: dict[str, Floats]
    known: dict[tuple[int, str], Floats] = field(default_factory=dict)
    last: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence[Part], filters: int) -> TableScan:
        """`filters`: how many there were."""
        numbers = range(bit(max(filters - 1, 0))[0] + 1)
        at, place = _places(_joined([ints(p.groups, "minute") for p in parts], np.int64))
        keys = [_joined([ints(p.groups, f"mask{n}") for p in parts], np.int64) for n in numbers]
        even = all(p.groups.column_names[-1] == "rows" for p in parts)
        rows = _joined([p.sums("rows") for p in parts], np.float64)
        sums = {n: rows if even else _same(_joined([p.sums(n) for p in parts], np.float64), rows) for n in SUMS}
        return cls(tuple(parts), at, place, keys, sums)

    def total(self, index: int, name: str) -> Floats:
        """Sum of `name` per minute of `at` over the groups that pass filter `index`."""
        key = (index, str(id(self.sums[name])))
        if key not in self.known:
            passing, place = self._passing(index)
            sums = np.bincount(place, weights=self.sums[name][passing], minlength=len(self.at))
            self.known[key] = np.asarray(sums, dtype=np.float64)
        return self.known[key]

    def _passing(self, index: int) -> tuple[Ints, Ints]:
        """The groups that pass a filter and their places; kept for the filters asked last, since all sums of one are
        asked in a row."""
        if index not in self.last:
            number, value = bit(index)
            passing = np.flatnonzero(self.masks[number] & value)
            while len(self.last) >= _LAST:
                self.last.pop(next(iter(self.last)))
            self.last[index] = passing, self.place[passing]
        return self.last[index]


def read_rows(
    table: str, filters: Sequence[Sequence[str]], reader: Reader, spans: Sequence[tuple[datetime, datetime]]
) -> Part:
    """The groups of the rows of a table in those spans of time."""
    uniform = getattr(reader, "uniform_weights", None)
    even = uniform is not None and all(uniform(table, *span) for span in spans)
    unit = getattr(reader, "unit_sql", minute_sql(table))
    sql = scan_sql(table, filters, source_of(reader, table, spans), even_weights=even, unit=unit)
    groups = reader.query(sql)
    return Part(table, sql, groups, int(floats(groups, "rows").sum()))


def source_of(reader: Reader, table: str, spans: Sequence[tuple[datetime, datetime]]) -> str:
    """SQL table expression of the rows of a table in those spans of time."""
    sources = [reader.source(table, *span) for span in spans]
    return sources[0] if len(sources) == 1 else f"({' UNION ALL '.join(f'FROM {source}' for source in sources)})"


def scan_sql(table: str, filters: Sequence[Sequence[str]], source: str, *, even_weights: bool, unit: str) -> str:
    """The one query per table: rows, and unless all weights are 1 their sums, per `unit` (a minute) and mask."""
    columns = TABLES[table].columns
    clean = [
        f"CASE WHEN isfinite({c.name}) THEN {c.name} END AS {c.name}"
        for c in columns
        if pa.types.is_floating(c.type) and c.name != "sample_interval"
    ]
    if not even_weights:
        # a missing weight is 1, as the table says; one that cannot be meant is NULL, and its row counts as unmeasured
        fits = "sample_interval > 0 AND sample_interval < 'Infinity'::DOUBLE"  # NaN is above Infinity in DuckDB
        missing = "WHEN sample_interval IS NULL THEN 1.0"
        clean.append(f"CASE WHEN {fits} THEN sample_interval {missing} END AS sample_interval")
    keys = [f"{m} AS mask{i}" for i, m in enumerate(masks(filters, [c.name for c in columns]))]
    sums = ["count(*) AS rows"]
    if not even_weights:
        sums += [
            "count(sample_interval) AS usable",
            "coalesce(sum(sample_interval), 0.0) AS weight",
            "coalesce(sum(sample_interval * sample_interval), 0.0) AS squares",
        ]
    chosen = f"SELECT * REPLACE ({', '.join(clean)})" if clean else "SELECT *"
    wanted = ",\n  ".join([f"{unit} AS minute", *keys, ", ".join(sums)])
    return f"SELECT {wanted}\nFROM ({chosen} FROM {source} AS stored) AS clean\nGROUP BY ALL"


def minute_sql(table: str) -> str:
    """SQL expression: the minute of a row, since 1970."""
    return f"epoch_us({TABLES[table].time}) // 60000000"


def floats(table: pa.Table, name: str) -> Floats:
    return _plain(table, name).astype(np.float64, copy=False)


def ints(table: pa.Table, name: str) -> Ints:
    return _plain(table, name).astype(np.int64, copy=False)


def _plain(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of numbers without nulls; to_numpy() would import pandas, a second and more of every command."""
    return np.concatenate([np.empty(0, np.int64), *(np.from_dlpack(chunk) for chunk in table.column(name).chunks)])


def _same(sums: Floats, rows: Floats) -> Floats:
    """`rows` itself where the sums are equal to it, as without sampling: what is counted of it is counted once."""
    return rows if np.array_equal(sums, rows) else sums


def _joined(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, kind), *parts])


def _places(minutes: Ints) -> tuple[Ints, Ints]:
    """(distinct minutes in order, place of each of `minutes` among them); without sorting, since they lie close."""
    if not len(minutes):
        return minutes, minutes
    first = minutes.min()
    there = np.bincount(minutes - first) > 0
    return np.flatnonzero(there) + first, (np.cumsum(there) - 1)[minutes - first]
