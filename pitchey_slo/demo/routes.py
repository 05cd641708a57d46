"""What Pitchey serves: each route with its share of the traffic and how it behaves on a good day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["any", "creator", "investor", "nobody"]


@dataclass(frozen=True)
class Route:
    """One route. `share` is its part of the rows (all shares are scaled to sum 1), `median_ms` and `sigma` its
    log-normal latency, `server_errors` and `client_errors` the chance of a 5xx and a 4xx on a good day, `hits` the
    chance that the edge cache answers (None: never cached), `sampled` how many requests one row stands for, `role`
    who calls it."""

    method: str
    pattern: str
    share: float
    median_ms: float | None
    sigma: float
    kilobytes: float
    server_errors: float = 0.0002
    client_errors: float = 0.01
    client_codes: tuple[int, ...] = (400, 404)
    ok: int = 200
    database: bool = True
    hits: float | None = None
    sampled: int = 1
    role: Role = "any"

    @property
    def api(self) -> bool:
        return self.pattern.startswith("/api/")


ROUTES: Final = (
    Route("GET", "/", 0.06, 45, 0.5, 18, 0.0001, 0.0005, database=False, hits=0.85),
    # the high-volume one: a row stands for ten requests, so every count, ratio and quantile has weights to respect
    Route("GET", "/static/:file", 0.10, 12, 0.6, 60, 0.00005, 0.004, (404,), database=False, hits=0.93, sampled=10),
    Route("GET", "/ws", 0.04, None, 0.0, 0, 0.0004, 0.004, (401, 426), ok=101, database=False),
    Route("GET", "/api/health", 0.02, 8, 0.4, 0.2, 0.00005, 0.0, database=False, role="nobody"),
    Route("GET", "/api/pitches", 0.15, 95, 0.55, 24, 0.0003, 0.003, (400,), hits=0.50),
    Route("GET", "/api/pitches/:id", 0.21, 70, 0.55, 14, 0.0004, 0.012, (404, 404, 403), hits=0.40),
    Route("GET", "/api/search", 0.10, 170, 0.62, 16, 0.0002, 0.006, (400, 429)),
    Route("GET", "/api/dashboard", 0.09, 150, 0.58, 20, 0.0002, 0.008, (401,)),
    Route("GET", "/api/notifications", 0.13, 35, 0.55, 3, 0.0003, 0.008, (401,)),
    Route("GET", "/api/investments", 0.022, 120, 0.55, 9, 0.0002, 0.006, (401, 403), role="investor"),
    Route("POST", "/api/auth/login", 0.018, 190, 0.40, 1.2, 0.0003, 0.09, (401, 401, 401, 429)),
    Route("POST", "/api/auth/signup", 0.004, 240, 0.45, 1.4, 0.0007, 0.07, (400, 409, 422), ok=201),
    Route("POST", "/api/pitches", 0.006, 210, 0.50, 3, 0.0005, 0.04, (400, 422), ok=201, role="creator"),
    Route("PUT", "/api/pitches/:id", 0.013, 180, 0.50, 3, 0.0004, 0.03, (403, 409, 422), role="creator"),
    Route("POST", "/api/uploads", 0.009, 900, 0.70, 0.8, 0.0008, 0.03, (413, 415), ok=201, role="creator"),
    Route("POST", "/api/ndas/:id/request", 0.0075, 160, 0.45, 1.5, 0.0004, 0.03, (403, 409), 201, role="investor"),
    Route("POST", "/api/ndas/:id/sign", 0.0048, 230, 0.45, 2.5, 0.0005, 0.02, (403, 409), role="investor"),
    Route("POST", "/api/investments", 0.0016, 320, 0.50, 2.0, 0.0005, 0.03, (400, 422), ok=201, role="investor"),
    Route("POST", "/api/payments", 0.0030, 620, 0.45, 1.6, 0.0048, 0.045, (402, 402, 402, 400)),
    # strangers knocking: always 404
    Route("GET", "/wp-login.php", 0.002, 6, 0.4, 0.5, 0.0, 1.0, (404,), database=False, role="nobody"),
)

NUMBER: Final = {f"{r.method} {r.pattern}": i for i, r in enumerate(ROUTES)}
"""`"POST /api/payments"` -> its number in ROUTES."""
