"""Functions of each value by itself: rounding, clamping, powers, logarithms and angles. Metric names are dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pitchey_slo.promql import tree
from pitchey_slo.promql.scan import Floats
from pitchey_slo.promql.values import Grid, Scalar, Value

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation


def _each(function: Callable[[Any], Any]) -> Any:
    def apply(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
        vector = run.vector(node.args[0], grid)
        return run.nameless(replace(vector, values=function(vector.values), ordered=False))

    return apply


def round_to(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """To the nearest multiple of the second argument (1 by default); halves go up."""
    vector = run.vector(node.args[0], grid)
    inverse = 1.0 / (run.scalar(node.args[1], grid) if len(node.args) > 1 else np.ones(grid.count))
    return run.nameless(replace(vector, values=np.floor(vector.values * inverse + 0.5) / inverse, ordered=False))


def clamp(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """Between two bounds; nothing where the lower is above the upper, NaN where one is NaN."""
    vector = run.vector(node.args[0], grid)
    low, high = run.scalar(node.args[1], grid), run.scalar(node.args[2], grid)
    values = np.maximum(low, np.minimum(high, vector.values))
    return run.nameless(replace(vector, values=values, present=vector.present & ~(low > high), ordered=False))


def clamp_min(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return _bounded(run, node, grid, np.maximum)


def clamp_max(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    return _bounded(run, node, grid, np.minimum)


def _bounded(run: Evaluation, node: tree.Call, grid: Grid, bound: np.ufunc) -> Value:
    vector = run.vector(node.args[0], grid)
    return run.nameless(replace(vector, values=bound(vector.values, run.scalar(node.args[1], grid)), ordered=False))


def pi(_run: Evaluation, _node: tree.Call, grid: Grid) -> Value:
    return Scalar(np.full(grid.count, np.pi))


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


FUNCTIONS = {
    "abs": _each(np.abs),
    "ceil": _each(np.ceil),
    "floor": _each(np.floor),
    "sgn": _each(_sign),
    "exp": _each(np.exp),
    "sqrt": _each(np.sqrt),
    "ln": _each(np.log),
    "log2": _each(np.log2),
    "log10": _each(np.log10),
    "sin": _each(np.sin),
    "cos": _each(np.cos),
    "tan": _each(np.tan),
    "asin": _each(np.arcsin),
    "acos": _each(np.arccos),
    "atan": _each(np.arctan),
    "sinh": _each(np.sinh),
    "cosh": _each(np.cosh),
    "tanh": _each(np.tanh),
    "asinh": _each(np.arcsinh),
    "acosh": _each(np.arccosh),
    "atanh": _each(np.arctanh),
    "deg": _each(np.degrees),
    "rad": _each(np.radians),
    "round": round_to,
    "clamp": clamp,
    "clamp_min": clamp_min,
    "clamp_max": clamp_max,
    "pi": pi,
}
