"""What an expression evaluates to: a `Vector` (series by steps), a `Scalar` (one number a step) or a text.

A missing point is not a number: `present` says where a series has a value, and what `values` holds elsewhere means
nothing. NaN is a value like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.scan import Bools, Floats, Ints


@dataclass(frozen=True)
class Grid:
    """The steps of an evaluation: `count` times from `start`, every `step` ms."""

    start: int
    step: int
    count: int

    @property
    def end(self) -> int:
        return self.start + (self.count - 1) * self.step

    @property
    def times(self) -> Ints:
        return self.start + self.step * np.arange(self.count, dtype=np.int64)

    @property
    def seconds(self) -> Floats:
        return self.times / 1000.0


@dataclass(frozen=True)
class Scalar:
    values: Floats  #: one per step


@dataclass(frozen=True)
class Vector:
    """`values` and `present` are series by steps. `unnamed` marks series whose metric name is dropped at the end.

    `ordered` says that an instant result keeps the order of its rows (sort, topk).
    """

    labels: list[Labels]
    values: Floats
    present: Bools
    unnamed: Bools
    ordered: bool = False

    @classmethod
    def of(cls, labels: list[Labels], values: Floats, present: Bools, unnamed: Bools | None = None) -> Vector:
        return cls(labels, values, present, np.zeros(len(labels), np.bool_) if unnamed is None else unnamed)

    @classmethod
    def empty(cls, count: int) -> Vector:
        return cls.of([], np.empty((0, count)), np.empty((0, count), np.bool_))

    def take(self, rows: Sequence[int] | Ints) -> Vector:
        index = np.asarray(rows, np.intp)
        picked = [self.labels[i] for i in index]
        return Vector(picked, self.values[index], self.present[index], self.unnamed[index], self.ordered)


Value = Vector | Scalar | str


class SameLabels(Exception):
    """Two series with equal labels have a value at the same step; the evaluator turns this into a QueryError."""


def merge_equal(vector: Vector) -> Vector:
    """One row per label set. Rows with equal labels are joined when they never have a value at the same step."""
    if len(set(vector.labels)) == len(vector.labels):
        return vector
    first: dict[Labels, int] = {}
    for labels in vector.labels:
        first.setdefault(labels, len(first))
    merged = Vector.of(
        list(first),
        np.zeros((len(first), vector.values.shape[1])),
        np.zeros((len(first), vector.values.shape[1]), bool),
    )
    for i, labels in enumerate(vector.labels):
        row, here = first[labels], vector.present[i]
        if (merged.present[row] & here).any():
            raise SameLabels(lb.show(labels))
        merged.values[row, here] = vector.values[i, here]
        merged.present[row] |= here
        merged.unnamed[row] |= vector.unnamed[i]
    return replace(merged, ordered=vector.ordered)


def drop_names(vector: Vector, *, late: bool) -> Vector:
    """Forget the metric names: at once, or (Prometheus' delayed name removal) as a mark for the end of the query."""
    if late:
        return replace(vector, unnamed=np.ones(len(vector.labels), np.bool_))
    return merge_equal(replace(vector, labels=[lb.nameless(labels) for labels in vector.labels]))


def finish(vector: Vector) -> Vector:
    """Names marked for removal removed, series without any value left out."""
    if vector.unnamed.any():
        named = zip(vector.labels, vector.unnamed, strict=True)
        vector = replace(vector, labels=[lb.nameless(labels) if gone else labels for labels, gone in named])
        vector = merge_equal(vector)
    some = vector.present.any(axis=1)
    return vector if some.all() else vector.take(np.flatnonzero(some))
