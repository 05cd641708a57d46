"""Remote write 1.0: `prometheus.WriteRequest`.

    WriteRequest  1 timeseries*  3 metadata*
    TimeSeries    1 labels*  2 samples*  3 exemplars*  4 histograms*
    Label         1 name  2 value
    Metadata      1 type  2 family  4 help  5 unit

A sender writes the same labels again and again, byte for byte, so the bytes of a series' labels are remembered with
what they mean. A series of one sample, the usual case, is split where its last 18 bytes (9 when the value is 0) look
like a sample; if what stands before was once read as labels and nothing else, the split is right, since protobuf
messages are fields in a row. Everything else is walked field by field.
"""

from __future__ import annotations

from typing import Final

from pitchey_slo.collect.prometheus.read import METADATA_TYPES, Read, shape_of
from pitchey_slo.collect.prometheus.series_labels import check_labels, text_of
from pitchey_slo.collect.prometheus.wire import (
    BYTES,
    MAX_LABELS,
    MAX_SERIES,
    VARINT,
    Samples,
    expect,
    fields,
    malformed,
    span,
    too_many,
    varint,
)
from pitchey_slo.series import Labels, Metadata

MOST_BYTES: Final = 64 << 20  # of labels remembered, then it starts anew
MOST_KEY: Final = 4096  # bytes of one series' labels that are worth remembering


class LabelMemory:
    """Bytes of labels -> labels, for as long as a server runs. Never more than `MOST_BYTES` of keys."""

    def __init__(self) -> None:
        self.series: dict[bytes, Labels] = {}
        self._pairs: dict[bytes, tuple[str | None, str | None]] = {}
        self._same: dict[Labels, Labels] = {}
        self._size = 0

    def read(self, key: bytes) -> tuple[Labels, str | None, int]:
        """(labels, why they are refused or None, number of labels read) for label fields in a row. Equal labels are one
        object until `trim`."""
        found = self.series.get(key)
        if found is not None:
            return found, None, 0
        pairs: list[tuple[str | None, str | None]] = []
        at, end = 0, len(key)
        while at < end:
            start, at = span(key, at + 1, end)
            raw = key[start:at]
            pair = self._pairs.get(raw)
            if pair is None:
                pair = _pair(raw)
                if self._keep(len(raw)):
                    self._pairs[raw] = pair
            pairs.append(pair)
            if len(pairs) > MAX_LABELS:
                raise too_many("labels", MAX_LABELS)
        labels, wrong = check_labels(pairs)
        if wrong is None:
            labels = self._same.setdefault(labels, labels)
            if self._keep(len(key)):
                self.series[key] = labels
        return labels, wrong, len(pairs)

    def _keep(self, size: int) -> bool:
        self._size += size + 100
        return size <= MOST_KEY

    def trim(self) -> None:
        """Forgets everything when it has become too much; called between requests."""
        if self._size > MOST_BYTES:
            self.series.clear()
            self._pairs.clear()
            self._same.clear()
            self._size = 0


def _pair(raw: bytes) -> tuple[str | None, str | None]:
    name: bytes = b""
    value: bytes = b""
    for number, kind, start, stop in fields(raw, 0, len(raw)):
        if number in (1, 2):
            expect(kind, BYTES, start)
            if number == 1:
                name = raw[start:stop]
            else:
                value = raw[start:stop]
    return text_of(name), text_of(value)


def read_v1(b: bytes, memory: LabelMemory) -> Read:
    """Walks a WriteRequest. Raises CollectError when it is none, BodyTooLarge beyond the limits of `wire`."""
    read = Read(Samples(b), one_object=True)
    known = memory.series.get
    samples, labels_of = read.samples, read.labels
    at, end = 0, len(b)
    while at < end:
        if b[at] != 0x0A:
            at = _other(b, at, end, read)
            continue
        if at + 3 <= end and b[at + 1] >= 0x80 > b[at + 2]:  # a length of two bytes, as usual
            start = at + 3
            stop = start + (b[at + 1] & 0x7F | b[at + 2] << 7)
            if stop > end:
                raise malformed("a series that is cut off", at)
        else:
            start, stop = span(b, at + 1, end)
        at = stop
        owner = len(labels_of)
        if owner >= MAX_SERIES:
            raise too_many("series", MAX_SERIES)
        # one sample of the usual form at the end, and labels that are known: nothing to walk
        cut = stop - 18
        if cut > start and b[cut] == 0x12 and b[cut + 1] == 0x10 and (labels := known(b[start:cut])) is not None:
            samples.usual.append(cut)
            samples.usual_owner.append(owner)
            labels_of.append(labels)
            continue
        cut = stop - 9
        if cut > start and b[cut] == 0x12 and b[cut + 1] == 0x07 and (labels := known(b[start:cut])) is not None:
            samples.zero.append(cut)
            samples.zero_owner.append(owner)
            labels_of.append(labels)
            continue
        _series(b, start, stop, read, memory)
    return read


def _series(b: bytes, at: int, end: int, read: Read, memory: LabelMemory) -> None:
    """One TimeSeries, field by field."""
    start, owner = at, len(read.labels)
    while at < end and b[at] == 0x0A:
        _, at = span(b, at + 1, end)
    key = b[start:at]
    late: list[bytes] = []  # labels behind samples: allowed, never seen
    histograms = 0
    runs = True
    while at < end:
        tag = b[at]
        if tag == 0x12:
            if runs and end - at >= 4 * 18 and b[at + 1] == 0x10:
                after = read.samples.run(at, end, owner)
                runs = after - at >= 64 * 18
                if after > at:
                    at = after
                    continue
            at = read.samples.one(at, end, owner)
        elif tag == 0x0A:
            field = at
            _, at = span(b, at + 1, end)
            late.append(b[field:at])
        else:
            number, kind, inner, at = next(fields(b, at, end))
            if number in (1, 2, 3, 4):
                expect(kind, BYTES, inner)
                if number <= 2:
                    raise malformed("a tag of more bytes than it needs", inner)
                shape_of(b, inner, at)
            read.exemplars += number == 3
            histograms += number == 4
    labels, wrong, many = memory.read(b"".join([key, *late]) if late else key)
    read.add(labels, wrong, histograms, many)


def _other(b: bytes, at: int, end: int, read: Read) -> int:
    """A field of the request that is no series: metadata, or unknown."""
    number, kind, start, stop = next(fields(b, at, end))
    if number == 1:
        raise malformed("a series with another wire type", at)
    if number == 3:
        expect(kind, BYTES, start)
        read.metadata_read += 1
        if read.metadata_read > MAX_SERIES:
            raise too_many("metadata", MAX_SERIES)
        _metadata(b, start, stop, read)
    return stop


def _metadata(b: bytes, at: int, end: int, read: Read) -> None:
    kind_of, texts = 0, {2: "", 4: "", 5: ""}
    for number, kind, start, stop in fields(b, at, end):
        if number == 1:
            expect(kind, VARINT, start)
            kind_of = varint(b, start, stop)[0]
        elif number in texts:
            expect(kind, BYTES, start)
            texts[number] = b[start:stop].decode(errors="replace")
    if texts[2]:
        name = METADATA_TYPES[kind_of] if kind_of < len(METADATA_TYPES) else "unknown"
        read.metadata[texts[2]] = Metadata(name, texts[4], texts[5])
