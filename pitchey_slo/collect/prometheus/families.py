"""Series put together to metric families, each of a type that its series really have.

OpenMetrics is strict where Prometheus text is not: a counter's samples end in `_total`, a histogram has its +Inf bucket
and whole counts, a unit ends the family's name. A family that does not fit its type becomes `unknown`, so that the text
is always valid and no value is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from pitchey_slo.series import Labels, Metadata, SampleBatch, is_stale

_SUFFIXES: Final = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "summary": ("_count", "_sum", "_created", ""),
    "info": ("_info",),
}


@dataclass(frozen=True, slots=True)
class Point:
    """The newest sample of a series."""

    labels: Labels
    name: str
    ts: int
    value: float


@dataclass
class Family:
    """Series that belong together, under one name and with one description."""

    name: str
    said: Metadata
    points: list[Point] = field(default_factory=list)


def newest(batch: SampleBatch) -> list[Point]:
    """Of each series the sample with the latest time (of several at one time, the first), unless it is stale."""
    if not len(batch):
        return []
    order = np.lexsort((-np.arange(len(batch)), batch.ts, batch.series))
    series = batch.series[order]
    last = order[np.append(series[1:] != series[:-1], True)]
    last = last[~is_stale(batch.value[last])]
    points = []
    for i in last.tolist():
        labels = batch.labels[batch.series[i]]
        name = next(value for label, value in labels if label == "__name__")
        points.append(Point(labels, name, int(batch.ts[i]), float(batch.value[i])))
    return points


def families(points: Sequence[Point], metadata: dict[str, Metadata], *, openmetrics: bool) -> list[Family]:
    """Points by family, families by name, each in the order its format wants."""
    found: dict[str, Family] = {}
    for point in points:
        name, said = _family_of(point.name, metadata, openmetrics)
        found.setdefault(name, Family(name, said)).points.append(point)
    for family in found.values():
        family.points.sort(key=lambda p: _order(p, family.said.type))
        if not _fits(family, openmetrics):
            family.said = Metadata("unknown", family.said.help)
    if openmetrics:
        _untangle(found)
    return [found[name] for name in sorted(found)]


def _family_of(name: str, metadata: dict[str, Metadata], openmetrics: bool) -> tuple[str, Metadata]:
    """(family, what is known of it). Counters are described under `x_total` by one format and `x` by the other."""
    for kind, suffixes in _SUFFIXES.items():
        for suffix in suffixes:
            base = name.removesuffix(suffix) if suffix else name
            if not suffix or base == name or not base:
                continue
            said = metadata.get(base) or (metadata.get(base + "_total") if kind == "counter" else None)
            if said is not None and said.type == kind:
                if kind in ("counter", "info") and not openmetrics:
                    return name, said if suffix != "_created" else Metadata("gauge", said.help)
                return base, said
    said = metadata.get(name, Metadata())
    if openmetrics and said.type == "counter" and name.endswith("_total"):
        return name.removesuffix("_total"), said
    return name, said


def _order(point: Point, kind: str) -> tuple[Any, ...]:
    """Series of a histogram or summary together: quantiles or buckets rising, then count and sum."""
    if kind not in ("histogram", "gaugehistogram", "summary"):
        return (point.name, point.labels)
    key = "quantile" if kind == "summary" else "le"
    rest = tuple(p for p in point.labels if p[0] not in ("__name__", key))
    bound = dict(point.labels).get(key)
    rank = 0 if bound is not None else 2 if point.name.endswith("sum") else 3 if point.name.endswith("_created") else 1
    return (rest, rank, _number(bound), point.name)


def _number(text: str | None) -> float:
    try:
        value = float(text) if text is not None else math.inf
    except ValueError:
        return math.inf
    return math.inf if math.isnan(value) else value


def _fits(family: Family, openmetrics: bool) -> bool:
    """Whether the series are what the family's type promises."""
    kind, points = family.said.type, family.points
    if not openmetrics:
        return kind != "histogram" or all(p.name != family.name for p in points)
    if kind in _SUFFIXES and not {p.name for p in points} <= {family.name + suffix for suffix in _SUFFIXES[kind]}:
        return False
    if kind in ("histogram", "gaugehistogram", "summary"):
        return all(_whole(group, family.name, kind) for group in _groups(points, kind).values())
    if kind == "counter":
        return all(p.value >= 0 for p in points)
    if kind == "info":
        return all(p.value == 1 for p in points)
    if kind == "stateset":
        return all(p.value in (0, 1) and dict(p.labels).get(family.name) for p in points)
    return kind in ("gauge", "unknown")


def _groups(points: Sequence[Point], kind: str) -> dict[Labels, list[Point]]:
    """Points of one histogram or summary each: the same labels but for bound or quantile."""
    key = "quantile" if kind == "summary" else "le"
    groups: dict[Labels, list[Point]] = {}
    for point in points:
        groups.setdefault(tuple(p for p in point.labels if p[0] not in ("__name__", key)), []).append(point)
    return groups


def _whole(points: Sequence[Point], name: str, kind: str) -> bool:
    """Whether one histogram has rising buckets up to +Inf that its count equals, and one summary quantiles in 0..1."""
    key, bounded = ("quantile", name) if kind == "summary" else ("le", f"{name}_bucket")
    bounds = [dict(p.labels).get(key) for p in points if p.name == bounded]
    if any(key in dict(p.labels) for p in points if p.name != bounded):
        return False
    values = [p.value for p in points if p.name == bounded]
    counts = [p.value for p in points if p.name.endswith("count")]
    sums = [p.value for p in points if p.name.endswith("sum")]
    if any(not math.isfinite(c) or c < 0 or c != int(c) for c in counts) or any(not s >= 0 for s in sums):
        return False
    if kind == "summary":
        return all(0 <= _number(b) <= 1 for b in bounds) and all(math.isnan(v) or v >= 0 for v in values)
    if not bounds or bounds[-1] != "+Inf" or len({_number(b) for b in bounds}) != len(bounds):
        return False
    whole = all(math.isfinite(v) and v >= 0 and v == int(v) for v in values) and values == sorted(values)
    return whole and len(counts) == len(sums) and counts in ([], values[-1:])


def _untangle(found: dict[str, Family]) -> None:
    """OpenMetrics: no family may have samples that look like another's; such others lose their type."""
    for family in list(found.values()):
        for suffix in _SUFFIXES.get(family.said.type, ()):
            other = found.get(family.name + suffix) if suffix else None
            if other is not None and other is not family:
                family.points += other.points
                family.said = Metadata("unknown", family.said.help)
                del found[other.name]
    # what is unknown has one sample name only: its own
    for family in list(found.values()):
        if family.said.type in ("unknown", "gauge") and any(p.name != family.name for p in family.points):
            del found[family.name]
            for point in family.points:
                kept = found.setdefault(point.name, Family(point.name, Metadata("unknown", family.said.help)))
                kept.points.append(point)
