"""The incident that nothing fails in: where it lies in the month, and the hour in which a probes' location is blind.

Both are drawn apart from the rest of the plan, so a month with them is otherwise the month without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.demo.incidents import MINUTE, SILENT, Recipe, Trouble

#: A shorter history has no usual day to compare with.
LEAST_DAYS: Final = 5
#: Minutes kept free before and after.
APART: Final = 90
BLIND_MINUTES: Final = 60
BLIND_LOCATION: Final = "sin"


@dataclass(frozen=True)
class Blind:
    """A probes' location that reaches nothing at all between `start` and `end` (microseconds): its own network."""

    location: str
    start: int
    end: int


def trouble(recipe: Recipe, begin: int, end: int) -> Trouble:
    return Trouble(
        recipe.kind, begin, end, recipe.routes, None, recipe.errors, recipe.codes, recipe.slower, False,
        recipe.severity, recipe.title, recipe.description, recipe.lost,
    )  # fmt: skip


def plant(
    seed: int, weights: NDArray[np.float64], start: int, taken: Sequence[tuple[int, int]]
) -> tuple[tuple[Trouble, ...], tuple[Blind, ...]]:
    """The silent incident, in the busiest free hours of the last third of the month, and an hour of blindness before
    it; neither within APART minutes of `taken` (start, end). Nothing when the history is short or has no room."""
    minutes = len(weights)
    if minutes < LEAST_DAYS * 1_440:
        return (), ()
    rng = np.random.default_rng([seed, 8])
    free = np.ones(minutes, dtype=bool)
    for a, b in taken:
        free[max(0, (a - start) // MINUTE - APART) : (b - start) // MINUTE + APART] = False
    length = int(rng.integers(SILENT.minutes[0], SILENT.minutes[1] + 1))
    load = np.convolve(weights.sum(axis=1), np.ones(length), "valid")
    good = np.flatnonzero(_stays(free, length))
    good = good[good >= minutes * 2 // 3]
    good = good[load[good] >= 0.9 * load[good].max()] if len(good) else good
    silent: tuple[Trouble, ...] = ()
    if len(good):
        begin = int(rng.choice(good))
        silent = (trouble(SILENT, start + begin * MINUTE, start + (begin + length) * MINUTE),)
        free[max(0, begin - APART) : begin + length + APART] = False
    hours = np.flatnonzero(_stays(free, BLIND_MINUTES))
    if not len(hours):
        return silent, ()
    begin = int(rng.choice(hours[len(hours) // 4 :]))
    return silent, (Blind(BLIND_LOCATION, start + begin * MINUTE, start + (begin + BLIND_MINUTES) * MINUTE),)


def _stays(free: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Minutes from which `length` minutes are free."""
    before = np.concatenate([[0], np.cumsum(free)])
    found: NDArray[np.bool_] = before[length:] - before[:-length] == length
    return found
