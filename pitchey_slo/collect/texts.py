"""Small questions about text: which Arrow types hold it, and which of it is a number."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.tables import TEXT

#: A number as people write it; no thousands separators, no hex, no words.
NUMBER: Final = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind))


def parse_numbers(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Texts -> (int64 where all are whole, else float64; null where not a number), and the mask of those that are
    not."""
    try:
        return array.cast(pa.int64()), pa.array(np.zeros(len(array), bool))
    except pa.ArrowInvalid:
        fits = pc.match_substring_regex(array, NUMBER)
        wrong = pc.invert(fits).fill_null(False)
        plain = pc.utf8_trim_whitespace(pc.if_else(fits, array, pa.scalar(None, TEXT)))
        plain = pc.replace_substring_regex(plain, r"^\+", "")
        return plain.cast(pa.float64()), wrong
