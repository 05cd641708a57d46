"""A month of Pitchey as tables, chunk by chunk in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.demo import business, lines, plan, traffic
from pitchey_slo.demo.answers import serve
from pitchey_slo.demo.incidents import MINUTE
from pitchey_slo.demo.people import People
from pitchey_slo.demo.probes import probes
from pitchey_slo.errors import ConfigError

CHUNK_ROWS = 250_000


def simulate(
    *, seed: int = 7, days: int = 30, end: datetime, requests: int = 3_000_000
) -> Iterator[tuple[str, pa.Table]]:
    """`(table name, rows)` for the `days` days before `end` (cut to the whole minute, aware): first the registers
    `deployments` and `incidents` and the results of checks, `probes`; then by turns `requests` (about 250,000 rows),
    the `business_events` they caused and the `logs` about them.

    Rows conform to `tables.TABLES[name].schema`; exactly `requests` rows of that table come. The same arguments give
    the same bytes. Raises ConfigError for a naive `end`, fewer than 1 day or fewer than 1 request.
    """
    if requests < 1:
        raise ConfigError(f"{requests} requests", key="requests", hint="at least 1")
    future = plan.make(seed=seed, days=days, end=end)
    return _run(future, requests)


def _run(future: plan.Plan, requests: int) -> Iterator[tuple[str, pa.Table]]:
    yield "deployments", plan.deployments(future)
    yield "incidents", plan.incidents(future)
    yield from (("probes", rows) for rows in _pieces(probes(future)))
    people = population(future.seed, requests)
    drawn = traffic.counts(future, requests)
    per_minute = drawn.sum(axis=1)
    before = np.concatenate([[0], np.cumsum(per_minute)])
    troubles = (*future.troubles, *future.batches)
    for number, (a, b) in enumerate(_chunks(before)):
        # each chunk has its own stream of chance: what came before does not matter
        rng = np.random.default_rng([future.seed, 4, number])
        arrivals = traffic.arrive(rng, future.start + a * MINUTE, MINUTE, drawn[a:b], future.surges)
        arrivals = traffic.divert(np.random.default_rng([future.seed, 9, number]), arrivals, future.troubles)
        rows = serve(
            rng,
            arrivals,
            troubles,
            people,
            source=plan.SOURCE,
            prefix=f"{future.prefix}-{requests}-",
            first=int(before[a]),
        )
        yield "requests", rows
        yield "business_events", business.events(rng, rows, arrivals.route, arrivals.place)
        spoken = np.random.default_rng([future.seed, 12, number])
        told = lines.lines(spoken, rows, arrivals.route, troubles)
        span = future.start + a * MINUTE, future.start + b * MINUTE
        yield "logs", merge(told, lines.own(f"{future.prefix}-{requests}-", troubles, future.deployments, *span))


def merge(one: pa.Table, two: pa.Table) -> pa.Table:
    """Both in the order of time."""
    both = pa.concat_tables([one, two])
    return both.take(pa.array(np.argsort(both["ts"].cast(pa.int64()).to_numpy(), kind="stable"))) if len(two) else one


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    for at in range(0, len(rows), CHUNK_ROWS):
        yield rows.slice(at, CHUNK_ROWS)


def population(seed: int, requests: int) -> People:
    """One person for 150 requests, within reason."""
    return People.make(seed, min(40_000, max(400, requests // 150)))


def _chunks(before: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of minutes with about CHUNK_ROWS rows each; `before[m]` is how many rows come before minute m."""
    total = int(before[-1])
    pieces = max(1, round(total / CHUNK_ROWS))
    cuts = np.searchsorted(before, np.linspace(0, total, pieces + 1)[1:-1])
    edges = sorted({0, *(int(c) for c in cuts), len(before) - 1})
    return list(pairwise(edges))
