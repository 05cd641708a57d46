"""The left side of a rule's comparison over a stretch of history, as one number per alert and step.

    score(alert, step) > limit   is the same as   the rule's condition holds there with that limit

Larger is more alarming: for `<` the sign is turned. Of `a > x and b > x` it is the smaller of both, of `or` the larger;
a condition without the knob in it is +inf where it holds and -inf where not. -inf is also "no value": no limit is below
it. So the whole rule is evaluated once, and any number of limits are asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pitchey_slo.alert.evaluate import ask
from pitchey_slo.alert.rules import Rule
from pitchey_slo.analyse.backtest.condition import LIMITS, SUBQUERY_STEP_MS, in_halves, pinned
from pitchey_slo.analyse.backtest.coverage import covered, windows
from pitchey_slo.analyse.backtest.episodes import Bools, Floats, Ints
from pitchey_slo.analyse.backtest.naming import named
from pitchey_slo.analyse.backtest.reads import SharedReads
from pitchey_slo.analyse.tune.knob import Knob, Path, knob_of
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Scan, parse, tree
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.evaluate import Evaluation
from pitchey_slo.promql.plan import Query
from pitchey_slo.promql.values import Grid, Scalar, Vector
from pitchey_slo.series import Labels

Check = Callable[[], None]
#: Extra evaluations that errors may cost.
_TRIES = 200


@dataclass(frozen=True)
class Scored:
    """`times` of the evaluations in ms (those that fail are left out), `labels` of the alerts, `score` alerts by steps,
    `covered` the steps at which any selector had data."""

    knob: Knob
    times: Ints
    labels: list[Labels]
    score: Floats
    covered: Bools
    failed: int = 0
    problem: str | None = None

    def limits(self, numbers: Floats) -> Floats:
        """Scores that these numbers of the knob stand for: increasing is less alarming."""
        if self.knob.current is None:
            return np.zeros(len(numbers))
        sign = 1.0 if self.knob.up else -1.0
        found: Floats = sign * (self.knob.slope * numbers + self.knob.offset)
        return found


def scored(rule: Rule, scan: Scan, grid: Grid, offset_ms: int, check: Check = lambda: None) -> Scored:
    """The scores of a rule at the steps of `grid`, which see data that are `offset_ms` older, as live.

    Raises QueryError for expressions whose alerts do not become fewer with a higher limit.
    """
    root = pinned(parse(rule.expr))
    if root is None:
        raise QueryError(f"rule {rule.name}: `@ start()` inside a subquery cannot be tuned; write a fixed offset")
    knob = knob_of(root)
    reads = scan if isinstance(scan, SharedReads) else SharedReads(scan)
    parts = in_halves(
        grid,
        reads,
        lambda part: _part(rule, root, knob, reads, part, offset_ms, check),
        lambda part, error: _failed(knob, part, error),
        check,
        _TRIES,
        fatal=(Untunable,),
    )
    return _together(knob, list(parts))


class Untunable(QueryError):
    """Another limit would change more than how many alerts there are."""


def _part(
    rule: Rule, root: tree.Node, knob: Knob, scan: SharedReads, grid: Grid, offset_ms: int, check: Check
) -> Scored:
    data = Grid(grid.start - offset_ms, grid.step, grid.count)
    evaluation = Evaluation(Query(rule.expr, data, LIMITS, default_step_ms=SUBQUERY_STEP_MS), root, scan)
    try:
        with np.errstate(all="ignore"):
            labels, score = _Reader(evaluation, data, knob).read(root, ())
    except RecursionError:
        raise QueryError(f"rule {rule.name}: the expression is nested too deep") from None
    there, _ = covered(windows(root), evaluation.blocks, data.times, check)
    some = ~np.isneginf(score)
    kept = np.flatnonzero(some.any(axis=1))
    labels, score, some = [labels[i] for i in kept], score[kept], some[kept]
    final = named(_plain(rule), labels, score, some, grid.times, offset_ms, lambda text, at: ask(text, scan, at))
    best = np.where(final.holds, final.value, -np.inf)
    keep = ~final.clash
    return Scored(knob, grid.times[keep], final.labels, best[:, keep], there[keep], int(final.clash.sum()))


def _plain(rule: Rule) -> Rule:
    """Without labels that look at the value: with another limit they are other alerts, yet the same firings."""
    labels = {k: v for k, v in rule.labels.items() if "{{" not in v or not ("alue" in v or "query" in v)}
    return replace(rule, labels=labels)


@dataclass
class _Reader:
    """Reads the conditions of an expression, from the top down to the comparisons."""

    evaluation: Evaluation
    grid: Grid
    knob: Knob

    def __post_init__(self) -> None:
        self.sides = dict(self.knob.leaves)

    def turns(self, path: Path) -> bool:
        """Whether something at or below this place is turned."""
        return any(leaf[: len(path)] == path for leaf in self.sides)

    def read(self, node: tree.Node, path: Path) -> tuple[list[Labels], Floats]:
        if path in self.sides and isinstance(node, tree.Binary):
            side = self.sides[path]
            vector = self.vector(node.left if side == "left" else node.right)
            sign = 1.0 if self.knob.up else -1.0
            usable = vector.present & ~np.isnan(vector.values)
            return vector.labels, np.where(usable, sign * vector.values, -np.inf)
        if isinstance(node, tree.Binary) and node.op in ("and", "or", "unless") and self.turns(path):
            left, right = self.read(node.left, (*path, "left")), self.read(node.right, (*path, "right"))
            return {"and": _both, "or": _either, "unless": _unless}[node.op](left, right, node.matching)
        vector = self.vector(node)
        return vector.labels, np.where(vector.present, np.inf, -np.inf)

    def vector(self, node: tree.Node) -> Vector:
        value = self.evaluation.value(node, self.grid)
        if isinstance(value, Scalar):
            return Vector.of([lb.NONE], value.values[None], np.ones((1, self.grid.count), np.bool_))
        if not isinstance(value, Vector):
            raise Untunable("a text where a number is needed")
        return value


_Side = tuple[list[Labels], Floats]


def _group(labels: Labels, matching: tree.Matching) -> Labels:
    if matching.on:
        return lb.only(labels, frozenset(matching.names))
    return lb.without(labels, frozenset((*matching.names, "__name__")))


def _best(side: _Side, matching: tree.Matching) -> dict[Labels, Floats]:
    """Per match group the highest score at each step."""
    found: dict[Labels, Floats] = {}
    for labels, row in zip(*side, strict=True):
        key = _group(labels, matching)
        found[key] = np.maximum(found[key], row) if key in found else row
    return found


def _both(left: _Side, right: _Side, matching: tree.Matching) -> _Side:
    other, nothing = _best(right, matching), np.full(left[1].shape[1], -np.inf)
    rows = [np.minimum(row, other.get(_group(labels, matching), nothing)) for labels, row in zip(*left, strict=True)]
    return left[0], np.array(rows).reshape(left[1].shape)


def _unless(left: _Side, right: _Side, matching: tree.Matching) -> _Side:
    other = _best(right, matching)
    rows = []
    for labels, row in zip(*left, strict=True):
        against = other.get(_group(labels, matching))
        rows.append(row if against is None else np.where(np.isneginf(against), row, -np.inf))
    return left[0], np.array(rows).reshape(left[1].shape)


def _either(left: _Side, right: _Side, matching: tree.Matching) -> _Side:
    if matching.on or matching.names:
        raise Untunable("`or on(...)` and `or ignoring(...)` cannot be tuned: write the alternatives as two rules")
    found = _best(left, matching)
    for key, row in _best(right, matching).items():
        found[key] = np.maximum(found[key], row) if key in found else row
    return list(found), np.array(list(found.values())).reshape(len(found), left[1].shape[1])


def _failed(knob: Knob, grid: Grid, error: QueryError) -> Scored:
    detail = error.detail if isinstance(error.detail, dict) else {}
    nothing = np.empty(0, np.int64)
    problem = str(detail.get("problem", error.message))
    return Scored(knob, nothing, [], np.empty((0, 0)), nothing.astype(np.bool_), grid.count, problem)


def _together(knob: Knob, parts: list[Scored]) -> Scored:
    if len(parts) == 1:
        return parts[0]
    rows: dict[Labels, int] = {}
    for part in parts:
        for labels in part.labels:
            rows.setdefault(labels, len(rows))
    score = np.full((len(rows), sum(len(p.times) for p in parts)), -np.inf)
    at = 0
    for part in parts:
        if part.labels:
            score[[rows[labels] for labels in part.labels], at : at + len(part.times)] = part.score
        at += len(part.times)
    empty = np.empty(0, np.int64)
    return Scored(
        knob,
        np.concatenate([p.times for p in parts]) if parts else empty,
        list(rows),
        score,
        np.concatenate([p.covered for p in parts]) if parts else empty.astype(np.bool_),
        sum(p.failed for p in parts),
        next((p.problem for p in parts if p.problem), None),
    )
