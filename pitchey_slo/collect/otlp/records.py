"""What a delivery holds, whichever encoding it came in: the parts of OTLP's messages that are read here.

Times are nanoseconds since 1970 as they stand in the message, 0 when not given. Ids are lower-case hex, empty when not
given or not an id. An attribute's value is a text, bool, int, float, list or dict, or None; bytes stand as base64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pitchey_slo.errors import BodyTooLarge

Attributes = dict[str, Any]

#: Log records, spans or data points of one delivery; a Collector sends 8,192 at a time, an SDK 512.
MOST_RECORDS: Final = 100_000
#: Attributes of one record, and values of one array; an SDK stops at 128.
MOST_ATTRIBUTES: Final = 1_000
MOST_VALUES: Final = 10_000
#: Values inside values. OTLP sets no bound; what is deeper is refused.
DEEPEST: Final = 16

SERVER: Final = 2
CLIENT: Final = 3
ERROR: Final = 2
DELTA: Final = 1
CUMULATIVE: Final = 2
#: DataPointFlags: the series ended, there is no value
NO_VALUE: Final = 1


class Damaged(NamedTuple):
    """One record that cannot be read; `reason` is one of `names.ROW_REASONS`."""

    reason: str
    message: str


class Unreadable(Exception):
    """Raised while one record is read; the readers turn it into `Damaged`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.damage = Damaged(reason, message)


class Log(NamedTuple):
    resource: Attributes
    scope: str
    time: int
    observed: int
    severity: int
    severity_text: str
    body: Any
    attributes: Attributes
    trace_id: str
    span_id: str
    event_name: str


class Event(NamedTuple):
    time: int
    name: str
    attributes: Attributes


class Span(NamedTuple):
    resource: Attributes
    scope: str
    trace_id: str
    span_id: str
    trace_state: str
    name: str
    kind: int
    start: int
    end: int
    attributes: Attributes
    events: list[Event]
    status: int
    status_message: str


class Number(NamedTuple):
    """A point of a gauge or sum; `value` is None when the message holds none."""

    attributes: Attributes
    time: int
    flags: int
    value: float | None


class Buckets(NamedTuple):
    """A point of a histogram: `events` in all, `counts` per bucket, one more than `bounds`; `total` is None when not
    given."""

    attributes: Attributes
    time: int
    flags: int
    events: int
    total: float | None
    counts: list[int]
    bounds: list[float]


class Quantiles(NamedTuple):
    """A point of a summary of so many `events`; `values` are (quantile, value)."""

    attributes: Attributes
    time: int
    flags: int
    events: int
    total: float
    values: list[tuple[float, float]]


class Unsupported(NamedTuple):
    """A point that was not looked into."""


Point = Number | Buckets | Quantiles | Unsupported | Damaged


class Metric(NamedTuple):
    """`kind` is gauge, sum, histogram, summary, exponential_histogram or empty. `points` can be walked once."""

    resource: Attributes
    name: str
    description: str
    unit: str
    kind: str
    temporality: int
    monotonic: bool
    points: Iterator[Point]


def too_many() -> BodyTooLarge:
    return BodyTooLarge(f"more than {MOST_RECORDS:,} records in one request; send them in several")


def too_deep() -> Unreadable:
    return Unreadable("wrong_type", f"a value nested more than {DEEPEST} levels deep")


def bounded(count: int, most: int, what: str) -> None:
    """Raises Unreadable beyond `most`."""
    if count > most:
        raise Unreadable("too_long", f"{count:,} {what}; {most:,} are allowed")


def hex_id(raw: bytes, size: int) -> str:
    """An id of `size` bytes as hex; empty for none, for one that is all zeros (W3C: invalid) or of another length."""
    return raw.hex() if len(raw) == size and any(raw) else ""
