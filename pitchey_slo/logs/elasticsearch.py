"""Elasticsearch as a destination: `_bulk` into a data stream.

Data streams take `create` alone. `_id` is the line's own, so that a line sent again is a conflict (409) and stands
there once. An answer 200 may hold refusals: items that were too much at the moment (429, 503) are sent again, they
alone; others are dropped and counted by their error's type. Fields are those of the Elastic Common Schema; attributes
go to `labels` as texts, since an index refuses a document whose `id` is a text where an earlier one's was a number.
Source: Elasticsearch reference, "Bulk API" and "Use a data stream"; https://www.elastic.co/docs/reference/ecs
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument.delivery import Sent
from pitchey_slo.instrument.pace import Pace
from pitchey_slo.instrument.post import Answer, Post
from pitchey_slo.instrument.receiver import AGAIN, halves, judged, told
from pitchey_slo.logs.destinations import Shipped

#: The answer names every item; this leaves what is read of it.
_FILTER: Final = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
#: Elasticsearch's advice is 5 to 15 MB a request; lines rarely gather so fast.
PACE: Final = Pace(batch=5_000, batch_bytes=5 << 20)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")
_STORED_BEFORE: Final = 409


def elasticsearch(
    url: str,
    *,
    stream: str = "logs-pitchey-default",
    authorization: str | None = None,
    pace: Pace | None = None,
    timeout: float = 30.0,
) -> Shipped:
    """`stream`: the data stream's name (`logs-<dataset>-<namespace>`); `authorization`: the header as it is sent, such
    as `ApiKey ...`. Raises ConfigError."""
    return Shipped("elasticsearch", Bulk(url, stream, authorization, timeout), pace or PACE)


class Bulk:
    """The protocol."""

    def __init__(self, url: str, stream: str, authorization: str | None, timeout: float) -> None:
        if not _NAME.fullmatch(stream):
            raise ConfigError(f"{stream!r} is no data stream; small letters, digits and hyphens: logs-pitchey-default")
        headers = {"authorization": authorization} if authorization else {}
        self._post = Post(f"{url.rstrip('/')}/{stream}/_bulk?{_FILTER}", headers, timeout)

    def send(self, lines: Sequence[bytes], key: str) -> Sent:
        answer = self._post.send(body_of(lines), content_type="application/x-ndjson")
        if answer.status == 413 and len(lines) > 1:
            return halves(self.send, lines, key)
        if answer.status != 200:
            return judged(answer, lines)
        return items_of(answer, lines)

    def forget(self) -> None:
        self._post.forget()


def body_of(lines: Sequence[bytes]) -> bytes:
    """An action and a document per line, each ended by a line break, the last one too."""
    parts = []
    for line in lines:
        row = orjson.loads(line)
        parts.append(orjson.dumps({"create": {"_id": row["event_id"]}}))
        parts.append(orjson.dumps(document(row)))
    parts.append(b"")
    return b"\n".join(parts)


def items_of(answer: Answer, lines: Sequence[bytes]) -> Sent:
    """What became of each line."""
    try:
        body = orjson.loads(answer.body)
        if not body["errors"]:
            return Sent(taken=len(lines))
        items = [next(iter(item.values())) for item in body["items"]]
        statuses = [int(item["status"]) for item in items]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, StopIteration, ValueError):
        # a proxy answered, or the answer broke off: the lines have ids, so sending them again doubles nothing
        return Sent(again=lines, trouble=f"an answer that is not of _bulk: {told(answer)}")
    if len(statuses) != len(lines):
        return Sent(again=lines, trouble=f"{len(statuses)} items were answered, {len(lines)} were sent")
    again, refused, trouble = [], Counter[str](), ""
    for line, item, status in zip(lines, items, statuses, strict=True):
        if status < 300 or status == _STORED_BEFORE:
            continue
        error = item.get("error") or {}
        if status in AGAIN:
            again.append(line)
        else:
            refused[str(error.get("type") or f"status_{status}")[:64]] += 1
        trouble = trouble or f"{status} {error.get('type')}: {error.get('reason')}"[:200]
    return Sent(len(lines) - len(again) - sum(refused.values()), again, refused, answer.wait, trouble)


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line in the Elastic Common Schema."""
    attributes = row.get("attributes") or {}
    error = attributes.get("error") if isinstance(attributes.get("error"), Mapping) else None
    found: dict[str, Any] = {
        "@timestamp": row["ts"],
        "message": row["message"],
        "log": _given(level=row.get("level"), logger=row.get("logger")),
        "service": {"name": row.get("service")},
        "event": _given(id=row.get("event_id"), duration=_nanoseconds(row.get("duration_ms"))),
    }
    if "trace_id" in row:
        found["trace"] = {"id": row["trace_id"]}
    if "span_id" in row:
        found["span"] = {"id": row["span_id"]}
    if "user_hash" in row:
        found["user"] = {"hash": row["user_hash"]}
    http = _given(
        request=_given(id=attributes.get("request_id"), method=attributes.get("method")) or None,
        response=_given(status_code=row.get("status")) or None,
    )
    if http:
        found["http"] = http
    if error or "error_type" in row:
        found["error"] = _given(
            type=row.get("error_type"),
            message=str(error.get("message")) if error else None,
            stack_trace="\n".join(map(str, error.get("stack") or ())) if error else None,
        )
    labels = dict(_flat(attributes, "", {"error", "request_id", "method"}))
    labels |= _given(route=row.get("route"), location=row.get("location"), fingerprint=row.get("fingerprint"))
    if labels:
        found["labels"] = labels
    return found


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _nanoseconds(ms: float | None) -> int | None:
    return None if ms is None else round(ms * 1e6)


def _flat(tree: Mapping[str, Any], prefix: str, skip: set[str]) -> Iterator[tuple[str, str]]:
    """`{"a": {"b": 1}}` as `a_b: "1"`: a dot in a label's name would make objects of it again."""
    for name, value in tree.items():
        if name in skip:
            continue
        place = prefix + name.replace(".", "_")
        if isinstance(value, Mapping):
            yield from _flat(value, place + "_", set())
        elif value is not None:
            yield place, value if isinstance(value, str) else orjson.dumps(value).decode()
