"""The pieces of the slow evaluator: what a function does to one window, an aggregation to one group, an operator to two
numbers. Each is the definition, written down.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from pitchey_slo.promql import tree
from pitchey_slo.promql.labels import Labels

Samples = list[tuple[int, float]]
Vector = dict[Labels, float]


class Refused(Exception):
    """What Prometheus would refuse, too."""


def matches(m: tree.Matcher, value: str) -> bool:
    if m.op in ("=", "!="):
        return (value == m.value) == (m.op == "=")
    return (re.fullmatch(m.value, value) is not None) == (m.op == "=~")


def nameless(labels: Labels) -> Labels:
    return tuple(p for p in labels if p[0] != "__name__")


def unique(pairs: list[tuple[Labels, float]]) -> Vector:
    if len({labels for labels, _ in pairs}) != len(pairs):
        raise Refused("same labels twice")
    return dict(pairs)


def unnamed(pairs: list[tuple[Labels, float]]) -> Vector:
    return unique([(nameless(labels), value) for labels, value in pairs])


COMPARE = {"==", "!=", "<", "<=", ">", ">="}


def operate(op: str, a: float, b: float) -> float | bool:
    functions: dict[str, Callable[[np.float64, np.float64], float | bool]] = {
        "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "/": lambda x, y: x / y,
        "%": np.fmod, "^": np.power, "==": lambda x, y: bool(x == y), "!=": lambda x, y: bool(x != y),
        "<": lambda x, y: bool(x < y), "<=": lambda x, y: bool(x <= y), ">": lambda x, y: bool(x > y),
        ">=": lambda x, y: bool(x >= y),
    }  # fmt: skip
    with np.errstate(all="ignore"):
        return functions[op](np.float64(a), np.float64(b))


def extrapolated(samples: Samples, begin: int, end: int, counter: bool, per_second: bool) -> float | None:
    if len(samples) < 2:
        return None
    gain, previous = samples[-1][1] - samples[0][1], samples[0][1]
    for _, value in samples[1:] if counter else []:
        if value < previous:
            gain += previous
        previous = value
    to_start, to_end = (samples[0][0] - begin) / 1000, (end - samples[-1][0]) / 1000
    interval = (samples[-1][0] - samples[0][0]) / 1000
    average = interval / (len(samples) - 1)
    if to_start >= average * 1.1:
        to_start = average / 2
    if counter and gain > 0 and samples[0][1] >= 0:
        to_start = min(to_start, interval * (samples[0][1] / gain))
    if to_end >= average * 1.1:
        to_end = average / 2
    factor = (interval + to_start + to_end) / interval
    return gain * (factor / ((end - begin) / 1000) if per_second else factor)


def irate(samples: Samples, begin: int, end: int) -> float | None:
    if len(samples) < 2:
        return None
    (t0, v0), (t1, v1) = samples[-2:]
    return (v1 if v1 < v0 else v1 - v0) / ((t1 - t0) / 1000)


def changes(samples: Samples, begin: int, end: int) -> float:
    pairs = itertools.pairwise(v for _, v in samples)
    return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairs))


def mean(values: list[float]) -> float:
    return total(values) / len(values)


def total(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        with np.errstate(all="ignore"):
            return float(np.sum(values))


def variance(values: list[float]) -> float:
    middle = mean(values)
    return mean([(v - middle) ** 2 for v in values])


def extreme(values: list[float], pick: Callable[[list[float]], float]) -> float:
    real = [v for v in values if not math.isnan(v)]
    return pick(real) if real else math.nan


def quantile(q: float, values: list[float]) -> float:
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return -math.inf if q < 0 else math.inf
    ordered = sorted(values, key=lambda v: (not math.isnan(v), v))
    rank = q * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(len(ordered) - 1, low + 1)
    with np.errstate(all="ignore"):
        return float(np.float64(ordered[low]) * (1 - (rank - low)) + np.float64(ordered[high]) * (rank - low))


def line(samples: Samples, at_ms: int) -> tuple[float, float]:
    """Slope per second, and value at a time in ms; in fractions, since a short window far away loses all digits."""
    if not all(math.isfinite(v) for _, v in samples):
        return math.nan, math.nan
    xs = [Fraction(t - at_ms, 1000) for t, _ in samples]
    ys = [Fraction(v) for _, v in samples]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / sum((x - x0) ** 2 for x in xs)
    return float(slope), float(y0 - slope * x0)


def bucket_quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return -math.inf if q < 0 else math.inf
    if buckets[-1][0] != math.inf:
        return math.nan
    counts, highest = [], buckets[0][1]
    for _, count in buckets:
        if not (count < highest or abs(count - highest) < 1e-12 * (abs(count) + abs(highest))):
            highest = count
        counts.append(highest)
    if len(buckets) < 2 or counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    b, end = 0, len(counts) - 1
    while b < end:
        middle = (b + end) // 2
        b, end = (b, middle) if counts[middle] >= rank else (middle + 1, end)
    if b == len(counts) - 1:
        return buckets[-2][0]
    if b == 0 and buckets[0][0] <= 0:
        return buckets[0][0]
    start, below = (buckets[b - 1][0], counts[b - 1]) if b else (0.0, 0.0)
    if counts[b] == below:
        return math.nan
    return start + (buckets[b][0] - start) * ((rank - below) / (counts[b] - below))


def _values(function: Callable[[list[float]], float]) -> Callable[[Samples, int, int], float]:
    return lambda samples, begin, end: function([v for _, v in samples])


REDUCE: dict[str, Callable[[list[float]], float]] = {
    "sum": total,
    "avg": mean,
    "min": lambda v: extreme(v, min),
    "max": lambda v: extreme(v, max),
    "count": lambda v: float(len(v)),
    "group": lambda v: 1.0,
    "stdvar": variance,
    "stddev": lambda v: math.sqrt(variance(v)),
}
OVER: dict[str, Callable[[Samples, int, int], float | None]] = {
    "rate": lambda s, b, e: extrapolated(s, b, e, True, True),
    "increase": lambda s, b, e: extrapolated(s, b, e, True, False),
    "delta": lambda s, b, e: extrapolated(s, b, e, False, False),
    "irate": irate,
    "idelta": lambda s, b, e: s[-1][1] - s[-2][1] if len(s) > 1 else None,
    "changes": changes,
    "resets": lambda s, b, e: float(sum(b[1] < a[1] for a, b in itertools.pairwise(s))),
    "deriv": lambda s, b, e: line(s, s[0][0])[0] if len(s) > 1 else None,
    "last_over_time": lambda s, b, e: s[-1][1],
    "present_over_time": lambda s, b, e: 1.0,
    **{f"{name}_over_time": _values(function) for name, function in REDUCE.items() if name != "group"},
}
WITH_NUMBER: dict[str, Callable[[Samples, float, int], float | None]] = {
    "quantile_over_time": lambda s, q, t: quantile(q, [v for _, v in s]),
    "predict_linear": lambda s, ahead, t: line(s, t)[1] + line(s, t)[0] * ahead if len(s) > 1 else None,
}
EACH: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "floor": lambda v: v if not math.isfinite(v) else float(math.floor(v)),
    "sgn": lambda v: v if math.isnan(v) else float((v > 0) - (v < 0)),
    "minute": lambda v: float(int(v) // 60 % 60) if math.isfinite(v) else math.nan,
}
