"""Rows as dictionaries -> a batch that conforms, and how long texts are made to fit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from pitchey_slo.collect.batch import Batch, merge
from pitchey_slo.collect.conform import conform_piece
from pitchey_slo.collect.otlp.keys import shown
from pitchey_slo.tables import TIME, Column, Table

#: Microseconds that Arrow and the year 9999 can hold; what is later is refused as being in the future.
FAR: Final = 253_402_300_799_999_999
PIECE: Final = 8_192
_CUT: Final = "…"
_CUT_VALUE: Final = 2_000


class Gathered:
    """Rows of one table, made into columns a piece at a time: a row as a dictionary takes ten times its columns."""

    def __init__(self, table: Table, now: datetime) -> None:
        self._table, self._now = table, now
        self._rows: list[Mapping[str, Any]] = []
        self._numbers: list[int] = []
        self._parts: list[Batch] = []

    def add(self, row: Mapping[str, Any], number: int) -> None:
        """`row` with times in microseconds; if it is refused, it is called `number`."""
        self._rows.append(row)
        self._numbers.append(number)
        if len(self._rows) >= PIECE:
            self._turn()

    def batch(self) -> Batch:
        """All rows added so far."""
        if self._rows or not self._parts:
            self._turn()
        return merge(self._table, self._parts)

    def _turn(self) -> None:
        columns = self._table.columns
        arrays = [_array(column, [row.get(column.name) for row in self._rows]) for column in columns]
        names, numbers = [column.name for column in columns], np.asarray(self._numbers, np.int64)
        self._parts.append(conform_piece(self._table, names, arrays, numbers, now=self._now)[0])
        self._rows, self._numbers = [], []


def _array(column: Column, values: list[Any]) -> pa.Array:
    if column.type == TIME:
        return pa.array([None if v is None else min(v, FAR) for v in values], pa.int64()).view(TIME)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        # conform says whether a number is whole and within bounds
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array(values, column.type)


def cut(text: str | None, longest: int) -> str | None:
    """A text that fits; one that was longer ends in `…`."""
    return text if text is None or len(text) <= longest else text[: longest - 1] + _CUT


def json_text(attributes: Mapping[str, Any], longest: int) -> str | None:
    """Attributes as a JSON object that fits: long values are cut, then the last ones left out and counted in
    `otlp.left_out`; None when there are none."""
    if not attributes:
        return None
    text = orjson.dumps(attributes).decode()
    if len(text) <= longest:
        return text
    kept = {key[:256]: cut(shown(value), _CUT_VALUE) for key, value in attributes.items()}
    left = 0
    while len(text := orjson.dumps({**kept, "otlp.left_out": left} if left else kept).decode()) > longest:
        for _ in range(max(len(kept) // 8, 1)):
            kept.popitem()
            left += 1
    return text
