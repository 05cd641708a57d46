"""Metrics -> samples of time series, as Prometheus' OTLP receiver makes them.

Gauges and sums that may fall become gauges, sums that only rise counters, explicit-bucket histograms `_bucket`,
`_count` and `_sum`, summaries their quantiles; the resource becomes `job`, `instance` and `target_info`. A point whose
sender says that the series ended becomes a stale marker. Exemplars are left out.

Delta points are refused: a counter made of deltas is only right while none is lost, doubled or begun anew in between,
and a receiver cannot see that; the sender, which counts anyway, can send the sum. Exponential histograms are refused:
this house has no native histograms.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from pitchey_slo.collect.batch import Rejected
from pitchey_slo.collect.otlp.keys import PERSONAL
from pitchey_slo.collect.otlp.metric_names import labels, metric_name, resource_labels, units
from pitchey_slo.collect.otlp.records import (
    CUMULATIVE,
    DELTA,
    MOST_RECORDS,
    NO_VALUE,
    Attributes,
    Buckets,
    Damaged,
    Metric,
    Number,
    Point,
    Quantiles,
    Unsupported,
    too_many,
)
from pitchey_slo.collect.prometheus.series_labels import check_labels
from pitchey_slo.collect.prometheus.wire import MAX_SAMPLES
from pitchey_slo.collect.prometheus.wire import too_many as too_many_of
from pitchey_slo.series import STALE, Labels, Metadata, SampleBatch

#: What a sender sets so that its points can be taken.
USE_CUMULATIVE: Final = (
    "delta temporality is not taken; set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative, "
    "or use the Collector's deltatocumulative processor"
)
USE_EXPLICIT: Final = (
    "exponential histograms are not taken; set "
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram"
)

Parts = Iterator[tuple[str, tuple[str, str] | None, float]]


@dataclass(frozen=True, eq=False)
class Samples:
    """`batch` is what can be stored; `point[i]` is the data point that sample i came from, -1 for `target_info`.
    `points` counts those received, `rejected` are the refused ones (`row`: place among the points)."""

    batch: SampleBatch
    point: list[int]
    points: int
    rejected: list[Rejected]


@dataclass
class _Taken:
    places: dict[Labels, int] = field(default_factory=dict)
    series: list[int] = field(default_factory=list)
    ts: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    point: list[int] = field(default_factory=list)

    def add(self, key: Labels, ts: int, value: float, point: int) -> None:
        if len(self.ts) >= MAX_SAMPLES:
            raise too_many_of("samples", MAX_SAMPLES)
        self.series.append(self.places.setdefault(key, len(self.places)))
        self.ts.append(ts)
        self.value.append(value)
        self.point.append(point)


def samples(metrics: Iterable[Metric]) -> Samples:
    """Raises BodyTooLarge beyond `records.MOST_RECORDS` points, and what the readers raise."""
    taken, metadata, rejected = _Taken(), {}, []
    newest: dict[int, tuple[Attributes, int]] = {}
    points = 0
    for metric in metrics:
        name = _name(metric)
        refusal = _refusal(metric, name)
        if not refusal:
            metadata[name] = _described(metric)
        base = resource_labels(metric.resource)
        for point in metric.points:
            place, points = points, points + 1
            if points > MOST_RECORDS:
                raise too_many()
            problem = refusal or _bad(point)
            if problem is None and not isinstance(point, Damaged | Unsupported):
                problem = _take(taken, name, base, point, place)
                known = newest.get(id(metric.resource), (metric.resource, 0))
                newest[id(metric.resource)] = (metric.resource, max(known[1], point.time // 1_000_000))
            if problem is not None:
                rejected.append(Rejected(place, problem[0], f"{metric.name[:80]!r}: {problem[1]}"))
    for resource, ts in newest.values():
        _target_info(taken, resource, ts)
    batch = SampleBatch(
        list(taken.places),
        np.array(taken.series, np.int64),
        np.array(taken.ts, np.int64),
        np.array(taken.value, np.float64),
        metadata,
    )
    return Samples(batch, taken.point, points, rejected)


def _name(metric: Metric) -> str:
    counter = metric.kind == "sum" and metric.monotonic
    return metric_name(metric.name, metric.unit, counter=counter, gauge=metric.kind == "gauge")


def _refusal(metric: Metric, name: str) -> tuple[str, str] | None:
    """Why all points of a metric are refused."""
    if not name:
        return "missing_field", "no name that a metric can have"
    if metric.kind == "exponential_histogram":
        return "wrong_type", USE_EXPLICIT
    if metric.kind in ("sum", "histogram") and metric.temporality != CUMULATIVE:
        unknown = f"aggregation temporality {metric.temporality} is none; send 2, cumulative"
        return "wrong_type", USE_CUMULATIVE if metric.temporality == DELTA else unknown
    return None


def _described(metric: Metric) -> Metadata:
    kinds = {"sum": "counter" if metric.monotonic else "gauge"}
    return Metadata(kinds.get(metric.kind, metric.kind), metric.description, "_".join(filter(None, units(metric.unit))))


def _bad(point: Point) -> tuple[str, str] | None:
    if isinstance(point, Damaged):
        return point
    if isinstance(point, Unsupported):
        return "wrong_type", "a metric of no known kind"
    if not point.time:
        return "bad_time", "timeUnixNano is missing or 0"
    if isinstance(point, Number) and point.value is None and not point.flags & NO_VALUE:
        return "missing_field", "neither asDouble nor asInt"
    if isinstance(point, Buckets):
        return _bad_buckets(point)
    return None


def _bad_buckets(point: Buckets) -> tuple[str, str] | None:
    if point.flags & NO_VALUE:
        return None
    if len(point.counts) != len(point.bounds) + 1 and (point.counts or point.bounds):
        return "wrong_type", f"{len(point.counts)} buckets for {len(point.bounds)} bounds; there is one more bucket"
    if any(map(math.isnan, point.bounds)) or any(a >= b for a, b in pairwise(point.bounds)):
        return "out_of_range", "explicitBounds must rise"
    if sum(point.counts) != point.events and point.counts:
        return "out_of_range", f"count {point.events} differs from the sum of its buckets, {sum(point.counts)}"
    return None


def _take(
    taken: _Taken, name: str, base: dict[str, str], point: Number | Buckets | Quantiles, place: int
) -> tuple[str, str] | None:
    """Adds the samples of a point; returns why it cannot be taken."""
    own = {**labels({k: v for k, v in point.attributes.items() if k not in PERSONAL}), **base}
    key, wrong = check_labels([*own.items(), ("__name__", name)])
    if wrong:
        return "wrong_type", wrong
    ended = bool(point.flags & NO_VALUE)
    ts = point.time // 1_000_000
    if isinstance(point, Number):
        taken.add(key, ts, STALE if ended or point.value is None else point.value, place)
        return None
    for suffix, extra, value in _buckets(point) if isinstance(point, Buckets) else _quantiles(point):
        pairs = {**own, "__name__": name + suffix, **(dict([extra]) if extra else {})}
        taken.add(tuple(sorted((k, v) for k, v in pairs.items() if v)), ts, STALE if ended else value, place)
    return None


def _buckets(point: Buckets) -> Parts:
    """(suffix, label of its own, value) of each series; buckets count what is below their bound too."""
    below = 0
    for bound, count in zip(point.bounds, point.counts or [0] * len(point.bounds), strict=False):
        below += count
        yield "_bucket", ("le", _bound(bound)), float(below)
    if not point.bounds or point.bounds[-1] != math.inf:
        yield "_bucket", ("le", "+Inf"), float(point.events)
    yield "_count", None, float(point.events)
    if point.total is not None:
        yield "_sum", None, point.total


def _quantiles(point: Quantiles) -> Parts:
    for quantile, value in point.values:
        yield "", ("quantile", _bound(quantile)), value
    yield "_sum", None, point.total
    yield "_count", None, float(point.events)


@functools.lru_cache(4_096)
def _bound(value: float) -> str:
    """A bound as Prometheus' receiver writes it: never with an exponent."""
    return "+Inf" if value == math.inf else str(np.format_float_positional(value, trim="-"))


def _target_info(taken: _Taken, resource: Attributes, ts: int) -> None:
    """What a resource says of itself beyond its name, as a series that can be joined by `job` and `instance`."""
    base = resource_labels(resource)
    said = {k: v for k, v in resource.items() if k not in _NAMED and k not in PERSONAL}
    if not base or not said:
        return
    key, wrong = check_labels([*{**labels(said), **base}.items(), ("__name__", "target_info")])
    if not wrong:
        taken.add(key, ts, 1.0, -1)


_NAMED: Final = frozenset({"service.name", "service.namespace", "service.instance.id"})
