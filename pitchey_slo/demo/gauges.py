"""What the simulated platform's parts say of themselves, once a minute: database, cache, workers, sockets, storage.

The pool of the database fills with the traffic and is nearly exhausted while the database is slow; the first slow
database also finds the cache empty, since the migration that caused it flushed it. A worker that leaks connections
leaks memory too: two of the four approach their limit before they are restarted. The rest follows the traffic.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.demo import plan
from pitchey_slo.demo.incidents import MINUTE, Trouble
from pitchey_slo.demo.routes import NUMBER
from pitchey_slo.series import Metadata, SampleBatch, is_stale, labels_of

Values = NDArray[np.float64]

POOL: Final = 100
MEBIBYTE: Final = 1 << 20
CACHE_BYTES: Final = 1_024 * MEBIBYTE
WORKERS: Final = ("api-1", "api-2", "api-3", "api-4")
WORKER_BYTES: Final = 512 * MEBIBYTE
#: Operations of the storage and how long each takes on a good day, seconds.
STORAGE: Final = {"put": 0.085, "get": 0.032, "delete": 0.041}
#: Part of the reads that the cache answers, usually and just after it was emptied.
HIT_RATE: Final = (0.93, 0.35)

METADATA: Final = {
    "pitchey_db_connections_active": Metadata("gauge", "database connections in use"),
    "pitchey_db_connections_max": Metadata("gauge", "database connections there may be"),
    "pitchey_db_query_seconds": Metadata("gauge", "time of a usual query"),
    "pitchey_db_locks_waiting": Metadata("gauge", "queries that wait for a lock"),
    "pitchey_db_replication_lag_seconds": Metadata("gauge", "how far the read replicas are behind"),
    "pitchey_cache_hits_total": Metadata("counter", "reads that the cache answered"),
    "pitchey_cache_misses_total": Metadata("counter", "reads that the cache could not answer"),
    "pitchey_cache_evicted_total": Metadata("counter", "entries the cache threw out for want of room"),
    "pitchey_cache_memory_bytes": Metadata("gauge", "memory the cache uses"),
    "pitchey_cache_memory_max_bytes": Metadata("gauge", "memory the cache may use"),
    "pitchey_websocket_connections": Metadata("gauge", "open WebSocket connections"),
    "pitchey_websocket_messages_total": Metadata("counter", "messages sent to browsers"),
    "pitchey_memory_used_bytes": Metadata("gauge", "memory a process uses"),
    "pitchey_memory_limit_bytes": Metadata("gauge", "memory a process may use"),
    "pitchey_cpu_usage_ratio": Metadata("gauge", "part of its processors a process uses"),
    "pitchey_storage_seconds": Metadata("gauge", "time of a canary's operation on the storage"),
    "pitchey_storage_success": Metadata("gauge", "1 when a canary's operation succeeded, else 0"),
}


def gauges(*, seed: int = 7, days: int = 30, end: datetime) -> SampleBatch:
    """Samples of every name in METADATA for each minute of the history that `simulate` makes from the same arguments,
    the first two series being the pool's. The same arguments give the same samples."""
    future = plan.make(seed=seed, days=days, end=end)
    minutes = np.arange(future.start, future.end, MINUTE, dtype=np.int64)
    busy = future.weights.sum(axis=1)
    made = measured(np.random.default_rng([seed, 6]), minutes, busy / busy.max(), future.troubles)
    return batch(made, minutes)


def batch(made: dict[tuple[str, ...], Values], at: NDArray[np.int64]) -> SampleBatch:
    """Series by (name, label, value, ...) at the times `at` (microseconds) as one delivery."""
    labels = [
        labels_of({"__name__": name, "job": plan.SOURCE, **dict(zip(pairs[::2], pairs[1::2], strict=True))})
        for name, *pairs in made
    ]
    values = np.concatenate(list(made.values()))
    kept = ~np.isnan(values) | is_stale(values)
    metadata = {name: METADATA[name] for name in dict.fromkeys(key[0] for key in made) if name in METADATA}
    return SampleBatch(
        labels,
        np.repeat(np.arange(len(made)), len(at))[kept],
        np.tile(at // 1_000, len(made))[kept],
        values[kept],
        metadata,
    )


def measured(
    rng: np.random.Generator,
    at: NDArray[np.int64],
    busy: Values,
    troubles: Iterable[Trouble],
    step: float = 1.0,
) -> dict[tuple[str, ...], Values]:
    """(name, label, value, ...) -> its value at each time of `at` (microseconds, `step` minutes apart) while traffic is
    `busy` (0 to 1 of its most). Counters begin at nothing."""
    troubles = tuple(troubles)
    rows = len(at)
    slow = _force(at, troubles, "slow_database")
    leak = _force(at, troubles, "slow_leak")  # each worker leaks its own few; the database has enough
    active = 10 + 45 * busy + rng.normal(0, 2, rows)
    stuck = slow > 0
    active[stuck] = POOL - rng.exponential(2, int(stuck.sum()))
    found: dict[tuple[str, ...], Values] = {
        ("pitchey_db_connections_active",): np.clip(np.round(active), 1, POOL),
        ("pitchey_db_connections_max",): np.full(rows, float(POOL)),
        ("pitchey_db_query_seconds",): (0.006 + 0.004 * busy) * (1 + 5 * slow + 2.5 * leak) * _wave(rng, rows, 0.08),
        ("pitchey_db_locks_waiting",): rng.poisson(0.2 + 0.4 * busy + 14 * slow).astype(float),
        ("pitchey_db_replication_lag_seconds",): np.round((0.12 + 1.8 * slow) * _wave(rng, rows, 0.3), 3),
    }
    found |= _cache(rng, at, busy, troubles, step)
    sockets = np.round(40 + 900 * busy * _wave(rng, rows, 0.02))
    found["pitchey_websocket_connections",] = sockets
    found["pitchey_websocket_messages_total",] = np.cumsum(rng.poisson(sockets * 3 * step).astype(float))
    found |= _workers(rng, busy, leak)
    failing = np.maximum(
        np.where(leak > 0.8, 0.3, 0.0), 0.6 * _force(at, troubles, "bad_deployment", "POST /api/uploads")
    )
    for operation, usual in STORAGE.items():
        found["pitchey_storage_seconds", "operation", operation] = usual * _wave(rng, rows, 0.2) * (1 + leak)
        found["pitchey_storage_success", "operation", operation] = (
            (rng.random(rows) >= failing).astype(np.float64) if operation == "put" else np.ones(rows)
        )
    return found


def _wave(rng: np.random.Generator, rows: int, sigma: float) -> Values:
    values: Values = np.exp(rng.normal(0.0, sigma, rows))
    return values


def _force(at: NDArray[np.int64], troubles: Iterable[Trouble], kind: str, route: str | None = None) -> Values:
    """Strength of the troubles of one kind (and one that reaches `route`) at each time."""
    force = np.zeros(len(at))
    for trouble in troubles:
        if trouble.kind == kind and (route is None or NUMBER[route] in trouble.routes):
            a, b = np.searchsorted(at, [trouble.start, trouble.end])
            force[a:b] = np.maximum(force[a:b], trouble.strength(at[a:b]))
    return force


def _cache(
    rng: np.random.Generator, at: NDArray[np.int64], busy: Values, troubles: tuple[Trouble, ...], step: float
) -> dict[tuple[str, ...], Values]:
    """Hits, misses and memory. The first slow database emptied the cache; it fills again within an hour after."""
    usual, emptied = HIT_RATE
    rate = np.full(len(at), usual) + rng.normal(0, 0.008, len(at))
    filled = np.full(len(at), 0.82) + 0.04 * busy
    flush = next((t for t in troubles if t.kind == "slow_database"), None)
    if flush is not None:
        a, b = np.searchsorted(at, [flush.start, flush.end])
        warm = np.clip((at[b:] - flush.end) / (15 * MINUTE), 0, 1)
        rate[a:b] = emptied + rng.normal(0, 0.02, b - a)
        rate[b:] -= (usual - emptied) * (1 - warm) * 0.4
        filled[a:] *= np.clip(0.15 + (at[a:] - flush.start) / (90 * MINUTE), 0, 1)
    reads = rng.poisson(2_400 * (0.1 + busy) * step).astype(float)
    hits = np.round(reads * np.clip(rate, 0, 1))
    return {
        ("pitchey_cache_hits_total",): np.cumsum(hits),
        ("pitchey_cache_misses_total",): np.cumsum(reads - hits),
        ("pitchey_cache_evicted_total",): np.cumsum(rng.poisson(4 * busy * step).astype(float)),
        ("pitchey_cache_memory_bytes",): np.round(CACHE_BYTES * filled),
        ("pitchey_cache_memory_max_bytes",): np.full(len(at), float(CACHE_BYTES)),
    }


def _workers(rng: np.random.Generator, busy: Values, leak: Values) -> dict[tuple[str, ...], Values]:
    found: dict[tuple[str, ...], Values] = {}
    for number, name in enumerate(WORKERS):
        leaks = 0.45 if number < 2 else 0.15
        share = 0.38 + 0.02 * number + 0.14 * busy + leaks * leak + rng.normal(0, 0.006, len(busy))
        used = 0.06 + (0.5 + 0.03 * number) * busy + 0.2 * leak + rng.normal(0, 0.015, len(busy))
        found["pitchey_memory_used_bytes", "instance", name] = np.round(WORKER_BYTES * np.clip(share, 0, 0.99))
        found["pitchey_memory_limit_bytes", "instance", name] = np.full(len(busy), float(WORKER_BYTES))
        found["pitchey_cpu_usage_ratio", "instance", name] = np.clip(used, 0.01, 1.0)
    return found
