"""Remote write, 1.0 and 2.0 -> SampleBatch: what a sender put in one request.

    Content-Type       application/x-protobuf                                      1.0
                       application/x-protobuf;proto=prometheus.WriteRequest        1.0
                       application/x-protobuf;proto=io.prometheus.write.v2.Request 2.0
    Content-Encoding   snappy (block format; also meant when absent)

The good series of a request are taken, the others listed in `batch.refused`; the protocol wants 400 for such a request,
so that the sender does not repeat it. Native histograms are refused, exemplars are left out silently: both are
zero in the counts that 2.0 wants back. Source: Prometheus Remote-Write 1.0 and 2.0 specifications.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import cramjam

from pitchey_slo.collect.prometheus.write_v1 import LabelMemory, read_v1
from pitchey_slo.collect.prometheus.write_v2 import read_v2
from pitchey_slo.errors import BodyTooLarge, CollectError, UnknownFormat
from pitchey_slo.series import Labels, SampleBatch

#: Bytes after decompression; Prometheus' own receiver allows the same.
WRITE_LIMIT: Final = 32 << 20

MEDIA: Final = "application/x-protobuf"
MESSAGES: Final = {"prometheus.WriteRequest": 1, "io.prometheus.write.v2.Request": 2}
_WRITTEN: Final = "X-Prometheus-Remote-Write-{}-Written"


@dataclass(frozen=True, eq=False)
class Written:
    """One request read. `histograms`: native ones, refused; `exemplars`: left out. `created`: when counters began,
    milliseconds, by labels (2.0 only, where given)."""

    version: int
    batch: SampleBatch
    histograms: int
    exemplars: int
    created: dict[Labels, int]


def written_headers(samples: int) -> dict[str, str]:
    """The response headers of 2.0: how many samples were stored (also to be sent with errors, then often 0).

    >>> written_headers(3)["X-Prometheus-Remote-Write-Samples-Written"]
    '3'
    """
    counts = {"Samples": samples, "Histograms": 0, "Exemplars": 0}
    return {_WRITTEN.format(name): str(count) for name, count in counts.items()}


def version_of(content_type: str | None) -> int:
    """1 or 2; raises UnknownFormat (415) for anything else."""
    media, *parameters = [part.strip() for part in (content_type or "").split(";")]
    if media.lower() != MEDIA:
        raise UnknownFormat(f"Content-Type {content_type!r}; remote write is {MEDIA}")
    proto = next((p.partition("=")[2].strip(' "') for p in parameters if p.lower().startswith("proto=")), None)
    if proto is None:
        return 1
    if proto not in MESSAGES:
        raise UnknownFormat(f"message {proto!r}; readable here: {', '.join(MESSAGES)}")
    return MESSAGES[proto]


def unsnap(body: bytes, content_encoding: str | None, limit: int) -> bytes:
    """The body without snappy's block format. The length it announces is checked before a byte is unpacked."""
    name = (content_encoding or "snappy").strip().lower()
    if name != "snappy":
        raise UnknownFormat(f"Content-Encoding {content_encoding!r}; remote write is always snappy")
    try:
        size = cramjam.snappy.decompress_raw_len(body)
        if size > limit:
            raise BodyTooLarge(f"the body is {size:,} bytes after decompression, allowed are {limit:,}")
        return bytes(cramjam.snappy.decompress_raw(body)) if size else _empty(body)
    except cramjam.DecompressionError as error:
        raise CollectError(f"the body is not snappy in block format: {error}") from None


def _empty(body: bytes) -> bytes:
    if body != b"\0":
        raise CollectError("the body is not snappy in block format: it announces no bytes")
    return b""


class RemoteWrite:
    """Reads requests, one object for a server's life: it remembers the labels of 1.0 senders, whose requests repeat
    them. Safe to use from several threads, which take turns."""

    def __init__(self, *, limit: int = WRITE_LIMIT) -> None:
        self.limit = limit
        self._memory = LabelMemory()
        self._turn = threading.Lock()

    def decode(self, body: bytes, *, content_type: str | None, content_encoding: str | None) -> Written:
        """Raises UnknownFormat (415), BodyTooLarge (413) or CollectError (400), and nothing else."""
        version = version_of(content_type)
        message = unsnap(body, content_encoding, self.limit)
        if version == 1:
            with self._turn:
                self._memory.trim()
                read = read_v1(message, self._memory)
        else:
            read = read_v2(message)
        batch, created = read.batch()
        return Written(version, batch, sum(read.histograms.values()), read.exemplars, created)
