"""What a table is: its columns with type and meaning, how its rows live, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

TIME: Final = pa.timestamp("us", tz="UTC")
TEXT: Final = pa.string()


@dataclass(frozen=True)
class Column:
    """One column. `required` rows without it are refused; `default` fills it; `low`/`high` bound a number (inclusive);
    `longest` bounds a text in characters.

    `scrub` says how personal data is taken out of a text before it is stored: as a "text" (what is found is masked in
    it), as "json" (keys count too), as an "id" (all of it becomes a keyed hash, so that equal stays equal), or "no"
    (a closed vocabulary, or a name that is written down on purpose: who decided)."""

    name: str
    type: pa.DataType
    doc: str
    required: bool = False
    default: float | str | None = None
    low: float | None = None
    high: float | None = None
    longest: int = 1_024
    scrub: Literal["text", "json", "id", "no"] | None = None


@dataclass(frozen=True)
class Table:
    """One table; `time` is the column that says when, `keep_days` its retention unless a setting says otherwise
    (0: for ever)."""

    name: str
    doc: str
    kind: Literal["stream", "register", "series", "rollup"]
    time: str
    keep_days: int
    columns: tuple[Column, ...]
    #: columns the lake's rows are sorted by within a file; None for the time column
    sorted_by: str | None = None

    @property
    def order(self) -> str:
        return self.sorted_by or self.time

    @property
    def schema(self) -> pa.Schema:
        """What a row looks like before the store adds `commit_seq`."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    @property
    def stored_schema(self) -> pa.Schema:
        """What hot and lake hold: the row and the sequence number of the commit that stored it."""
        return self.schema.append(pa.field("commit_seq", pa.int64()))

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    def of(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Arrow rows of these dictionaries; what is absent takes the column's default, else null."""
        defaults = {c.name: c.default for c in self.columns if c.default is not None}
        return pa.Table.from_pylist([{**defaults, **row} for row in rows], schema=self.schema)
