"""Decoded files of samples, kept: a file of the lake never changes, so what was read once need not be read again.

A file is kept whole, sorted by series and time: sixteen bytes a sample. A query then cuts its series out of the files
of its time. Files that would not fit are read by the query itself, and for few series of many too: DuckDB skips most
of such a file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.promql.scan import Floats, Ints

#: What all decoded files together may take, in bytes.
BUDGET = 512 << 20
BYTES_PER_SAMPLE = 16


@dataclass(frozen=True, eq=False)
class Decoded:
    """Samples of series `ids[i]` (ids sorted) are `ms` and `value` from `offsets[i]` to `offsets[i + 1]`, by time."""

    ids: Ints
    offsets: Ints
    ms: Ints
    value: Floats

    @classmethod
    def of(cls, rows: pa.Table) -> Decoded:
        """From columns series_id, ms, value in any order."""
        series, ms, value = (_column(rows, name) for name in ("series_id", "ms", "value"))
        forward = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (ms[1:] >= ms[:-1]))
        if not forward.all():
            order = np.lexsort((ms, series))
            series, ms, value = series[order], ms[order], value[order]
        starts = np.flatnonzero(np.append(True, series[1:] != series[:-1])) if len(series) else np.empty(0, np.int64)
        return cls(series[starts], np.append(starts, len(series)), ms, value)

    def cut(self, ids: Ints, start_ms: int, end_ms: int) -> Iterator[tuple[int, slice]]:
        """(position in `ids`, rows) for each of them that has samples with start <= t <= end."""
        if not len(self.ids):
            return
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        for i in np.flatnonzero(self.ids[at] == ids).tolist():
            first, last = self.offsets[at[i]], self.offsets[at[i] + 1]
            times = self.ms[first:last]
            if times[0] < start_ms or times[-1] > end_ms:
                low, high = np.searchsorted(times, (start_ms, end_ms + 1))
                first, last = first + low, first + high
            if first < last:
                yield i, slice(first, last)


class DecodedFiles:
    """The files used last, within a budget; for any number of threads."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._files: OrderedDict[str, Decoded] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def fits(self, samples: int) -> bool:
        """Whether so many samples can be kept at once."""
        return samples * BYTES_PER_SAMPLE <= self._budget

    def get(self, path: str, read: Callable[[], pa.Table]) -> Decoded:
        """The decoded file; `read()` gives its rows when it is not kept."""
        with self._lock:
            if path in self._files:
                self._files.move_to_end(path)
                return self._files[path]
        found = Decoded.of(read())  # two threads may both read it: better than that all wait
        with self._lock:
            if path not in self._files:
                self._files[path] = found
                self._bytes += _size(found)
            while self._bytes > self._budget and len(self._files) > 1:
                _, oldest = self._files.popitem(last=False)
                self._bytes -= _size(oldest)
        return found


def _size(file: Decoded) -> int:
    return sum(array.nbytes for array in (file.ids, file.offsets, file.ms, file.value))


def _column(rows: pa.Table, name: str) -> NDArray[Any]:
    chunks = [chunk.to_numpy() for chunk in rows[name].chunks]
    return np.concatenate(chunks) if chunks else np.empty(0, np.float64 if name == "value" else np.int64)
