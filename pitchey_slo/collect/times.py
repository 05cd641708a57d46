"""Times as senders write them -> microseconds since 1970, UTC, as int64.

ISO 8601 (date and time with `T` or a space, any number of decimals, with or without zone; without one it is UTC), a
bare date (midnight), numbers since 1970 in seconds, milliseconds, microseconds or nanoseconds, told apart by size,
and Arrow timestamps and dates. Decimals beyond microseconds are cut off.

    |number| <    1e11   seconds        (to the year 5138)
             <    1e14   milliseconds   (1973 to 5138)
             <    1e17   microseconds   (1973 to 5138)
             otherwise   nanoseconds
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.collect.texts import parse_numbers

ZONED: Final = pa.timestamp("us", tz="UTC")
NAIVE: Final = pa.timestamp("us")
FAR: Final = 253_402_300_799_999_999  # the end of the year 9999: later than any `now`, and safe to compare

#: seconds, zone-less part and decimals apart, so that any number of decimals can be cut to six
ISO: Final = (
    r"^\s*(?P<head>\d{4}-\d{2}-\d{2})(?:[Tt ](?P<clock>\d{2}(?::\d{2}(?::\d{2})?)?)(?:[.,](?P<part>\d{1,18}))?"
    r"\s?(?P<zone>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?)?\s*$"
)

Stamps = tuple[pa.Array, pa.Array | None]


def from_numbers(array: pa.Array) -> Stamps:
    """Numbers, timestamps or dates -> (int64 microseconds, mask of what is no time or None)."""
    t, kind = pa.types, array.type
    if t.is_timestamp(kind):
        return _from_stamps(array), None
    if t.is_date(kind):
        # beyond a timestamp's range a date of 32 bits still fits int64 microseconds
        days = array.cast(pa.date32(), safe=False).view(pa.int32()).cast(pa.int64())
        return pc.multiply(days, 86_400_000_000), None
    if t.is_decimal(kind) or t.is_uint64(kind) or t.is_float16(kind) or t.is_float32(kind):
        array = array.cast(pa.float64(), safe=False)
    elif t.is_integer(kind):
        array = array.cast(pa.int64())
    if t.is_int64(array.type):
        return _from_ints(array), None
    if t.is_float64(array.type):
        return _from_floats(array)
    return pa.nulls(len(array), pa.int64()), array.is_valid()


def _wrap(values: np.ndarray[Any, Any], like: pa.Array) -> pa.Array:
    return pa.array(values, pa.int64(), mask=like.is_null().to_numpy(zero_copy_only=False) if like.null_count else None)


def _from_stamps(array: pa.Array) -> pa.Array:
    raw, unit = array.view(pa.int64()), array.type.unit
    if unit == "us":
        return raw
    if unit == "ns":
        return _wrap(np.floor_divide(_numpy(raw), 1_000), raw)
    factor = {"s": 1_000_000, "ms": 1_000}[unit]
    return pc.multiply(_clip(raw, FAR // factor), factor)


def _clip(array: pa.Array, bound: int) -> pa.Array:
    """Beyond what a time can be, any far value will do: the range check refuses it."""
    return pc.max_element_wise(pc.min_element_wise(array, bound, skip_nulls=False), -bound, skip_nulls=False)


def _numpy(array: pa.Array) -> np.ndarray[Any, Any]:
    filled = array.fill_null(0) if array.null_count else array
    values: np.ndarray[Any, Any] = filled.to_numpy(zero_copy_only=False)
    return values


def _from_ints(array: pa.Array) -> pa.Array:
    n = _numpy(array)
    size = np.abs(np.maximum(n, -(2**62)))
    if size.size and (unit := _unit(int(size.min()))) == _unit(int(size.max())):
        return _wrap(_scaled(n, unit), array)
    units = np.searchsorted([10**11, 10**14, 10**17], size, side="right")
    return _wrap(np.choose(units, [_scaled(n, u) for u in range(4)]), array)


def _unit(size: int) -> int:
    return (size >= 10**11) + (size >= 10**14) + (size >= 10**17)


def _scaled(n: np.ndarray[Any, Any], unit: int) -> np.ndarray[Any, Any]:
    with np.errstate(over="ignore"):  # only where another unit was chosen
        return (n * 1_000_000, n * 1_000, n, np.floor_divide(n, 1_000))[unit]


def _from_floats(array: pa.Array) -> Stamps:
    n = _numpy(array)
    finite = np.isfinite(n)
    n = np.where(finite, n, 0.0)
    units = np.searchsorted([1e11, 1e14, 1e17], np.abs(n), side="right")
    # rint, not floor: 1700000000.123456 is stored as ...0.12345600128
    stamps = np.clip(np.rint(n * np.array([1e6, 1e3, 1.0, 1e-3])[units]), -FAR, FAR).astype(np.int64)
    return _wrap(stamps, array), (None if finite.all() else pa.array(~finite))


def from_text(array: pa.Array) -> Stamps:
    """Texts -> (int64 microseconds, mask of those that are no time or None)."""
    for kind in (ZONED, NAIVE):
        try:
            return array.cast(kind).view(pa.int64()), None
        except pa.ArrowInvalid:
            continue
    return _one_by_one(array)


def _one_by_one(array: pa.Array) -> Stamps:
    """Mixed, unusual or wrong texts: split by RE2, set again in one spelling, and cast; what is left is a number or
    bad."""
    parts = pc.extract_regex(array, ISO)
    iso = parts.is_valid()
    field = {name: pc.struct_field(parts, name) for name in ("head", "clock", "part", "zone")}
    clock = field["clock"]
    clock = pc.choose(
        pc.divide(pc.add(pc.binary_length(clock), 1), 3), "00:00:00", _join(clock, ":00:00"), _join(clock, ":00"), clock
    )
    part = pc.utf8_slice_codeunits(_join(field["part"], "000000"), 0, 6)
    zone = pc.ascii_upper(field["zone"])
    zone = pc.if_else(pc.is_in(zone, pa.array(["", "Z", "UTC"])), "+0000", pc.replace_substring(zone, ":", ""))
    zone = pc.if_else(pc.equal(pc.binary_length(zone), 3), _join(zone, "00"), zone)
    text = pc.binary_join_element_wise(field["head"], "T", clock, ".", part, zone, "")
    stamps = _cast_or_each(text)
    number = pc.and_(pc.invert(iso), array.is_valid())
    if pc.any(number).as_py():
        numbers, _ = parse_numbers(pc.if_else(number, array, pa.scalar(None, pa.string())))
        stamps = pc.coalesce(stamps, from_numbers(numbers)[0])
    return stamps, pc.and_(array.is_valid(), stamps.is_null())


def _join(left: pa.Array, right: str) -> pa.Array:
    return pc.binary_join_element_wise(left, right, "")


def _cast_or_each(text: pa.Array) -> pa.Array:
    try:
        return text.cast(ZONED).view(pa.int64())
    except pa.ArrowInvalid:  # a month 13 somewhere
        return pa.array([None if v is None else _micros(v) for v in text.to_pylist()], pa.int64())


def _micros(text: str) -> int | None:
    try:
        gap = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    except ValueError:
        return None
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds
