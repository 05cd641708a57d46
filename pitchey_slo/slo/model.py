"""SLO specs as frozen values: what a file said, checked and linked, ready to be evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pitchey_slo.errors import ConfigError, SloError, did_you_mean

Method = Literal["Occurrences", "Timeslices", "RatioTimeslices"]
Op = Literal["lte", "gte", "lt", "gt"]

#: unit of a duration -> minutes, or None where the calendar decides
UNITS: dict[str, int | None] = {"m": 1, "h": 60, "d": 1440, "w": 10080, "M": None, "Q": None, "Y": None}


@dataclass(frozen=True)
class Duration:
    """OpenSLO duration shorthand: a positive integer and one of m h d w M Q Y.

    >>> Duration.parse("4w").minutes
    40320
    """

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Duration:
        """ValueError when `text` is no duration."""
        found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdwMQY])", text)
        if not found:
            raise ValueError(f"{text!r} is not a duration: a positive whole number and one of m h d w M Q Y, like 28d")
        return cls(int(found[1]), found[2])

    @property
    def minutes(self) -> int | None:
        """Its length, or None for months, quarters and years, whose length the calendar decides."""
        each = UNITS[self.unit]
        return None if each is None else self.count * each

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True)
class Place:
    """Where something stands, for messages."""

    file: str | None = None
    line: int | None = None
    key: str | None = None

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(message, file=self.file, line=self.line, key=self.key, hint=hint)


@dataclass(frozen=True)
class MetricSource:
    """A query. Ours is `type: pitchey` with `table`, `filter` and `value`; every other type is kept as it was read."""

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
    """good of total, or total without bad: exactly one of `good` and `bad` is given."""

    good: MetricSource | None
    bad: MetricSource | None
    total: MetricSource


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
        """Its display name, or its target as text: `99.9%`."""
        return self.display_name or f"{self.target * 100:.10g}%"


@dataclass(frozen=True)
class TimeWindow:
    """Over which time: rolling, or aligned to the calendar of `zone` counted from `anchor` (a wall-clock time)."""

    duration: Duration
    zone: str | None = None
    anchor: datetime | None = None

    @property
    def rolling(self) -> bool:
        return self.zone is None

    @property
    def text(self) -> str:
        return str(self.duration) if self.rolling else f"{self.duration} {self.zone}"

    @classmethod
    def parse(cls, text: str) -> TimeWindow:
        """`"28d"` is rolling, `"1M Europe/London"` the calendar months of London. ValueError for anything else.

        >>> TimeWindow.parse("1M Europe/London").text
        '1M Europe/London'
        """
        words = text.split()
        try:
            duration = Duration.parse(words[0] if len(words) in (1, 2) else "")
        except ValueError:
            example = "a duration like 28d, or with a time zone for the calendar: 1M Europe/London"
            raise ValueError(f"{text!r} is not a window: {example}") from None
        return cls(duration) if len(words) == 1 else cls(duration, check_zone(words[1]), CALENDAR_ANCHOR)


#: Calendar windows without a startTime count from here: a Monday, and the first of a month, quarter and year.
CALENDAR_ANCHOR = datetime(2024, 1, 1)  # a wall-clock time on purpose


def check_zone(name: str) -> str:
    """`name` if it is an IANA time zone, else ValueError with a near one."""
    import zoneinfo

    try:
        ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(name, zoneinfo.available_timezones())
        raise ValueError(f"no time zone {name!r}; {near or 'use an IANA name such as Europe/London or UTC'}") from None
    return name


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
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    alert_policies: tuple[Any, ...] = ()
    #: annotation `pitchey.com/burn-alerts`; None: the pairs of the data file, scaled to the window
    burn_pairs: tuple[BurnPair, ...] | None = None
    #: annotation `pitchey.com/minimum-bad-events`: no burn alert below so many bad events in the long window
    minimum_bad: float = 0.0
    #: annotation `pitchey.com/corrections`; the store may hold more
    corrections: tuple[Correction, ...] = ()
    #: annotation `pitchey.com/late-data`, for composite SLOs: what a component without data in a minute counts as, once
    #: it is late by `late_after`
    late_data: LateData = "ignore"
    late_after: Duration = Duration(5, "m")
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Thing:
    """An object of a kind that is checked and kept for other rooms: DataSource, AlertPolicy, AlertCondition,
    AlertNotificationTarget, Service."""

    kind: str
    name: str
    spec: Mapping[str, Any]
    display_name: str = ""
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Specs:
    """Everything that a file or folder said."""

    slos: tuple[Slo, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    things: tuple[Thing, ...] = ()

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
