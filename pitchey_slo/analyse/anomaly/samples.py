"""What a detector is given: times in order, values that may be missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.errors import AnomalyError

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def checked(times: Any, values: Any) -> tuple[Times, Floats]:
    """Times as milliseconds since 1970 (UTC) and values as float64, each of the same length.

    Times may be datetime64 of any unit (without a zone, meant as UTC) or integers, which are milliseconds. Raises
    AnomalyError on different lengths, on times that are unsorted, doubled or NaT, and on what is not numbers.
    """
    ms, floats = _milliseconds(np.asarray(times)), _floats(values)
    if ms.ndim != 1 or ms.shape != floats.shape:
        raise AnomalyError(
            f"{ms.shape} times and {floats.shape} values: give two one-dimensional columns of the same length"
        )
    return ms, floats


def _floats(values: Any) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as wrong:
        raise AnomalyError(f"values must be numbers, missing ones NaN: {wrong}") from wrong


def _milliseconds(times: NDArray[Any]) -> Times:
    if times.size == 0:
        return np.empty(times.shape, np.int64)
    if not (np.issubdtype(times.dtype, np.integer) or np.issubdtype(times.dtype, np.datetime64)):
        raise AnomalyError(f"times are {times.dtype}: give datetime64, or integers in milliseconds since 1970")
    if np.isnat(times).any() if times.dtype.kind == "M" else False:
        raise AnomalyError(f"time {int(np.flatnonzero(np.isnat(times))[0])} is NaT: every sample needs its time")
    _in_order(times)
    if times.dtype.kind == "M":
        times = times.astype("datetime64[ms]")
    return times.astype(np.int64)


def _in_order(times: NDArray[Any]) -> None:
    wrong = np.flatnonzero(times[1:] <= times[:-1])
    if not wrong.size:
        return
    at = int(wrong[0]) + 1
    what = "doubled" if times[at] == times[at - 1] else "unsorted"
    raise AnomalyError(
        f"times are {what}: sample {at} is at {times[at]}, after {times[at - 1]}; sort by time and keep one of each"
    )


def finite(values: Floats) -> NDArray[np.bool_]:
    """Which values are numbers: NaN and the infinities are gaps."""
    present: NDArray[np.bool_] = np.isfinite(values)
    return present
