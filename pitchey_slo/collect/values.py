"""One column: an Arrow array of any type -> the column's type, with a mark on each value that cannot be one.

The good path is a handful of whole-array kernels per column (a range is one comparison of all values, a NUL is one look
at the text buffer); the work per bad value happens only where something was found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.collect import times
from pitchey_slo.collect.fields import NUMERIC_TEXT
from pitchey_slo.collect.texts import is_bytes, is_text, parse_numbers
from pitchey_slo.names import ROW_REASONS
from pitchey_slo.tables import TEXT, TIME, Column

REASONS: Final = ("", *ROW_REASONS)
CODES: Final = {reason: code for code, reason in enumerate(REASONS)}


class Marks:
    """Why single values are bad: one small number per value, made only when the first bad one is found."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.codes: np.ndarray[Any, Any] | None = None

    def add(self, mask: Any, reason: str) -> bool:
        """Mark values where `mask` (Arrow boolean, null is False) holds and nothing was marked before."""
        if not pc.any(mask).as_py():
            return False
        hits = mask.fill_null(False).to_numpy(zero_copy_only=False)
        if self.codes is None:
            self.codes = np.zeros(self.length, np.uint8)
        self.codes[hits & (self.codes == 0)] = CODES[reason]
        return True

    def clear(self, array: pa.Array) -> pa.Array:
        """The array with nulls where a value is marked."""
        return (
            array if self.codes is None else pc.if_else(pa.array(self.codes == 0), array, pa.scalar(None, array.type))
        )


@dataclass(frozen=True)
class Values:
    """Values of the column's type (null: missing or bad) and, if any is bad, the reason codes."""

    data: pa.Array
    codes: np.ndarray[Any, Any] | None


def convert(column: Column, array: pa.Array, latest: int) -> Values:
    """`array` as `column`; `latest` is the newest acceptable time in microseconds since 1970."""
    marks = Marks(len(array))
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type) or array.null_count == len(array):
        return Values(pa.nulls(len(array), column.type), None)
    if column.type == TEXT:
        data = _text(column, array, marks)
    elif column.type == TIME:
        data = _time(array, marks, latest)
    else:
        data = _number(column, array, marks)
    return Values(marks.clear(data), marks.codes)


def first_given(given: list[Values]) -> Values:
    """Several fields for one column: per row the first that is not missing; a bad value is given, not missing."""
    best = given[0]
    for other in given[1:]:
        free = best.data.is_null()
        if best.codes is not None:
            free = pc.and_(free, pa.array(best.codes == 0))
        data = pc.if_else(free, other.data, best.data)
        codes = best.codes
        if other.codes is not None:
            take = free.to_numpy(zero_copy_only=False)
            codes = np.where(take, other.codes, 0 if codes is None else codes)
        best = Values(data, codes)
    return best


def _refuse(array: pa.Array, marks: Marks, kind: pa.DataType, reason: str = "wrong_type") -> pa.Array:
    marks.add(array.is_valid(), reason)
    return pa.nulls(len(array), kind)


def _decoded(array: pa.Array, marks: Marks) -> pa.Array:
    """Text or bytes as plain strings; values that are not UTF-8 are marked."""
    if is_text(array.type):
        return array.cast(TEXT)
    array = array.cast(pa.binary())
    try:
        return array.cast(TEXT)
    except pa.ArrowInvalid:
        fine = pa.array([v is None or _is_utf8(v) for v in array.to_pylist()])
        marks.add(pc.invert(fine), "invalid_utf8")
        return pc.if_else(fine, array, pa.scalar(None, pa.binary())).cast(TEXT)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(column: Column, array: pa.Array, marks: Marks) -> pa.Array:
    if pa.types.is_integer(array.type) and column.name in NUMERIC_TEXT:
        array = array.cast(TEXT)
    elif not is_text(array.type) and not is_bytes(array.type):
        return _refuse(array, marks, TEXT)
    array = _decoded(array, marks)
    sizes = pc.binary_length(array)
    spread = pc.min_max(sizes)
    if spread["min"].as_py() == 0:  # an empty text says nothing: missing, as an empty CSV cell is
        array = pc.if_else(pc.equal(sizes, 0), pa.scalar(None, TEXT), array)
    if (spread["max"].as_py() or 0) > column.longest:
        marks.add(pc.greater(pc.utf8_length(array), column.longest), "too_long")
    if _has_byte(array, 0, 0):
        marks.add(pc.match_substring(array, "\0"), "invalid_utf8")
    if column.name == "method" and _has_byte(array, 97, 255):
        array = pc.utf8_upper(array)
    return array


def _has_byte(array: pa.Array, low: int, high: int) -> bool:
    """Whether any byte of the texts lies in [low, high]; may say yes for bytes behind nulls, never no wrongly."""
    _, offsets, data = array.buffers()
    if data is None or len(array) == 0:
        return False
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    view = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    if view.size == 0:
        return False
    return bool(view.min() == 0) if high == 0 else bool(view.max() >= low)


def _number(column: Column, array: pa.Array, marks: Marks) -> pa.Array:
    t, kind, whole = pa.types, array.type, pa.types.is_integer(column.type)
    if is_text(kind) or is_bytes(kind):
        text = _decoded(array, marks)
        text = pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar(None, TEXT), text)
        array, wrong = parse_numbers(text)
        marks.add(wrong, "wrong_type")
    elif t.is_decimal(kind) or t.is_uint64(kind) or t.is_float16(kind) or t.is_float32(kind):
        array = array.cast(pa.float64(), safe=False)
    elif not (t.is_integer(kind) or t.is_float64(kind)):
        return _refuse(array, marks, column.type)
    if t.is_floating(array.type):
        array = _floats(array, marks, whole)
    else:
        array = array.cast(pa.int64() if whole else pa.float64(), safe=False)
    return _within(column, array, marks).cast(column.type, safe=False)


def _within(column: Column, array: pa.Array, marks: Marks) -> pa.Array:
    """The array with values outside the column's range marked; a whole number must also fit its type."""
    whole = pa.types.is_integer(column.type)
    widest = float(min(2 ** (column.type.bit_width - 1) - 1, 2**62)) if whole else math.inf  # 2**62 is a float exactly
    low = -widest if column.low is None else column.low
    high = widest if column.high is None else column.high
    spread = pc.min_max(array)
    if not spread["min"].is_valid or (spread["min"].as_py() >= low and spread["max"].as_py() <= high):
        return array
    kind = float if pa.types.is_floating(array.type) else int
    inside = pc.and_(pc.greater_equal(array, kind(low)), pc.less_equal(array, kind(high)))
    marks.add(pc.invert(inside), "out_of_range")
    return marks.clear(array)


def _floats(array: pa.Array, marks: Marks, whole: bool) -> pa.Array:
    """NaN is no number (missing is null); a whole-number column takes 200.0 but not 200.5; infinite is out of range."""
    if marks.add(pc.is_nan(array), "wrong_type"):
        array = marks.clear(array)
    if whole:
        marks.add(pc.not_equal(array, pc.floor(array)), "wrong_type")
    if marks.add(pc.is_inf(array), "out_of_range"):
        array = marks.clear(array)
    return array


def _time(array: pa.Array, marks: Marks, latest: int) -> pa.Array:
    if is_text(array.type) or is_bytes(array.type):
        text = _decoded(array, marks)
        text = pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar(None, TEXT), text)
        stamps, wrong = times.from_text(text)
    else:
        stamps, wrong = times.from_numbers(array)
    if wrong is not None:
        marks.add(wrong, "bad_time")
    spread = pc.min_max(stamps)
    if spread["min"].is_valid and spread["min"].as_py() < 0:
        marks.add(pc.less(stamps, 0), "bad_time")
    if spread["max"].is_valid and spread["max"].as_py() > latest:
        marks.add(pc.greater(stamps, latest), "too_far_in_future")
    return marks.clear(stamps).view(TIME)
