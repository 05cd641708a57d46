"""A request as protobuf -> records.

The request is taken apart by hand down to the single record, and only that is given to the protobuf library: a message
object takes up to thirty times its bytes, and so one record at a time is held as one. A record that the library cannot
read costs that record; a request whose frame is broken cannot be read at all.

    Export...Request  1 resource_*        Resource_*  1 resource  2 scope_*        Scope_*  1 scope  2 record*
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

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
from pitchey_slo.collect.prometheus.wire import BYTES, VARINT, expect, fields, varint
from pitchey_slo.errors import CollectError

#: Bytes of one record: an empty message inside it takes two of them, and sixty of memory.
LARGEST: Final = 1 << 20
#: Fields around the records of one request: each record is passed twice.
MOST_FIELDS: Final = 10 * MOST_RECORDS

_KINDS: Final = {5: "gauge", 7: "sum", 9: "histogram", 10: "exponential_histogram", 11: "summary"}

M = TypeVar("M", bound=Message)


def read_logs(b: bytes) -> Iterator[Log | Damaged]:
    """The log records of an ExportLogsServiceRequest. Raises CollectError, BodyTooLarge."""
    for resource, scope, start, stop in _Frame(b).records():
        try:
            yield _log(resource, scope, _message(LogRecord, b[start:stop]))
        except Unreadable as problem:
            yield problem.damage


def read_spans(b: bytes) -> Iterator[Span | Damaged]:
    """The spans of an ExportTraceServiceRequest. Raises CollectError, BodyTooLarge."""
    for resource, scope, start, stop in _Frame(b).records():
        try:
            yield _span(resource, scope, _message(trace_pb2.Span, b[start:stop]))
        except Unreadable as problem:
            yield problem.damage


def read_metrics(b: bytes) -> Iterator[Metric]:
    """The metrics of an ExportMetricsServiceRequest. Raises CollectError, BodyTooLarge, also while points are
    walked."""
    frame = _Frame(b)
    for resource, _, start, stop in frame.records():
        yield _metric(resource, frame, start, stop)


class _Frame:
    """What lies around the records. Counts the fields it sees: millions of empty ones cost nothing to send."""

    def __init__(self, b: bytes) -> None:
        self.b = b
        self.left = MOST_FIELDS

    def fields(self, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        for found in fields(self.b, at, end):
            self.left -= 1
            if self.left < 0:
                raise too_many()
            yield found

    def parts(self, at: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
        """Where the messages of field `wanted` stand."""
        for number, kind, start, stop in self.fields(at, end):
            if number == wanted:
                expect(kind, BYTES, start)
                yield start, stop

    def joined(self, at: int, end: int, wanted: int) -> bytes:
        """The message of field `wanted`; if it stands several times, all of it counts (protobuf's merging)."""
        return b"".join(self.b[i:j] for i, j in self.parts(at, end, wanted))

    def records(self) -> Iterator[tuple[Attributes, str, int, int]]:
        """(resource, name of the scope, where the record stands) of each record."""
        many = 0
        for at, end in self.parts(0, len(self.b), 1):
            resource = _whole(_message(Resource, self.joined(at, end, 1), whole=True).attributes)
            for start, stop in self.parts(at, end, 2):
                scope = _message(InstrumentationScope, self.joined(start, stop, 1), whole=True)
                for i, j in self.parts(start, stop, 2):
                    many += 1
                    if many > MOST_RECORDS:
                        raise too_many()
                    yield resource, scope.name, i, j


def _message(kind: type[M], raw: bytes, *, whole: bool = False) -> M:
    """`raw` as a message. Raises Unreadable; with `whole`, where more than one record hangs on it, CollectError."""
    try:
        if len(raw) > LARGEST:
            raise Unreadable("too_long", f"a {kind.__name__} of {len(raw):,} bytes; {LARGEST:,} are allowed")
        found: M = kind.FromString(raw)
        return found
    except DecodeError as error:
        text = str(error).rpartition(": ")[2]
        problem = Unreadable("invalid_utf8" if "UTF-8" in text else "malformed_line", f"{kind.__name__}: {text}")
    except Unreadable as error:
        problem = error
    if whole:
        raise CollectError(f"not readable: {problem.damage.message}")
    raise problem


def _whole(pairs: Any) -> Attributes:
    try:
        return _attributes(pairs)
    except Unreadable as problem:
        raise CollectError(f"a resource: {problem.damage.message}") from None


def _attributes(pairs: Any, depth: int = 0) -> Attributes:
    bounded(len(pairs), MOST_ATTRIBUTES, "attributes")
    return {pair.key: _value(pair.value, depth) for pair in pairs}


def _value(given: AnyValue, depth: int) -> Any:
    kind = given.WhichOneof("value")
    match kind:
        case "string_value" | "int_value" | "bool_value" | "double_value":
            return getattr(given, kind)
        case "array_value" | "kvlist_value" if depth >= DEEPEST:
            raise too_deep()
        case "array_value":
            bounded(len(given.array_value.values), MOST_VALUES, "values in an array")
            return [_value(each, depth + 1) for each in given.array_value.values]
        case "kvlist_value":
            return _attributes(given.kvlist_value.values, depth + 1)
        case "bytes_value":
            return base64.b64encode(given.bytes_value).decode()
    return None  # nothing, or an index into a dictionary that only profiles have


def _log(resource: Attributes, scope: str, m: LogRecord) -> Log:
    return Log(
        resource,
        scope,
        m.time_unix_nano,
        m.observed_time_unix_nano,
        m.severity_number,
        m.severity_text,
        _value(m.body, 0),
        _attributes(m.attributes),
        hex_id(m.trace_id, 16),
        hex_id(m.span_id, 8),
        m.event_name,
    )


def _span(resource: Attributes, scope: str, m: trace_pb2.Span) -> Span:
    return Span(
        resource,
        scope,
        hex_id(m.trace_id, 16),
        hex_id(m.span_id, 8),
        m.trace_state,
        m.name,
        m.kind,
        m.start_time_unix_nano,
        m.end_time_unix_nano,
        _attributes(m.attributes),
        [Event(e.time_unix_nano, e.name, _attributes(e.attributes)) for e in m.events],
        m.status.code,
        m.status.message,
    )


def _metric(resource: Attributes, frame: _Frame, at: int, end: int) -> Metric:
    b, texts = frame.b, {1: "", 2: "", 3: ""}
    kind, start, stop = 0, at, at
    for number, wire, i, j in frame.fields(at, end):
        if number in texts:
            expect(wire, BYTES, i)
            texts[number] = b[i:j].decode(errors="replace")
        elif number in _KINDS:
            expect(wire, BYTES, i)
            kind, start, stop = number, i, j  # one of them; the last counts
    temporality, monotonic = 0, False
    for number, wire, i, j in frame.fields(start, stop) if kind in (7, 9) else ():
        if number in (2, 3):
            expect(wire, VARINT, i)
            value = varint(b, i, j)[0]
            temporality, monotonic = (value, monotonic) if number == 2 else (temporality, bool(value))
    points = _points(_KINDS.get(kind, ""), frame, start, stop)
    return Metric(resource, texts[1], texts[2], texts[3], _KINDS.get(kind, ""), temporality, monotonic, points)


def _points(kind: str, frame: _Frame, at: int, end: int) -> Iterator[Point]:
    b = frame.b
    for start, stop in frame.parts(at, end, 1) if kind else ():
        try:
            match kind:
                case "gauge" | "sum":
                    yield _number(_message(metrics_pb2.NumberDataPoint, b[start:stop]))
                case "histogram":
                    yield _buckets(_message(metrics_pb2.HistogramDataPoint, b[start:stop]))
                case "summary":
                    yield _quantiles(_message(metrics_pb2.SummaryDataPoint, b[start:stop]))
                case _:
                    yield Unsupported()
        except Unreadable as problem:
            yield problem.damage


def _number(m: metrics_pb2.NumberDataPoint) -> Number:
    which = m.WhichOneof("value")
    value = float(getattr(m, which)) if which else None
    return Number(_attributes(m.attributes), m.time_unix_nano, m.flags, value)


def _buckets(m: metrics_pb2.HistogramDataPoint) -> Buckets:
    total = m.sum if m.HasField("sum") else None
    counts, bounds = list(m.bucket_counts), list(m.explicit_bounds)
    return Buckets(_attributes(m.attributes), m.time_unix_nano, m.flags, m.count, total, counts, bounds)


def _quantiles(m: metrics_pb2.SummaryDataPoint) -> Quantiles:
    values = [(v.quantile, v.value) for v in m.quantile_values]
    return Quantiles(_attributes(m.attributes), m.time_unix_nano, m.flags, m.count, m.sum, values)


__all__ = ["read_logs", "read_metrics", "read_spans"]
