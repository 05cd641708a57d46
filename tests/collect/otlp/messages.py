"""Requests to send, made with the protobuf library, and the same as JSON by a slow and obvious way."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from pitchey_slo.collect.otlp import JSON, PROTOBUF, Delivery

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NANOS = int(NOW.timestamp()) * 10**9
KEY = b"k" * 32
TRACE, SPAN = bytes.fromhex("5b8efff798038103d269b633813fc60c"), bytes.fromhex("eee19b7ec3c1b174")


def value(given: Any) -> AnyValue:
    match given:
        case bool():
            return AnyValue(bool_value=given)
        case int():
            return AnyValue(int_value=given)
        case float():
            return AnyValue(double_value=given)
        case str():
            return AnyValue(string_value=given)
        case bytes():
            return AnyValue(bytes_value=given)
        case list():
            found = AnyValue()
            found.array_value.values.extend(value(each) for each in given)
            found.array_value.SetInParent()
            return found
        case dict():
            found = AnyValue()
            found.kvlist_value.values.extend(pairs(given))
            found.kvlist_value.SetInParent()
            return found
    return AnyValue()


def pairs(given: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(each)) for key, each in given.items()]


def logs(*records: dict[str, Any], resource: dict[str, Any] | None = None) -> ExportLogsServiceRequest:
    """Records by the names of their protobuf fields; body and attributes as Python values."""
    request = ExportLogsServiceRequest()
    outer = request.resource_logs.add()
    outer.resource.attributes.extend(pairs(resource or {}))
    scope = outer.scope_logs.add()
    scope.scope.name = "app.orders"
    for given in records:
        fields = {"time_unix_nano": NANOS, **given}
        body, attributes = fields.pop("body", "hello"), fields.pop("attributes", {})
        record = scope.log_records.add(**fields)
        if body is not None:
            record.body.CopyFrom(value(body))
        record.attributes.extend(pairs(attributes))
    return request


def spans(*given: dict[str, Any], resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    """Spans of a server by the names of their protobuf fields; `events` are (name, attributes)."""
    request = ExportTraceServiceRequest()
    outer = request.resource_spans.add()
    outer.resource.attributes.extend(pairs(resource or {"service.name": "api"}))
    scope = outer.scope_spans.add()
    for i, each in enumerate(given):
        fields = {
            "trace_id": TRACE,
            "span_id": (i + 1).to_bytes(8, "big"),
            "kind": 2,
            "start_time_unix_nano": NANOS - 250_000_000,
            "end_time_unix_nano": NANOS,
            **each,
        }
        attributes, events = fields.pop("attributes", {}), fields.pop("events", [])
        status = fields.pop("status", 0)
        span = scope.spans.add(**fields)
        span.attributes.extend(pairs(attributes))
        span.status.code = status
        for name, told in events:
            span.events.add(time_unix_nano=NANOS - 1_000, name=name).attributes.extend(pairs(told))
    return request


def metrics(*given: dict[str, Any], resource: dict[str, Any] | None = None) -> ExportMetricsServiceRequest:
    """Metrics by the names of their protobuf fields; the one that is a dictionary of points is the kind."""
    request = ExportMetricsServiceRequest()
    outer = request.resource_metrics.add()
    outer.resource.attributes.extend(pairs(resource or {}))
    scope = outer.scope_metrics.add()
    for each in given:
        fields = dict(each)
        kind, data = next((k, v) for k, v in fields.items() if isinstance(v, dict))
        del fields[kind]
        metric = scope.metrics.add(**fields)
        told = getattr(metric, kind)
        told.SetInParent()
        for name in set(data) - {"points"}:
            setattr(told, name, data[name])
        for point in data.get("points", []):
            attributes = point.get("attributes", {})
            inner = {k: v for k, v in point.items() if k not in ("attributes", "quantile_values")}
            made = told.data_points.add(**{"time_unix_nano": NANOS, **inner})
            made.attributes.extend(pairs(attributes))
            for quantile, number in point.get("quantile_values", []):
                made.quantile_values.add(quantile=quantile, value=number)
    return request


def as_json(message: Message) -> bytes:
    """OTLP's JSON: ProtoJSON with ids in hex and enums as numbers."""
    return json.dumps(_hex(MessageToDict(message, use_integers_for_enums=True))).encode()


def _hex(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {
            k: base64.b64decode(v).hex() if k in ("traceId", "spanId", "parentSpanId") else _hex(v)
            for k, v in tree.items()
        }
    return [_hex(each) for each in tree] if isinstance(tree, list) else tree


def delivery(message: Message | bytes, media: str = PROTOBUF, **more: Any) -> Delivery:
    if isinstance(message, Message):
        message = as_json(message) if media == JSON else message.SerializeToString()
    given = {
        **{"content_encoding": None, "head": None, "limit": 1 << 24, "key": KEY, "now": NOW + timedelta(seconds=5)},
        **more,
    }
    return Delivery(message, media, **given)


def sample(name: str) -> Delivery:
    """A file of `data`, as JSON."""
    return delivery((DATA / name).read_bytes(), JSON)
