"""Spans -> rows of `requests`, and of `logs` for the exceptions they hold.

A server's span of an HTTP request becomes a request event. Every other span is taken and not kept: this house counts
requests, it is no store of traces. An event `exception` of any span becomes a log line with its trace id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pitchey_slo.collect.batch import Batch, Rejected
from pitchey_slo.collect.otlp import cloudflare, routes, sampling
from pitchey_slo.collect.otlp.keys import first, number, shown, text, user_hash
from pitchey_slo.collect.otlp.logs import kept, source
from pitchey_slo.collect.otlp.records import ERROR, SERVER, Attributes, Damaged, Span
from pitchey_slo.collect.otlp.rows import Gathered, cut, json_text
from pitchey_slo.tables import LOGS, REQUESTS

_LOG: Final = {c.name: c.longest for c in LOGS.columns}
_REQUEST: Final = {c.name: c.longest for c in REQUESTS.columns}


@dataclass(frozen=True)
class SpanRows:
    """`requests` and `logs` conform. `rejected` are the spans that could not become a request, `not_kept` counts those
    that are none; `lines` are the exceptions that could not become a line."""

    requests: Batch
    logs: Batch
    rejected: list[Rejected]
    not_kept: int
    lines: list[Rejected]


def span_rows(spans: Iterable[Span | Damaged], *, key: bytes, head: float, now: datetime) -> SpanRows:
    """What is kept of `spans`; `Rejected.row` is the place of the span. For `key` and `head` see `logs.log_rows`."""
    requests, lines = Gathered(REQUESTS, now), Gathered(LOGS, now)
    refused: list[Rejected] = []
    not_kept = 0
    for place, span in enumerate(spans):
        if isinstance(span, Damaged):
            refused.append(Rejected(place, span.reason, span.message))
            continue
        for line in _exceptions(span, key, head):
            lines.add(line, place)
        if not _is_request(span):
            not_kept += 1
            continue
        row = _request(span, key, head)
        if problem := _problem(span, row):
            refused.append(Rejected(place, "missing_field", problem))
            continue
        requests.add(row, place)
    batch, logs = requests.batch(), lines.batch()
    rejected = sorted([*refused, *batch.rejected], key=lambda r: r.row)
    return SpanRows(batch, logs, rejected, not_kept, logs.rejected)


def _is_request(span: Span) -> bool:
    own = span.attributes
    if cloudflare.is_handler(own, span.kind):
        return True
    return span.kind == SERVER and (first("method", own) is not None or first("status", own) is not None)


def _problem(span: Span, row: dict[str, Any]) -> str | None:
    if row["event_id"] is None:
        return f"span {span.name[:60]!r}: traceId and spanId are not 16 and 8 bytes, or all zeros"
    if row["route"] is None:
        return f"span {span.name[:60]!r}: neither http.route nor url.path; one of them says what was asked for"
    if row["status"] is None:
        return f"span {span.name[:60]!r}: no http.response.status_code, and nothing else says how it ended"
    if span.end < span.start or not span.end:
        return f"span {span.name[:60]!r}: it ends before it starts, or never"
    return None


def _request(span: Span, key: bytes, head: float) -> dict[str, Any]:
    own, resource = span.attributes, span.resource
    size = number(first("bytes", own))
    return {
        "ts": span.end // 1_000,
        "route": _route(span),
        "method": cut(text(first("method", own)), _REQUEST["method"]),
        "status": status_of(span),
        "duration_ms": _duration(span),
        "location": cut(text(first("location", own, resource)), _REQUEST["location"]),
        "user_hash": user_hash(key, own, resource),
        "trace_id": span.trace_id or None,
        "cache_status": cut(text(first("cache_status", own)), _REQUEST["cache_status"]),
        "bytes": size if size is not None and 0 <= size < 2**53 else None,
        "sample_interval": sampling.interval(own, span.trace_state, head),
        "source": source(text(first("service", own, resource))),
        "event_id": f"{span.trace_id}:{span.span_id}" if span.trace_id and span.span_id else None,
    }


def _route(span: Span) -> str | None:
    route = text(first("route", span.attributes))
    if route:
        return routes.pattern(route)
    path = text(first("path", span.attributes))
    return routes.from_path(path) if path else routes.from_name(span.name)


def status_of(span: Span) -> int | None:
    """What was answered. A status wins over every other word; `error.type` may be one; then Cloudflare's outcome; a
    span that ended as an error without any of them is an unhandled exception, which is a 500."""
    own = span.attributes
    for value in (first("status", own), own.get("error.type")):
        found = number(value)
        if found is not None and found == int(found) and 0 <= found <= 999:
            return int(found)
    told = cloudflare.STATUS.get(cloudflare.outcome(own) or "")
    return 500 if told is None and span.status == ERROR else told


def _duration(span: Span) -> float:
    """Milliseconds. In a Worker the clock stands still between input and output, so a span may last 0 ms while the
    invocation's own figure is larger."""
    lasted = (span.end - span.start) / 1e6
    if lasted == 0:
        told = number(first("duration_ms", span.attributes))
        return told if told is not None and 0 < told <= 1e9 else 0.0
    return lasted


def _exceptions(span: Span, key: bytes, head: float) -> list[dict[str, Any]]:
    found = []
    for place, event in enumerate(span.events):
        if event.name == "exception":
            named = f"{span.trace_id}:{span.span_id}:{place}" if span.trace_id and span.span_id else None
            found.append({**_line(span, event.attributes, key, head), "ts": _at(span, event.time), "event_id": named})
    return found


def _at(span: Span, time: int) -> int:
    return (time or span.end or span.start) // 1_000


def _line(span: Span, own: Attributes, key: bytes, head: float) -> dict[str, Any]:
    everything = {**span.attributes, **own}
    resource = span.resource
    service = text(first("service", everything, resource))
    told = [shown(own[k]) for k in ("exception.type", "exception.message") if own.get(k)]
    row = _request(span, key, head) if _is_request(span) else {}
    return {
        "level": "error",
        "service": cut(service, _LOG["service"]),
        "message": cut(": ".join(told) or f"exception in {span.name}", _LOG["message"]),
        "logger": cut(span.scope or None, _LOG["logger"]),
        "route": row.get("route"),
        "status": row.get("status"),
        "location": cut(text(first("location", everything, resource)), _LOG["location"]),
        "user_hash": user_hash(key, everything, resource),
        "trace_id": span.trace_id or None,
        "span_id": span.span_id or None,
        "error_type": cut(text(own.get("exception.type")), _LOG["error_type"]),
        "attributes": json_text(kept(own, resource), _LOG["attributes"]),
        "sample_interval": sampling.interval(span.attributes, span.trace_state, head),
        "source": source(service),
    }
