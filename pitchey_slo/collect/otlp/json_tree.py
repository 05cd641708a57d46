"""A request as JSON -> records.

ProtoJSON with OTLP's own rules: ids are hex, enums are numbers (their names are taken too), 64-bit numbers come as
texts, `null` is the default, unknown fields are ignored. Half of a surrogate pair, which JavaScript can send and which
is no text, becomes U+FFFD, as TextEncoder has it.
Source: OTLP specification 1.x, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from pitchey_slo.collect.decode import MOST_OBJECTS
from pitchey_slo.collect.otlp.json_fields import (
    attributes,
    double,
    enum,
    flag,
    id_of,
    list_of,
    natural,
    object_of,
    objects,
    short,
    text,
    value_of,
    whole,
)
from pitchey_slo.collect.otlp.records import (
    MOST_RECORDS,
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
        raise CollectError(f"the body is {short(tree)}; an object such as an Export...ServiceRequest is wanted")
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
        for part in objects(_tree(body), outer):
            resource = attributes(object_of(part, "resource"))
            for piece in objects(part, middle):
                scope = text(object_of(piece, "scope"), "name")
                for record in list_of(piece, inner):
                    many += 1
                    if many > MOST_RECORDS:
                        raise too_many()
                    yield resource, scope, record
    except Unreadable as problem:
        raise CollectError(problem.damage.message) from None


def _log(resource: Attributes, scope: str, r: Any) -> Log:
    _known(r, "a log record")
    return Log(
        resource,
        scope,
        natural(r, "timeUnixNano"),
        natural(r, "observedTimeUnixNano"),
        enum(r, "severityNumber"),
        text(r, "severityText"),
        value_of(r.get("body"), 0),
        attributes(r),
        id_of(r, "traceId", 16),
        id_of(r, "spanId", 8),
        text(r, "eventName"),
    )


def _known(record: Any, what: str) -> None:
    if not isinstance(record, dict):
        raise Unreadable("not_an_object", f"{what} is {short(record)}, not an object")


def _span(resource: Attributes, scope: str, r: Any) -> Span:
    _known(r, "a span")
    status = object_of(r, "status")
    return Span(
        resource,
        scope,
        id_of(r, "traceId", 16),
        id_of(r, "spanId", 8),
        text(r, "traceState"),
        text(r, "name"),
        enum(r, "kind"),
        natural(r, "startTimeUnixNano"),
        natural(r, "endTimeUnixNano"),
        attributes(r),
        [Event(natural(e, "timeUnixNano"), text(e, "name"), attributes(e)) for e in objects(r, "events")],
        enum(status, "code"),
        text(status, "message"),
    )


def _metric(resource: Attributes, r: Any) -> Metric:
    _known(r, "a metric")
    kind = next((name for name in reversed(r) if name in _DATA and r[name] is not None), "")
    data = object_of(r, kind)
    return Metric(
        resource,
        text(r, "name"),
        text(r, "description"),
        text(r, "unit"),
        _DATA.get(kind, ""),
        enum(data, "aggregationTemporality"),
        flag(data, "isMonotonic"),
        _points(kind, list_of(data, "dataPoints")),
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
        value = double(p["asDouble"], "asDouble")
    elif p.get("asInt") is not None:
        value = float(whole(p["asInt"], "asInt"))
    return Number(attributes(p), natural(p, "timeUnixNano"), natural(p, "flags"), value)


def _buckets(p: Mapping[str, Any]) -> Buckets:
    return Buckets(
        attributes(p),
        natural(p, "timeUnixNano"),
        natural(p, "flags"),
        natural(p, "count"),
        None if p.get("sum") is None else double(p["sum"], "sum"),
        [natural({"bucketCounts": count}, "bucketCounts") for count in list_of(p, "bucketCounts")],
        [double(bound, "explicitBounds") for bound in list_of(p, "explicitBounds")],
    )


def _quantiles(p: Mapping[str, Any]) -> Quantiles:
    def at(v: Mapping[str, Any], key: str) -> float:
        return 0.0 if v.get(key) is None else double(v[key], key)

    return Quantiles(
        attributes(p),
        natural(p, "timeUnixNano"),
        natural(p, "flags"),
        natural(p, "count"),
        at(p, "sum"),
        [(at(v, "quantile"), at(v, "value")) for v in objects(p, "quantileValues")],
    )
