"""Aggregations: many series -> one per group (or, for topk and bottomk, some of the same series).

Groups are found once per query, from the labels; then all steps are computed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import tree
from pitchey_slo.promql.labels import NAME, Labels
from pitchey_slo.promql.positions import fail
from pitchey_slo.promql.scan import Bools, Floats
from pitchey_slo.promql.spans import Positions
from pitchey_slo.promql.sums import group_sums
from pitchey_slo.promql.values import Grid, Vector, merge_equal

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation


def aggregate(run: Evaluation, node: tree.Aggregate, grid: Grid) -> Vector:
    """The value of one aggregation."""
    if node.op == "count_values":
        assert node.param is not None  # the parser demands it
        return _count_values(run, node, run.vector(node.expr, grid), run.text(node.param))
    param = None if node.param is None else run.scalar(node.param, grid)
    if param is not None:
        _check_param(run, node, param)
    vector = run.vector(node.expr, grid)
    labels, groups = _groups(vector.labels, _key(node))
    if node.op in ("topk", "bottomk"):
        assert param is not None
        return _ranked(vector, groups, len(labels), param, node.op == "topk")
    unnamed = np.zeros(len(labels), np.bool_)
    np.logical_or.at(unnamed, groups, vector.unnamed)
    if not labels:
        return Vector.empty(grid.count)
    rows = _Rows(vector, groups, len(labels))
    values = _quantiles(rows, param) if param is not None else _REDUCE[node.op](rows)
    return Vector(labels, values, rows.count > 0, unnamed)


def _key(node: tree.Aggregate) -> lb.Key:
    names = frozenset(node.names)
    if node.keep and not names:
        return lambda _: lb.NONE
    if node.keep:
        return lambda labels: lb.only(labels, names)
    dropped = names | {NAME}
    return lambda labels: lb.without(labels, dropped)


def _groups(labels: list[Labels], key: lb.Key) -> tuple[list[Labels], Positions]:
    known: dict[Labels, int] = {}
    ids = np.fromiter((known.setdefault(key(one), len(known)) for one in labels), np.intp, len(labels))
    return list(known), ids


class _Rows:
    """The rows of a vector by group, and what several aggregations need of them."""

    def __init__(self, vector: Vector, groups: Positions, total: int) -> None:
        self.values, self.present, self.groups, self.total = vector.values, vector.present, groups, total
        self.order = np.argsort(groups, kind="stable")
        self.starts = np.searchsorted(groups[self.order], np.arange(total))
        self.count: Floats = self._count()

    def _count(self) -> Floats:
        """Present values per group and step."""
        if self.present.all():
            sizes = np.bincount(self.groups, minlength=self.total).astype(np.float64)
            return np.repeat(sizes[:, None], self.present.shape[1], axis=1)
        counts = np.add.reduceat(self.present[self.order], self.starts, axis=0, dtype=np.int32)
        return counts.astype(np.float64)

    def reduce(self, function: np.ufunc) -> Floats:
        values = np.where(self.present, self.values, np.nan)[self.order]
        reduced: Floats = function.reduceat(values, self.starts, axis=0)
        return reduced

    def sum(self, values: Floats | None = None) -> Floats:
        return group_sums(self.values if values is None else values, self.present, self.groups, self.total)

    def members(self, group: int) -> Positions:
        return np.flatnonzero(self.groups == group)


def _mean(rows: _Rows) -> Floats:
    """Sum by count. Where the sum overflows, the values are made smaller first, as no mean overflows."""
    mean = rows.sum() / rows.count
    if not np.isfinite(mean).all():
        small = 2.0**-64
        mean = np.where(np.isfinite(mean), mean, rows.sum(rows.values * small) / rows.count / small)
    return mean


def _variance(rows: _Rows) -> Floats:
    """Mean square distance from the mean. Distances are first taken from one member, so equal values give exactly 0."""
    base = rows.reduce(np.fmin)[rows.groups]
    distance = rows.values - base
    mean = rows.sum(distance) / rows.count
    return rows.sum((distance - mean[rows.groups]) ** 2) / rows.count


_REDUCE: dict[str, Callable[[_Rows], Floats]] = {
    "sum": _Rows.sum,
    "avg": _mean,
    "min": lambda rows: rows.reduce(np.fmin),
    "max": lambda rows: rows.reduce(np.fmax),
    "count": lambda rows: rows.count,
    "group": lambda rows: np.ones_like(rows.count),
    "stdvar": _variance,
    "stddev": lambda rows: np.sqrt(_variance(rows)),
}


def _check_param(run: Evaluation, node: tree.Aggregate, param: Floats) -> None:
    pos = node.param.pos if node.param is not None and node.param.pos is not None else node.pos
    if node.op == "quantile":
        for q in np.unique(param[~((param >= 0) & (param <= 1))]):
            shown = {np.inf: "+Inf", -np.inf: "-Inf"}.get(q, "NaN" if np.isnan(q) else f"{q:g}")
            run.warn(f"quantile value should be between 0 and 1, got {shown}", pos)
    elif np.isnan(param).any():
        raise fail("Parameter value is NaN", run.query.text, pos)
    elif (np.abs(param) >= 2.0**63).any():
        raise fail(f"Scalar value {param[np.argmax(np.abs(param))]:g} overflows int64", run.query.text, pos)


def _quantiles(rows: _Rows, q: Floats) -> Floats:
    out = np.empty((rows.total, rows.values.shape[1]))
    for group in range(rows.total):
        members = rows.members(group)
        out[group] = column_quantiles(rows.values[members], rows.present[members], q)
    return out


def column_quantiles(values: Floats, present: Bools, q: Floats) -> Floats:
    """Prometheus' quantile of the present values of each column; NaN values count as the smallest."""
    ordered = np.sort(np.where(present, values, np.nan), axis=0)  # NaN last: real ones and missing
    count = present.sum(axis=0)
    nans = (present & np.isnan(values)).sum(axis=0)
    inside = (q >= 0) & (q <= 1)
    rank = np.where(inside, q, 0.0) * np.maximum(count - 1, 0)
    below = np.floor(rank).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))

    def smallest(k: Positions) -> Floats:
        picked = np.take_along_axis(ordered, np.maximum(k - nans, 0)[None], axis=0)[0]
        return np.where(k < nans, np.nan, picked)

    weight = rank - below
    value = smallest(below) * (1 - weight) + smallest(above) * weight
    return np.where(inside, value, np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.nan)))


def _ranked(vector: Vector, groups: Positions, total: int, k: Floats, largest: bool) -> Vector:
    """topk and bottomk: per group and step the k first points. NaN comes last; of equals, the earlier series stays."""
    present = np.zeros_like(vector.present)
    wanted = np.trunc(k)
    keys = -vector.values if largest else vector.values
    keys = np.where(vector.present, keys, np.nan)
    ranking: list[int] = []
    for group in range(total):
        rows = np.flatnonzero(groups == group)
        last = np.where(vector.present[rows], np.isnan(keys[rows]).astype(np.int8), 2)
        order = np.lexsort((keys[rows], last), axis=0)
        rank = np.argsort(order, axis=0, kind="stable")
        present[rows] = vector.present[rows] & (rank < wanted)
        ranking.extend(rows[order[:, 0]])
    picked = replace(vector, present=present)
    if present.shape[1] != 1:
        return replace(picked, ordered=False)
    return replace(picked.take([row for row in ranking if present[row, 0]]), ordered=True)


def _count_values(run: Evaluation, node: tree.Aggregate, vector: Vector, label: str) -> Vector:
    """One series per group and distinct value, which becomes a label; the value is how many there are."""
    if not lb.valid_name(label):
        shown = "".join(f"\\x{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in label)
        raise fail(f'invalid label name "{shown}"', run.query.text, node.pos)
    key = _key(node)
    counts: dict[Labels, Floats] = {}
    unnamed: dict[Labels, bool] = {}
    for i, labels in enumerate(vector.labels):
        here = vector.present[i]
        for value in np.unique(vector.values[i, here]):
            same = here & ((vector.values[i] == value) | (np.isnan(vector.values[i]) & np.isnan(value)))
            out = lb.put(key(labels), label, shown_value(value))
            counts[out] = counts.get(out, np.zeros(len(here))) + same
            unnamed[out] = unnamed.get(out, False) or bool(vector.unnamed[i])
    if not counts:
        return Vector.empty(vector.values.shape[1])
    values = np.array(list(counts.values()))
    return merge_equal(Vector(list(counts), values, values > 0, np.array(list(unnamed.values()), np.bool_)))


def shown_value(value: float) -> str:
    """A number as Go's strconv prints it with 'f' and the fewest digits.

    >>> shown_value(6.0), shown_value(1e21), shown_value(float("inf"))
    ('6', '1000000000000000000000', '+Inf')
    """
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
