"""How many requests each minute has, and where, when and for which route they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.demo.incidents import LISTS, MINUTE, Trouble
from pitchey_slo.demo.people import REQUESTS_PER_TURN, TURN
from pitchey_slo.demo.places import PLACES, rhythm
from pitchey_slo.demo.plan import Plan, Surge
from pitchey_slo.demo.routes import ROUTES

_SHARES = np.array([r.share for r in ROUTES]) / sum(r.share for r in ROUTES)
_READS = np.array([r.method == "GET" for r in ROUTES])
_ROLES = np.array([{"creator": 0, "investor": 1, "any": 2, "nobody": 3}[r.role] for r in ROUTES], dtype=np.int8)
#: Share of GET requests without a known user, and of requests by investors where the route does not say.
STRANGERS = 0.22
INVESTORS = 0.4


@dataclass(frozen=True)
class Arrivals:
    """Requests before they are served, ordered by time: when (microseconds), where and what (numbers in PLACES,
    ROUTES), the seat they come from, whether that is an investor's, and whether we know who it is."""

    at: NDArray[np.int64]
    place: NDArray[np.int8]
    route: NDArray[np.int8]
    seat: NDArray[np.int64]
    investor: NDArray[np.bool_]
    known: NDArray[np.bool_]


def counts(plan: Plan, requests: int) -> NDArray[np.int64]:
    """(minutes, places + surges) whole numbers that sum to exactly `requests`."""
    total = plan.weights.sum(axis=1)
    columns = [plan.weights, *(_surge(s, plan.start, total)[:, None] for s in plan.surges)]
    weights = np.concatenate(columns, axis=1)
    rng = np.random.default_rng([plan.seed, 3])
    drawn: NDArray[np.int64] = rng.multinomial(requests, (weights / weights.sum()).ravel())
    return drawn.reshape(weights.shape)


def _surge(surge: Surge, start: int, usual: NDArray[np.float64]) -> NDArray[np.float64]:
    extra = np.zeros(len(usual))
    a, b = (surge.start - start) // MINUTE, (surge.end - start) // MINUTE
    extra[a:b] = usual[a:b] * surge.extra * np.linspace(1.0, 0.0, b - a, endpoint=False)
    return extra


def now(at: datetime) -> NDArray[np.float64]:
    """Weight of each place at this minute."""
    return np.array([rhythm(p, at.replace(second=0, microsecond=0), 1)[0] for p in PLACES])


def usual(requests: int, days: int, at: datetime) -> float:
    """Requests per second that a history of so many requests has at this minute of the week."""
    return requests / (days * 86_400) * float(now(at).sum() / sum(p.share for p in PLACES))


def arrive(
    rng: np.random.Generator, start: int, step: int, drawn: NDArray[np.int64], surges: tuple[Surge, ...]
) -> Arrivals:
    """The requests of consecutive steps of `step` microseconds from `start`, as many as `drawn` (steps, places +
    surges)."""
    cells = np.repeat(np.arange(drawn.size), drawn.ravel())
    which, source = np.divmod(cells, drawn.shape[1])
    at = start + which * step + rng.integers(0, max(1, step // 1_000), len(cells)) * 1_000
    order = np.argsort(at, kind="stable")
    at, which, source = at[order], which[order], source[order]
    route = np.searchsorted(np.cumsum(_SHARES)[:-1], rng.random(len(at)), side="right").astype(np.int8)
    place = source.astype(np.int8)
    for i, surge in enumerate(surges):
        mine = np.flatnonzero(source == len(PLACES) + i)
        place[mine] = rng.choice(len(PLACES), len(mine), p=[p.share for p in PLACES])
        shares = _SHARES[list(surge.routes)]
        route[mine] = rng.choice(surge.routes, len(mine), p=shares / shares.sum())
    role = _ROLES[route]
    investor = np.where(role == 2, rng.random(len(at), dtype=np.float32) < INVESTORS, role == 1)
    seats = np.maximum(1, np.ceil(drawn * (TURN / step / REQUESTS_PER_TURN / 2))).astype(np.int64)
    # a seat must last longer than a minute's luck: as many seats as the busiest of the last and next minutes has
    seats = np.maximum(seats, np.roll(seats, 1, axis=0))
    seat = (rng.random(len(at)) * seats[which, source]).astype(np.int64)
    known = (role != 3) & ((role < 2) | ~_READS[route] | (rng.random(len(at), dtype=np.float32) >= STRANGERS))
    return Arrivals(at, place, route, seat, investor, known)


def divert(rng: np.random.Generator, arrivals: Arrivals, troubles: Sequence[Trouble]) -> Arrivals:
    """The same requests, those that a silent trouble lets nobody send being reads of a list by the same person."""
    route = arrivals.route
    for trouble in (t for t in troubles if t.lost):
        a, b = np.searchsorted(arrivals.at, [trouble.start, trouble.end])
        reached = a + np.flatnonzero(np.isin(route[a:b], trouble.routes))
        gone = reached[rng.random(len(reached)) < trouble.lost]
        if len(gone):
            route = route.copy() if route is arrivals.route else route
            shares = _SHARES[list(LISTS)]
            route[gone] = rng.choice(np.array(LISTS, dtype=np.int8), len(gone), p=shares / shares.sum())
    return arrivals if route is arrivals.route else replace(arrivals, route=route)
