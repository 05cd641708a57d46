"""Log records -> rows of `logs`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from pitchey_slo.collect.batch import Batch, Rejected
from pitchey_slo.collect.otlp import cloudflare, sampling
from pitchey_slo.collect.otlp.keys import (
    COLUMNS,
    PERSONAL,
    PLACES,
    RESOURCE_KEPT,
    first,
    number,
    shown,
    text,
    user_hash,
)
from pitchey_slo.collect.otlp.records import Attributes, Damaged, Log
from pitchey_slo.collect.otlp.routes import pattern
from pitchey_slo.collect.otlp.rows import Gathered, cut, json_text
from pitchey_slo.tables import LOGS

#: The upper ends of OTLP's severity numbers (logs data model: TRACE 1-4, DEBUG 5-8, INFO 9-12, WARN, ERROR, FATAL).
_LEVELS: Final = ((8, "debug"), (12, "info"), (16, "warning"), (20, "error"), (24, "critical"))
_WORDS: Final = {
    "trace": "debug",
    "verbose": "debug",
    "debug": "debug",
    "log": "info",
    "info": "info",
    "information": "info",
    "notice": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "err": "error",
    "fatal": "critical",
    "critical": "critical",
    "emergency": "critical",
    "alert": "critical",
    "panic": "critical",
}
#: Where a structured body keeps its line and its level.
_LINE: Final = ("message", "msg", "event")
_LEVEL: Final = ("level", "severity")
#: Columns of their own; they need not stand among the attributes again.
_TOLD: Final = frozenset(
    key
    for column in ("status", "route", "error_type", "logger", "duration_ms")
    for key in COLUMNS[column]
    if key != "error.type"
) | frozenset(key for keys in PLACES.values() for key in keys)

_LONGEST: Final = {c.name: c.longest for c in LOGS.columns}


def log_rows(records: Iterable[Log | Damaged], *, name: str, key: bytes, head: float, now: datetime) -> Batch:
    """Rows of `logs` in the order of the records.

    `name` names the delivery: a row's event id is its place in it, so that the same bytes sent again are stored once.
    `key` makes hashes of users, `head` is the share that was kept, `now` the time of records without one.
    """
    rows = Gathered(LOGS, now)
    damaged: list[Rejected] = []
    micros = int(now.timestamp() * 1_000_000)
    for place, record in enumerate(records):
        if isinstance(record, Damaged):
            damaged.append(Rejected(place, record.reason, record.message))
            continue
        rows.add({**_row(record, key, head, micros), "event_id": f"{name}:{place}"}, place)
    batch = rows.batch()
    rejected = sorted([*batch.rejected, *damaged], key=lambda r: r.row) if damaged else batch.rejected
    return Batch(batch.table, batch.rows, rejected, batch.warnings)


def _row(record: Log, key: bytes, head: float, now: int) -> dict[str, Any]:
    own, resource = record.attributes, record.resource
    body = record.body
    if isinstance(body, dict):
        own = {**{k: v for k, v in body.items() if k not in _LINE + _LEVEL}, **own}
    service = text(first("service", own, resource))
    route = text(first("route", own))
    return {
        "ts": (record.time or record.observed or now * 1_000) // 1_000,
        "level": level(record, own),
        "service": cut(service, _LONGEST["service"]),
        "message": cut(_message(record, own), _LONGEST["message"]),
        "logger": cut(text(first("logger", own)) or record.scope or None, _LONGEST["logger"]),
        "route": pattern(route) if route else None,
        "status": status_of(own),
        "duration_ms": _not_negative(number(first("duration_ms", own))),
        "location": cut(text(first("location", own, resource)), _LONGEST["location"]),
        "user_hash": user_hash(key, own, resource),
        "trace_id": record.trace_id or None,
        "span_id": record.span_id or None,
        "error_type": cut(error_type(own), _LONGEST["error_type"]),
        "attributes": json_text(kept(own, resource), _LONGEST["attributes"]),
        "sample_interval": sampling.interval(own, "", head),
        "source": source(service),
    }


def source(service: str | None) -> str:
    """Who sent a row: `otlp:` and the service, so that rules of scrubbing can be given for it."""
    return f"otlp:{service or 'unknown'}"[:512]


def level(record: Log, own: Attributes) -> str | None:
    """The level by number, else by word; None when the record says none. A failed invocation is an error."""
    found = next((name for top, name in _LEVELS if 0 < record.severity <= top), None)
    if found is None:
        body = record.body if isinstance(record.body, dict) else {}
        words = (record.severity_text, *(body.get(k) for k in _LEVEL))
        found = next((_WORDS[w.lower()] for w in words if isinstance(w, str) and w.lower() in _WORDS), None)
    if cloudflare.outcome(own) in cloudflare.FAILED and found not in ("error", "critical"):
        return "error"
    return found


def error_type(own: Attributes) -> str | None:
    found = text(first("error_type", own))
    if found is None and cloudflare.outcome(own) in cloudflare.FAILED:
        return cloudflare.outcome(own)
    return found


def status_of(own: Attributes) -> int | None:
    """An HTTP status that can be one; None otherwise: a strange one must not cost the line."""
    found = number(first("status", own))
    return int(found) if found is not None and 0 <= found <= 999 else None


def kept(own: Attributes, resource: Attributes) -> Attributes:
    """What stands in `attributes`: everything that is no column of its own and names no person, and the resource's
    few that matter."""
    mine = {k: v for k, v in own.items() if k not in _TOLD and k not in PERSONAL and v is not None}
    return {**{k: resource[k] for k in RESOURCE_KEPT if resource.get(k) is not None}, **mine}


def _message(record: Log, own: Attributes) -> str | None:
    """The line: the body, or of a structured one its message, else what the record is about."""
    body = record.body
    if isinstance(body, dict):
        line = next((body[k] for k in _LINE if body.get(k)), None)
        found = shown(line) if line is not None else shown(body) if body else ""
    elif isinstance(body, list):  # console.log("saved", {...}) of a Worker
        found = " ".join(shown(part) for part in body)
    else:
        found = shown(body)
    if found.strip():
        return found
    exception = ": ".join(shown(own[k]) for k in ("exception.type", "exception.message") if own.get(k))
    return record.event_name or exception or (shown(kept(own, {})) if kept(own, {}) else None)


def _not_negative(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= 1e9 else None
