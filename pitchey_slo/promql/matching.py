"""Two vectors: which series of one belongs to which of the other, and what comes out.

Labels do not change from step to step, so pairs are found once per query. What can differ by step is presence, and
with it Prometheus' complaints about several matches; those are checked on the presence masks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import tree
from pitchey_slo.promql.labels import NAME, Labels
from pitchey_slo.promql.operators import ARITHMETIC, COMPARISON
from pitchey_slo.promql.scan import Bools, Floats
from pitchey_slo.promql.spans import Positions
from pitchey_slo.promql.values import SameLabels, Vector, drop_names, merge_equal


class Unmatched(Exception):
    """The vectors cannot be matched; the evaluator turns this into a QueryError."""


def _key(matching: tree.Matching) -> lb.Key:
    if matching.on:
        names = frozenset(matching.names)
        return lambda labels: lb.only(labels, names)
    ignored = frozenset((*matching.names, NAME))
    return lambda labels: lb.without(labels, ignored)


@dataclass(frozen=True)
class Sides:
    """Two vectors with their match groups: `left_group[i]` is the group of the left's row `i`."""

    left: Vector
    right: Vector
    groups: list[Labels]
    left_group: Positions
    right_group: Positions

    @classmethod
    def of(cls, left: Vector, right: Vector, matching: tree.Matching) -> Sides:
        key, known = _key(matching), dict[Labels, int]()
        ids = [
            np.array([known.setdefault(key(labels), len(known)) for labels in side.labels], np.intp)
            for side in (left, right)
        ]
        return cls(left, right, list(known), ids[0], ids[1])

    def any_of(self, vector: Vector, group: Positions) -> Bools:
        """Groups by steps: where some series of the group has a value."""
        found = np.zeros((len(self.groups), vector.present.shape[1]), np.bool_)
        for i, present in zip(group, vector.present, strict=True):
            found[i] |= present
        return found


def both(left: Vector, right: Vector, matching: tree.Matching) -> Vector:
    """`and`: the left's points that have a match on the right."""
    sides = Sides.of(left, right, matching)
    matched = sides.any_of(right, sides.right_group)[sides.left_group]
    return Vector(left.labels, left.values, left.present & matched, left.unnamed)


def unless(left: Vector, right: Vector, matching: tree.Matching) -> Vector:
    """`unless`: the left's points that have none."""
    sides = Sides.of(left, right, matching)
    matched = sides.any_of(right, sides.right_group)[sides.left_group]
    return Vector(left.labels, left.values, left.present & ~matched, left.unnamed)


def either(left: Vector, right: Vector, matching: tree.Matching) -> Vector:
    """`or`: all of the left, and the right's points that have no match there."""
    sides = Sides.of(left, right, matching)
    matched = sides.any_of(left, sides.left_group)[sides.right_group]
    return merge_equal(
        Vector(
            left.labels + right.labels,
            np.concatenate([left.values, right.values]),
            np.concatenate([left.present, right.present & ~matched]),
            np.concatenate([left.unnamed, right.unnamed]),
        )
    )


SET_OPERATORS: dict[str, Callable[[Vector, Vector, tree.Matching], Vector]] = {
    "and": both,
    "or": either,
    "unless": unless,
}


def join(left: Vector, right: Vector, node: tree.Binary, late: bool) -> Vector:
    """Arithmetic or comparison of two vectors, one-to-one or (group_left, group_right) many-to-one."""
    matching = node.matching
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    sides = Sides.of(many, one, matching)
    _check_one_side(sides, "left" if swapped else "right")
    many_rows, one_rows = _pairs(sides)
    present = many.present[many_rows] & one.present[one_rows]
    if matching.many is None:
        _check_one_to_one(sides, many_rows, present)
    many_values, one_values = many.values[many_rows], one.values[one_rows]
    labels = [_result_labels(many.labels[i], one.labels[j], node) for i, j in zip(many_rows, one_rows, strict=True)]
    unnamed = many.unnamed[many_rows]
    filled = _filled(sides, node, swapped)
    if filled:
        more_labels, more_many, more_one, more_present = filled
        labels, present = labels + more_labels, np.concatenate([present, more_present])
        many_values, one_values = np.concatenate([many_values, more_many]), np.concatenate([one_values, more_one])
        unnamed = np.concatenate([unnamed, np.zeros(len(more_labels), np.bool_)])
    pair = (one_values, many_values) if swapped else (many_values, one_values)
    return _combined(node, labels, pair, present, unnamed, late)


def _combined(
    node: tree.Binary, labels: list[Labels], pair: tuple[Floats, Floats], present: Bools, unnamed: Bools, late: bool
) -> Vector:
    if node.op in ARITHMETIC:
        vector = Vector(labels, ARITHMETIC[node.op](*pair), present, unnamed)
    else:
        holds = COMPARISON[node.op](*pair)
        if node.to_bool:
            vector = Vector(labels, holds.astype(np.float64), present, unnamed)
        else:
            vector = Vector(labels, pair[0], present & holds, unnamed)
    try:
        vector = merge_equal(vector)
    except SameLabels:
        raise Unmatched("multiple matches for labels: grouping labels must ensure unique matches") from None
    return drop_names(vector, late=late) if node.to_bool else vector


def _pairs(sides: Sides) -> tuple[Positions, Positions]:
    """All pairs of rows of one group: positions in the many side and in the one side."""
    members: dict[int, list[int]] = {}
    for row, group in enumerate(sides.right_group.tolist()):
        members.setdefault(group, []).append(row)
    found = [(i, j) for i, group in enumerate(sides.left_group.tolist()) for j in members.get(group, ())]
    table = np.array(found, np.intp).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _check_one_side(sides: Sides, name: str) -> None:
    """The one side must have one series per group and step (where the other side has any at all)."""
    sizes = np.bincount(sides.right_group, minlength=len(sides.groups))
    asked = sides.left.present.any(axis=0)
    for group in np.flatnonzero(sizes > 1):
        rows = np.flatnonzero(sides.right_group == group)
        twice = (sides.right.present[rows].sum(axis=0) > 1) & asked
        if twice.any():
            step = int(np.argmax(twice))
            shown = sorted(lb.braces(sides.right.labels[row]) for row in rows if sides.right.present[row, step])
            raise Unmatched(
                f"found duplicate series for the match group {lb.braces(sides.groups[group])} on the {name} hand-side"
                f" of the operation: [{shown[0]}, {shown[1]}];many-to-many matching not allowed: matching labels must"
                " be unique on one side"
            )


def _check_one_to_one(sides: Sides, many_rows: Positions, present: Bools) -> None:
    """Without group_left or group_right, the other side must have one series per group and step, too."""
    groups = sides.left_group[many_rows]
    sizes = np.bincount(groups, minlength=len(sides.groups))
    for group in np.flatnonzero(sizes > 1):
        if (present[groups == group].sum(axis=0) > 1).any():
            raise Unmatched(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )


def _result_labels(many: Labels, one: Labels, node: tree.Binary) -> Labels:
    matching = node.matching
    labels = lb.nameless(many) if node.op in ARITHMETIC else many
    if matching.many is None:
        labels = lb.only(labels, matching.names) if matching.on else lb.without(labels, matching.names)
    for name in matching.include:
        labels = lb.put(labels, name, lb.get(one, name))
    return labels


def _filled(sides: Sides, node: tree.Binary, swapped: bool) -> tuple[list[Labels], Floats, Floats, Bools] | None:
    """Pairs of points that lack a partner with the value that `fill` gives instead of one."""
    matching = node.matching
    fills = (matching.fill_left, matching.fill_right)
    many_fill, one_fill = reversed(fills) if swapped else fills
    labels: list[Labels] = []
    rows: list[tuple[Floats, Floats, Bools]] = []
    if one_fill is not None:
        partner = sides.any_of(sides.right, sides.right_group)
        for i, group in enumerate(sides.left_group):
            labels.append(_result_labels(sides.left.labels[i], lb.NONE, node))
            values = sides.left.values[i]
            rows.append((values, np.full_like(values, one_fill), sides.left.present[i] & ~partner[group]))
    if many_fill is not None:
        partner = sides.any_of(sides.left, sides.left_group)
        for j, group in enumerate(sides.right_group):
            labels.append(_result_labels(sides.groups[group], sides.right.labels[j], node))
            values = sides.right.values[j]
            rows.append((np.full_like(values, many_fill), values, sides.right.present[j] & ~partner[group]))
    if not rows:
        return None
    return labels, np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
