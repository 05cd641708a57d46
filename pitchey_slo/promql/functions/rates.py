"""From the first to the last sample of a window: rate, increase, delta, irate, idelta, changes, resets.

rate, increase and delta extrapolate as Prometheus does (promql/functions.go, extrapolatedRate): to the ends of the
window, unless the first or last sample is more than 1.1 average intervals away from it, then by half an interval; and
a counter never to before it was 0. A counter that falls was reset: what it had reached is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import tree
from pitchey_slo.promql.functions.over_time import sums
from pitchey_slo.promql.scan import Bools, Floats
from pitchey_slo.promql.spans import Positions
from pitchey_slo.promql.values import Grid, Value
from pitchey_slo.promql.windows import Part

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation

COUNTER_ENDINGS = ("_total", "_sum", "_count", "_bucket")
Index = slice | Positions


def rate(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return _extrapolated(run, node, grid, counter=True, per_second=True)


def increase(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return _extrapolated(run, node, grid, counter=True, per_second=False)


def delta(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return _extrapolated(run, node, grid, counter=False, per_second=False)


def _extrapolated(run: Evaluation, node: tree.Call, grid: Grid, *, counter: bool, per_second: bool) -> Value:
    def kernel(part: Part) -> tuple[Any, Bools]:
        times = part.shared.get("times")
        if times is None:
            times = part.shared["times"] = _Times(part)
        if not times.enough.any():
            return 0.0, times.enough
        return times.extrapolate(part.values, counter, per_second), times.enough

    if counter:
        _note_gauges(run, node)
    return run.over(node.args[0], grid, kernel)


def _note_gauges(run: Evaluation, node: tree.Call) -> None:
    if not isinstance(node.args[0], tree.Range):
        return
    selector = node.args[0].selector
    names = {lb.get(labels, lb.NAME) for labels in run.blocks[selector].labels}
    for name in sorted(names):
        if name and not name.endswith(COUNTER_ENDINGS):
            ending = "/".join(COUNTER_ENDINGS)
            run.inform(f'metric might not be a counter, name does not end in {ending}: "{name}"', selector.pos)


class _Times:
    """What of an extrapolation depends on the timestamps only; series scraped together share it."""

    def __init__(self, part: Part) -> None:
        count = part.hi - part.lo
        self.enough = count >= 2
        self.lo, self.hi = part.lo, part.hi
        self.range_s = part.range_ms / 1000
        first = part.lo if self.enough.all() else np.where(self.enough, part.lo, 0)
        last = part.hi - 1 if self.enough.all() else np.where(self.enough, part.hi - 1, 0)
        if not len(part.ts):
            return
        begin, end = part.ts[first], part.ts[last]
        self.interval = (end - begin) / 1000
        average = self.interval / (count - 1)
        far = average * 1.1
        to_start = (begin - (part.ends - part.range_ms)) / 1000
        to_end = (part.ends - end) / 1000
        self.to_start = np.where(to_start >= far, average / 2, to_start)
        self.to_end = np.where(to_end >= far, average / 2, to_end)
        self.first, self.last = strided(first), strided(last)
        self.whole = self.interval + self.to_start + self.to_end

    def extrapolate(self, values: Floats, counter: bool, per_second: bool) -> Floats:
        start = self._at(values, self.first)
        gain = self._at(values, self.last) - start
        extent = self.whole
        if counter:
            self._add_resets(gain, values)
            to_zero = self.interval * (start / gain)
            nearer = (to_zero < self.to_start) & (gain > 0) & (start >= 0)
            if nearer.any():
                extent = np.where(nearer, self.interval + to_zero + self.to_end, extent)
        factor = extent / self.interval
        if per_second:
            factor /= self.range_s
        gain *= factor
        return gain

    def _add_resets(self, gain: Floats, values: Floats) -> None:
        """Adds what counters had reached when they were reset inside each window."""
        resets = np.flatnonzero(values[1:] < values[:-1]) + 1
        if not len(resets):
            return
        reached = values[resets - 1]
        if len(gain) == 1:  # a reset lies in consecutive windows; few windows mean few additions
            begin = np.searchsorted(self.hi[0], resets, "right")
            end = np.searchsorted(self.lo[0], resets, "left")
            if (end - begin).sum() <= 4 * gain.shape[1] + len(values):
                for first, last, value in zip(begin.tolist(), end.tolist(), reached.tolist(), strict=True):
                    gain[0, first:last] += value
                return
        before = np.zeros(len(values), np.int64)
        before[resets] = 1
        before = np.cumsum(before)
        first = before[np.minimum(self.lo, len(values) - 1)]
        last = before[np.maximum(self.hi - 1, 0)]
        inside = self.enough & (last > first)
        gain[inside] += sums(reached, first[inside], last[inside])

    def _at(self, values: Floats, index: Index) -> Floats:
        """Values at positions, rows by columns."""
        return values[index].reshape(self.enough.shape)


def strided(index: Positions) -> Index:
    """The same positions as a slice when they are evenly spaced in one row, which reads several times faster."""
    flat = index[0]
    if index.shape[0] != 1 or len(flat) < 2:
        return index
    step = int(flat[1] - flat[0])
    if step <= 0 or int(flat[-1] - flat[0]) != step * (len(flat) - 1) or (np.diff(flat) != step).any():
        return index
    return slice(int(flat[0]), int(flat[-1]) + 1, step)


def irate(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """The last two samples, per second; after a reset the last value alone is the gain."""

    def kernel(part: Part) -> tuple[Any, Bools]:
        enough, before, after = _last_two(part)
        if before is None or after is None:
            return 0.0, enough
        old, new = part.values[before], part.values[after]
        gain = np.where(new < old, new, new - old)
        return gain / ((part.ts[after] - part.ts[before]) / 1000), enough

    return run.over(node.args[0], grid, kernel)


def idelta(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """The difference of the last two samples."""

    def kernel(part: Part) -> tuple[Any, Bools]:
        enough, before, after = _last_two(part)
        if before is None or after is None:
            return 0.0, enough
        return part.values[after] - part.values[before], enough

    return run.over(node.args[0], grid, kernel)


def _last_two(part: Part) -> tuple[Bools, Positions | None, Positions | None]:
    enough = part.hi - part.lo >= 2
    if not enough.any():
        return enough, None, None
    return enough, np.where(enough, part.hi - 2, 0), np.where(enough, part.hi - 1, 0)


def changes(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """How often the value differs from the one before (NaN after NaN does not)."""

    def different(old: Floats, new: Floats) -> Bools:
        unlike: Bools = (new != old) & ~(np.isnan(new) & np.isnan(old))
        return unlike

    return _count_steps(run, node, grid, different)


def resets(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """How often the value is smaller than the one before."""
    return _count_steps(run, node, grid, np.greater)


def _count_steps(run: Evaluation, node: tree.Call, grid: Grid, happened: Any) -> Value:
    def kernel(part: Part) -> tuple[Any, Bools]:
        some = part.some
        if not len(part.ts):
            return 0.0, some
        before = np.zeros(len(part.values), np.int64)
        np.cumsum(happened(part.values[:-1], part.values[1:]), out=before[1:])
        return before[np.maximum(part.hi - 1, 0)] - before[np.minimum(part.lo, len(before) - 1)], some

    return run.over(node.args[0], grid, kernel)


FUNCTIONS = {
    "rate": rate,
    "increase": increase,
    "delta": delta,
    "irate": irate,
    "idelta": idelta,
    "changes": changes,
    "resets": resets,
}
