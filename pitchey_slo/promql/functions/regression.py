"""Straight lines through the samples of a window (least squares): deriv and predict_linear.

Times and values are measured from a sample inside the window, so that the sums stay as small as the window itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pitchey_slo.promql import tree
from pitchey_slo.promql.scan import Bools, Floats, Ints
from pitchey_slo.promql.spans import Level, Positions, fold
from pitchey_slo.promql.values import Grid, Value, Vector
from pitchey_slo.promql.windows import Part

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation


def lines(ts: Floats, y: Floats, lo: Positions, hi: Positions) -> tuple[Floats, Floats, Floats]:
    """Slope of each window's line and one point (time, value) on it; every window has two samples or more."""
    slope, at, value = (np.empty(len(lo)) for _ in range(3))

    def level(span: Level) -> tuple[Floats, Floats, Floats]:
        (t0, y0) = span.middles(ts), span.middles(y)
        folded = []
        for times, values in zip(span.sides(ts), span.sides(y), strict=True):
            dt, dy = times - t0, values - y0
            folded.append([np.cumsum(part, axis=1).reshape(-1) for part in (dt, dy, dt * dy, dt * dt)])
        st, sy, sty, stt = (left[span.left] + right[span.right] for left, right in zip(*folded, strict=True))
        n = (hi - lo)[span.index]
        inclination = (sty - st * sy / n) / (stt - st * st / n)
        flat = (sy == 0) & (sty == 0)
        inclination = np.where(np.isfinite(sy), np.where(flat, 0.0, inclination), np.nan)
        return inclination, ts[span.mid] + st / n, y[span.mid] + np.where(np.isfinite(sy), sy, np.nan) / n

    fold(lo, hi, level, (slope, at, value))
    return slope, at, value


def _line_at(part: Part, when_ms: Ints | None, ahead: Floats | float = 0.0) -> tuple[Floats, Bools]:
    """The slope of each window, or the value of its line `ahead` seconds after `when_ms` (one per column)."""
    enough = part.hi - part.lo >= 2
    out = np.zeros(part.lo.shape)
    if enough.any():
        # Whole milliseconds are exact in a float, their differences, too; seconds would not be.
        origin = part.ts[0]
        times = (part.ts - origin).astype(np.float64)
        slope, at, value = lines(times, part.values, part.lo[enough], part.hi[enough])
        if when_ms is None:
            out[enough] = slope * 1000
        else:
            target = np.broadcast_to(when_ms - origin + ahead * 1000, part.lo.shape)[enough]
            out[enough] = np.where(slope == 0, value, value + slope * (target - at))
    return out, enough


def deriv(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """Slope per second."""
    return run.over(node.args[0], grid, lambda part: _line_at(part, None))


def predict_linear(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """The line's value so many seconds after the step (not after the window's end: an offset moves only the window)."""
    ahead = run.scalar(node.args[1], grid)
    windows = run.windows(node.args[0], grid)
    if not windows.pinned:
        times = grid.times
        found = windows.apply(lambda part: _line_at(part, times[part.cols], ahead[part.cols]))
        return run.nameless(Vector.of(windows.block.labels, *found))
    begin = windows.ends.start
    slope, present = windows.apply(lambda part: _line_at(part, None))
    value, _ = windows.apply(lambda part: _line_at(part, np.array([begin])))
    predicted = np.where(slope == 0, value, value + slope * ((grid.times - begin) / 1000 + ahead))
    return run.nameless(Vector.of(windows.block.labels, predicted, present))


FUNCTIONS = {"deriv": deriv, "predict_linear": predict_linear}
