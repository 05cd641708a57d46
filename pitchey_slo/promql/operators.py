"""Arithmetic and comparison: on scalars, and on a vector and a scalar. Two vectors are matched in `matching`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pitchey_slo.promql.values import Scalar, Value, Vector, drop_names

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,  # the sign of the dividend, as Go's math.Mod
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def negate(value: Value, late: bool) -> Value:
    if isinstance(value, Scalar):
        return Scalar(-value.values)
    assert isinstance(value, Vector)  # the parser lets no string through
    return drop_names(replace(value, values=-value.values, ordered=False), late=late)


def with_scalar(op: str, left: Value, right: Value, to_bool: bool, late: bool) -> Value:
    """An operation with at least one scalar. A comparison without `bool` keeps the points that hold."""
    assert not isinstance(left, str) and not isinstance(right, str)  # the parser lets no string through
    if op in ARITHMETIC:
        result = ARITHMETIC[op](left.values, right.values)
    else:
        result = COMPARISON[op](left.values, right.values)
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return Scalar(result.astype(np.float64))
    vector = left if isinstance(left, Vector) else right
    assert isinstance(vector, Vector)
    if op in COMPARISON and not to_bool:
        return replace(vector, present=vector.present & result, ordered=False)
    return drop_names(replace(vector, values=result.astype(np.float64, copy=False), ordered=False), late=late)
