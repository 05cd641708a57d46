"""Any Arrow table -> rows of exactly the table's schema, and the rows that cannot become such.

Fields find their columns by `fields.known`; each column is converted as a whole (`values.convert`); defaults are
filled; a row with a bad or a missing required value is left out and reported with the first column at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pitchey_slo.collect import fields, values
from pitchey_slo.collect.batch import Batch, Rejected, merge
from pitchey_slo.collect.values import CODES, REASONS, Values
from pitchey_slo.names import FUTURE_SECONDS
from pitchey_slo.tables import TEXT, TIME, Column, Table

PIECE: Final = 1 << 17  # rows converted at once: a column of them stays in the processor's cache
TOLD: Final = 1_000  # refused rows per piece whose message shows the value; further ones name the column alone

Codes = np.ndarray[Any, Any]


def conform(table: Table, rows: pa.Table, *, now: datetime) -> Batch:
    """Rows of any types and field names -> rows of `table`; `Rejected.row` counts from 0.

    `now` (aware) bounds the times: more than `names.FUTURE_SECONDS` later is refused. Dictionary-encoded and chunked
    columns are fine. The rows must be sound Arrow data: `rows.validate(full=True)` what comes from outside.
    """
    names = rows.column_names
    return merge(table, [conform_piece(table, names, arrays, at, now=now)[0] for at, arrays in split(rows)])


def split(rows: pa.Table) -> Iterator[tuple[Codes, list[pa.Array]]]:
    """Pieces of at most PIECE rows: their row numbers and columns; one empty piece when there are no rows."""
    for start in range(0, max(rows.num_rows, 1), PIECE):
        count = min(PIECE, rows.num_rows - start)  # a table without columns would give a slice as long as asked for
        yield np.arange(start, start + count), [whole(column.slice(start, count)) for column in rows.columns]


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def conform_piece(
    table: Table,
    names: Sequence[str],
    arrays: Sequence[pa.Array],
    numbers: Codes,
    *,
    now: datetime,
    fallbacks: Mapping[str, pa.Array] | None = None,
) -> tuple[Batch, Codes]:
    """`conform` for one piece whose rows have the given row `numbers`.

    `fallbacks` fill what the sender left out (event ids, the source), before the columns' own defaults. Also returns
    which rows were kept, as a boolean array.
    """
    length = len(numbers)
    latest = int(now.timestamp() * 1_000_000) + FUTURE_SECONDS * 1_000_000
    where, unknown = fields.sources(table, names)
    kept: dict[str, pa.Array] = {}
    reasons: Codes | None = None
    culprits: Codes | None = None
    for place, column in enumerate(table.columns):
        given = [values.convert(column, arrays[i], latest) for i in where.get(column.name, [])]
        found = _completed(column, given, length, (fallbacks or {}).get(column.name))
        kept[column.name] = found.data
        if found.codes is not None:
            if reasons is None or culprits is None:
                reasons, culprits = np.zeros(length, np.uint8), np.zeros(length, np.uint8)
            first = (found.codes > 0) & (reasons == 0)
            reasons[first], culprits[first] = found.codes[first], place
    rows = pa.table(list(kept.values()), schema=table.schema)
    warnings = fields.unknown_warnings(table, unknown)
    if reasons is None or culprits is None:
        return Batch(table.name, rows, [], warnings), np.ones(length, bool)
    good = reasons == 0
    teller = _Teller(table, where, arrays, now)
    rejected = [
        Rejected(
            int(numbers[i]),
            REASONS[reasons[i]],
            teller.message(REASONS[reasons[i]], int(culprits[i]), i if told < TOLD else None),
        )
        for told, i in enumerate(np.flatnonzero(~good).tolist())
    ]
    return Batch(table.name, rows.filter(pa.array(good)), rejected, warnings), good


def _completed(column: Column, given: list[Values], length: int, fallback: pa.Array | None) -> Values:
    """One column from the fields given for it: the default where nothing is, a mark where it is required."""
    found = values.first_given(given) if given else Values(pa.nulls(length, column.type), None)
    data, codes = found.data, found.codes
    if data.null_count == 0:
        return found
    if fallback is not None:
        return Values(data.fill_null(fallback) if data.null_count < length else fallback, codes)
    if column.default is not None:
        default = pa.scalar(column.default, column.type)
        return Values(data.fill_null(default) if data.null_count < length else pa.repeat(default, length), codes)
    if column.required:
        missing = data.is_null().to_numpy(zero_copy_only=False)
        codes = np.zeros(length, np.uint8) if codes is None else codes.copy()
        codes[missing & (codes == 0)] = CODES["missing_field"]
    return Values(data, codes)


class _Teller:
    """Says what is wrong with a row: the field, the value, and what would work."""

    def __init__(self, table: Table, where: dict[str, list[int]], arrays: Sequence[pa.Array], now: datetime) -> None:
        self.table, self.where, self.arrays, self.now = table, where, arrays, now
        self.short: dict[tuple[str, int], str] = {}

    def message(self, reason: str, place: int, row: int | None) -> str:
        if row is None:  # one shared text for the many
            key = (reason, place)
            if key not in self.short:
                self.short[key] = self.message_for(reason, self.table.columns[place], None)
            return self.short[key]
        return self.message_for(reason, self.table.columns[place], row)

    def message_for(self, reason: str, column: Column, row: int | None) -> str:
        value = "" if row is None else f" {self._value(column, row)}"
        name = column.name
        match reason:
            case "missing_field":
                return f"{name}: absent or null; give {fields.spellings(name)}: {column.doc}"
            case "bad_time":
                return f"{name}:{value} is no time since 1970; give 2026-05-01T12:00:00Z, or s, ms, us or ns since 1970"
            case "too_far_in_future":
                ahead = f"more than {FUTURE_SECONDS} s after {self.now.isoformat()}"
                return f"{name}:{value} is {ahead}; look at the sender's clock, or the unit"
            case "out_of_range":
                return f"{name}:{value} is outside {_range(column)}"
            case "too_long":
                return f"{name}:{value} is longer than {column.longest:,} characters"
            case "invalid_utf8":
                return f"{name}:{value} has bytes that are not UTF-8, or a NUL"
        return f"{name}:{value} is not {_wanted(column)}"

    def _value(self, column: Column, row: int) -> str:
        for place in self.where.get(column.name, []):
            scalar = self.arrays[place][row]
            if scalar.is_valid:
                return _shown(scalar)
        return "null"


def _shown(scalar: pa.Scalar) -> str:
    """A value in at most about 80 characters, whatever it is."""
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError, ArithmeticError):  # not UTF-8, or a time Python cannot hold
        try:
            value = scalar.cast(pa.binary()).as_py()
        except pa.ArrowException:
            value = str(scalar.type)
    if isinstance(value, str | bytes):
        short = value if len(value) <= 72 else value[:64]
        return repr(short) + (f" ... ({len(value):,} long)" if short is not value else "")
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _range(column: Column) -> str:
    if column.low is None or column.high is None:
        return "what the column can hold"
    return f"{column.low:,.15g} to {column.high:,.15g}"


def _wanted(column: Column) -> str:
    if column.type == TEXT:
        return "a text"
    if column.type == TIME:
        return "a time"
    kind = "a whole number" if pa.types.is_integer(column.type) else "a number"
    return kind + (f" from {_range(column)}" if column.low is not None else "")
