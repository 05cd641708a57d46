"""Functions about whether there is a value at all, and how many: absent, scalar, vector, sort, sort_desc."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import tree
from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.scan import Bools
from pitchey_slo.promql.values import Grid, Scalar, Value, Vector

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation


def absent(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """1 where the argument has no value at all, with the labels its matchers pin down."""
    return absent_result(node.args[0], run.vector(node.args[0], grid).present)


def absent_result(argument: tree.Node, present: Bools) -> Vector:
    """1 at the steps at which no row is present."""
    missing: Bools = np.logical_not(present.any(axis=0, keepdims=True))
    return Vector.of([_pinned_labels(argument)], np.ones(missing.shape), missing)


def _pinned_labels(argument: tree.Node) -> Labels:
    """Labels named by exactly one matcher, and that one an equality; none for anything but a selector."""
    selector = argument.selector if isinstance(argument, tree.Range) else argument
    if not isinstance(selector, tree.Selector) or len(selector.alternatives) != 1:
        return lb.NONE
    labels: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selector.alternatives[0]:
        if matcher.name == lb.NAME:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            labels[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return lb.make(labels)


def scalar(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """The value of the only series; NaN where there is none or more than one."""
    vector = run.vector(node.args[0], grid)
    found = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return Scalar(np.where(vector.present.sum(axis=0) == 1, found, np.nan))


def vector(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    values = run.scalar(node.args[0], grid)
    return Vector.of([lb.NONE], values[None], np.ones((1, grid.count), np.bool_))


def sort(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return _sorted(run.vector(node.args[0], grid), 1.0)


def sort_desc(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return _sorted(run.vector(node.args[0], grid), -1.0)


def _sorted(vector: Vector, sign: float) -> Vector:
    """By value, NaN last; a range query has no single value to sort by."""
    if vector.values.shape[1] != 1:
        return vector
    order = np.argsort(sign * vector.values[:, 0], kind="stable")
    return replace(vector.take(order), ordered=True)


FUNCTIONS = {"absent": absent, "scalar": scalar, "vector": vector, "sort": sort, "sort_desc": sort_desc}
