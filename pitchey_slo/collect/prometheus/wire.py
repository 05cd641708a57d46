"""Protobuf's wire format, as far as remote write needs it, without making a message object for anything.

A message object per series and label costs twenty times the body's size in memory and most of the time; a hand decoder
needs the bytes, a few integers, and NumPy for the samples. Refused as malformed: bytes cut off, a varint of more than
ten bytes, field number 0, and groups (gone since proto3). Unknown fields are skipped.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.errors import BodyTooLarge, CollectError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

#: What one request may hold; Prometheus sends 2,000 to 10,000 samples at a time.
MAX_SERIES: Final = 100_000
MAX_SAMPLES: Final = 2_000_000
MAX_LABELS: Final = 1_000_000

#: Samples looked at together: many enough to pay, few enough that looking in vain stays cheap.
RUN: Final = 1024

_U64: Final = (1 << 64) - 1
_SAMPLE: Final = 18  # 12 10 | 09 value | 10 time, the time being six bytes from 2004 to 3084
_ZERO: Final = 9  # 12 07 | 10 time: proto3 leaves out a value of 0
_SHIFTS: Final = np.arange(0, 42, 7, dtype=np.int64)
_LEAD: Final = np.array([0x12, 0x10, 0x09], np.uint8)


def malformed(what: str, at: int) -> CollectError:
    return CollectError(f"not a protobuf message: {what} at byte {at}", detail={"byte": at})


def too_many(what: str, most: int) -> BodyTooLarge:
    return BodyTooLarge(f"more than {most:,} {what} in one request; send them in several")


def varint(b: bytes, at: int, end: int) -> tuple[int, int]:
    """(value below 2**64, place behind it)."""
    value = shift = 0
    while at < end:
        byte = b[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _U64, at
        shift += 7
        if shift > 63:
            raise malformed("a varint longer than ten bytes", at)
    raise malformed("a varint that is cut off", at)


def span(b: bytes, at: int, end: int) -> tuple[int, int]:
    """(start, end) of the bytes whose length stands at `at`."""
    if at < end and b[at] < 0x80:
        size, start = b[at], at + 1
    else:
        size, start = varint(b, at, end)
    stop = start + size
    if stop > end:
        raise malformed(f"{size} bytes announced, {end - start} there", at)
    return start, stop


def fields(b: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, start, stop) of each field of a message in b[at:end]; for a varint the start is where
    it stands, for the others where their bytes are."""
    while at < end:
        tag, start = varint(b, at, end)
        number, kind = tag >> 3, tag & 7
        if number == 0 or tag > 0xFFFFFFFF:
            raise malformed(f"field number {number}", at)
        if kind == BYTES:
            start, at = span(b, start, end)
        elif kind == VARINT:
            _, at = varint(b, start, end)
        elif kind == FIXED64:
            at = start + 8
        elif kind == FIXED32:
            at = start + 4
        else:
            raise malformed(f"wire type {kind}", at)
        if at > end:
            raise malformed("a number that is cut off", start)
        yield number, kind, start, at


def signed(value: int) -> int:
    """A varint as int64."""
    return value - (1 << 64) if value >> 63 else value


def expect(kind: int, wanted: int, at: int) -> None:
    """Raises when a known field has another wire type than its own."""
    if kind != wanted:
        raise malformed(f"wire type {kind} where {wanted} belongs", at)


class Samples:
    """Samples gathered while a message is walked: places of the usual 18-byte form now, their numbers all at once at
    the end. `owner` is the number of the time series, in the order of the message."""

    def __init__(self, b: bytes) -> None:
        self._b = b
        self._all = np.frombuffer(b, np.uint8)
        #: Places and owners of fields that start with 12 10, and of those that start with 12 07 (a value of 0). That
        #: they lie within their message whoever appends has checked; what else they hold `finish` checks.
        self.usual: list[int] = []
        self.usual_owner: list[int] = []
        self.zero: list[int] = []
        self.zero_owner: list[int] = []
        self._place, self._owner, self._ts, self._bits = array("q"), array("q"), array("q"), array("Q")
        self._blocks: list[tuple[int, int, NDArray[np.int64], NDArray[np.uint64]]] = []
        self._count = 0

    def one(self, at: int, end: int, owner: int) -> int:
        """The sample whose field starts at `at`; returns the place behind it."""
        size = self._b[at + 1] if at + 1 < end else 0
        if size == 0x10 and at + _SAMPLE <= end:
            self.usual.append(at)
            self.usual_owner.append(owner)
            self._more(0)
            return at + _SAMPLE
        if size == 0x07 and at + _ZERO <= end:
            self.zero.append(at)
            self.zero_owner.append(owner)
            self._more(0)
            return at + _ZERO
        start, at = span(self._b, at + 1, end)
        self.exact(start, at, owner)
        return at

    def exact(self, start: int, stop: int, owner: int) -> None:
        """Any sample: fields 1 (double) and 2 (int64), both optional, the last one counting."""
        b = self._b
        bits = ts = 0
        for number, kind, at, end in fields(b, start, stop):
            if number == 1:
                expect(kind, FIXED64, at)
                bits = int.from_bytes(b[at:end], "little")
            elif number == 2:
                expect(kind, VARINT, at)
                ts = signed(varint(b, at, end)[0])
        self._place.append(start)
        self._owner.append(owner)
        self._ts.append(ts)
        self._bits.append(bits)
        self._more()

    def run(self, at: int, end: int, owner: int) -> int:
        """Up to `RUN` samples of the usual form that follow each other from `at`; returns the place behind them."""
        rows = self._all[at : at + min((end - at) // _SAMPLE, RUN) * _SAMPLE].reshape(-1, _SAMPLE)
        good = _is_usual(rows)
        many = len(rows) if good.all() else int(np.argmin(good))
        if many:
            self._blocks.append((at, owner, _times(rows[:many, 12:]), _bits(rows[:many])))
            self._more(many)
        return at + many * _SAMPLE

    def _more(self, many: int = 1) -> None:
        self._count += many
        if self._count + len(self.usual) + len(self.zero) > MAX_SAMPLES:
            raise too_many("samples", MAX_SAMPLES)

    def finish(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """(owner, milliseconds, value) of all samples in the order of the message. Values keep their bits."""
        parts: list[_Part] = []
        for places, of, size in ((self.usual, self.usual_owner, _SAMPLE), (self.zero, self.zero_owner, _ZERO)):
            if places:
                rows, at, owner = self._checked(places, of, size)
                bits = _bits(rows) if size == _SAMPLE else np.zeros(len(rows), np.uint64)
                parts.append((at, owner, _times(rows[:, -6:]), bits))
        for place, number, stamps, bits in self._blocks:
            rows_at = place + _SAMPLE * np.arange(len(stamps))
            parts.append((rows_at, np.full(len(stamps), number, np.int64), stamps, bits))
        if self._owner:
            parts.append((_ints(self._place), _ints(self._owner), _ints(self._ts), np.array(self._bits, np.uint64)))
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        if len(parts) == 1:
            _, owner, ts, bits = parts[0]
        else:
            order = np.argsort(np.concatenate([p[0] for p in parts]))
            owner = np.concatenate([p[1] for p in parts])[order]
            ts = np.concatenate([p[2] for p in parts])[order]
            bits = np.concatenate([p[3] for p in parts])[order]
        return owner, ts, bits.view(np.float64)

    def _checked(self, places: list[int], owners: list[int], size: int) -> tuple[NDArray[np.uint8], _Ints, _Ints]:
        """(bytes, place, owner) of the fields that have their usual form; the others go the exact way."""
        starts, owner = np.array(places, np.int64), np.array(owners, np.int64)
        rows = self._all[starts[:, None] + np.arange(size)]
        good = _is_usual(rows) if size == _SAMPLE else (rows[:, 2] == 0x10) & _six(rows[:, 3:])
        if good.all():
            return rows, starts, owner
        for i in np.flatnonzero(~good).tolist():
            self.exact(places[i] + 2, places[i] + size, owners[i])
        return rows[good], starts[good], owner[good]


_Ints = NDArray[np.int64]
_Part = tuple[_Ints, _Ints, _Ints, NDArray[np.uint64]]  # place, owner, time, bits


def _ints(numbers: array[int]) -> _Ints:
    return np.array(numbers, np.int64)


def _is_usual(rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = (rows[:, :3] == _LEAD).all(axis=1) & (rows[:, 11] == 0x10) & _six(rows[:, 12:])
    return good


def _six(rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each row is one varint of six bytes."""
    good: NDArray[np.bool_] = (rows[:, :5] >= 0x80).all(axis=1) & (rows[:, 5] < 0x80)
    return good


def _times(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    stamps: NDArray[np.int64] = ((rows & 0x7F).astype(np.int64) << _SHIFTS).sum(axis=1)
    return stamps


def _bits(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(rows[:, 3:11]).view("<u8").reshape(-1).astype(np.uint64)
