"""One log line as a row of the table `logs`: what a service said, and the request or job in which it said it.

The processors here are structlog's kind, `(logger, method, event) -> event`; lines of the standard library's logging go
through the very same ones.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from pitchey_slo.instrument import clean, trace, trouble
from pitchey_slo.instrument.clean import Scrubs
from pitchey_slo.instrument.context import UserHash, current
from pitchey_slo.instrument.encode import line, plain, text
from pitchey_slo.logs.fingerprint import fingerprint

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Event]

#: Characters of a column; `tables.LOGS` refuses longer ones.
_LONGEST: Final = {
    "service": 128, "logger": 256, "route": 2_048, "location": 128, "user_hash": 128, "trace_id": 128, "span_id": 64,
    "error_type": 256, "message": 32_000,
}  # fmt: skip
_ATTRIBUTES: Final = 32_000
_ERROR_MESSAGE: Final = 2_000

#: What structlog and the standard library call them -> the five of the table.
LEVELS: Final = {
    "debug": "debug", "info": "info", "warning": "warning", "warn": "warning", "error": "error", "exception": "error",
    "critical": "critical", "fatal": "critical", "notset": "debug",
}  # fmt: skip

#: What people may have put into a line; the rest is ours.
_SCRUBBED: Final = ("message", "logger", "route", "error_type", "attributes")
_TEXTS: Final = ("logger", "route", "location", "user_hash", "trace_id", "span_id", "error_type")


def at_hand(_logger: Any, _method: str, event: Event) -> Event:
    """Trace, span, request, user and route of the work at hand; what the line says itself wins."""
    work = current()
    span = trace.of_opentelemetry()
    if span is None and work is not None:
        span = work.trace
    if span is not None:
        event.setdefault("trace_id", span.trace_id)
        event.setdefault("span_id", span.span_id)
    if work is not None:
        for name, value in (("request_id", work.request_id), ("user_hash", work.user_hash), ("route", work.route)):
            if value is not None:
                event.setdefault(name, value)
    return event


def errors(_logger: Any, method: str, event: Event) -> Event:
    """`exc_info` as data: type, message and a short stack under `error`, and a fingerprint by its frames."""
    given = event.pop("exc_info", None)
    if given is None and method == "exception":
        given = True
    error = _exception(given)
    if error is None:
        return event
    told = trouble.described(error)
    event["error"] = told
    event.setdefault("error_type", told["type"])
    event.setdefault("fingerprint", fingerprint(_as_traceback(told), told["type"]))
    return event


def users(hashed: UserHash | None) -> Processor:
    """`user=` leaves as its keyed hash; without a key it does not leave at all."""

    def apply(_logger: Any, _method: str, event: Event) -> Event:
        if "user" in event:
            user = event.pop("user")
            if hashed is not None and isinstance(user, (str, int)) and user != "":
                event["user_hash"] = hashed(user)
        return event

    return apply


def rows(service: str, location: str | None) -> Processor:
    """The row: columns that the table has, everything else as plain data under `attributes`."""

    def apply(logger: Any, method: str, event: Event) -> Event:
        said = plain(event.pop("event", ""))
        row: dict[str, Any] = {
            "ts": now(),
            "level": LEVELS.get(method, "info"),
            "service": service,
            "message": said if isinstance(said, str) else line({"event": said}).decode(),
            "logger": getattr(logger, "name", None),
            "location": location,
        }
        for name in _TEXTS:
            value = event.get(name)
            if type(value) is str and value:
                row[name] = event.pop(name)
        status, took = event.get("status"), event.get("duration_ms")
        if type(status) is int and 0 <= status <= 999:
            row["status"] = event.pop("status")
        if isinstance(took, (int, float)) and took is not True and 0 <= took <= 1e9:
            row["duration_ms"] = float(event.pop("duration_ms"))
        if "fingerprint" in event:
            row["fingerprint"] = event.pop("fingerprint")
        if event:
            row["attributes"] = plain(event)
        row["source"] = service
        row["event_id"] = number()
        return {name: value for name, value in row.items() if value is not None}

    return apply


def scrub(scrubs: Scrubs, source: str) -> Processor:
    """Personal data are taken out here, before any destination sees the line; then texts are cut as columns want it."""

    def apply(_logger: Any, _method: str, event: Event) -> Event:
        said = {name: event[name] for name in _SCRUBBED if name in event}
        told = clean.value(scrubs, said, source)
        if not isinstance(told, dict):
            for name in said:
                event.pop(name)
            event["message"] = clean.FAILED
        else:
            event.update(told)
        return bounded(event)

    return apply


def bounded(event: Event) -> Event:
    for name, longest in _LONGEST.items():
        value = event.get(name)
        if type(value) is str and len(value) > longest:
            event[name] = text(value, longest)
        elif value is not None and type(value) is not str:
            event[name] = text(str(value), longest)
    attributes = event.get("attributes")
    if attributes is not None:
        error = attributes.get("error") if isinstance(attributes, dict) else None
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            error["message"] = text(error["message"], _ERROR_MESSAGE)
        event["attributes"] = fitting(attributes)
    return event


def fitting(attributes: Any) -> Any:
    """Attributes that their column holds: long texts are cut first, then what comes last is left out and counted."""
    if len(line({"a": attributes})) <= _ATTRIBUTES:
        return attributes
    if not isinstance(attributes, Mapping):
        return {"value": text(str(attributes), 1_000)}
    kept: dict[str, Any] = {}
    size = 100
    for name, value in attributes.items():
        value = text(value, 1_000) if isinstance(value, str) else value
        size += len(line({name: value}))
        if size > _ATTRIBUTES:
            kept["(cut)"] = len(attributes) - len(kept)
            break
        kept[name] = value
    return kept


@functools.lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def now() -> str:
    """UTC with microseconds, as ISO 8601."""
    second, ns = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(second)}.{ns // 1_000:06d}Z"


def number() -> str:
    """Unique among all lines of all processes, cheaply: random once per process, then counted."""
    return f"{_prefix(os.getpid())}-{next(_count):x}"


_count: Final = itertools.count(1)


@functools.lru_cache(maxsize=1)
def _prefix(_pid: int) -> str:
    return os.urandom(10).hex()


def _exception(given: Any) -> BaseException | None:
    if given is True:
        import sys

        return sys.exception()
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple) and len(given) == 3 and isinstance(given[1], BaseException):
        return given[1]
    return None


def _as_traceback(told: Mapping[str, Any]) -> str:
    """As Python prints it, for the fingerprint."""
    frames = []
    for frame in told["stack"]:
        place, _, name = frame.partition(" ")
        file, _, number = place.rpartition(":")
        frames.append(f'  File "{file}", line {number}, in {name}')
    return "\n".join(["Traceback (most recent call last):", *frames, f"{told['type']}: {told['message']}"])
