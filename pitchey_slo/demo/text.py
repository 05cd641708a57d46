"""Arrow text columns from NumPy numbers, a buffer at a time: no Python string per row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_HEX = np.frombuffer("".join(f"{i:02x}" for i in range(256)).encode(), dtype=np.uint16)


def fixed_width(letters: NDArray[np.uint8]) -> pa.Array:
    """(rows, width) bytes -> text column of that width.

    >>> fixed_width(np.frombuffer(b"abcd", dtype=np.uint8).reshape(2, 2)).to_pylist()
    ['ab', 'cd']
    """
    rows, width = letters.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(letters)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))


def hexadecimal(rng: np.random.Generator, rows: int, digits: int) -> pa.Array:
    """`rows` random texts of `digits` (even) hex digits."""
    raw = np.frombuffer(rng.bytes(rows * digits // 2), dtype=np.uint8)
    return fixed_width(_HEX[raw].view(np.uint8).reshape(rows, digits))


def counter(prefix: str, first: int, rows: int, digits: int = 10) -> pa.Array:
    """`prefix` and a number with leading zeros, counting up from `first`.

    >>> counter("a-", 9, 2, digits=3).to_pylist()
    ['a-009', 'a-010']
    """
    head = np.frombuffer(prefix.encode(), dtype=np.uint8)
    letters = np.empty((rows, len(head) + digits), dtype=np.uint8)
    letters[:, : len(head)] = head
    number = np.arange(first, first + rows, dtype=np.int64)
    for place in range(letters.shape[1] - 1, len(head) - 1, -1):
        number, digit = np.divmod(number, 10)
        letters[:, place] = digit + ord("0")
    return fixed_width(letters)


def pick(
    words: Sequence[str | None] | pa.Array, codes: NDArray[np.integer], missing: NDArray[np.bool_] | None = None
) -> pa.Array:
    """The word of each code; null where `missing`."""
    table = words if isinstance(words, pa.Array) else pa.array(words, type=pa.string())
    return table.take(pa.array(codes, mask=missing))


def same(word: str, rows: int) -> pa.Array:
    """One word in every row."""
    return fixed_width(np.tile(np.frombuffer(word.encode(), dtype=np.uint8), (rows, 1)))
