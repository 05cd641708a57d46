"""Time: of the step, of a sample, and the parts of a date in UTC. Without an argument, the step's own time is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import tree
from pitchey_slo.promql.scan import Floats
from pitchey_slo.promql.values import Grid, Scalar, Value, Vector

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation

Dates = NDArray[np.datetime64]


def time(_run: Evaluation, _node: tree.Call, grid: Grid) -> Value:
    """Seconds since 1970 at the step."""
    return Scalar(grid.seconds)


def timestamp(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """Seconds since 1970 of the sample itself for a selector, of the step for anything computed."""
    argument = node.args[0]
    if isinstance(argument, tree.Selector):
        return run.nameless(run.selector(argument, grid, lambda part: part.ts[np.maximum(part.hi - 1, 0)] / 1000))
    vector = run.vector(argument, grid)
    values = np.broadcast_to(grid.seconds, vector.values.shape).copy()
    return run.nameless(replace(vector, values=values, ordered=False))


def _part_of_date(part: Callable[[Dates], Any]) -> Any:
    def function(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
        if node.args:
            vector = run.vector(node.args[0], grid)
        else:
            vector = Vector.of([lb.NONE], grid.seconds[None], np.ones((1, grid.count), np.bool_))
        return run.nameless(replace(vector, values=_of_seconds(vector.values, part), ordered=False))

    return function


def _of_seconds(seconds: Floats, part: Callable[[Dates], Any]) -> Floats:
    """`part` of the date; NaN for what is no date (NaN, infinities, further away than numpy's calendar)."""
    known = np.abs(seconds) < 9e15
    dates = np.where(known, np.trunc(seconds), 0).astype(np.int64).astype("datetime64[s]")
    return np.where(known, part(dates), np.nan).astype(np.float64)


def _since(dates: Dates, unit: str) -> NDArray[np.int64]:
    """How many days (or months) since the start of the month or year `unit` that contains each date."""
    days: NDArray[np.int64] = (dates.astype("datetime64[D]") - dates.astype(f"datetime64[{unit}]")).astype(np.int64)
    return days


def _days_in_month(dates: Dates) -> NDArray[np.int64]:
    month = dates.astype("datetime64[M]")
    days: NDArray[np.int64] = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    return days


FUNCTIONS = {
    "time": time,
    "timestamp": timestamp,
    "year": _part_of_date(lambda d: d.astype("datetime64[Y]").astype(np.int64) + 1970),
    "month": _part_of_date(lambda d: d.astype("datetime64[M]").astype(np.int64) % 12 + 1),
    "day_of_month": _part_of_date(lambda d: _since(d, "M") + 1),
    "day_of_year": _part_of_date(lambda d: _since(d, "Y") + 1),
    "day_of_week": _part_of_date(lambda d: (d.astype("datetime64[D]").astype(np.int64) + 4) % 7),
    "days_in_month": _part_of_date(_days_in_month),
    "hour": _part_of_date(lambda d: d.astype("datetime64[h]").astype(np.int64) % 24),
    "minute": _part_of_date(lambda d: d.astype("datetime64[m]").astype(np.int64) % 60),
}
