"""What the simulated Pitchey is looked at with: health checks of its components, and tests from three places.

A test is a list of requests to routes; what the plan does to those routes is what the test meets. The numbers are those
of a day when all is well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pitchey_slo.demo.routes import NUMBER

#: Minutes between two looks.
EVERY: Final = 5


@dataclass(frozen=True)
class Look:
    """One check or test. `steps` are (name, number of a route); `median_ms` without the network, `degraded_ms` and
    `timeout_ms` are its limits; `database` slows with the database."""

    name: str
    kind: str
    component: str
    steps: tuple[tuple[str, int], ...]
    median_ms: float
    degraded_ms: float
    timeout_ms: float = 10_000.0
    status: int | None = 200
    database: bool = True


def _steps(*named: tuple[str, str]) -> tuple[tuple[str, int], ...]:
    return tuple((name, NUMBER[route]) for name, route in named)


_LOGIN: Final = ("login", "POST /api/auth/login")

#: Looked at from inside, beside the platform.
HEALTH: Final = (
    Look("api", "health", "api", _steps(("health", "GET /api/health")), 9, 500, database=False),
    Look("worker", "health", "worker", _steps(("front", "GET /")), 14, 500, database=False),
    Look("database", "health", "database", (), 6, 30, 5_000, None),
    Look("cache", "health", "cache", (), 1.2, 20, 2_000, None, database=False),
    Look("storage", "health", "storage", _steps(("put", "POST /api/uploads")), 120, 1_000, 5_000, None, database=False),
    Look("websocket", "health", "websocket", _steps(("echo", "GET /ws")), 18, 500, 5_000, 101, database=False),
)
#: Looked at from outside, as users do.
TESTS: Final = (
    Look("api-health", "http", "api", _steps(("health", "GET /api/health")), 12, 800, database=False),
    Look("signup", "journey", "api", _steps(("signup", "POST /api/auth/signup"), _LOGIN), 480, 2_000, status=201),
    Look("login", "journey", "api", _steps(_LOGIN, ("dashboard", "GET /api/dashboard")), 340, 1_500),
    Look(
        "pitch-creation", "journey", "api",
        _steps(_LOGIN, ("create", "POST /api/pitches"), ("read", "GET /api/pitches/:id")), 470, 2_000, status=201,
    ),
    Look(
        "nda", "journey", "api",
        _steps(_LOGIN, ("request", "POST /api/ndas/:id/request"), ("sign", "POST /api/ndas/:id/sign")), 590, 2_500,
    ),
    Look(
        "investment", "journey", "api",
        _steps(_LOGIN, ("invest", "POST /api/investments"), ("pay", "POST /api/payments")), 1_150, 4_000, status=201,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Spot:
    """Where tests run: milliseconds to look up the name, to connect, to shake hands; and which edge locations answer
    there, so whose outage is felt."""

    name: str
    dns_ms: float
    connect_ms: float
    tls_ms: float
    places: frozenset[str]


LOCAL: Final = Spot("local", 0.3, 0.4, 0.0, frozenset())
SPOTS: Final = (
    Spot("fra", 4, 6, 14, frozenset({"LHR", "FRA", "CDG"})),
    Spot("iad", 5, 9, 20, frozenset({"IAD", "SJC", "YYZ", "GRU"})),
    Spot("sin", 9, 17, 38, frozenset({"BOM", "SIN", "NRT", "SYD"})),
)
