"""What one evaluation found: plain frozen values, never rounded, with no opinion on how they are shown.

One `SloReport` is one objective of one SLO over one window. Counts are exact and weighted by `sample_interval`; their
unit is `unit` (events, or time slices for the two slice methods). None means "no data", which is neither 0 % nor 100 %.
Fractions are fractions: 0.25 is 25 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.slo.notes import Note
from pitchey_slo.slo.plain import AsDict, plain

__all__ = [
    "AsDict",
    "Band",
    "BurnDown",
    "Component",
    "Corrected",
    "Coverage",
    "Exhaustion",
    "Floats",
    "FullWindow",
    "Note",
    "Numbers",
    "Provenance",
    "Series",
    "Slices",
    "SloReport",
    "State",
    "Times",
    "plain",
]

Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]
State = Literal["healthy", "at_risk", "exhausted", "no_data"]


@dataclass(frozen=True)
class Band(AsDict):
    """An estimate: its low, middle and high value."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True)
class FullWindow(AsDict):
    """A calendar window as a whole, from its start to `SloReport.window_end`: an estimate while it lasts.

    `valid` is what was counted so far plus the rest as the traffic of the days before lets expect; `allowed` the bad
    ones that leaves; `spent` the bad ones counted so far as a fraction of it (`low` belongs to the most traffic).
    """

    valid: Band
    allowed: Band
    spent: Band


@dataclass(frozen=True)
class Slices(AsDict):
    """Time slices of the window up to `end`: `total` of them have passed, each good, bad or without any data."""

    minutes: int
    total: int
    good: int
    bad: int
    no_data: int


@dataclass(frozen=True)
class Exhaustion(AsDict):
    """When the budget ends if the recent burn goes on.

    `since`: the minute in which the bad ones of this window used up the budget (state "exhausted").
    `earliest`: at the highest of the burn rates over 6h, 1d and 3d; `latest`: at the lowest; None: not before `until`.
    """

    state: Literal["exhausted", "projected", "not_in_window", "no_data"]
    since: datetime | None
    earliest: datetime | None
    latest: datetime | None
    until: datetime
    sentence: str


@dataclass(frozen=True, eq=False)
class BurnDown(AsDict):
    """The budget over the window. `budget` is the one fixed denominator of the whole chart (bad ones allowed; for a
    calendar window the middle estimate of the full window), so `spent` never falls.

    `time`, `spent`: counted, from `start` to `end`. `projected_time`, `low`, `high`: what may come, from `end` on; in a
    rolling window old bad ones leave, so the band may fall. Empty arrays when there is no data.
    """

    budget: float | None
    time: Times
    spent: Floats
    projected_time: Times
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Series(AsDict):
    """The SLI per bucket of `seconds`: `time` is the start of the bucket, `sli` NaN where nothing happened; `valid` and
    `bad` are events (also for the slice methods, whose `sli` per bucket is that of the bucket's slices)."""

    seconds: int
    time: Times
    sli: Floats
    valid: Floats
    bad: Floats


@dataclass(frozen=True)
class Coverage(AsDict):
    """How much of the window the data cover.

    `first`, `last`: first and last minute in which this SLO had a valid event. `minutes`: whole minutes from the start
    of the window to `end`; `minutes_with_events` of them had a valid event; `minutes_with_rows` had any row of the
    table at all, and `share` is their part. `data_starts_late`: no row in the first 5 % of the window's length.
    """

    first: datetime | None
    last: datetime | None
    minutes: int
    minutes_with_events: int
    minutes_with_rows: int
    share: float
    data_starts_late: bool
    sentence: str


@dataclass(frozen=True)
class Numbers(AsDict):
    """The four numbers of a budget, as `SloReport` has them; None without data."""

    sli: float | None
    spent: float | None
    remaining: float | None
    budget_left: float | None


@dataclass(frozen=True)
class Corrected(AsDict):
    """One correction that touches the window.

    `minutes` of the counted window lie inside it. `good`, `bad`, `valid`: events counted in those minutes, which are
    left out (where corrections overlap, each says what it covers). `budget_left`: as it would be without this one.
    """

    id: str
    category: str
    reason: str
    approver: str
    minutes: int
    good: float
    bad: float
    valid: float
    budget_left: float | None


@dataclass(frozen=True)
class Component(AsDict):
    """One objective of a composite SLO and its part in the whole.

    `sli`, `spent`, `budget_left`, `bad`, `valid` are its own, as its own report has them. `spending` is what it spent
    of the budget of the whole (its weight, and what late minutes count as, are in it) and `share` its part of all that
    was spent. `late_minutes` of the window had no data of it and counted as `late_as`.
    """

    objective: str
    weight: float
    target: float
    sli: float | None
    spent: float | None
    budget_left: float | None
    bad: float
    valid: float
    spending: float | None
    share: float | None
    late_minutes: int
    late_as: Literal["ignore", "good", "bad"]


@dataclass(frozen=True)
class Provenance(AsDict):
    """Where the numbers come from: the query as it was run, rows it read, newest time in the data, seconds it took, and
    the ids of the corrections in them.

    `sql` is what the store was asked for events, `promql` the expressions of SLIs that are PromQL; one of them may be
    empty. `rows_read`: rows, or samples of series; `tables` says how many of which table (`request_minutes` holds
    requests that were counted before). `watermark`: newest time read, None when there is nothing.
    """

    sql: str
    rows_read: int
    watermark: datetime | None
    seconds: float
    promql: str = ""
    corrections: tuple[str, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """Both texts as one, for people."""
        return ";\n".join(text for text in (self.sql, self.promql) if text)


@dataclass(frozen=True, eq=False)
class SloReport(AsDict):
    """One objective of one SLO over one window.

    slo, display_name, service, description, labels   from the spec
    noun, verb    what is counted and what the bad ones did: "payments" "failed", "requests" "were too slow"
    objective     display name of the objective, or its target as text; "composite" for a composite SLO as a whole
    target        fraction of valid that shall be good, in [0, 1)
    method        Occurrences, Timeslices or RatioTimeslices
    window, kind  "28d" and "rolling", "1M Europe/London" and "calendar"
    start, end, window_end   counted is start <= t < end; a calendar window goes on to window_end, a rolling one ends
    good, bad, valid, unit   exact weighted counts in `unit`; for RatioTimeslices sums of the slices' ratios
                  (a raw ratio has no counts: its unit is the minute); of a composite the sums over its components
    unmeasured    events without a usable value or weight: neither good nor bad
    rows          rows behind the valid events, unweighted
    sli, sli_low, sli_high   good / valid and its Wilson 95 % interval; None without data
    allowed, spent, remaining   of the part counted so far: bad ones allowed, bad / allowed, 1 - spent (may be negative)
    full_window   calendar only: the same against the whole window's estimated budget
    budget_left   what to sort by: `remaining`; for a calendar window 1 - full_window.spent.mid
    burn          burn rate per look-back ("1h", "6h", "1d", "3d"): 1 spends exactly the budget; None without data
    state         healthy, at_risk, exhausted or no_data
    good_over_total   the spec counted more good than total events: the filters do not fit; sli is held at 1
    notes         what is odd about the data, each in plain words
    corrections   those that touch the window, each with the budget without it
    uncorrected   the numbers as if there were no corrections
    weight        of this objective in a composite SLO
    components    of a composite as a whole: its objectives; empty otherwise
    """

    slo: str
    display_name: str
    service: str
    description: str
    labels: Mapping[str, tuple[str, ...]]
    objective: str
    target: float
    method: Literal["Occurrences", "Timeslices", "RatioTimeslices"]
    window: str
    kind: Literal["rolling", "calendar"]
    start: datetime
    end: datetime
    window_end: datetime
    unit: Literal["events", "slices", "minutes"]
    good: float
    bad: float
    valid: float
    unmeasured: float
    rows: int
    sli: float | None
    sli_low: float | None
    sli_high: float | None
    allowed: float | None
    spent: float | None
    remaining: float | None
    full_window: FullWindow | None
    budget_left: float | None
    burn: Mapping[str, float | None]
    state: State
    good_over_total: bool
    slices: Slices | None
    exhaustion: Exhaustion
    burn_down: BurnDown
    series: Series
    coverage: Coverage
    provenance: Provenance
    noun: str = "events"
    verb: str = "failed"
    notes: tuple[Note, ...] = ()
    corrections: tuple[Corrected, ...] = ()
    uncorrected: Numbers = Numbers(None, None, None, None)
    weight: float = 1.0
    components: tuple[Component, ...] = ()

    def sentence(self) -> str:
        """The finding in plain words, for people: rounded and with thousands separators."""
        from pitchey_slo.slo.words import sentence

        return sentence(self)

    def as_dict(self) -> dict[str, Any]:
        """Every field by its name, JSON-safe and unrounded, and the `sentence`."""
        return super().as_dict() | {"sentence": self.sentence()}
