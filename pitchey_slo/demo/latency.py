"""How long a request takes: log-normal per route, further away when the database is far, quick when the edge has it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.demo.places import PLACES
from pitchey_slo.demo.routes import ROUTES

_MEDIAN = np.array([r.median_ms or np.nan for r in ROUTES], dtype=np.float32)
_SIGMA = np.array([r.sigma for r in ROUTES], dtype=np.float32)
_AWAY = np.array([[p.away_ms if r.database else 0.0 for p in PLACES] for r in ROUTES], dtype=np.float32)
HIT_FACTOR = 0.12
#: The server gives up on the database after this long and answers 504.
TIMEOUT_MS = 10_000.0


def durations(
    rng: np.random.Generator,
    route: NDArray[np.integer],
    place: NDArray[np.integer],
    hit: NDArray[np.bool_],
    slower: NDArray[np.float32],
    status: NDArray[np.int16],
) -> NDArray[np.float64]:
    """Milliseconds, in steps of 0.01 as a server's timer has them; NaN for routes without a duration."""
    wave = rng.standard_normal(len(route), dtype=np.float32)
    took = _MEDIAN[route] * np.exp(wave * _SIGMA[route])
    took = np.where(hit, took * np.float32(HIT_FACTOR), took + _AWAY[route, place]) * slower
    late = np.flatnonzero(status == 504)
    took[late] = TIMEOUT_MS + np.abs(wave[late]) * 40
    refused = np.flatnonzero((status == 503) | (status == 429))
    took[refused] *= np.float32(0.2)
    steps: NDArray[np.float64] = np.rint(took.astype(np.float64) * 100)
    return steps / 100
