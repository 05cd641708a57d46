"""Sums of rows by group that do not lose small values beside large ones (error-free transformation, as Kahan's).

Each addition's rounding error is kept exactly and added at the end, so that `1 + 1e100 + 1 - 1e100` is 2, as it is in
Prometheus.
"""

from __future__ import annotations

import numpy as np

from pitchey_slo.promql.scan import Bools, Floats
from pitchey_slo.promql.spans import Positions, two_sum

COLUMNS = 1 << 13  #: steps summed at a time; the running sums stay in the first-level cache
FEW = 64  #: below this many steps, rows are added pairwise, all groups at once


def group_sums(values: Floats, present: Bools, groups: Positions, count: int) -> Floats:
    """Sum of the present values per group and step: `count` groups by steps."""
    if values.shape[1] < FEW:
        return _by_tree(np.where(present, values, 0.0), groups, count)
    out = np.empty((count, values.shape[1]))
    for first in range(0, values.shape[1], COLUMNS):
        cols = slice(first, first + COLUMNS)
        out[:, cols] = _by_row(values[:, cols], present[:, cols], groups, count)
    return out


def _by_row(values: Floats, present: Bools, groups: Positions, count: int) -> Floats:
    total = np.zeros((count, values.shape[1]))
    error = np.zeros_like(total)
    for row, group in enumerate(groups.tolist()):
        x = values[row] if present[row].all() else np.where(present[row], values[row], 0.0)
        total[group], lost = two_sum(total[group], x)
        error[group] += lost
    return _joined(total, error)


def _by_tree(values: Floats, groups: Positions, count: int) -> Floats:
    """Adds neighbours of the same group until each group is one row; log2(largest group) passes."""
    order = np.argsort(groups, kind="stable")
    group, total = groups[order], values[order]
    error = np.zeros_like(total)
    while len(group) > 1:
        starts = np.r_[True, group[1:] != group[:-1]]
        rank = np.arange(len(group)) - np.flatnonzero(starts)[np.cumsum(starts) - 1]
        if not rank.any():
            break
        odd = np.flatnonzero(rank % 2 == 1)
        total[odd - 1], lost = two_sum(total[odd - 1], total[odd])
        error[odd - 1] += error[odd] + lost
        even = rank % 2 == 0
        group, total, error = group[even], total[even], error[even]
    out = np.zeros((count, values.shape[1]))
    out[group] = _joined(total, error)
    return out


def _joined(total: Floats, error: Floats) -> Floats:
    """An infinite or NaN total has no meaningful error."""
    return np.where(np.isfinite(total), total + error, total)
