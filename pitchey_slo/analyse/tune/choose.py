"""Which point to take, and how much that choice is worth on time it was not made from.

A point is judged together with its neighbours on the grid, so that a lucky spike does not win. Each block of time is
left out once: the others choose, and the choice pays in the block left out. What the choosing cost there, against what
the current rule cost in the same blocks, is the evidence. Where it is no better, the rule stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pitchey_slo.analyse.backtest.episodes import Floats
from pitchey_slo.analyse.tune.model import Turn

Place = tuple[int, int, int]


@dataclass(frozen=True)
class Left:
    """One block left out: its number, the place that the others chose, what it cost there, what the current cost."""

    fold: int
    chosen: Place
    cost: float
    current: float


def smooth(cost: Floats, reach: int = 1) -> Floats:
    """Half its own cost, half the mean of the square around it."""
    padded = np.pad(cost, reach, mode="edge")
    around = np.zeros_like(cost)
    width = 2 * reach + 1
    for i in range(width):
        for j in range(width):
            around += padded[i : i + cost.shape[0], j : j + cost.shape[1]]
    found: Floats = 0.5 * cost + 0.5 * around / width**2
    return found


def pick(costs: Sequence[Floats], near: Place) -> Place:
    """The cheapest place; of equals the one in the middle of the cheap, then the one nearest to `near`."""
    smoothed = [smooth(c) for c in costs]
    least = min(float(s.min()) for s in smoothed)
    allowed = least + 1e-9 * max(1.0, abs(least))
    ties = [(w, int(i), int(j)) for w, s in enumerate(smoothed) for i, j in np.argwhere(s <= allowed)]
    if len(ties) == 1:
        return ties[0]
    wide = [smooth(c, 3) for c in costs]
    cheapest = min(float(wide[w][i, j]) for w, i, j in ties)
    ties = [t for t in ties if wide[t[0]][t[1], t[2]] <= cheapest + 1e-9 * max(1.0, abs(cheapest))]
    return min(ties, key=lambda t: (t[0] != near[0], abs(t[1] - near[1]) + abs(t[2] - near[2]), t))


def hold_out(turns: Sequence[Turn], current: Place, in_fold: Sequence[int]) -> list[Left]:
    """Per block what the others choose; `in_fold` is how many incidents begin in each. None when only one block has
    incidents: without it nothing could be chosen."""
    total = [t.total for t in turns]
    found = []
    for fold in range(len(in_fold)) if sum(n > 0 for n in in_fold) > 1 else ():
        chosen = pick([t - turn.cost[:, :, fold] for t, turn in zip(total, turns, strict=True)], current)
        found.append(Left(fold, chosen, _cost(turns, chosen, fold), _cost(turns, current, fold)))
    return found


def _cost(turns: Sequence[Turn], place: Place, fold: int) -> float:
    w, i, j = place
    return float(turns[w].cost[i, j, fold])


def recommend(left: Sequence[Left], turns: Sequence[Turn], current: Place) -> Place:
    """`current` when choosing gained nothing in the blocks left out; else, of the places that gained in blocks they had
    not seen, the one that is cheapest over all, its neighbours counted."""
    if not left or sum(each.cost for each in left) >= sum(each.current for each in left) - 1e-9:
        return current
    gains: dict[Place, float] = {}
    for each in left:
        gains[each.chosen] = gains.get(each.chosen, 0.0) + each.current - each.cost
    smoothed = [smooth(t.total) for t in turns]
    return min((smoothed[w][i, j], (w, i, j)) for (w, i, j), gain in gains.items() if gain > 0)[1]


def front(turns: Sequence[Turn]) -> list[Place]:
    """Places that no other beats in incidents nobody was told of, false firings and median detection at once; of equals
    the one in the middle. Fewest missed first."""
    rows = []
    for w, turn in enumerate(turns):
        detect = np.where(np.isnan(turn.detect), np.inf, turn.detect)
        n = turn.swept.late.shape[2]
        missed = n - turn.told
        for i, j in np.ndindex(missed.shape):
            rows.append((missed[i, j], turn.false[i, j], detect[i, j], turn.idle[i, j], w, i, j))
    table = np.array(rows, np.float64)
    values, group = np.unique(table[:, :3], axis=0, return_inverse=True)
    kept = []
    for k, value in enumerate(values):
        others = values[(values <= value).all(axis=1) & (values < value).any(axis=1)]
        if not len(others):
            equal = table[group.ravel() == k]
            least = equal[equal[:, 3] <= equal[:, 3].min() + 1e-9]
            _, _, _, _, w, i, j = least[len(least) // 2]
            kept.append((int(w), int(i), int(j)))
    return kept
