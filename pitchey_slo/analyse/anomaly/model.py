"""The words of this room: what a detector is, what runs inside it, what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.errors import AnomalyError


@dataclass(frozen=True)
class Scores:
    """A scored series, four columns of one length.

    `times`: datetime64[ms], UTC. `values`: as given. `scores`: in [0, 1], NaN where no judgement is possible.
    `reasons`: "" or what is known about a high score, as "level shift 4 min after deployment v1.2".
    """

    times: NDArray[np.datetime64]
    values: Floats
    scores: Floats
    reasons: tuple[str, ...]


class Machine(Protocol):
    """What is particular to a detector: how odd each sample is, given those before it.

    `advance` takes the next samples, none missing, and returns how odd each is: 0 or more on a scale of its own,
    infinity at most, NaN for "too few so far". It may be called with one sample or with a million: cutting a series
    elsewhere must not change the numbers. Its memory does not grow.
    """

    def advance(self, times: Times, values: Floats, /) -> Floats: ...


class Judge(Protocol):
    """Samples in, scores out, cut wherever you like: `pipe.Pipe` around one machine."""

    def advance(self, times: Times, values: Floats, /) -> Floats: ...


class Scorer:
    """A detector that follows one series live: `step` by `step`, with memory that does not grow."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._last: int | None = None

    def step(self, time_ms: int, value: float) -> float:
        """The score of the next sample: `time_ms` since 1970, later than the one before; NaN is a gap and scores NaN.

        Raises AnomalyError when time does not advance.
        """
        if self._last is not None and time_ms <= self._last:
            raise AnomalyError(f"time {time_ms} ms is not later than the sample before, at {self._last} ms")
        self._last = time_ms
        return float(self._judge.advance(np.array([time_ms], np.int64), np.array([value], np.float64))[0])

    def state_size(self) -> int:
        """Bytes and items held, for the test that memory is bounded."""
        return _held(self._judge, set())


def _held(thing: object, seen: set[int]) -> int:
    """Bytes of arrays and number of items in everything reachable from `thing`."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return int(thing.nbytes)
    if isinstance(thing, dict):
        return len(thing) + sum(_held(inner, seen) for inner in thing.values())
    if isinstance(thing, list | tuple | set | frozenset):
        return len(thing) + sum(_held(inner, seen) for inner in thing)
    return _held(vars(thing), seen) if hasattr(thing, "__dict__") and not isinstance(thing, type) else 1
