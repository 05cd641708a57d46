"""Windows over samples: which samples of each series lie in `(t - range, t]`, for all steps `t` at once.

Samples and steps are both sorted, so a window is two positions: how many samples are not after its end, and not after
its start. Counting samples per step (or searching the steps among the samples, when they are few) gives both, at a
cost of samples plus steps. The work is cut into parts that fit a processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.promql.scan import Bools, Floats, Ints, SeriesBlock
from pitchey_slo.promql.values import Grid

Positions = NDArray[np.intp]
PART = 1 << 15  #: samples or points in one part; the arrays of a part stay in the second-level cache


@dataclass(frozen=True)
class Part:
    """Some series by some steps. `lo` and `hi` (rows by columns) are positions in `ts` and `values`: a window holds
    the samples `lo:hi`. `ends` are the windows' ends in ms (the steps, less the offset). Parts with the same timestamps
    have the same `shared`, where a kernel may keep what depends on time only.
    """

    rows: slice
    cols: slice
    ts: Ints
    values: Floats
    lo: Positions
    hi: Positions
    ends: Ints
    range_ms: int
    shared: dict[str, Any]

    @property
    def some(self) -> Bools:
        """Where a window holds at least one sample."""
        return self.hi > self.lo


Kernel = Callable[[Part], tuple[Any, Any]]


@dataclass(frozen=True)
class Windows:
    """All windows of a range: `ends` is the grid of their ends, `count` the steps of the query.

    With `@` all steps share one window; `ends` then has one step and `count` is what results are repeated to.
    """

    block: SeriesBlock
    range_ms: int
    ends: Grid
    grid: Grid
    check: Callable[[], None] = field(default=lambda: None)

    @property
    def pinned(self) -> bool:
        return self.ends.count != self.grid.count

    def apply(self, kernel: Kernel) -> tuple[Floats, Bools]:
        """Values and presence, series by steps, from a kernel that computes them for one part."""
        shape = (len(self.block.labels), self.ends.count)
        values, present = np.empty(shape), np.empty(shape, np.bool_)
        for part in self.parts():
            self.check()
            values[part.rows, part.cols], present[part.rows, part.cols] = kernel(part)
        return self.repeat(values), self.repeat(present)

    def repeat(self, matrix: Any) -> Any:
        """A one-column result of a pinned range, for every step."""
        return np.repeat(matrix, self.grid.count, axis=1) if self.pinned else matrix

    def parts(self) -> Iterator[Part]:
        offsets, total = self.block.offsets, len(self.block.labels)
        row, columns = 0, self.ends.count
        cached: tuple[Ints, list[Part]] = (np.empty(0, np.int64), [])
        while row < total:
            last = row + 1
            while last < total and (offsets[last + 1] - offsets[row]) + (last + 1 - row) * columns <= PART:
                last += 1
            if last > row + 1:
                yield self._together(row, last)
            else:
                ts = self.block.ts[offsets[row] : offsets[row + 1]]
                if not (cached[1] and np.array_equal(ts, cached[0])):
                    cached = (ts, list(self._alone(row)))
                yield from (self._moved(part, row) for part in cached[1])
            row = last

    def _moved(self, part: Part, row: int) -> Part:
        """A part of the previous series, for a series with the same timestamps."""
        if part.rows.start == row:
            return part
        offsets = self.block.offsets
        skip = part.shared["skip"]
        values = self.block.values[offsets[row] + skip : offsets[row] + skip + len(part.ts)]
        return Part(slice(row, row + 1), part.cols, part.ts, values, part.lo, part.hi, part.ends,
                    part.range_ms, part.shared)  # fmt: skip

    def _alone(self, row: int) -> Iterator[Part]:
        """One series, cut along the steps."""
        begin, end = self.block.offsets[row], self.block.offsets[row + 1]
        ts, values = self.block.ts[begin:end], self.block.values[begin:end]
        width = max(PART, self.range_ms // max(self.ends.step, 1))
        for first in range(0, self.ends.count, width):
            count = min(width, self.ends.count - first)
            grid = Grid(self.ends.start + first * self.ends.step, self.ends.step, count)
            skip = int(np.searchsorted(ts, grid.start - self.range_ms, "right"))
            stop = int(np.searchsorted(ts, grid.end, "right"))
            times = ts[skip:stop]
            lo, hi = _positions(times, grid, self.range_ms)
            cols = slice(first, first + count)
            yield Part(slice(row, row + 1), cols, times, values[skip:stop], lo[None], hi[None], grid.times,
                       self.range_ms, {"skip": skip})  # fmt: skip

    def _together(self, first: int, last: int) -> Part:
        """Several short series at once."""
        offsets = self.block.offsets[first : last + 1]
        begin, end = offsets[0], offsets[-1]
        ts, values = self.block.ts[begin:end], self.block.values[begin:end]
        starts = (offsets[:-1] - begin)[:, None]
        rows = np.repeat(np.arange(last - first), np.diff(offsets))
        hi = starts + _counts_by_row(ts, rows, last - first, self.ends)
        earlier = Grid(self.ends.start - self.range_ms, self.ends.step, self.ends.count)
        lo = starts + _counts_by_row(ts, rows, last - first, earlier)
        columns = slice(0, self.ends.count)
        return Part(slice(first, last), columns, ts, values, lo, hi, self.ends.times, self.range_ms, {})


def _positions(ts: Ints, ends: Grid, range_ms: int) -> tuple[Positions, Positions]:
    """`lo` and `hi` for one series. When the range is a number of steps, both come from one count."""
    steps, rest = divmod(range_ms, ends.step)
    if rest == 0 and steps <= ends.count:
        counts = _counts(ts, Grid(ends.start - range_ms, ends.step, ends.count + steps))
        return counts[: ends.count], counts[steps:]
    return _counts(ts, Grid(ends.start - range_ms, ends.step, ends.count)), _counts(ts, ends)


def _counts(ts: Ints, ends: Grid) -> Positions:
    """For each step, how many samples are not after it."""
    if ends.count * 16 < len(ts):
        return np.searchsorted(ts, ends.times, "right")
    buckets = _buckets(ts, ends)
    return np.cumsum(np.bincount(buckets, minlength=ends.count + 1)[: ends.count])


def _counts_by_row(ts: Ints, rows: Positions, total: int, ends: Grid) -> Positions:
    buckets = _buckets(ts, ends) + rows * (ends.count + 1)
    counts = np.bincount(buckets, minlength=total * (ends.count + 1)).reshape(total, ends.count + 1)
    return np.cumsum(counts[:, : ends.count], axis=1)


def _buckets(ts: Ints, ends: Grid) -> Ints:
    """The first step not before each sample; `ends.count` when there is none."""
    buckets = -((ends.start - ts) // ends.step)
    return np.clip(buckets, 0, ends.count, out=buckets)
