"""What comes out of this room: rows that conform, rows that were refused, and what to tell the sender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pitchey_slo.tables import Table


@dataclass(frozen=True, slots=True)
class Rejected:
    """One refused row: `row` is its 0-based index in a delivery or its 1-based line in a file, `reason` is one of
    `names.ROW_REASONS`, `text` the line as it stood in the file (bytes that are not UTF-8 as surrogate escapes)."""

    row: int
    reason: str
    message: str
    text: str | None = None


@dataclass(frozen=True)
class Batch:
    """Rows of exactly `TABLES[table].schema`, and the rows that could not become such."""

    table: str
    rows: pa.Table
    rejected: list[Rejected]
    warnings: list[str]


@dataclass(frozen=True)
class FileBatch:
    """One piece of a file. `bytes_read` of `total_bytes` (as stored, so compressed for .gz) tells how far the reader
    is; `lines` counts the records of this piece, good or bad."""

    batch: Batch
    bytes_read: int
    total_bytes: int
    lines: int


def merge(table: Table, parts: Sequence[Batch]) -> Batch:
    """The parts as one batch: rows and rejects in order, each warning once."""
    if len(parts) == 1:
        return parts[0]
    rows = pa.concat_tables([p.rows for p in parts]) if parts else table.schema.empty_table()
    warnings = list(dict.fromkeys(w for p in parts for w in p.warnings))
    return Batch(table.name, rows, [r for p in parts for r in p.rejected], warnings)
