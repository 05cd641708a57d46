"""The latency sketch: a histogram of 1,386 buckets from which every quantile is known to 1 %.

The bounds of the Prometheus histogram (`names.RESPONSE_TIME_BOUNDS`) are edges of it. Between two of them the range is
cut into buckets of equal ratio, as many as it takes for upper/lower < 1.01/0.99. So one number per latency serves
both: adding whole buckets up to a bound gives the exact Prometheus count, and `2 * lower * upper / (lower + upper)` is
within 1 % of whatever lies in a bucket: (upper - lower) / (upper + lower) < 0.01 on both ends. Two sketches are merged
by adding weights, in plain SQL. The idea is DDSketch's (Masson, Rim, Lee, VLDB 2019, "DDSketch: a fast and
fully-mergeable quantile sketch with relative-error guarantees"), the edges at the bounds are ours.

Bucket 0 holds what is at or below a microsecond, zero included; there the error is at most a microsecond. The last
bucket ends at 1e9 ms, the most a duration may be.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.names import RESPONSE_TIME_BOUNDS

#: What |estimate - true| / true of every quantile stays below.
RELATIVE_ERROR: Final = 0.01
#: Smallest and largest latency that are told apart, in milliseconds.
LOWEST_MS: Final = 0.001
HIGHEST_MS: Final = 1e9

_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
#: Where the ratio starts anew, milliseconds: the floor, each Prometheus bound, the ceiling.
_KNOTS: Final = [LOWEST_MS, *(round(bound * 1e6) / 1e3 for bound in RESPONSE_TIME_BOUNDS), HIGHEST_MS]
# one more bucket than needed when the ratio fits exactly: then rounding in `ln` can never cost the guarantee
_PARTS: Final = [math.floor(math.log(high / low) / math.log(_GAMMA)) + 1 for low, high in itertools.pairwise(_KNOTS)]

#: Number of the last bucket at or below each bound, in the order of RESPONSE_TIME_BOUNDS.
LAST_BUCKET: Final[list[int]] = list(itertools.accumulate(_PARTS))[:-1]


def _upper_edges() -> NDArray[np.float64]:
    spans = zip(itertools.pairwise(_KNOTS), _PARTS, strict=True)
    edges = [low * (high / low) ** (np.arange(1, n + 1) / n) for (low, high), n in spans]
    for edge, high in zip(edges, _KNOTS[1:], strict=True):
        edge[-1] = high
    return np.concatenate([[LOWEST_MS], *edges])


#: Upper edge of each bucket, milliseconds; bucket 0 first. A bucket is open below and closed above, as `le` is.
UPPER_MS: Final[NDArray[np.float64]] = _upper_edges()
#: Lower edge of each bucket.
LOWER_MS: Final[NDArray[np.float64]] = np.concatenate([[0.0], UPPER_MS[:-1]])
#: What stands for a latency in each bucket.
ESTIMATE_MS: Final[NDArray[np.float64]] = 2 * LOWER_MS * UPPER_MS / (LOWER_MS + UPPER_MS)


def bucket_sql(column: str) -> str:
    """SQL expression: the bucket of a latency in milliseconds; null when it is null, NaN or infinite."""
    branches, first = [f"WHEN {column} <= {LOWEST_MS} THEN 0"], 1
    for (low, high), parts in zip(itertools.pairwise(_KNOTS), _PARTS, strict=True):
        place = f"ceil((ln({column}) - {math.log(low)!r}) * {parts / math.log(high / low)!r})"
        upto = "ELSE" if high == HIGHEST_MS else f"WHEN {column} <= {high!r} THEN"
        branches.append(f"{upto} {first - 1} + greatest(1, least({parts}, {place}))")
        first += parts
    return f"CASE WHEN NOT coalesce(isfinite({column}), false) THEN NULL {' '.join(branches)} END::SMALLINT"


def buckets_of(ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bucket of each latency, by search among the edges: the obvious way, which the SQL must agree with."""
    return np.minimum(np.searchsorted(UPPER_MS, ms, side="left"), len(UPPER_MS) - 1)


def bounds_of(buckets: Any) -> NDArray[np.int64]:
    """Per bucket the position of the smallest bound at or above it; len(RESPONSE_TIME_BOUNDS) for +Inf."""
    return np.searchsorted(np.array(LAST_BUCKET), np.asarray(buckets), side="left")


def buckets_table() -> pa.Table:
    """The buckets as a table: `bucket`, `lower_ms`, `upper_ms`, `ms` (what stands for a latency in it), `le`
    (seconds; the smallest Prometheus bound at or above it, infinity for none)."""
    numbers = np.arange(len(UPPER_MS))
    bounds = np.array([*RESPONSE_TIME_BOUNDS, np.inf])
    columns: dict[str, NDArray[Any]] = {
        "bucket": numbers.astype(np.int16),
        "lower_ms": LOWER_MS,
        "upper_ms": UPPER_MS,
        "ms": ESTIMATE_MS,
        "le": bounds[bounds_of(numbers)],
    }
    # from their memory: pa.array() would import pandas first, a second and more of every command
    arrays = [
        pa.Array.from_buffers(pa.from_numpy_dtype(c.dtype), len(c), [None, pa.py_buffer(np.ascontiguousarray(c))])
        for c in columns.values()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))
