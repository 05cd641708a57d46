"""Rows as dictionaries -> a batch that conforms, and how long texts are made to fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from pitchey_slo.collect.batch import Batch, merge
from pitchey_slo.collect.conform import PIECE, conform_piece
from pitchey_slo.collect.otlp.keys import shown
from pitchey_slo.tables import TIME, Table

#: Microseconds that Arrow and the year 9999 can hold; what is later is refused as being in the future.
FAR: Final = 253_402_300_799_999_999
_CUT: Final = "…"
_CUT_VALUE: Final = 2_000


def batch_of(table: Table, rows: Sequence[Mapping[str, Any]], numbers: Sequence[int], now: datetime) -> Batch:
    """`rows` of `table`; `Rejected.row` is one of `numbers`. Times are microseconds."""
    parts = []
    for start in range(0, max(len(rows), 1), PIECE):
        piece = rows[start : start + PIECE]
        names, arrays = [], []
        for column in table.columns:
            values = [row.get(column.name) for row in piece]
            kind = column.type
            if column.type == TIME:
                values = [None if v is None else min(v, FAR) for v in values]
            elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
                kind = pa.float64()  # conform says whether a number is whole and within bounds
                values = [None if v is None else float(v) for v in values]
            names.append(column.name)
            arrays.append(pa.array(values, pa.int64()).view(TIME) if kind == TIME else pa.array(values, kind))
        places = np.asarray(numbers[start : start + PIECE], np.int64)
        parts.append(conform_piece(table, names, arrays, places, now=now)[0])
    return merge(table, parts)


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
