"""Classic histograms (series with an upper bound in `le`): histogram_quantile and histogram_fraction.

The series of one histogram are those whose other labels agree. All steps are computed at once; steps at which
other buckets are present are computed apart. Bounds and special cases follow Prometheus' promql/quantile.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import tree
from pitchey_slo.promql.functions.over_time import warn_quantile
from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.scan import Bools, Floats
from pitchey_slo.promql.spans import Positions
from pitchey_slo.promql.values import Grid, Value, Vector

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation

#: Counts closer than this (relatively) are equal; what is between them is rounding.
TOLERANCE = 1e-12
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)


@dataclass
class Buckets:
    """Cumulative counts of one histogram at some steps: `bounds` rising and distinct, `counts` bounds by steps."""

    bounds: Floats
    counts: Floats

    @property
    def complete(self) -> bool:
        return bool(self.bounds[-1] == np.inf)


def histogram_quantile(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    q = run.scalar(node.args[0], grid)
    warn_quantile(run, node.args[0], node, q)
    forced: list[str] = []

    def compute(labels: Labels, cols: Positions, buckets: Buckets) -> Floats:
        values, was_forced = bucket_quantile(q[cols], buckets)
        if was_forced:
            forced.append(lb.get(labels, lb.NAME))
        return values

    result = _per_histogram(run, grid, node.args[1], compute)
    for name in dict.fromkeys(forced):
        run.inform(
            "input to histogram_quantile needed to be fixed for monotonicity (a bucket has a smaller count than one"
            f' with a lower bound) for metric name "{name}"',
            node.args[1].pos,
        )
    return result


def histogram_fraction(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    low, high = run.scalar(node.args[0], grid), run.scalar(node.args[1], grid)

    def compute(_: Labels, cols: Positions, buckets: Buckets) -> Floats:
        return bucket_fraction(low[cols], high[cols], buckets)

    return _per_histogram(run, grid, node.args[2], compute)


Compute = Callable[[Labels, Positions, Buckets], Floats]


def _per_histogram(run: Evaluation, grid: Grid, argument: tree.Node, compute: Compute) -> Value:
    vector = run.vector(argument, grid)
    found: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _bound(lb.get(labels, "le"))
        if bound is not None:
            found.setdefault(lb.without(labels, ("le",)), []).append((bound, row))
        elif vector.present[row].any():
            name, le = lb.get(labels, lb.NAME), lb.get(labels, "le")
            problem = f'bucket label "le" is missing or has a malformed value of "{le}" for metric name "{name}"'
            run.warn(problem, argument.pos)
    values = np.zeros((len(found), grid.count))
    present = np.zeros(values.shape, np.bool_)
    unnamed = np.zeros(len(found), np.bool_)
    for i, (labels, members) in enumerate(found.items()):
        members.sort()
        bounds, rows = np.array([bound for bound, _ in members]), [row for _, row in members]
        unnamed[i] = vector.unnamed[rows].any()
        for cols, here in _patterns(vector.present[rows]):
            counts = vector.values[np.array(rows)[here]][:, cols]
            values[i, cols] = compute(labels, cols, _coalesced(bounds[here], counts))
            present[i, cols] = True
    return run.nameless(Vector(list(found), values, present, unnamed))


def _bound(le: str) -> float | None:
    """The upper bound, as Go's ParseFloat reads it; None when it is no number."""
    return float(le) if _NUMBER.fullmatch(le) else None


def _patterns(present: Bools) -> Iterator[tuple[Positions, Positions]]:
    """Steps at which the same buckets are present, with those buckets; steps without any are left out."""
    if present.all():
        yield np.arange(present.shape[1]), np.arange(present.shape[0])
        return
    kinds, which = np.unique(present, axis=1, return_inverse=True)
    for kind in range(kinds.shape[1]):
        if kinds[:, kind].any():
            yield np.flatnonzero(which.reshape(-1) == kind), np.flatnonzero(kinds[:, kind])


def _coalesced(bounds: Floats, counts: Floats) -> Buckets:
    """Buckets with equal bounds (written differently) are added up."""
    starts = np.flatnonzero(np.r_[True, bounds[1:] != bounds[:-1]])
    if len(starts) == len(bounds):
        return Buckets(bounds, counts)
    return Buckets(bounds[starts], np.add.reduceat(counts, starts, axis=0))


def bucket_quantile(q: Floats, buckets: Buckets) -> tuple[Floats, bool]:
    """The quantile per step, linear inside a bucket, and whether counts that fell had to be raised."""
    outside = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.nan))
    if not buckets.complete:
        return np.where((q >= 0) & (q <= 1), np.nan, outside), False
    counts, forced = _monotonic(buckets.counts, (q >= 0) & (q <= 1))
    if len(buckets.bounds) < 2:
        return np.where((q >= 0) & (q <= 1), np.nan, outside), forced
    steps = np.arange(counts.shape[1])
    rank = q * counts[-1]
    index = _search(counts[:-1], rank)
    ends = buckets.bounds
    starts = np.r_[0.0, ends[:-1]]
    below = np.where(index > 0, counts[np.maximum(index - 1, 0), steps], 0.0)
    inside = counts[index, steps] - below
    value = starts[index] + (ends[index] - starts[index]) * ((rank - below) / inside)
    value = np.where((index == 0) & (ends[0] <= 0), ends[0], value)
    value = np.where(index == len(ends) - 1, ends[-2], value)
    value = np.where(counts[-1] == 0, np.nan, value)
    return np.where((q >= 0) & (q <= 1), value, outside), forced


def _search(counts: Floats, rank: Floats) -> Positions:
    """The first bucket that reaches the rank, per step, by halving: that decides what a NaN count means."""
    low = np.zeros(counts.shape[1], np.intp)
    high = np.full(counts.shape[1], len(counts), np.intp)
    steps = np.arange(counts.shape[1])
    while (low < high).any():
        middle = np.minimum((low + high) // 2, len(counts) - 1)
        reached = (counts[middle, steps] >= rank) | (low >= high)
        low, high = np.where(reached, low, middle + 1), np.where(reached & (low < high), middle, high)
    return low


def _monotonic(counts: Floats, matters: Bools) -> tuple[Floats, bool]:
    """Counts that never fall: a fall is raised to the count before, a difference within rounding is levelled."""
    fixed, before, forced = counts.copy(), counts[0], False
    for i in range(1, len(counts)):
        now = counts[i]
        total = np.abs(now) + np.abs(before)
        near = (now == before) | (np.abs(now - before) < TOLERANCE * total)
        fell = (now < before) & ~near
        forced = forced or bool((fell & matters).any())
        before = np.where(near | fell, before, now)
        fixed[i] = before
    return fixed, forced


def bucket_fraction(low: Floats, high: Floats, buckets: Buckets) -> Floats:
    """The share of observations between two values per step, linear inside a bucket with two finite bounds."""
    total = buckets.counts[-1]
    if not buckets.complete:
        return np.full(len(low), np.nan)
    share = (_rank(high, buckets) - _rank(low, buckets)) / total
    share = np.where(low >= high, 0.0, share)
    return np.where((total == 0) | np.isnan(low) | np.isnan(high), np.nan, share)


def _rank(value: Floats, buckets: Buckets) -> Floats:
    """How many observations are below `value`, per step. A bucket without end on one side is not divided."""
    bounds, counts = buckets.bounds, buckets.counts
    floor = 0.0 if bounds[0] > 0 else -np.inf
    rank = counts[-1].copy()
    for i in reversed(range(len(bounds))):
        start, end = (floor if i == 0 else bounds[i - 1]), bounds[i]
        before = counts[i - 1] if i else np.zeros_like(rank)
        if start == -np.inf:
            inside = counts[i]
        elif end == np.inf:
            inside = before
        else:
            inside = before + (counts[i] - before) * (value - start) / (end - start)
        rank = np.where(value < end, inside, rank)
        rank = np.where(value <= start, before, rank)
    bounded: Floats = np.minimum(rank, counts[-1])
    return bounded


FUNCTIONS = {"histogram_quantile": histogram_quantile, "histogram_fraction": histogram_fraction}
