"""Folds over any `values[lo:hi]`, exact and without a loop over windows: a disjoint sparse table.

Cut the samples into blocks of 2, 4, 8, ... and, in each block, accumulate from its middle to both sides. Any span of
two or more samples crosses the middle of exactly one such block (the highest bit in which its first and last position
differ names it), and is one entry from the left side joined with one from the right. Unlike prefix sums over
the whole series, nothing outside the span enters its result: a NaN, an infinity or a huge value elsewhere does no harm.
Only as much of a side as the longest span needs is accumulated, so that the cost is samples plus spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.promql.scan import Bools, Floats

Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Level:
    """The spans (`index`) that cross the middle of a block of one size; `half` is half that size, 0 for one sample.

    `mid` is the position of each span's middle; `left` and `right` address what `sides` returns, flattened.
    """

    index: Positions
    half: int
    width: int
    mid: Positions
    left: Positions
    right: Positions

    def sides(self, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Left halves (read backwards from the middle) and right halves of all blocks, blocks by `width`."""
        blocks = -(-len(x) // (2 * self.half))
        padded = np.zeros(blocks * 2 * self.half, x.dtype)
        padded[: len(x)] = x
        cut = padded.reshape(blocks, 2, self.half)
        return cut[:, 0, ::-1][:, : self.width], cut[:, 1, : self.width]

    def middles(self, x: NDArray[Any]) -> NDArray[Any]:
        """The sample at the middle of each block, as a column."""
        at = np.arange(self.half, len(x) + 2 * self.half, 2 * self.half)[: -(-len(x) // (2 * self.half))]
        return x[np.minimum(at, len(x) - 1)][:, None]


def levels(lo: Positions, hi: Positions) -> Iterator[Level]:
    """Groups the spans by the size of the block whose middle they cross. Every span must hold a sample."""
    last = hi - 1
    differ = (lo ^ last).astype(np.float64)
    level = np.frexp(differ)[1].astype(np.uint8)  # bit length, exact below 2**53
    order = np.argsort(level, kind="stable")
    bounds = np.searchsorted(level[order], np.arange(66))
    for bits in range(65):
        index = order[bounds[bits] : bounds[bits + 1]]
        if not len(index):
            continue
        first, final = lo[index], last[index]
        if bits == 0:
            yield Level(index, 0, 1, first, first, first)
            continue
        half = 1 << (bits - 1)
        mid = (final >> (bits - 1)) << (bits - 1)
        left, right = mid - 1 - first, final - mid
        width = int(max(left.max(), right.max())) + 1
        base = (final >> bits) * width
        yield Level(index, half, width, mid, base + left, base + right)


def fold(lo: Positions, hi: Positions, kernel: Callable[[Level], Any], out: tuple[NDArray[Any], ...]) -> None:
    """Run `kernel` per level and put what it returns (one array per entry of `out`) at the places of its spans."""
    for level in levels(lo, hi):
        for target, result in zip(out, kernel(level), strict=True):
            target[level.index] = result


def over_windows(part: Any, kernel: Callable[[Positions, Positions], Floats]) -> tuple[Floats, Bools]:
    """Apply `kernel(lo, hi)` to the windows of a part that hold samples."""
    some = part.some
    values = np.zeros(part.lo.shape)
    if some.all():
        values.reshape(-1)[:] = kernel(part.lo.reshape(-1), part.hi.reshape(-1))
    elif some.any():
        values[some] = kernel(part.lo[some], part.hi[some])
    return values, some


def cumulate(x: Floats) -> tuple[Floats, Floats]:
    """Cumulative sums along the last axis, and the sum of what rounding took from each (error-free transformation)."""
    total = np.cumsum(x, axis=-1)
    before = np.zeros_like(total)
    before[..., 1:] = total[..., :-1]
    part = total - before
    return total, np.cumsum((before - (total - part)) + (x - part), axis=-1)


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """`a + b` and the rounding error of that addition, exactly (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
