"""A request as JSON -> records.

ProtoJSON with OTLP's own rules: ids are hex, enums are numbers (their names are taken too), 64-bit numbers come as
texts, `null` is the default, unknown fields are ignored. Half of a surrogate pair, which JavaScript can send and which
is no text, becomes U+FFFD, as TextEncoder has it.
Source: OTLP specification 1.x, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from pitchey_slo.collect.decode import MOST_OBJECTS
from pitchey_slo.collect.otlp.records import (
    DEEPEST,
    MOST_ATTRIBUTES,
    MOST_RECORDS,
    MOST_VALUES,
    Attributes,
    Buckets,
    Damaged,
    Event,
    Log,
    Metric,
    Number,
    Point,
    Quantiles,
    Span,
    Unreadable,
    Unsupported,
    bounded,
    hex_id,
    too_deep,
    too_many,
)
from pitchey_slo.errors import BodyTooLarge, CollectError

_DATA: Final = {
    "gauge": "gauge",
    "sum": "sum",
    "histogram": "histogram",
    "exponentialHistogram": "exponential_histogram",
    "summary": "summary",
}
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
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\."
)


def read_logs(body: bytes) -> Iterator[Log | Damaged]:
    """The log records of an ExportLogsServiceRequest. Raises CollectError, BodyTooLarge."""
    for resource, scope, record in _records(body, "resourceLogs", "scopeLogs", "logRecords"):
        try:
            yield _log(resource, scope, record)
        except Unreadable as problem:
            yield problem.damage


def read_spans(body: bytes) -> Iterator[Span | Damaged]:
    """The spans of an ExportTraceServiceRequest. Raises CollectError, BodyTooLarge."""
    for resource, scope, record in _records(body, "resourceSpans", "scopeSpans", "spans"):
        try:
            yield _span(resource, scope, record)
        except Unreadable as problem:
            yield problem.damage


def read_metrics(body: bytes) -> Iterator[Metric]:
    """The metrics of an ExportMetricsServiceRequest. Raises CollectError, BodyTooLarge, also while points are
    walked."""
    for resource, _, record in _records(body, "resourceMetrics", "scopeMetrics", "metrics"):
        try:
            yield _metric(resource, record)
        except Unreadable as problem:
            raise CollectError(f"a metric: {problem.damage.message}") from None


def _tree(body: bytes) -> Mapping[str, Any]:
    if body.count(b"{") + body.count(b"[") > MOST_OBJECTS or body.count(b",") > 16 * MOST_OBJECTS:
        raise BodyTooLarge(f"the body has more than {MOST_OBJECTS:,} objects; send it in several parts")
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in str(error):
            raise CollectError(f"the body is not JSON: {error}") from None
        tree = _mended(body)
    if not isinstance(tree, dict):
        raise CollectError(f"the body is {_shown(tree)}; an object such as an Export...ServiceRequest is wanted")
    return tree


def _mended(body: bytes) -> Any:
    try:
        return orjson.loads(_ESCAPE.sub(lambda m: rb"\ufffd" if len(m[0]) == 6 else m[0], body))
    except orjson.JSONDecodeError as error:
        raise CollectError(f"the body is not JSON: {error}") from None


def _records(body: bytes, outer: str, middle: str, inner: str) -> Iterator[tuple[Attributes, str, Mapping[str, Any]]]:
    """(resource, name of the scope, record) of each record."""
    many = 0
    try:
        for part in _objects(_tree(body), outer):
            resource = _attributes(_object(part, "resource"))
            for piece in _objects(part, middle):
                scope = _text(_object(piece, "scope"), "name")
                for record in _list(piece, inner):
                    many += 1
                    if many > MOST_RECORDS:
                        raise too_many()
                    yield resource, scope, record
    except Unreadable as problem:
        raise CollectError(problem.damage.message) from None


# one field of an object; null and absent are the default


def _wrong(key: str, value: Any, wanted: str) -> Unreadable:
    return Unreadable("wrong_type", f"{key}: {_shown(value)} is not {wanted}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _list(tree: Any, key: str) -> list[Any]:
    if not isinstance(tree, dict):
        raise _wrong(key, tree, "an object")
    value = tree.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(key, value, "an array")
    return value


def _objects(tree: Any, key: str) -> Iterator[Mapping[str, Any]]:
    for value in _list(tree, key):
        if not isinstance(value, dict):
            raise _wrong(key, value, "an array of objects")
        yield value


def _object(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = tree.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, value, "an object")
    return value


def _text(tree: Mapping[str, Any], key: str) -> str:
    value = tree.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(key, value, "a text")
    return value


def _whole(value: Any, key: str) -> int:
    """A 64-bit number as ProtoJSON writes it, and as people do."""
    if type(value) is str:
        value = int(value) if _WHOLE.fullmatch(value) else value
    elif type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not -(2**63) <= value < 2**64:
        raise _wrong(key, value, "a whole number of 64 bits")
    return value


def _int(tree: Mapping[str, Any], key: str) -> int:
    value = tree.get(key)
    return 0 if value is None else _whole(value, key)


def _natural(tree: Mapping[str, Any], key: str) -> int:
    value = _int(tree, key)
    if value < 0:
        raise _wrong(key, value, "0 or more")
    return value


def _float(value: Any, key: str) -> float:
    if type(value) in (int, float):
        return float(value)
    if type(value) is str:
        if value in _FLOATS:
            return _FLOATS[value]
        try:
            if value.isascii() and not value.isalpha():
                return float(value)
        except ValueError:
            pass
    raise _wrong(key, value, "a number")


def _enum(tree: Mapping[str, Any], key: str) -> int:
    value = tree.get(key)
    if type(value) is str and not _WHOLE.fullmatch(value):
        return _NAMES[key].get(value, 0)
    return 0 if value is None else _whole(value, key)


def _bool(tree: Mapping[str, Any], key: str) -> bool:
    value = tree.get(key)
    if value is not None and type(value) is not bool:
        raise _wrong(key, value, "true or false")
    return bool(value)


def _id(tree: Mapping[str, Any], key: str, size: int) -> str:
    text = _text(tree, key)
    if not text:
        return ""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise _wrong(key, text, f"{2 * size} hex digits") from None
    return hex_id(raw, size)


def _attributes(tree: Mapping[str, Any], key: str = "attributes", depth: int = 0) -> Attributes:
    found: Attributes = {}
    pairs = _list(tree, key)
    bounded(len(pairs), MOST_ATTRIBUTES, "attributes")
    for pair in pairs:
        if not isinstance(pair, dict):
            raise _wrong(key, pair, 'an array of {"key": ..., "value": ...}')
        name = pair.get("key")
        found[name if type(name) is str else _text(pair, "key")] = _value(pair.get("value"), depth)
    return found


def _value(given: Any, depth: int) -> Any:
    """An AnyValue: an object with the one field that says its type."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise _wrong("value", given, 'an object such as {"stringValue": "a"}')
    for kind, value in given.items():
        if value is None:
            continue
        match kind:
            case "stringValue" | "bytesValue":
                return _text(given, kind)
            case "boolValue":
                return _bool(given, kind)
            case "intValue":
                number = _whole(value, kind)
                return number if number < 2**63 else number - 2**64
            case "doubleValue":
                return _float(value, kind)
            case "arrayValue" | "kvlistValue" if depth >= DEEPEST:
                raise too_deep()
            case "arrayValue":
                values = _list(value, "values")
                bounded(len(values), MOST_VALUES, "values in an array")
                return [_value(each, depth + 1) for each in values]
            case "kvlistValue":
                return _attributes(value, "values", depth + 1)
    return None


# records


def _log(resource: Attributes, scope: str, r: Any) -> Log:
    _known(r, "a log record")
    return Log(
        resource,
        scope,
        _natural(r, "timeUnixNano"),
        _natural(r, "observedTimeUnixNano"),
        _enum(r, "severityNumber"),
        _text(r, "severityText"),
        _value(r.get("body"), 0),
        _attributes(r),
        _id(r, "traceId", 16),
        _id(r, "spanId", 8),
        _text(r, "eventName"),
    )


def _known(record: Any, what: str) -> None:
    if not isinstance(record, dict):
        raise Unreadable("not_an_object", f"{what} is {_shown(record)}, not an object")


def _span(resource: Attributes, scope: str, r: Any) -> Span:
    _known(r, "a span")
    status = _object(r, "status")
    return Span(
        resource,
        scope,
        _id(r, "traceId", 16),
        _id(r, "spanId", 8),
        _text(r, "traceState"),
        _text(r, "name"),
        _enum(r, "kind"),
        _natural(r, "startTimeUnixNano"),
        _natural(r, "endTimeUnixNano"),
        _attributes(r),
        [Event(_natural(e, "timeUnixNano"), _text(e, "name"), _attributes(e)) for e in _objects(r, "events")],
        _enum(status, "code"),
        _text(status, "message"),
    )


def _metric(resource: Attributes, r: Any) -> Metric:
    _known(r, "a metric")
    kind = next((name for name in reversed(r) if name in _DATA and r[name] is not None), "")
    data = _object(r, kind)
    return Metric(
        resource,
        _text(r, "name"),
        _text(r, "description"),
        _text(r, "unit"),
        _DATA.get(kind, ""),
        _enum(data, "aggregationTemporality"),
        _bool(data, "isMonotonic"),
        _points(kind, _list(data, "dataPoints")),
    )


def _points(kind: str, given: list[Any]) -> Iterator[Point]:
    for p in given:
        try:
            _known(p, "a data point")
            match kind:
                case "gauge" | "sum":
                    yield _number(p)
                case "histogram":
                    yield _buckets(p)
                case "summary":
                    yield _quantiles(p)
                case _:
                    yield Unsupported()
        except Unreadable as problem:
            yield problem.damage


def _number(p: Mapping[str, Any]) -> Number:
    value: float | None = None
    if p.get("asDouble") is not None:
        value = _float(p["asDouble"], "asDouble")
    elif p.get("asInt") is not None:
        value = float(_whole(p["asInt"], "asInt"))
    return Number(_attributes(p), _natural(p, "timeUnixNano"), _natural(p, "flags"), value)


def _buckets(p: Mapping[str, Any]) -> Buckets:
    return Buckets(
        _attributes(p),
        _natural(p, "timeUnixNano"),
        _natural(p, "flags"),
        _natural(p, "count"),
        None if p.get("sum") is None else _float(p["sum"], "sum"),
        [_natural({"bucketCounts": count}, "bucketCounts") for count in _list(p, "bucketCounts")],
        [_float(bound, "explicitBounds") for bound in _list(p, "explicitBounds")],
    )


def _quantiles(p: Mapping[str, Any]) -> Quantiles:
    def at(v: Mapping[str, Any], key: str) -> float:
        return 0.0 if v.get(key) is None else _float(v[key], key)

    return Quantiles(
        _attributes(p),
        _natural(p, "timeUnixNano"),
        _natural(p, "flags"),
        _natural(p, "count"),
        at(p, "sum"),
        [(at(v, "quantile"), at(v, "value")) for v in _objects(p, "quantileValues")],
    )
