"""PromQL the slow, obvious way: one step, one series, one sample at a time, straight from Prometheus' definitions.

Shares only the tree with the engine. A vector is a dict from labels to a number, a scalar a number, a range a dict from
labels to a list of (time in ms, value).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pitchey_slo.promql import tree
from pitchey_slo.promql.labels import Labels, get, make

from .naive_parts import (
    COMPARE,
    EACH,
    OVER,
    REDUCE,
    WITH_NUMBER,
    Refused,
    Samples,
    Vector,
    bucket_quantile,
    matches,
    nameless,
    operate,
    quantile,
    unique,
    unnamed,
)

STALE_BITS = 0x7FF0000000000002


def is_stale(value: float) -> bool:
    return int(np.array([value]).view(np.int64)[0]) == STALE_BITS


@dataclass
class Naive:
    """One query over `data`; `start` and `end` are what `@ start()` and `@ end()` mean."""

    data: dict[Labels, Samples]
    start: int
    end: int
    lookback: int = 300_000
    default_step: int = 60_000

    def value(self, node: tree.Node, t: int) -> Vector | float:
        match node:
            case tree.Number():
                return node.value
            case tree.Selector():
                return self.selector(node, t)
            case tree.Negate():
                inner = self.value(node.expr, t)
                return -inner if isinstance(inner, float) else unnamed([(k, -v) for k, v in inner.items()])
            case tree.Call():
                return self.call(node, t)
            case tree.Aggregate():
                return self.aggregate(node, t)
            case tree.Binary():
                return self.binary(node, t)
        raise AssertionError(node)

    # selectors

    def moment(self, node: tree.Selector | tree.Subquery, t: int) -> int:
        at = {None: t, "start": self.start, "end": self.end}.get(node.at, node.at)  # type: ignore[arg-type]
        return int(at) - node.offset_ms  # type: ignore[arg-type]

    def series(self, node: tree.Selector) -> dict[Labels, Samples]:
        return {
            labels: samples
            for labels, samples in self.data.items()
            if any(all(matches(m, get(labels, m.name)) for m in group) for group in node.alternatives)
        }

    def newest(self, node: tree.Selector, t: int) -> dict[Labels, tuple[int, float]]:
        when, found = self.moment(node, t), {}
        for labels, samples in self.series(node).items():
            near = [s for s in samples if when - self.lookback < s[0] <= when]
            if near and not is_stale(near[-1][1]):
                found[labels] = near[-1]
        return found

    def selector(self, node: tree.Selector, t: int) -> Vector:
        return {labels: value for labels, (_, value) in self.newest(node, t).items()}

    def range(self, node: tree.Node, t: int) -> tuple[dict[Labels, Samples], int, int]:
        """Samples of each series in a window, and the window's ends."""
        if isinstance(node, tree.Range):
            end = self.moment(node.selector, t)
            begin = end - node.range_ms
            series = self.series(node.selector)
            cut = {k: [s for s in v if begin < s[0] <= end and not is_stale(s[1])] for k, v in series.items()}
            return {k: v for k, v in cut.items() if v}, begin, end
        assert isinstance(node, tree.Subquery)
        end, step = self.moment(node, t), node.step_ms or self.default_step
        begin = end - node.range_ms
        found: dict[Labels, Samples] = {}
        for when in range((begin // step + 1) * step, end + 1, step):
            value = self.value(node.expr, when)
            for labels, v in value.items() if isinstance(value, dict) else [((), value)]:
                found.setdefault(labels, []).append((when, v))
        return found, begin, end

    # functions

    def call(self, node: tree.Call, t: int) -> Vector | float:
        name, args = node.name, node.args
        if name == "time":
            return t / 1000
        if name == "scalar":
            values = list(self.vector(args[0], t).values())
            return values[0] if len(values) == 1 else math.nan
        if name == "vector":
            return {(): self.number(args[0], t)}
        if name == "timestamp" and isinstance(args[0], tree.Selector):
            return unnamed([(k, s[0] / 1000) for k, s in self.newest(args[0], t).items()])
        if name == "absent":
            return {} if self.vector(args[0], t) else {(): 1.0}
        if name == "histogram_quantile":
            return self.histogram_quantile(self.number(args[0], t), self.vector(args[1], t))
        if name in ("quantile_over_time", "predict_linear"):
            q, ranged = (0, 1) if name == "quantile_over_time" else (1, 0)
            return self.over(args[ranged], t, lambda s, b, e: WITH_NUMBER[name](s, self.number(args[q], t), t))
        if name == "last_over_time":
            return {labels: samples[-1][1] for labels, samples in self.range(args[0], t)[0].items()}
        if name in OVER:
            return self.over(args[0], t, OVER[name])
        return unnamed([(k, EACH[name](v)) for k, v in self.vector(args[0], t).items()])

    def over(self, node: tree.Node, t: int, function: Callable[[Samples, int, int], float | None]) -> Vector:
        series, begin, end = self.range(node, t)
        found = [(labels, function(samples, begin, end)) for labels, samples in series.items()]
        return unnamed([(labels, value) for labels, value in found if value is not None])

    def vector(self, node: tree.Node, t: int) -> Vector:
        value = self.value(node, t)
        assert isinstance(value, dict)
        return value

    def number(self, node: tree.Node, t: int) -> float:
        value = self.value(node, t)
        assert isinstance(value, float)
        return value

    def histogram_quantile(self, q: float, vector: Vector) -> Vector:
        groups: dict[Labels, list[tuple[float, float]]] = {}
        for labels, value in vector.items():
            if get(labels, "le"):
                key = make([pair for pair in labels if pair[0] != "le"])
                groups.setdefault(key, []).append((float(get(labels, "le")), value))
        return unnamed([(k, bucket_quantile(q, sorted(b))) for k, b in groups.items()])

    # aggregations and operators

    def aggregate(self, node: tree.Aggregate, t: int) -> Vector:
        groups: dict[Labels, list[tuple[Labels, float]]] = {}
        for labels, value in sorted(self.vector(node.expr, t).items()):
            dropped = (*node.names, "__name__")
            key = make([p for p in labels if (p[0] in node.names if node.keep else p[0] not in dropped)])
            groups.setdefault(key, []).append((labels, value))
        if node.op in ("topk", "bottomk"):
            assert node.param
            k, sign = int(self.number(node.param, t)), -1 if node.op == "topk" else 1
            ranked = [sorted(m, key=lambda p: (math.isnan(p[1]), sign * p[1])) for m in groups.values()]
            return {labels: value for members in ranked for labels, value in members[: max(k, 0)]}
        if node.op == "quantile":
            assert node.param
            q = self.number(node.param, t)
            return {key: quantile(q, [v for _, v in members]) for key, members in groups.items()}
        return {key: REDUCE[node.op]([v for _, v in members]) for key, members in groups.items()}

    def binary(self, node: tree.Binary, t: int) -> Vector | float:
        left, right = self.value(node.left, t), self.value(node.right, t)
        if isinstance(left, float) and isinstance(right, float):
            return float(operate(node.op, left, right))
        if isinstance(left, dict) and isinstance(right, dict):
            return self.match(node, left, right)
        pairs = []
        for labels, value in (left if isinstance(left, dict) else right).items():  # type: ignore[union-attr]
            a, b = (value, right) if isinstance(left, dict) else (left, value)
            result = operate(node.op, a, b)  # type: ignore[arg-type]
            if node.op in COMPARE and not node.to_bool:
                if result:
                    pairs.append((labels, value))
            else:
                pairs.append((nameless(labels), float(result)))
        return unique(pairs)

    def match(self, node: tree.Binary, left: Vector, right: Vector) -> Vector:
        matching = node.matching

        def key(labels: Labels) -> Labels:
            if matching.on:
                return make([p for p in labels if p[0] in matching.names])
            return make([p for p in labels if p[0] not in (*matching.names, "__name__")])

        left_keys, right_keys = {key(k) for k in left}, {key(k) for k in right}
        if node.op == "and":
            return {k: v for k, v in left.items() if key(k) in right_keys}
        if node.op == "unless":
            return {k: v for k, v in left.items() if key(k) not in right_keys}
        if node.op == "or":
            return unique([*left.items(), *((k, v) for k, v in right.items() if key(k) not in left_keys)])
        if not left or not right:
            return {}
        swapped = matching.many == "right"
        many, one = (right, left) if swapped else (left, right)
        partner: dict[Labels, Labels] = {}
        for labels in one:
            if key(labels) in partner:
                raise Refused("duplicates on the one side")
            partner[key(labels)] = labels
        used: set[Labels] = set()
        pairs = []
        for labels, value in many.items():
            found = partner.get(key(labels))
            if found is None:
                continue
            if matching.many is None:
                if key(labels) in used:
                    raise Refused("multiple matches")
                used.add(key(labels))
            a, b = (one[found], value) if swapped else (value, one[found])
            result = operate(node.op, a, b)
            out = dict(labels)
            if node.op not in COMPARE or node.to_bool:
                out.pop("__name__", None)
            if matching.many is None:
                out = {k: v for k, v in out.items() if (k in matching.names) == matching.on or not (
                    matching.on or k in matching.names)}  # fmt: skip
            for name in matching.include:
                out[name] = get(found, name)
            if node.op in COMPARE and not node.to_bool:
                if result:
                    pairs.append((make(out), a))
            else:
                pairs.append((make(out), float(result)))
        return unique(pairs)
