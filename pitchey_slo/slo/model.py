"""SLO specs as frozen values: what a file said, checked and linked, ready to be evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pitchey_slo.errors import SloError, did_you_mean
from pitchey_slo.slo.spec.policies import AlertCondition, AlertPolicy, BurnPair, NotificationTarget, Op
from pitchey_slo.slo.values import CALENDAR_ANCHOR, UNITS, Duration, Labels, Place, TimeWindow, check_zone

__all__ = [
    "CALENDAR_ANCHOR",
    "PROMQL",
    "UNITS",
    "AlertCondition",
    "AlertPolicy",
    "BurnPair",
    "Category",
    "Correction",
    "Duration",
    "Indicator",
    "Labels",
    "LateData",
    "Method",
    "MetricSource",
    "NotificationTarget",
    "Objective",
    "Op",
    "Place",
    "Ratio",
    "Raw",
    "Slo",
    "Specs",
    "Thing",
    "Threshold",
    "TimeWindow",
    "check_zone",
    "over_window",
    "type_of",
]

Method = Literal["Occurrences", "Timeslices", "RatioTimeslices"]


#: The one name under which model.MetricSource has PromQL, whatever the file wrote.
PROMQL = "prometheus"


def type_of(text: Any) -> str:
    """A metric source's type as it is compared here: `Prometheus` and `promql` are `prometheus`, others as written."""
    return PROMQL if str(text).lower() in (PROMQL, "promql") else str(text)


def over_window(query: str, window: str) -> str:
    """`query` with `{{.window}}` (as sloth writes it) replaced by a length such as `5m`."""
    return re.sub(r"\{\{\s*\.window\s*\}\}", lambda _: window, query)


@dataclass(frozen=True)
class MetricSource:
    """A query. Two types can be evaluated: `pitchey` with `table`, `filter` and `value`, and `prometheus` (also written
    `promql`, in any case) with `query`, where `{{.window}}` stands for the length of a window. Others are kept as read.
    """

    type: str
    ref: str | None
    spec: Mapping[str, Any]
    place: Place = field(default=Place(), compare=False)

    @property
    def table(self) -> str:
        return str(self.spec["table"])

    @property
    def filter(self) -> str | None:
        """DuckDB boolean expression over the table's columns; None for all rows."""
        text = self.spec.get("filter")
        return str(text) if text is not None else None

    @property
    def value(self) -> str | None:
        """The column that a threshold is compared with."""
        text = self.spec.get("value")
        return str(text) if text is not None else None

    @property
    def query(self) -> str:
        """PromQL of a source of `type: prometheus`, as it was written."""
        return str(self.spec["query"] if self.spec.get("query") is not None else self.spec["promql"])

    def check_ours(self, slo: str) -> None:
        """SloError unless this house can evaluate it."""
        if self.type != "pitchey":
            raise SloError(
                f"{slo}: metricSource of type {self.type!r} was read, but only type 'pitchey' can be evaluated here; "
                'write metricSource: {type: pitchey, spec: {table: requests, filter: "status < 500"}}',
                detail={"slo": slo, "type": self.type, "file": self.place.file, "line": self.place.line},
            )


@dataclass(frozen=True)
class Ratio:
    """good of total, or total without bad: exactly one of `good` and `bad` is given. `counter`: the queries give
    counters that only grow (and begin again at 0), not numbers of events."""

    good: MetricSource | None
    bad: MetricSource | None
    total: MetricSource
    counter: bool = False


@dataclass(frozen=True)
class Raw:
    """A ratio that somebody else computed; read and kept, not evaluated here."""

    source: MetricSource
    raw_type: Literal["success", "failure"]


@dataclass(frozen=True)
class Threshold:
    """Every event has a value; an objective says which values are good."""

    source: MetricSource


@dataclass(frozen=True)
class Indicator:
    """What is measured (OpenSLO kind SLI)."""

    name: str
    metric: Ratio | Raw | Threshold
    display_name: str = ""
    description: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Objective:
    """How good it shall be. `target` is a fraction in [0, 1), whether the file gave `target` or `targetPercent`."""

    target: float
    display_name: str = ""
    op: Op | None = None
    value: float | None = None
    slice_target: float | None = None
    slice_window: Duration | None = None
    indicator: Indicator | None = None
    weight: float = 1.0

    @property
    def title(self) -> str:
        """Its display name; of a composite's objective the name of its indicator, else its target as text: `99.9%`."""
        named = self.indicator.display_name or self.indicator.name if self.indicator else ""
        return self.display_name or named or f"{self.target * 100:.10g}%"


Category = Literal["scheduled_maintenance", "outside_business_hours", "deployment", "other"]


@dataclass(frozen=True)
class Correction:
    """Time that does not count against budgets: once, or again by an RFC 5545 rule on the wall clock of `zone`.

    `slos` are names, empty for all SLOs. `starts_at` is an instant (with a zone), `seconds` the length of each time.
    """

    id: str
    category: Category
    reason: str
    approver: str
    starts_at: datetime
    seconds: float
    slos: tuple[str, ...] = ()
    rrule: str | None = None
    zone: str = "UTC"
    source: str = "api"


#: What the components of a composite SLO count as while their data are late.
LateData = Literal["ignore", "good", "bad"]


@dataclass(frozen=True)
class Slo:
    """One SLO. `windows` holds the window of the spec first, then those of the annotation `pitchey.com/windows`."""

    name: str
    service: str
    indicator: Indicator | None
    method: Method
    objectives: tuple[Objective, ...]
    windows: tuple[TimeWindow, ...]
    display_name: str = ""
    description: str = ""
    labels: Labels = field(default_factory=dict)
    #: those that did not become one of the fields below or a window
    annotations: Mapping[str, str] = field(default_factory=dict)
    alert_policies: tuple[AlertPolicy, ...] = ()
    #: annotation `pitchey.com/burn-alerts`; None: the pairs of the data file, scaled to the window
    burn_pairs: tuple[BurnPair, ...] | None = None
    #: annotation `pitchey.com/minimum-bad-events`: no burn alert below so many bad events in the long window
    minimum_bad: float = 0.0
    #: annotation `pitchey.com/corrections`; the store may hold more
    corrections: tuple[Correction, ...] = ()
    #: annotation `pitchey.com/late-data`, for composite SLOs: what a component without data in a minute counts as, once
    #: it is late by `late_after`
    late_data: LateData = "ignore"
    late_after: Duration = Duration(5, "m")  # noqa: RUF009 - it is frozen
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Thing:
    """An object of a kind that is checked and kept as it was read: DataSource, AlertPolicy, AlertCondition,
    AlertNotificationTarget, Service."""

    kind: str
    name: str
    spec: Mapping[str, Any]
    display_name: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Specs:
    """Everything that a file or folder said. `policies` are the AlertPolicy objects of `things`, with what they refer
    to; those that stand in an SLO are in `Slo.alert_policies` only."""

    slos: tuple[Slo, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    things: tuple[Thing, ...] = ()
    policies: tuple[AlertPolicy, ...] = ()

    def pick(self, names: tuple[str, ...] | list[str] = (), *, service: str | None = None) -> tuple[Slo, ...]:
        """The SLOs of these names (all when none is given) and this service, in file order; SloError if unknown."""
        known = [s.name for s in self.slos]
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or "there are: " + (", ".join(known) or "none")
                raise SloError(f"no SLO named {name!r}; {hint}")
        services = sorted({s.service for s in self.slos})
        if service is not None and service not in services:
            hint = did_you_mean(service, services) or "there are: " + (", ".join(services) or "none")
            raise SloError(f"no service named {service!r}; {hint}")
        return tuple(s for s in self.slos if (not names or s.name in names) and service in (None, s.service))
