"""Remote write 2.0: `io.prometheus.write.v2.Request`.

    Request     4 symbols*  5 timeseries*
    TimeSeries  1 labels_refs* (packed)  2 samples*  3 histograms*  4 exemplars*  5 metadata  6 created_timestamp
    Metadata    1 type  3 help_ref  4 unit_ref

All texts stand once in `symbols`; a series is a list of numbers. So the numbers of all series are decoded together,
names and values looked up together, and order, uniqueness and the metric name checked together by comparing ranks.
Only series that are unusual in some way are looked at one by one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.collect.prometheus.label_refs import read_labels
from pitchey_slo.collect.prometheus.read import METADATA_TYPES, Read, shape_of
from pitchey_slo.collect.prometheus.series_labels import text_of
from pitchey_slo.collect.prometheus.wire import (
    BYTES,
    MAX_LABELS,
    MAX_SERIES,
    VARINT,
    Samples,
    expect,
    fields,
    malformed,
    signed,
    span,
    too_many,
    varint,
)
from pitchey_slo.series import Metadata

_SUFFIXES: Final = ("_bucket", "_count", "_sum")


def read_v2(b: bytes) -> Read:
    """Walks a Request. Raises CollectError when it is none, BodyTooLarge beyond the limits of `wire`."""
    read = Read(Samples(b))
    usual, usual_owner = read.samples.usual, read.samples.usual_owner
    zero, zero_owner = read.samples.zero, read.samples.zero_owner
    symbols: list[str | None] = []
    refs: list[bytes] = []
    said: defaultdict[bytes, list[int]] = defaultdict(list)  # metadata, by their bytes, and whose they are
    at, end = 0, len(b)
    while at < end:
        tag = b[at]
        if tag == 0x2A:
            if at + 1 < end and b[at + 1] < 0x80:
                start = at + 2
                at = start + b[at + 1]
                if at > end:
                    raise malformed("a series that is cut off", start)
            else:
                start, at = span(b, at + 1, end)
            owner = len(refs)
            if owner >= MAX_SERIES:
                raise too_many("series", MAX_SERIES)
            # references, one sample, perhaps metadata: the usual series, whose three fields need no loop
            if at - start >= 11 and b[start] == 0x0A and (size := b[start + 1]) < 0x80:
                cut = start + 2 + size
                inner = b[cut + 1] if cut + 9 <= at and b[cut] == 0x12 else 0
                behind = cut + 2 + inner
                told = behind + 2 <= at and b[behind] == 0x2A and behind + 2 + b[behind + 1] == at
                if (told or behind == at) and (inner == 0x10 or inner == 0x07):
                    if inner == 0x10:
                        usual.append(cut)
                        usual_owner.append(owner)
                    else:
                        zero.append(cut)
                        zero_owner.append(owner)
                    refs.append(b[start + 2 : cut])
                    if behind + 2 < at:
                        said[b[behind + 2 : at]].append(owner)
                    continue
            _series(b, start, at, read, refs, said)
        elif tag == 0x22:
            start, at = span(b, at + 1, end)
            if len(symbols) >= MAX_LABELS:
                raise too_many("symbols", MAX_LABELS)
            symbols.append(text_of(b[start:at]))
        else:
            number, _, _, stop = next(fields(b, at, end))
            if number in (4, 5):
                raise malformed("symbols or a series with another wire type", at)
            at = stop
    if refs:
        if symbols[:1] != [""]:
            raise malformed("symbols must start with an empty text", 0)
        metrics = read_labels(refs, symbols, read)
        for raw, owners in said.items():
            _metadata(raw, owners, symbols, metrics, read)
    return read


def _series(b: bytes, at: int, end: int, read: Read, refs: list[bytes], said: defaultdict[bytes, list[int]]) -> None:
    owner = len(refs)
    key = b""
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
            start, at = span(b, at + 1, end)
            key = key + b[start:at] if key else b[start:at]
        elif tag == 0x2A:
            start, at = span(b, at + 1, end)
            if at > start:
                said[b[start:at]].append(owner)
        else:
            number, kind, start, at = next(fields(b, at, end))
            if number == 6:
                expect(kind, VARINT, start)
                if created := signed(varint(b, start, at)[0]):
                    read.created[owner] = created
            elif number == 1:  # one number that is not packed
                expect(kind, VARINT, start)
                key += b[start:at]
            elif number in (2, 3, 4, 5):
                expect(kind, BYTES, start)
                if number in (2, 5):
                    raise malformed("a tag of more bytes than it needs", start)
                shape_of(b, start, at)
                histograms += number == 3
                read.exemplars += number == 4
    refs.append(key)
    if histograms:
        read.histograms[owner] = histograms


def _metadata(raw: bytes, owners: list[int], symbols: list[str | None], metrics: NDArray[np.int64], read: Read) -> None:
    said = {1: 0, 3: 0, 4: 0}
    for number, kind, start, stop in fields(raw, 0, len(raw)):
        if number in said:
            expect(kind, VARINT, start)
            said[number] = varint(raw, start, stop)[0]
    if max(said[3], said[4]) >= len(symbols):
        read.unique = False
        for owner in owners:
            read.wrong.setdefault(owner, "metadata refer to no symbol")
        return
    kind_of = METADATA_TYPES[said[1]] if said[1] < len(METADATA_TYPES) else "unknown"
    metadata = Metadata(kind_of, symbols[said[3]] or "", symbols[said[4]] or "")
    if metadata == Metadata():
        return
    for metric in np.unique(metrics[owners]).tolist():
        if metric >= 0 and (name := symbols[metric]):
            read.metadata.setdefault(_family(name, kind_of), metadata)


def _family(name: str, kind: str) -> str:
    if kind in ("histogram", "summary", "gaugehistogram"):
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
    return name
