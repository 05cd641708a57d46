"""How each request is answered: status, cache, duration, bytes; the `requests` table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.demo.incidents import Trouble
from pitchey_slo.demo.latency import durations
from pitchey_slo.demo.people import People
from pitchey_slo.demo.places import PLACES
from pitchey_slo.demo.routes import NUMBER, ROUTES
from pitchey_slo.demo.text import counter, hexadecimal, pick, same
from pitchey_slo.demo.traffic import Arrivals
from pitchey_slo.tables import REQUESTS

_SERVER = np.array([r.server_errors for r in ROUTES], dtype=np.float32)
_CLIENT = np.array([r.client_errors for r in ROUTES], dtype=np.float32)
_OK = np.array([r.ok for r in ROUTES], dtype=np.int16)
_SERVER_CODES = np.array([500, 500, 502, 503, 504], dtype=np.int16)
_CLIENT_CODES = np.array([[r.client_codes[i % len(r.client_codes)] for i in range(12)] for r in ROUTES], dtype=np.int16)
_HITS = np.array([r.hits or 0.0 for r in ROUTES], dtype=np.float32)
_CACHED = np.array([r.hits is not None for r in ROUTES])
_SAMPLED = np.array([r.sampled for r in ROUTES], dtype=np.float64)
_BYTES = np.array([r.kilobytes * 1_000 for r in ROUTES], dtype=np.float32)
_NO_DURATION = np.array([r.median_ms is None for r in ROUTES])
_PATTERNS = [r.pattern for r in ROUTES]
_METHODS = [r.method for r in ROUTES]
_STRANGER_TO_COME = np.array([r.pattern == "/api/auth/signup" for r in ROUTES])
_UPLOAD = NUMBER["POST /api/uploads"]
#: Part of the uploads whose sender goes away before the answer: status 0.
GONE = 0.004
CACHE = ("HIT", "MISS", "EXPIRED", "DYNAMIC")


def serve(
    rng: np.random.Generator,
    arrivals: Arrivals,
    troubles: Sequence[Trouble],
    people: People,
    *,
    source: str,
    prefix: str,
    first: int,
) -> pa.Table:
    """Answer `arrivals` under `troubles`: rows of exactly `REQUESTS.schema`, event ids counting up from `first`."""
    at, place, route = arrivals.at, arrivals.place, arrivals.route
    rows = len(at)
    cache = _cache(rng, route)
    status = _status(rng, route)
    slower = np.ones(rows, dtype=np.float32)
    for trouble in troubles:
        _suffer(rng, trouble, arrivals, cache, status, slower)
    failed = status >= 400
    cache[failed & (cache < 3)] = 1
    took = durations(rng, route, place, cache == 0, slower, status)
    size = _BYTES[route] * np.exp(rng.standard_normal(rows, dtype=np.float32) * np.float32(0.5))
    size = np.where(failed, 180, size).astype(np.int64)
    size[status == 0] = 0
    sat = people.seated(at, place, arrivals.seat, arrivals.investor)
    columns = {
        "ts": pa.array(at).cast(REQUESTS.column("ts").type),
        "route": pick(_PATTERNS, route),
        "method": pick(_METHODS, route),
        "status": pa.array(status),
        "duration_ms": pa.array(took, mask=_NO_DURATION[route]),
        "location": pick([p.code for p in PLACES], place),
        "user_hash": _users(rng, people, sat, arrivals),
        "trace_id": hexadecimal(rng, rows, 32),
        "cache_status": pick(CACHE, cache),
        "bytes": pa.array(size),
        "sample_interval": pa.array(_SAMPLED[route]),
        "source": same(source, rows),
        "event_id": counter(prefix, first, rows),
    }
    return pa.table([columns[name] for name in REQUESTS.names], schema=REQUESTS.schema)


def _cache(rng: np.random.Generator, route: NDArray[np.int8]) -> NDArray[np.int8]:
    """Numbers in CACHE."""
    u = rng.random(len(route), dtype=np.float32)
    hits = _HITS[route]
    missed = np.where(u < hits + (1 - hits) * np.float32(0.8), 1, 2)
    return np.where(_CACHED[route], np.where(u < hits, 0, missed), 3).astype(np.int8)


def _status(rng: np.random.Generator, route: NDArray[np.int8]) -> NDArray[np.int16]:
    """Status codes of a good day."""
    u = rng.random(len(route))
    status = _OK[route]
    server = np.flatnonzero(u < _SERVER[route])
    status[server] = rng.choice(_SERVER_CODES, len(server))
    client = np.flatnonzero(u >= 1 - _CLIENT[route])
    status[client] = _CLIENT_CODES[route[client], rng.integers(0, 12, len(client))]
    uploads = np.flatnonzero(route == _UPLOAD)
    status[uploads[rng.random(len(uploads)) < GONE]] = 0
    return status


def _suffer(
    rng: np.random.Generator,
    trouble: Trouble,
    arrivals: Arrivals,
    cache: NDArray[np.int8],
    status: NDArray[np.int16],
    slower: NDArray[np.float32],
) -> None:
    """Let `trouble` change `status` and `slower` of the rows it reaches. Cached answers are spared unless the edge
    itself fails."""
    a, b = np.searchsorted(arrivals.at, [trouble.start, trouble.end])
    if a == b:
        return
    reached = np.isin(arrivals.route[a:b], trouble.routes)
    if trouble.location is not None:
        reached &= arrivals.place[a:b] == [p.code for p in PLACES].index(trouble.location)
    if not trouble.edge:
        reached &= cache[a:b] != 0
    rows = a + np.flatnonzero(reached)
    force = trouble.strength(arrivals.at[rows])
    slower[rows] *= (1 + force * (trouble.slower - 1)).astype(np.float32)
    hit = rows[rng.random(len(rows)) < trouble.failing(force)]
    if len(hit):
        status[hit] = rng.choice(np.array(trouble.codes, dtype=np.int16), len(hit))


def _users(rng: np.random.Generator, people: People, sat: NDArray[np.int64], arrivals: Arrivals) -> pa.Array:
    """The hash of who sat there; nobody for strangers, somebody never seen before for a signup."""
    fresh = np.flatnonzero(_STRANGER_TO_COME[arrivals.route])
    words = pa.concat_arrays([people.hashes, hexadecimal(rng, len(fresh), 16)])
    numbers = sat.copy()
    numbers[fresh] = len(people.hashes) + np.arange(len(fresh))
    known = arrivals.known.copy()
    known[fresh] = True
    return pick(words, numbers, ~known)
