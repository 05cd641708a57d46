"""Anything as a line of JSON that every receiver takes.

orjson is quick and refuses much: numbers beyond 64 bits, lone surrogates, keys that are no texts. The workbench refuses
NUL inside a text. What a service logs may hold all of these, and a line must not be lost for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import orjson

#: Levels of nesting, members of one level, and characters of one text that are kept.
DEEPEST: Final = 8
WIDEST: Final = 256
#: Twice what a column holds: what lies at the cut is cut away after scrubbing, so that half a card number cannot stay.
LONGEST: Final = 64_000

_NUL: Final = b"\\u0000"


def line(row: Mapping[str, Any]) -> bytes:
    """`row` as JSON without a line break. Never raises for what `plain` makes."""
    try:
        told = orjson.dumps(row)
    except TypeError:
        told = orjson.dumps(plain(row))
    if _NUL in told:
        told = orjson.dumps(plain(row))
    return told


def plain(value: Any, depth: int = DEEPEST) -> Any:
    """`value` as texts, numbers, true, false, null, lists and objects of a bounded size; anything else as its `str`."""
    if value is None or value is True or value is False:
        return value
    if type(value) is str:
        return text(value)
    if type(value) is int:
        return value if -(2**53) < value < 2**53 else str(value) if value.bit_length() < 4_096 else "(a huge number)"
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return text(bytes(value[:LONGEST]).decode("utf-8", "replace"))
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if depth <= 0:
        return "(nested too deep)"
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _members(value, depth)
    return text(_told(value))


def text(value: str, longest: int = LONGEST) -> str:
    """`value` without NUL and lone surrogates, cut at `longest` characters, which it says."""
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode()
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    if len(value) > longest:
        note = f" ... ({len(value)} characters)"
        value = value[: longest - len(note)] + note
    return value


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    found = {}
    for i, (key, inner) in enumerate(value.items()):
        if i == WIDEST:
            found["(more)"] = len(value) - WIDEST
            break
        found[text(key if type(key) is str else _told(key), 256)] = plain(inner, depth - 1)
    return found


def _members(value: Any, depth: int) -> list[Any]:
    found = []
    for i, inner in enumerate(value):
        if i == WIDEST:
            found.append(f"({len(value) - WIDEST} more)")
            break
        found.append(plain(inner, depth - 1))
    return found


def _told(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  # a broken __str__ must not cost the line
        return f"({type(value).__name__}, whose str() raises {type(error).__name__})"
