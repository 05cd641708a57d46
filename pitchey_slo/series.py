"""Time series as all rooms pass them on: labels, samples, the marker that ends a series.

A series is its labels (metric name under `__name__`), a sample is a time in milliseconds and a float64. Values keep
their bits: NaN is a value, and one NaN among them (`STALE`) says that the series ended. Comparing with it needs the
bits, not `==`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Label pairs sorted by name; `__name__` among them. An empty value is the same as no label, so none is empty.
Labels = tuple[tuple[str, str], ...]

#: Bits of Prometheus' stale marker (model/value/value.go, StaleNaN).
STALE_BITS: Final = 0x7FF0000000000002
STALE: Final = np.array([STALE_BITS], dtype=np.uint64).view(np.float64)[0]


def labels_of(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Sorted label pairs without the empty ones.

    >>> labels_of({"job": "api", "__name__": "up", "zone": ""})
    (('__name__', 'up'), ('job', 'api'))
    """
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple(sorted((name, value) for name, value in items if value))


def series_id(labels: Labels) -> int:
    """64 bits that name a series everywhere and for ever: the same labels give the same id on every machine (signed,
    as the lake's integers are)."""
    text = "\xff".join(f"{name}\xfe{value}" for name, value in labels)
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )


def is_stale(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values are the stale marker, by their bits."""
    stale: NDArray[np.bool_] = np.ascontiguousarray(values).view(np.uint64) == STALE_BITS
    return stale


@dataclass(frozen=True)
class Metadata:
    """What a metric family says of itself; `type` as in OpenMetrics (counter, gauge, histogram, summary, unknown,
    ...)."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


@dataclass(frozen=True)
class RefusedSample:
    """A sample or series that was not taken: `series` indexes SampleBatch.labels; reason from `SAMPLE_REASONS`."""

    series: int
    reason: str
    message: str


#: Why a sample is refused. Closed; counters are kept by it.
SAMPLE_REASONS: Final[dict[str, str]] = {
    "invalid_labels": "no metric name, a bad label name, a label twice or out of order",
    "too_many_labels": "more labels than PITCHEY_LABEL_LIMIT",
    "label_too_long": "a label name or value longer than allowed",
    "series_limit": "a new series beyond PITCHEY_SERIES_LIMIT; existing ones keep flowing",
    "duplicate_timestamp": "another value for a time that has one; the first wins",
    "too_old": "older than the newest sample of its series by more than the out-of-order window",
    "too_far_in_future": "more than ten minutes ahead of this machine's clock",
    "unsupported_histogram": "native histograms are not supported",
}


@dataclass(frozen=True, eq=False)
class SampleBatch:
    """Samples of one delivery, any order. `series[i]` indexes `labels`; `ts` milliseconds since 1970 UTC; `value`
    float64 with its bits. `metadata` by metric family name. `refused`: what the decoder already had to leave out."""

    labels: list[Labels]
    series: NDArray[np.int64]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    metadata: dict[str, Metadata] = field(default_factory=dict)
    refused: list[RefusedSample] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ts)
