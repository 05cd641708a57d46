"""A result as time series: what alert rules and dashboards read. Names and meanings stand in `names.PROBE_SERIES`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from pitchey_slo.names import PROBE_SERIES
from pitchey_slo.probe.health.look import Planned
from pitchey_slo.probe.result import Result, State
from pitchey_slo.series import STALE, Labels, Metadata, SampleBatch, labels_of

#: What a state is as a number; unknown is none, and the series ends there.
VALUES: Final[dict[State, float]] = {"healthy": 2.0, "degraded": 1.0, "unhealthy": 0.0, "unknown": STALE}

Point = tuple[Labels, float]


def points_of(planned: Planned, result: Result, up: bool | None) -> list[Point]:
    """Samples of one result. `up` None: whether the component answers is not known. While that is a matter of waiting
    (a look out of time) no sample says so, and what was known holds; when it is our own fault the series ends."""
    usual = {"component": result.component or "", "test": result.test, "location": result.location}
    points = [
        _point("pitchey_health_state", VALUES[result.state], usual),
        _point("pitchey_health_probe_error", float(result.failure == "probe_error"), usual),
    ]
    took = STALE if result.state == "unknown" or result.duration_ms is None else result.duration_ms / 1000
    points.append(_point("pitchey_health_latency_seconds", took, usual))
    if up is not None or result.failure == "probe_error":
        points += _up(planned, result.location, STALE if up is None else float(up))
    return points + list(_measured(planned, result))


def _up(planned: Planned, location: str, value: float) -> Iterable[Point]:
    usual = {"component": planned.component, "test": planned.name, "location": location}
    yield _point("pitchey_health_up", value, usual)
    if planned.component in planned.kind.up:
        name, label = planned.kind.up[planned.component]
        yield _point(name, value, {label: planned.name, "location": location})


def _measured(planned: Planned, result: Result) -> Iterable[Point]:
    values = result.details.get("values", {})
    for name, measure in planned.kind.measures.items():
        if measure.series is not None and name in values:
            labels = {"instance": result.test, "location": result.location, **measure.labels}
            yield _point(measure.series, values[name], labels)


def ends_of(planned: Planned, location: str) -> list[Point]:
    """Stale markers for a check that is looked at no more."""
    usual = {"component": planned.component, "test": planned.name, "location": location}
    names = ("state", "probe_error", "latency_seconds")
    points = [_point(f"pitchey_health_{name}", STALE, usual) for name in names] + list(_up(planned, location, STALE))
    for measure in planned.kind.measures.values():
        if measure.series is not None:
            labels = {"instance": planned.name, "location": location, **measure.labels}
            points.append(_point(measure.series, STALE, labels))
    return points


def batch_of(points: Iterable[tuple[Point, int]]) -> SampleBatch:
    """Points with their time in milliseconds, ready for `Store.samples`."""
    given = list(points)
    index: dict[Labels, int] = {}
    series = [index.setdefault(labels, len(index)) for (labels, _), _ in given]
    return SampleBatch(
        list(index),
        np.array(series, dtype=np.int64),
        np.array([at for _, at in given], dtype=np.int64),
        np.array([value for (_, value), _ in given], dtype=np.float64),
        {name: DESCRIPTIONS[name] for labels in index if (name := dict(labels)["__name__"]) in DESCRIPTIONS},
    )


DESCRIPTIONS: Final = {
    name: Metadata(kind, help_) for name, text in PROBE_SERIES.items() for kind, _, help_ in (text.partition(": "),)
}


def _point(name: str, value: float, labels: Mapping[str, str]) -> Point:
    return labels_of({"__name__": name, **labels}), value
