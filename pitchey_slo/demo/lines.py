"""Log lines of the simulated Pitchey: the `logs` table.

Each line belongs to one request and shares its time, route, user and trace: an info line for one request in 16 (and it
stands for 16), a warning for slow ones, an error for each that fails, in the words of what went wrong at that time.
Deployments and a pool that runs full say so themselves. No line holds anything personal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pitchey_slo.demo.incidents import DOOR, MINUTE, NDAS, Trouble
from pitchey_slo.demo.plan import SOURCE, Deployment
from pitchey_slo.demo.text import counter, hexadecimal, pick, same
from pitchey_slo.tables import LOGS

#: One request in so many has an info line.
SAMPLED: Final = 16
#: Slower than this is a warning, milliseconds; uploads take their time.
SLOW_MS: Final = 2_000.0


@dataclass(frozen=True)
class Line:
    """What a line says: `logger`, `error_type` and words; `fingerprint` is the same for all lines of one saying."""

    logger: str
    message: str
    error_type: str | None = None
    level: str = "error"

    @property
    def fingerprint(self) -> str:
        return hashlib.blake2b(f"{self.logger}:{self.message}".encode(), digest_size=8).hexdigest()


_STACK_PITCH: Final = """TypeError: Cannot read properties of undefined (reading 'genre')
    at validatePitch (src/pitches/validate.ts:88:21)
    at createPitch (src/pitches/create.ts:41:9)
    at async handle (src/router.ts:130:14)"""
_STACK_NDA: Final = """TemplateError: unknown clause "territory" in template v2
    at render (src/ndas/template.ts:57:11)
    at signNda (src/ndas/sign.ts:33:20)
    at async handle (src/router.ts:130:14)"""

_POOL: Final = Line("database", "no connection within 5000 ms: the pool of 100 is exhausted", "PoolExhausted")
_LEAK: Final = Line("database", "no connection within 5000 ms: this worker holds all of its 16", "PoolExhausted")
_TIMEOUT: Final = Line("database", "the query did not end within 10000 ms and was cancelled", "QueryTimeout")
_SLOW: Final = Line("http", "slow answer", "SlowRequest", "warning")
_GONE: Final = Line("uploads", "the sender went away before the upload was complete", "ClientGone", "warning")
#: What a failure says on a day without trouble, by status.
_USUAL: Final = {
    500: Line("http", "unhandled: deadlock detected, the transaction was rolled back", "DeadlockDetected"),
    502: Line("http", "the upstream answered 502", "BadGateway"),
    503: Line("http", "no worker was free", "Overloaded"),
    504: _TIMEOUT,
}
_MONEY: Final = Line("payments", "the payment provider answered 502", "ProviderUnavailable")


def said(trouble: Trouble, status: int, odd: bool) -> Line:
    """The error line of a request that fails with `status` because of `trouble`; `odd` picks the rarer of two."""
    if trouble.kind == "slow_database":
        return _POOL if odd else _TIMEOUT
    if trouble.kind == "regional_outage":
        text = f"no answer from the origin for {trouble.location}: {'connection refused' if odd else 'timed out'}"
        return Line("edge", text, "OriginUnreachable")
    if trouble.kind == "bad_deployment":
        if status == 502:
            return Line("http", "the worker ended while it answered: 502", "WorkerCrashed")
        return Line("http", _STACK_NDA if trouble.routes == NDAS else _STACK_PITCH,
                    "TemplateError" if trouble.routes == NDAS else "TypeError")  # fmt: skip
    if trouble.kind == "slow_leak":
        return _LEAK
    if trouble.kind == "error_burst":
        if trouble.routes == DOOR:
            return Line("sessions", "the session store refused the write: read only", "ReadOnlyStore")
        return Line("database", "the read replica refused the connection: password missing", "ReplicaRefused")
    if trouble.kind == "flapping" and trouble.errors > 0.5:
        return _MONEY
    return Line("search", "search node 2 of 3 does not answer", "SearchNodeDown")


def lines(
    rng: np.random.Generator,
    requests: pa.Table,
    route: NDArray[np.int8],
    troubles: Sequence[Trouble],
    *,
    slow_from: float = SLOW_MS,
) -> pa.Table:
    """The lines of `requests` (with the numbers of their routes): rows of `LOGS.schema` in the order of time."""
    status = requests["status"].to_numpy()
    took = requests["duration_ms"].to_numpy()
    at = requests["ts"].cast(pa.int64()).to_numpy()
    count = len(status)
    failed = status >= 500
    slow = ~failed & (np.nan_to_num(took) > slow_from)
    chosen = failed | slow | (status == 0) | (rng.random(count) < 1 / SAMPLED)
    rows = np.flatnonzero(chosen)
    book: list[Line] = [Line("http", "", None, "info"), _SLOW, _GONE, *_USUAL.values()]
    which = np.zeros(count, dtype=np.int16)
    which[slow] = 1
    which[status == 0] = 2
    for i, code in enumerate(_USUAL):
        which[failed & (status == code)] = 3 + i
    odd = rng.random(count) < 0.3
    for trouble in (t for t in troubles if t.codes):
        _explain(trouble, at, route, requests["location"], status, odd, which, book)
    return _table(rng, requests, rows, which[rows], book)


def _explain(
    trouble: Trouble,
    at: NDArray[np.int64],
    route: NDArray[np.int8],
    location: pa.ChunkedArray,
    status: NDArray[np.int16],
    odd: NDArray[np.bool_],
    which: NDArray[np.int16],
    book: list[Line],
) -> None:
    """Give the failures that `trouble` explains their line."""
    a, b = np.searchsorted(at, [trouble.start, trouble.end])
    if a == b:
        return
    mine = (status[a:b] >= 500) & np.isin(route[a:b], trouble.routes) & np.isin(status[a:b], trouble.codes)
    if trouble.location is not None:
        mine &= pc.equal(location.slice(a, b - a), trouble.location).to_numpy()
    for code in np.unique(status[a:b][mine]):
        for rare in (False, True):
            hit = a + np.flatnonzero(mine & (status[a:b] == code) & (odd[a:b] == rare))
            if len(hit):
                which[hit] = len(book)
                book.append(said(trouble, int(code), rare))


def _table(
    rng: np.random.Generator, requests: pa.Table, rows: NDArray[np.int64], which: NDArray[np.int16], book: list[Line]
) -> pa.Table:
    index = pa.array(rows)
    kept = {
        name: requests[name].take(index).combine_chunks()
        for name in ("ts", "route", "method", "status", "duration_ms", "location", "user_hash", "trace_id", "event_id")
    }
    info = which == 0
    took = kept["duration_ms"].cast(pa.float32()).cast(pa.string()).fill_null("?")
    answer = pc.binary_join_element_wise(
        kept["method"], kept["route"], kept["status"].cast(pa.string()), "in", took, "ms", " "
    )
    alone = pick([line.message for line in book], which)
    spoken = pc.binary_join_element_wise(alone, answer, ": ")
    stacked = np.array(["\n" in line.message for line in book])[which]  # a stack is not followed by the request
    message = pc.if_else(pa.array(info), answer, pc.if_else(pa.array(stacked), alone, spoken))
    columns = {
        "ts": kept["ts"],
        "level": pick([line.level for line in book], which),
        "service": pick(["edge" if line.logger == "edge" else "api" for line in book], which),
        "message": message,
        "logger": pick([line.logger for line in book], which),
        "route": kept["route"],
        "status": kept["status"],
        "duration_ms": kept["duration_ms"],
        "location": kept["location"],
        "user_hash": kept["user_hash"],
        "trace_id": kept["trace_id"],
        "span_id": hexadecimal(rng, len(rows), 16),
        "error_type": pick([line.error_type for line in book], which),
        "fingerprint": pick([line.fingerprint for line in book], which),
        "attributes": pa.nulls(len(rows), pa.string()),
        "sample_interval": pa.array(np.where(info, float(SAMPLED), 1.0)),
        "source": same(SOURCE, len(rows)),
        "event_id": pc.binary_join_element_wise(kept["event_id"], pa.scalar("l"), "-"),
    }
    return pa.table([columns[name] for name in LOGS.names], schema=LOGS.schema)


def own(prefix: str, troubles: Sequence[Trouble], deployments: Sequence[Deployment], start: int, end: int) -> pa.Table:
    """Lines of [start, end) that belong to no request: releases that start, and a pool that runs full once a minute."""
    found = sorted(_own(troubles, deployments, start, end), key=lambda f: f[0])
    if not found:
        return LOGS.schema.empty_table()
    rows = [
        {
            "ts": at,
            "level": line.level,
            "service": "api",
            "message": line.message,
            "logger": line.logger,
            "error_type": line.error_type,
            "fingerprint": line.fingerprint,
            "attributes": json.dumps(more),
            "sample_interval": 1.0,
            "source": SOURCE,
        }
        for at, line, more in found
    ]
    table = pa.Table.from_pylist(
        rows, schema=pa.schema([f if f.name != "ts" else pa.field("ts", pa.int64()) for f in LOGS.schema])
    )
    ids = counter(f"{prefix}own-{start // MINUTE}-", 0, len(rows), digits=5)
    table = table.set_column(LOGS.names.index("event_id"), "event_id", ids)
    return pa.table([table[name] for name in LOGS.names], names=LOGS.names).cast(LOGS.schema)


def _own(
    troubles: Sequence[Trouble], deployments: Sequence[Deployment], start: int, end: int
) -> Iterator[tuple[int, Line, dict[str, object]]]:
    for made in deployments:
        if start <= made.at < end:
            yield (
                made.at,
                Line("start", f"{made.version} starts: {made.description}", None, "info"),
                {"version": made.version},
            )
    for trouble in troubles:
        if trouble.kind != "slow_database":
            continue
        for minute in range(-(-max(trouble.start, start) // MINUTE), -(-min(trouble.end, end) // MINUTE)):
            used = 96 + minute % 5
            text = f"{used} of 100 connections are in use, requests wait"
            yield minute * MINUTE, Line("database", text, "PoolNearlyFull", "warning"), {"active": used, "max": 100}
