"""The kinds of trouble, and how each looks in the traffic.

A `Trouble` says when, where and what; `strength` turns its kind into a curve between 0 (all is well) and 1 (full
force).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.demo.routes import NUMBER, ROUTES

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND

Kind = Literal[
    "error_burst",
    "slow_database",
    "bad_deployment",
    "regional_outage",
    "slow_leak",
    "flapping",
    "silent_drop",
    "nightly_batch",
]


@dataclass(frozen=True)
class Trouble:
    """One thing that makes requests fail or slow between `start` and `end` (microseconds since the epoch, end
    excluded).

    At full strength a request to one of `routes` (numbers in ROUTES) at `location` (a code; None for all) fails with
    probability `errors` and one of `codes`, and takes `slower` times as long. `edge` troubles hit cached answers too.
    `lost` is the part of those requests that nobody sends: people go on reading lists, and nothing fails.
    """

    kind: Kind
    start: int
    end: int
    routes: tuple[int, ...]
    location: str | None
    errors: float
    codes: tuple[int, ...]
    slower: float
    edge: bool
    severity: str
    title: str
    description: str
    lost: float = 0.0

    def strength(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Force at each time of `at`, all of it inside [start, end)."""
        if self.kind == "slow_leak":
            return (at - self.start) / (self.end - self.start)
        if self.kind == "flapping":
            return ((at - self.start) % (15 * MINUTE) < 5 * MINUTE).astype(float)
        return np.ones(len(at))

    def failing(self, strength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Chance to fail at each strength. A leak is only slow at first: requests fail in its second half."""
        if self.kind == "slow_leak":
            return self.errors * np.clip(2 * strength - 1, 0, None) ** 2
        return self.errors * strength


def _numbers(*names: str) -> tuple[int, ...]:
    return tuple(NUMBER[n] for n in names)


API: Final = tuple(i for i, r in enumerate(ROUTES) if r.api and r.pattern != "/api/health")
DATABASE: Final = tuple(i for i, r in enumerate(ROUTES) if r.database and r.api)
PITCH_WRITES: Final = _numbers("POST /api/pitches", "PUT /api/pitches/:id", "POST /api/uploads")
NDAS: Final = _numbers("POST /api/ndas/:id/request", "POST /api/ndas/:id/sign")
MONEY: Final = _numbers("POST /api/payments", "POST /api/investments")
DOOR: Final = _numbers("POST /api/auth/login", "POST /api/auth/signup")
READS: Final = _numbers("GET /api/search", "GET /api/dashboard", "GET /api/notifications")
#: What follows from opening a pitch; and where people stay when the pitch does not open.
OPENED: Final = (*_numbers("GET /api/pitches/:id"), *NDAS, *MONEY)
LISTS: Final = _numbers("GET /api/pitches", "GET /api/search", "GET /api/dashboard", "GET /api/notifications")


@dataclass(frozen=True)
class Recipe:
    """What a kind of incident does; the plan adds when and where. `minutes` is the usual range of its length."""

    kind: Kind
    minutes: tuple[int, int]
    routes: tuple[int, ...]
    errors: float
    codes: tuple[int, ...]
    slower: float
    severity: str
    title: str
    description: str
    regional: bool = False
    lost: float = 0.0


#: Taken in this order, again from the top when the period is longer than a month.
RECIPES: Final = (
    Recipe("error_burst", (8, 14), READS, 0.6, (500, 502), 1.0, "critical", "Search and dashboard fail",
           "A configuration change left the read replicas without credentials; reverted."),
    Recipe("slow_database", (25, 40), DATABASE, 0.08, (504,), 6.0, "critical", "Database slow",
           "A missing index after a migration made every query scan; the index was added."),
    Recipe("regional_outage", (30, 50), tuple(range(len(ROUTES))), 0.75, (503, 522), 1.5, "critical",
           "{location} does not answer", "Most requests at {location} failed at the edge; traffic was moved away.",
           regional=True),
    Recipe("bad_deployment", (30, 45), PITCH_WRITES, 0.55, (500,), 1.3, "critical",
           "Creating and editing pitches fails", "The release {version} broke validation of pitches; rolled back."),
    Recipe("flapping", (240, 300), MONEY, 0.75, (502, 503), 1.6, "warning", "Payments fail on and off",
           "The payment provider was bad for five minutes out of fifteen, again and again."),
    Recipe("slow_leak", (600, 840), API, 0.05, (503,), 3.5, "warning", "API slower by the hour, then failing",
           "The workers leaked database connections until they were restarted."),
    Recipe("error_burst", (18, 28), DOOR, 0.50, (500,), 1.0, "critical", "Login and signup fail",
           "The session store refused writes; it was failed over."),
    Recipe("bad_deployment", (45, 75), NDAS, 0.65, (500, 500, 502), 1.2, "critical", "NDAs cannot be signed",
           "The release {version} could not read older NDA templates; rolled back."),
    Recipe("slow_database", (15, 25), DATABASE, 0.02, (504,), 6.0, "warning", "Database slow",
           "A long analytical query held locks; it was cancelled."),
    Recipe("flapping", (60, 105), READS, 0.05, (503,), 1.8, "warning", "Search fails on and off",
           "One of three search nodes restarted in a loop; it was taken out."),
)  # fmt: skip

#: The incident that no fixed threshold sees: nothing fails and nothing is slow, only less happens than should. It is
#: planted once, beside the others (demo/silent.py).
SILENT: Final = Recipe(
    "silent_drop", (150, 210), OPENED, 0.0, (), 1.0, "warning", "Half of the pitches do not open, nothing fails",
    "A script error on phones swallowed the tap on a pitch: people stayed on the lists; the script was reverted.",
    lost=0.5,
)  # fmt: skip
