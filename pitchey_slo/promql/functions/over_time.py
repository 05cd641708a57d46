"""Aggregations of one series over a window: sum, avg, min, max, count, stddev, stdvar, quantile, last, present, absent.

Sums carry their rounding error (as Prometheus' Kahan summation does), so results agree to 1e-9 and better.
Where values cancel so far that the order of additions decides the result, Prometheus' own order is followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pitchey_slo.promql import tree
from pitchey_slo.promql.functions.presence import absent_result
from pitchey_slo.promql.order import Ranks, quantile
from pitchey_slo.promql.scan import Bools, Floats
from pitchey_slo.promql.spans import Level, Positions, cumulate, fold, over_windows, two_sum
from pitchey_slo.promql.values import Grid, Value, Vector
from pitchey_slo.promql.windows import Part, Windows

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation

#: Samples that may be added one by one where the order of additions decides; beyond, the compensated sum stands.
ONE_BY_ONE = 1_000_000


def sums(x: Floats, lo: Positions, hi: Positions) -> Floats:
    """Sum of each `x[lo:hi]`, none of them empty."""
    total, error = np.empty(len(lo)), np.empty(len(lo))

    def level(at: Level) -> tuple[Floats, Floats]:
        if at.half == 0:
            return x[at.mid], np.zeros(len(at.mid))
        (left, left_error), (right, right_error) = (cumulate(side) for side in at.sides(x))
        joined, lost = two_sum(left.reshape(-1)[at.left], right.reshape(-1)[at.right])
        return joined, lost + left_error.reshape(-1)[at.left] + right_error.reshape(-1)[at.right]

    fold(lo, hi, level, (total, error))
    finite = np.isfinite(total)
    result = np.where(finite, total + error, total)
    doubtful = np.flatnonzero(finite & (np.abs(error) > 1e-10 * np.abs(result)))
    if len(doubtful) and (hi - lo)[doubtful].sum() <= ONE_BY_ONE:
        for i in doubtful:
            result[i] = kahan_sum(x[lo[i] : hi[i]])
    return result


def kahan_sum(x: Floats) -> float:
    """Neumaier's sum in the order of the samples, as Prometheus computes it."""
    total = error = 0.0
    for value in x.tolist():
        after = total + value
        error += (total - after) + value if abs(total) >= abs(value) else (value - after) + total
        total = after
    return total + error


def means(x: Floats, lo: Positions, hi: Positions) -> Floats:
    """Sum by count; where the sum overflows, of smaller values, as no mean overflows."""
    mean = sums(x, lo, hi) / (hi - lo)
    over = np.flatnonzero(~np.isfinite(mean))
    if len(over):
        small = 2.0**-64
        mean[over] = sums(x * small, lo[over], hi[over]) / (hi - lo)[over] / small
    return mean


def variances(x: Floats, lo: Positions, hi: Positions) -> Floats:
    """Mean square distance from the mean. Distances are first taken from a sample inside the window, which keeps them
    as small as the window's spread and makes equal values give exactly 0.
    """
    out = np.empty(len(lo))

    def level(at: Level) -> tuple[Floats]:
        if at.half == 0:
            return (x[at.mid] - x[at.mid],)  # 0, or NaN for NaN and infinities
        middle = at.middles(x)
        left, right = (side - middle for side in at.sides(x))
        moments = []
        for power in (1, 2):
            folded = (np.cumsum(side**power, axis=1).reshape(-1) for side in (left, right))
            moments.append(next(folded)[at.left] + next(folded)[at.right])
        count = (hi - lo)[at.index]
        return (np.maximum(moments[1] / count - (moments[0] / count) ** 2, 0.0),)

    fold(lo, hi, level, (out,))
    return out


def extremes(function: np.ufunc) -> Callable[[Floats, Positions, Positions], Floats]:
    """Smallest or largest of each span; NaN only when all are NaN."""

    def compute(x: Floats, lo: Positions, hi: Positions) -> Floats:
        out = np.empty(len(lo))

        def level(at: Level) -> tuple[Floats]:
            if at.half == 0:
                return (x[at.mid],)
            left, right = (function.accumulate(side, axis=1).reshape(-1) for side in at.sides(x))
            return (function(left[at.left], right[at.right]),)

        fold(lo, hi, level, (out,))
        return out

    return compute


def _spans(compute: Callable[[Floats, Positions, Positions], Floats]) -> Any:
    def function(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
        return run.over(
            node.args[0], grid, lambda part: over_windows(part, lambda lo, hi: compute(part.values, lo, hi))
        )

    return function


def count_over_time(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return run.over(node.args[0], grid, lambda part: (part.hi - part.lo, part.some))


def present_over_time(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return run.over(node.args[0], grid, lambda part: (1.0, part.some))


def last_over_time(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """The newest sample; the one function of a range that keeps the metric name."""

    def kernel(part: Part) -> tuple[Any, Bools]:
        return (part.values[np.maximum(part.hi - 1, 0)] if len(part.ts) else 0.0), part.some

    windows = run.windows(node.args[0], grid)
    return Vector.of(windows.block.labels, *windows.apply(kernel), unnamed=windows.block.unnamed)


def absent_over_time(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    windows = run.windows(node.args[0], grid)
    _, some = windows.apply(lambda part: (0.0, part.some))
    return absent_result(node.args[0], some)


def quantile_over_time(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """The quantile may differ from step to step; NaN samples count as the smallest."""
    q = run.scalar(node.args[0], grid)
    warn_quantile(run, node.args[0], node, q)
    windows = run.windows(node.args[1], grid)
    if windows.pinned:
        return run.nameless(_pinned_quantiles(windows, q))

    def kernel(part: Part) -> tuple[Floats, Bools]:
        here = np.broadcast_to(q[part.cols], part.lo.shape)[part.some]
        ranks = Ranks(part.values)
        return over_windows(part, lambda lo, hi: quantile(here, ranks, lo, hi))

    return run.nameless(Vector.of(windows.block.labels, *windows.apply(kernel)))


def _pinned_quantiles(windows: Windows, q: Floats) -> Vector:
    """One window, but possibly another quantile at each step."""
    shape = (len(windows.block.labels), len(q))
    values, present = np.zeros(shape), np.zeros(shape, np.bool_)
    for part in windows.parts():
        ranks = Ranks(part.values)
        for row in range(part.lo.shape[0]):
            if part.hi[row, 0] > part.lo[row, 0]:
                lo, hi = np.full(len(q), part.lo[row, 0]), np.full(len(q), part.hi[row, 0])
                values[part.rows.start + row] = quantile(q, ranks, lo, hi)
                present[part.rows.start + row] = True
    return Vector.of(windows.block.labels, values, present)


def warn_quantile(run: Evaluation, param: tree.Node, node: tree.Call, q: Floats) -> None:
    """Prometheus' warning about a quantile outside [0, 1]."""
    for value in np.unique(q[~((q >= 0) & (q <= 1))]):
        shown = {np.inf: "+Inf", -np.inf: "-Inf"}.get(value, "NaN" if np.isnan(value) else f"{value:g}")
        pos = node.pos if param.pos is None else param.pos
        run.warn(f"quantile value should be between 0 and 1, got {shown}", pos)


FUNCTIONS = {
    "sum_over_time": _spans(sums),
    "avg_over_time": _spans(means),
    "min_over_time": _spans(extremes(np.fmin)),
    "max_over_time": _spans(extremes(np.fmax)),
    "stdvar_over_time": _spans(variances),
    "stddev_over_time": _spans(lambda x, lo, hi: np.sqrt(variances(x, lo, hi))),
    "count_over_time": count_over_time,
    "present_over_time": present_over_time,
    "last_over_time": last_over_time,
    "absent_over_time": absent_over_time,
    "quantile_over_time": quantile_over_time,
}
