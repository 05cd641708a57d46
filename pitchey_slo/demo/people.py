"""Who sends the requests: pseudonymous people with a home place and a role, who come back, and sessions.

A session is a seat at a place: for twenty minutes one person sits on it, then somebody else. Seats change hands at
different moments. Which person takes a seat is a hash of seat and turn, so any stretch of time can be generated alone.
Few people come often and many come rarely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.demo.incidents import MINUTE
from pitchey_slo.demo.places import PLACES
from pitchey_slo.demo.text import hexadecimal

TURN = 20 * MINUTE
REQUESTS_PER_TURN = 12.0


@dataclass(frozen=True)
class People:
    """`first[p]` is the number of the first person at place p, `pairs[p]` how many creators (and as many investors)
    live there; creators have even numbers, investors odd ones."""

    hashes: pa.Array
    first: NDArray[np.int64]
    pairs: NDArray[np.int64]
    seed: int

    @classmethod
    def make(cls, seed: int, number: int) -> People:
        share = np.array([p.share for p in PLACES]) / sum(p.share for p in PLACES)
        pairs = np.maximum(10, (number * share / 2).astype(np.int64))
        first = np.concatenate([[0], np.cumsum(2 * pairs)[:-1]])
        total = int(2 * pairs.sum())
        return cls(hexadecimal(np.random.default_rng([seed, 2]), total, 16), first, pairs, seed)

    def seated(
        self, at: NDArray[np.int64], place: NDArray[np.integer], seat: NDArray[np.int64], investor: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Number of the person on each seat at each time (microseconds)."""
        chair = seat.astype(np.uint64) * np.uint64(64) + place.astype(np.uint64) * np.uint64(2) + investor
        who = _mix(chair, self.seed)
        turn = (at + (who % np.uint64(TURN)).astype(np.int64)) // TURN
        draw = _mix(who ^ turn.astype(np.uint64), self.seed + 1)
        uniform = (draw >> np.uint64(11)).astype(np.float64) * 2.0**-53
        rank = (uniform * uniform * self.pairs[place]).astype(np.int64)
        person: NDArray[np.int64] = self.first[place] + 2 * rank + investor
        return person


def _mix(x: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """splitmix64 (Steele, Lea and Flood 2014): neighbouring numbers in, unrelated numbers out."""
    z = x * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt % 2**63)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
