"""What one evaluation found: plain frozen values, never rounded, with no opinion on how they are shown.

One `SloReport` is one objective of one SLO over one window. Counts are exact and weighted by `sample_interval`; their
unit is `unit` (events, or time slices for the two slice methods). None means "no data", which is neither 0 % nor 100 %.
Fractions are fractions: 0.25 is 25 %.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]
State = Literal["healthy", "at_risk", "exhausted", "no_data"]


def plain(value: Any) -> Any:
    """`value` as JSON can carry it: times as ISO 8601 with Z, arrays as lists, NaN and infinities as None.

    >>> plain({"sli": float("nan"), "time": np.array(["2026-03-01"], dtype="datetime64[us]")})
    {'sli': None, 'time': ['2026-03-01T00:00:00.000000Z']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "M":
            return [None if np.isnat(t) else f"{t}Z" for t in value]
        return [plain(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


class AsDict:
    """Gives a finding its JSON form: the same names, nothing rounded."""

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = plain(self)
        return found


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
class Provenance(AsDict):
    """Where the numbers come from: the SQL as it was run, rows it read, newest time in the data, seconds it took."""

    sql: str
    rows_read: int
    watermark: datetime | None
    seconds: float


@dataclass(frozen=True, eq=False)
class SloReport(AsDict):
    """One objective of one SLO over one window.

    slo, display_name, service, description, labels   from the spec
    noun, verb    what is counted and what the bad ones did: "payments" "failed", "requests" "were too slow"
    objective     display name of the objective, or its target as text
    target        fraction of valid that shall be good, in [0, 1)
    method        Occurrences, Timeslices or RatioTimeslices
    window, kind  "28d" and "rolling", "1M Europe/London" and "calendar"
    start, end, window_end   counted is start <= t < end; a calendar window goes on to window_end, a rolling one ends
    good, bad, valid, unit   exact weighted counts in `unit`; for RatioTimeslices sums of the slices' ratios
    unmeasured    events without a usable value or weight: neither good nor bad
    rows          rows behind the valid events, unweighted
    sli, sli_low, sli_high   good / valid and its Wilson 95 % interval; None without data
    allowed, spent, remaining   of the part counted so far: bad ones allowed, bad / allowed, 1 - spent (may be negative)
    full_window   calendar only: the same against the whole window's estimated budget
    budget_left   what to sort by: `remaining`; for a calendar window 1 - full_window.spent.mid
    burn          burn rate per look-back ("1h", "6h", "1d", "3d"): 1 spends exactly the budget; None without data
    state         healthy, at_risk, exhausted or no_data
    good_over_total   the spec counted more good than total events: the filters do not fit; sli is held at 1
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
    unit: Literal["events", "slices"]
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

    def sentence(self) -> str:
        """The finding in plain words, for people: rounded and with thousands separators."""
        from pitchey_slo.slo.words import sentence

        return sentence(self)

    def as_dict(self) -> dict[str, Any]:
        """Every field by its name, JSON-safe and unrounded, and the `sentence`."""
        return super().as_dict() | {"sentence": self.sentence()}
