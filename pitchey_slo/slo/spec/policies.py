"""What OpenSLO says about alerts, and the pairs of windows that it has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pitchey_slo.slo.values import Duration, Labels, Place

Op = Literal["lte", "gte", "lt", "gt"]


@dataclass(frozen=True)
class BurnPair:
    """One condition of a multi-window burn alert: the burn rate is above `factor` over `long` and over `short`.

    `severity` is page or ticket; `hold` is how long the condition must last first (`for`; None: not at all).
    """

    long: Duration
    short: Duration
    factor: float
    severity: str
    hold: Duration | None = None


@dataclass(frozen=True)
class AlertCondition:
    """The burn rate over `lookback` compared with `threshold`; true for `after` first (None: at once).

    `by_ref`, here and below: a reference stood in its place.
    """

    name: str
    severity: str
    op: Op
    threshold: float
    lookback: Duration
    after: Duration | None = None
    display_name: str = ""
    description: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    by_ref: bool = field(default=False, compare=False)
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class NotificationTarget:
    """Where messages go. `target` is a text such as `email`; what it means is up to whoever sends them."""

    name: str
    target: str
    display_name: str = ""
    description: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    by_ref: bool = field(default=False, compare=False)
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class AlertPolicy:
    """When an SLO alerts, and whom. OpenSLO v1 allows exactly one condition.

    The specification gives the three flags no defaults: without them a policy alerts when the condition is breaching,
    since a policy that never alerts is nobody's meaning.
    """

    name: str
    conditions: tuple[AlertCondition, ...]
    targets: tuple[NotificationTarget, ...]
    when_breaching: bool = True
    when_resolved: bool = False
    when_no_data: bool = False
    display_name: str = ""
    description: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    by_ref: bool = field(default=False, compare=False)
    place: Place = field(default=Place(), compare=False)
