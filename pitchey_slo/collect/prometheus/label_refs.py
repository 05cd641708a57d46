"""The label references of all series of a 2.0 request -> labels, together.

Names and values are looked up with NumPy, and order, uniqueness and the metric name are checked by comparing ranks; a
series that is unusual in some way is then looked at by itself.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.collect.prometheus.read import Read, varints
from pitchey_slo.collect.prometheus.series_labels import check_labels
from pitchey_slo.collect.prometheus.wire import MAX_LABELS, malformed, too_many

_Ints = NDArray[np.int64]


def read_labels(refs: list[bytes], symbols: list[str | None], read: Read) -> _Ints:
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
    used = np.flatnonzero(np.bincount(names, minlength=len(symbols)))  # the few symbols that name labels
    odd, metrics = _unusual(names, texts, where, used, symbols)
    unusual |= odd
    # then equal labels would be equal bytes
    read.unique = (
        not unusual.any() and len(set(symbols)) == len(symbols) and len(set(refs)) == len(refs) and _short(raw)
    )
    pairs = _pairs(names, texts, used, symbols)
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


def _usable(values: _Ints, counts: _Ints, many: _Ints, symbols: int) -> NDArray[np.bool_]:
    """Which series have an even number of references, all of them to symbols."""
    stray = np.concatenate([[0], np.cumsum(values >= symbols)])
    good: NDArray[np.bool_] = (many % 2 == 0) & (stray[counts[1:]] == stray[counts[:-1]])
    return good


def _unusual(
    names: _Ints, texts: _Ints, where: _Ints, used: _Ints, symbols: list[str | None]
) -> tuple[NDArray[np.bool_], _Ints]:
    """Which series need `check_labels` (not sorted, a name twice, no metric name, an empty or unreadable text), and the
    symbol of each series' metric name, or -1."""
    series = len(where) - 1
    owner = np.repeat(np.arange(series), np.diff(where))
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


def _pairs(names: _Ints, texts: _Ints, used: _Ints, symbols: list[str | None]) -> list[tuple[str, str]]:
    """(name, value) of each label. A pair that several series share is one object: less to make, less to keep.
    Where a text is not UTF-8 stands None; such series do not leave this module."""
    many = len(symbols)
    slot = np.zeros(many, np.int64)
    slot[used] = np.arange(len(used))
    codes = slot[names] * many + texts
    if len(used) * many <= 4 * len(codes) + 100_000:  # a table of all possible pairs is quicker than sorting
        there = np.zeros(len(used) * many, bool)
        there[codes] = True
        distinct = np.flatnonzero(there)
        place = np.zeros(len(there), np.int64)
        place[distinct] = np.arange(len(distinct))
        which = place[codes]
    else:
        distinct, which = np.unique(codes, return_inverse=True)
    shared = np.empty(len(distinct), dtype=object)
    shared[:] = [
        (symbols[name], symbols[text])
        for name, text in zip(used[distinct // many].tolist(), (distinct % many).tolist(), strict=True)
    ]
    found: list[tuple[str, str]] = shared[which].tolist()
    return found
