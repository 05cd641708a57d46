"""The answer of a query: labels and arrays, with warnings; a pandas frame when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.scan import Bools, Floats, Ints
from pitchey_slo.promql.values import Grid, Scalar, Value, finish

if TYPE_CHECKING:
    import pandas as pd

    from pitchey_slo.promql.windows import Windows


@dataclass(frozen=True)
class Result:
    """`kind` is Prometheus' result type: matrix, vector, scalar or string.

    `times` are the steps (ms since 1970); `values` and `present` are series by steps, and a value counts only where
    `present`. A matrix is sorted by labels; a vector keeps the order of `sort` and `topk`. A scalar is one row without
    labels. A string has only `text`. An instant query for a range (`x[5m]`) is a matrix whose `times` are all sample
    times found. `warnings` and `infos` are Prometheus' annotations.
    """

    kind: str
    labels: list[Labels]
    times: Ints
    values: Floats
    present: Bools
    text: str | None = None
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    ordered: bool = False  #: the order of the rows has a meaning

    def __len__(self) -> int:
        return len(self.labels)

    def series(self) -> Iterator[tuple[dict[str, str], Ints, Floats]]:
        """Labels, times and values of each series, without the missing points."""
        for labels, values, present in zip(self.labels, self.values, self.present, strict=True):
            yield dict(labels), self.times[present], values[present]

    def to_pandas(self) -> pd.DataFrame:
        """One column per series (named as Prometheus prints it), index UTC time; NaN where there is no value."""
        import pandas as pd

        index = pd.to_datetime(self.times, unit="ms", utc=True).rename("time")
        data: Any = np.where(self.present, self.values, np.nan).T
        return pd.DataFrame(data, index=index, columns=[lb.show(labels) for labels in self.labels])


def finished(value: Value, kind: str, grid: Grid, warnings: Iterable[str], infos: Iterable[str]) -> Result:
    """The result of a value: names dropped late, series without points left out, a matrix sorted by labels."""
    notes = (tuple(warnings), tuple(infos))
    if isinstance(value, str):
        empty = np.empty((0, grid.count))
        return Result("string", [], grid.times, empty, empty.astype(np.bool_), value, *notes)
    if isinstance(value, Scalar):
        everywhere = np.ones((1, grid.count), np.bool_)
        shown = "scalar" if kind == "vector" else "matrix"
        return Result(shown, [lb.NONE], grid.times, value.values[None], everywhere, None, *notes)
    vector = finish(value)
    if not (vector.ordered and kind == "vector"):
        order = sorted(range(len(vector.labels)), key=vector.labels.__getitem__)
        if order != list(range(len(order))):
            vector = vector.take(order)
        vector = replace(vector, ordered=False)
    return Result(kind, vector.labels, grid.times, vector.values, vector.present, None, *notes, vector.ordered)


def raw(windows: Windows, warnings: Iterable[str], infos: Iterable[str]) -> Result:
    """The samples of a range at one step, as they are."""
    block, (begin, end) = windows.block, (windows.ends.start - windows.range_ms, windows.ends.end)
    rows = np.repeat(np.arange(len(block.labels)), np.diff(block.offsets))
    inside = (block.ts > begin) & (block.ts <= end)
    times, columns = np.unique(block.ts[inside], return_inverse=True)
    values = np.zeros((len(block.labels), len(times)))
    present = np.zeros(values.shape, np.bool_)
    values[rows[inside], columns] = block.values[inside]
    present[rows[inside], columns] = True
    kept = np.flatnonzero(present.any(axis=1))
    labels = [block.labels[i] for i in kept]
    return Result("matrix", labels, times, values[kept], present[kept], None, tuple(warnings), tuple(infos))
