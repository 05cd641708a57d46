"""One field of an object of ProtoJSON, as what it stands for; null and absent are the default. Raises Unreadable.

Enums are numbers (their names are taken too), 64-bit numbers come as texts, ids are hex, an attribute's value is an
object with the one field that says its type. Source: OTLP specification 1.x, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pitchey_slo.collect.otlp.records import (
    DEEPEST,
    MOST_ATTRIBUTES,
    MOST_VALUES,
    Attributes,
    Unreadable,
    bounded,
    hex_id,
    too_deep,
)

_NAMES: Final = {
    "kind": {
        f"SPAN_KIND_{name}": i
        for i, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
    },
    "code": {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2},
    "aggregationTemporality": {
        f"AGGREGATION_TEMPORALITY_{name}": i for i, name in enumerate(("UNSPECIFIED", "DELTA", "CUMULATIVE"))
    },
    "severityNumber": {
        f"SEVERITY_NUMBER_{name}{step or ''}": 4 * i + max(step, 1)
        for i, name in enumerate(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"))
        for step in (0, 2, 3, 4)
    }
    | {"SEVERITY_NUMBER_UNSPECIFIED": 0},
}
_FLOATS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WHOLE: Final = re.compile(r"-?\d{1,20}")


def wrong(key: str, value: Any, wanted: str) -> Unreadable:
    """What to raise for a value of another type."""
    return Unreadable("wrong_type", f"{key}: {short(value)} is not {wanted}")


def short(value: Any) -> str:
    """A value short enough for a message."""
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def list_of(tree: Any, key: str) -> list[Any]:
    """An array; `tree` may be anything."""
    if not isinstance(tree, dict):
        raise wrong(key, tree, "an object")
    value = tree.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(key, value, "an array")
    return value


def objects(tree: Any, key: str) -> Iterator[Mapping[str, Any]]:
    """The objects of an array."""
    for value in list_of(tree, key):
        if not isinstance(value, dict):
            raise wrong(key, value, "an array of objects")
        yield value


def object_of(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = tree.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(key, value, "an object")
    return value


def text(tree: Mapping[str, Any], key: str) -> str:
    value = tree.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(key, value, "a text")
    return value


def whole(value: Any, key: str) -> int:
    """A 64-bit number as ProtoJSON writes it, and as people do."""
    if type(value) is str:
        value = int(value) if _WHOLE.fullmatch(value) else value
    elif type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not -(2**63) <= value < 2**64:
        raise wrong(key, value, "a whole number of 64 bits")
    return value


def integer(tree: Mapping[str, Any], key: str) -> int:
    value = tree.get(key)
    return 0 if value is None else whole(value, key)


def natural(tree: Mapping[str, Any], key: str) -> int:
    """A whole number from 0: a time, a count."""
    value = integer(tree, key)
    if value < 0:
        raise wrong(key, value, "0 or more")
    return value


def double(value: Any, key: str) -> float:
    if type(value) in (int, float):
        return float(value)
    if type(value) is str:
        if value in _FLOATS:
            return _FLOATS[value]
        try:
            if value.isascii() and not value.isalpha() and "_" not in value:
                return float(value)
        except ValueError:
            pass
    raise wrong(key, value, "a number")


def enum(tree: Mapping[str, Any], key: str) -> int:
    """A number, or a name that stands for one; an unknown name is 0, as an unknown enum is to an old receiver."""
    value = tree.get(key)
    if type(value) is str and not _WHOLE.fullmatch(value):
        return _NAMES[key].get(value, 0)
    return 0 if value is None else whole(value, key)


def flag(tree: Mapping[str, Any], key: str) -> bool:
    value = tree.get(key)
    if value is not None and type(value) is not bool:
        raise wrong(key, value, "true or false")
    return bool(value)


def id_of(tree: Mapping[str, Any], key: str, size: int) -> str:
    """An id of `size` bytes in hex, small or capital letters."""
    digits = text(tree, key)
    if not digits:
        return ""
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raise wrong(key, digits, f"{2 * size} hex digits") from None
    return hex_id(raw, size)


def attributes(tree: Mapping[str, Any], key: str = "attributes", depth: int = 0) -> Attributes:
    """An array of KeyValue; of several with one key the last counts."""
    found: Attributes = {}
    pairs = list_of(tree, key)
    bounded(len(pairs), MOST_ATTRIBUTES, "attributes")
    for pair in pairs:
        if not isinstance(pair, dict):
            raise wrong(key, pair, 'an array of {"key": ..., "value": ...}')
        name = pair.get("key")
        found[name if type(name) is str else text(pair, "key")] = value_of(pair.get("value"), depth)
    return found


def value_of(given: Any, depth: int) -> Any:
    """An AnyValue: an object with the one field that says its type."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise wrong("value", given, 'an object such as {"stringValue": "a"}')
    for kind, value in given.items():
        if value is None:
            continue
        match kind:
            case "stringValue" | "bytesValue":
                return text(given, kind)
            case "boolValue":
                return flag(given, kind)
            case "intValue":
                number = whole(value, kind)
                return number if number < 2**63 else number - 2**64
            case "doubleValue":
                return double(value, kind)
            case "arrayValue" | "kvlistValue" if depth >= DEEPEST:
                raise too_deep()
            case "arrayValue":
                values = list_of(value, "values")
                bounded(len(values), MOST_VALUES, "values in an array")
                return [value_of(each, depth + 1) for each in values]
            case "kvlistValue":
                return attributes(value, "values", depth + 1)
    return None
