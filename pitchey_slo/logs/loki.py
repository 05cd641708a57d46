"""Loki as a destination: `POST /loki/api/v1/push`.

Labels are few (service, level and what you give), since each combination of them is a stream; ids go to structured
metadata. Loki takes the good lines of a push and answers 400 for the others: too old, too long, wrong labels. They are
dropped and counted, by the count it tells or, where it tells only one of them, by pushing halves: a line that stands
there already is not stored twice. Lines are cut below its limit of 256 KB. 429 and 5xx are sent again.
Source: Loki HTTP API, "Ingest logs"; limits of its `limits_config` (docs of Loki 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument.delivery import Sent
from pitchey_slo.instrument.encode import text
from pitchey_slo.instrument.pace import Pace
from pitchey_slo.instrument.post import Post
from pitchey_slo.instrument.receiver import AGAIN, halves, judged, together, told
from pitchey_slo.logs.destinations import Shipped

#: Bytes of one line; Loki's default is 256 KB.
LINE: Final = 250 * 1024
#: Labels a stream may have, Loki's default, less our two.
LABELS: Final = 13
#: Pushes spent on finding what of one delivery was refused.
LOOKS: Final = 64
PACE: Final = Pace(batch=2_000, batch_bytes=1 << 20)

_METADATA: Final = (
    "trace_id", "span_id", "logger", "route", "user_hash", "error_type", "fingerprint", "location", "event_id",
)  # fmt: skip
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,1023}", re.ASCII)
#: "..., total ignored: 2 out of 10 for stream: ..."
_IGNORED: Final = re.compile(rb"total ignored: (\d+) out of (\d+)")


def loki(
    url: str,
    *,
    labels: Mapping[str, str] | None = None,
    tenant: str | None = None,
    authorization: str | None = None,
    metadata: bool = True,
    pace: Pace | None = None,
    timeout: float = 10.0,
) -> Shipped:
    """`labels`: more labels for all lines, such as the environment; `tenant`: `X-Scope-OrgID`; `authorization`: the
    header as it is sent; `metadata`: False for a Loki that takes no structured metadata (before 3.0), whose lines then
    hold the ids. Raises ConfigError."""
    return Shipped("loki", Push(url, labels or {}, tenant, authorization, metadata, timeout), pace or PACE)


class Push:
    """The protocol."""

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str],
        tenant: str | None,
        authorization: str | None,
        metadata: bool,
        timeout: float,
    ) -> None:
        for name, value in labels.items():
            if not _NAME.fullmatch(name) or name in ("service", "level") or not value or len(value) > 2_048:
                raise ConfigError(f"{name!r}: {value!r} is no label; letters, digits and _, and not service or level")
        if len(labels) > LABELS:
            raise ConfigError(f"{len(labels)} labels are too many; {LABELS} at most beside service and level")
        headers = {"authorization": authorization} if authorization else {}
        if tenant:
            headers["x-scope-orgid"] = tenant
        self._labels, self._metadata = dict(labels), metadata
        self._post = Post(f"{url.rstrip('/')}/loki/api/v1/push", headers, timeout)

    def send(self, lines: Sequence[bytes], key: str) -> Sent:
        return self._send(lines, key, [LOOKS])

    def _send(self, lines: Sequence[bytes], key: str, looks: list[int]) -> Sent:
        answer = self._post.send(self.body_of(lines), content_type="application/json")
        if answer.status in (200, 204):
            return Sent(taken=len(lines))
        if answer.status in (400, 413):
            ignored = _IGNORED.findall(answer.body)
            bad = sum(int(some) for some, _ in ignored)
            if ignored and sum(int(of) for _, of in ignored) <= len(lines):
                return Sent(len(lines) - bad, refused={"refused_by_loki": bad}, trouble=told(answer))
            if len(lines) > 1 and looks[0] > 0:
                looks[0] -= 2
                parts = halves(lambda some, part: self._send(some, part, looks), lines, key)
                return together(parts, Sent(trouble=told(answer)))
            return Sent(refused={reason_of(answer.body): len(lines)}, trouble=told(answer))
        if answer.status >= 500:  # its ingesters are away or in motion; Promtail tries each of these again
            return Sent(again=lines, wait=answer.wait, trouble=told(answer))
        return judged(answer, lines, again=AGAIN)

    def forget(self) -> None:
        self._post.forget()

    def body_of(self, lines: Sequence[bytes]) -> bytes:
        streams: dict[tuple[str, str], list[Any]] = {}
        for line in lines:
            row = orjson.loads(line)
            streams.setdefault((row["service"], row["level"]), []).append(self.entry(row))
        told = [
            {"stream": {**self._labels, "service": service, "level": level}, "values": values}
            for (service, level), values in streams.items()
        ]
        return orjson.dumps({"streams": told})

    def entry(self, row: dict[str, Any]) -> list[Any]:
        """`[time, line]` and structured metadata: flat texts."""
        at = nanoseconds(row.pop("ts"))
        for name in ("service", "level", "source"):
            row.pop(name, None)
        if not self._metadata:
            return [at, cut(row)]
        known = {name: str(row.pop(name)) for name in _METADATA if name in row}
        return [at, cut(row), known]


def nanoseconds(ts: str) -> str:
    """A time as Loki wants it: nanoseconds since 1970, as a text."""
    at = datetime.fromisoformat(ts)
    return str((int(at.timestamp()) * 1_000_000 + at.microsecond) * 1_000)


def cut(row: dict[str, Any]) -> str:
    """The line, below Loki's limit."""
    line = orjson.dumps(row)
    if len(line) > LINE:
        short = {"message": text(str(row.get("message")), 10_000), "attributes": {"(cut)": len(line)}}
        line = orjson.dumps({**row, **short})
    return line.decode()


def reason_of(body: bytes) -> str:
    """Why, in the words Loki counts by."""
    said = body.decode("utf-8", "replace").lower()
    for reason, words in {
        "too_old": ("too old", "too far behind", "reject_old"),
        "too_far_in_future": ("too new",),
        "line_too_long": ("max entry size", "too long"),
        "out_of_order": ("out of order",),
        "rate_limited": ("rate limit",),
        "bad_labels": ("label",),
    }.items():
        if any(word in said for word in words):
            return reason
    return "refused_by_loki"
