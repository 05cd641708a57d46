"""A delivery as it came -> records: content type, encoding, limits, and its name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pitchey_slo.collect.batch import Batch, Rejected
from pitchey_slo.collect.otlp import json_tree, protobuf
from pitchey_slo.collect.otlp.answers import JSON, PROTOBUF
from pitchey_slo.collect.otlp.logs import log_rows
from pitchey_slo.collect.otlp.metrics import Samples, samples
from pitchey_slo.collect.otlp.sampling import head_rate
from pitchey_slo.collect.otlp.spans import SpanRows, span_rows
from pitchey_slo.collect.unpack import unpack
from pitchey_slo.errors import UnknownFormat


@dataclass(frozen=True)
class Delivery:
    """One request's body and what its headers say. `limit` counts bytes after decompression; `key` makes hashes of
    users; `head` is the header `x-head-sampling-rate`; `now` (aware) bounds the times."""

    body: bytes
    content_type: str | None
    content_encoding: str | None
    head: str | None
    limit: int
    key: bytes
    now: datetime

    def message(self) -> tuple[str, bytes]:
        """Media type and message. No body at all is an empty request: Cloudflare knocks with one before it sends.

        Raises UnknownFormat (415), BodyTooLarge (413), CollectError (400).
        """
        if not self.body:
            media = media_of(self.content_type or JSON)
            return media, b"{}" if media == JSON else b""
        media = media_of(self.content_type)
        return media, unpack(self.body, self.content_encoding, self.limit)


def media_of(content_type: str | None) -> str:
    """The encoding. Raises UnknownFormat for anything that is neither JSON nor protobuf."""
    name = (content_type or "").partition(";")[0].strip().lower()
    if name not in (JSON, PROTOBUF):
        raise UnknownFormat(f"Content-Type {(content_type or '')[:80]!r}; OTLP is {PROTOBUF} or {JSON}")
    return name


def decode_logs(delivery: Delivery) -> Batch:
    """An ExportLogsServiceRequest as rows of `logs`; `Rejected.row` is the place of the record in the request.

    Raises UnknownFormat, BodyTooLarge, CollectError when nothing can be read.
    """
    media, message = delivery.message()
    read = json_tree.read_logs if media == JSON else protobuf.read_logs
    name = hashlib.blake2b(message, digest_size=12).hexdigest()
    return log_rows(read(message), name=name, key=delivery.key, head=head_rate(delivery.head), now=delivery.now)


def decode_traces(delivery: Delivery) -> SpanRows:
    """An ExportTraceServiceRequest as rows of `requests` and `logs`. Raises as `decode_logs`."""
    media, message = delivery.message()
    read = json_tree.read_spans if media == JSON else protobuf.read_spans
    return span_rows(read(message), key=delivery.key, head=head_rate(delivery.head), now=delivery.now)


def decode_metrics(delivery: Delivery) -> Samples:
    """An ExportMetricsServiceRequest as samples. Raises as `decode_logs`."""
    media, message = delivery.message()
    return samples((json_tree.read_metrics if media == JSON else protobuf.read_metrics)(message))


def told(rejected: Sequence[Rejected], more: str = "") -> str:
    """Why records were refused, in one line: how many for which reason, and what was wrong with the first ones; then
    `more`. Empty when there is nothing to say."""
    if not rejected:
        return more
    counts = ", ".join(f"{count} {reason}" for reason, count in Counter(r.reason for r in rejected).items())
    examples = "; ".join(dict.fromkeys(r.message for r in rejected[:50]))
    return "; ".join(filter(None, (f"refused: {counts}: {examples}", more)))
