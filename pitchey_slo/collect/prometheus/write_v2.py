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
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.collect.prometheus.read import METADATA_TYPES, Read, shape_of, varints
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
    symbols: list[str | None] = []
    refs: list[bytes] = []
    said: defaultdict[bytes, list[int]] = defaultdict(list)  # metadata, by their bytes, and whose they are
    at, end = 0, len(b)
    while at < end:
        tag = b[at]
        if tag == 0x2A:
            start, at = span(b, at + 1, end)
            owner = len(refs)
            if owner >= MAX_SERIES:
                raise too_many("series", MAX_SERIES)
            # references, one sample, perhaps metadata: the usual series, whose three fields need no loop
            if at - start >= 11 and b[start] == 0x0A and (size := b[start + 1]) < 0x80:
                cut = start + 2 + size
                behind = cut + 18
                if behind <= at and b[cut] == 0x12 and b[cut + 1] == 0x10:
                    places, owners = read.samples.usual, read.samples.usual_owner
                else:
                    behind = cut + 9
                    places, owners = read.samples.zero, read.samples.zero_owner
                if (behind == at or (behind + 2 <= at and b[behind] == 0x2A and behind + 2 + b[behind + 1] == at)) and (
                    b[cut] == 0x12 and b[cut + 1] == behind - cut - 2
                ):
                    places.append(cut)
                    owners.append(owner)
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
        metrics = _labels(refs, symbols, read)
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


def _labels(refs: list[bytes], symbols: list[str | None], read: Read) -> NDArray[np.int64]:
    """Labels of all series at once into `read.labels`, reasons into `read.wrong`; returns the symbol of each series'
    metric name, or -1."""
    raw = np.frombuffer(b"".join(refs), np.uint8)
    if np.count_nonzero(raw < 0x80) > 2 * MAX_LABELS:
        raise too_many("labels", MAX_LABELS)
    values, behind, good = varints(raw)
    sizes = np.fromiter(map(len, refs), np.int64, len(refs))
    edges = np.concatenate([[0], np.cumsum(sizes)])
    # each series' numbers must end where its bytes do
    counts = np.searchsorted(behind, edges, side="right")
    if not good or not np.array_equal(np.where(counts > 0, behind[counts - 1], 0) if len(behind) else edges, edges):
        raise malformed("a reference to a label that is cut off or larger than 32 bits", 0)
    many = np.diff(counts)
    usable = _usable(values, counts, many, len(symbols))
    unusual = ~usable
    if usable.all():
        names, texts, where = values[0::2], values[1::2], counts // 2
    else:  # odd or unknown references: leave those series out of the common work
        chosen = np.repeat(usable, many)
        names, texts = values[chosen][0::2], values[chosen][1::2]
        where = np.concatenate([[0], np.cumsum(np.where(usable, many, 0))]) // 2
    odd, metrics = _unusual(names, texts, where, symbols)
    unusual |= odd
    # then equal labels would be equal bytes
    read.unique = (
        not unusual.any() and len(set(symbols)) == len(symbols) and len(set(refs)) == len(refs) and _short(raw)
    )
    # a pair that several series share is one object: less to make, less to keep
    codes, which = np.unique(names * len(symbols) + texts, return_inverse=True)
    shared = np.empty(len(codes), dtype=object)
    shared[:] = [(symbols[code // len(symbols)], symbols[code % len(symbols)]) for code in codes.tolist()]
    pairs = shared[which].tolist()
    read.labels = [tuple(pairs[a:z]) for a, z in pairwise(where.tolist())]
    for i in np.flatnonzero(unusual).tolist():
        if not usable[i]:
            read.wrong[i] = f"{many[i]} label references, which is odd" if many[i] % 2 else "a reference to no symbol"
            read.labels[i] = ()
            continue
        labels, wrong = check_labels(read.labels[i])
        read.labels[i] = labels
        if wrong:
            read.wrong[i] = wrong
    return metrics


def _short(raw: NDArray[np.uint8]) -> bool:
    """Whether no varint is longer than it needs to be."""
    return not bool(np.any((raw[1:] == 0) & (raw[:-1] >= 0x80)))


def _usable(
    values: NDArray[np.int64], counts: NDArray[np.int64], many: NDArray[np.int64], symbols: int
) -> NDArray[np.bool_]:
    """Which series have an even number of references, all of them to symbols."""
    stray = np.concatenate([[0], np.cumsum(values >= symbols)])
    good: NDArray[np.bool_] = (many % 2 == 0) & (stray[counts[1:]] == stray[counts[:-1]])
    return good


def _unusual(
    names: NDArray[np.int64], texts: NDArray[np.int64], where: NDArray[np.int64], symbols: list[str | None]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which series need `check_labels` (not sorted, a name twice, no metric name, an empty or unreadable text), and the
    symbol of each series' metric name, or -1."""
    series = len(where) - 1
    owner = np.repeat(np.arange(series), np.diff(where))
    # only the few symbols that name labels are compared
    used = np.flatnonzero(np.bincount(names, minlength=len(symbols)))
    rank_of = np.zeros(len(symbols), np.int64)
    rank_of[used] = np.unique(np.array([symbols[i] or "" for i in used], dtype=object), return_inverse=True)[1]
    rank = rank_of[names]
    bad = np.array([not s or "\0" in s for s in symbols])
    wrong = bad[names] | bad[texts]
    wrong[1:] |= (rank[1:] <= rank[:-1]) & (owner[1:] == owner[:-1])
    unusual = np.bincount(owner[wrong], minlength=series) > 0
    metrics = np.full(series, -1, np.int64)
    naming = np.isin(names, [i for i in used.tolist() if symbols[i] == "__name__"])
    metrics[owner[naming]] = texts[naming]
    return unusual | (metrics < 0), metrics


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
