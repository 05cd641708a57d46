"""What the simulated database says of itself: connections in use, out of a pool of fixed size, once a minute.

In use are as many as the traffic of that minute asks for, and nearly all while the database is slow: requests then wait
for each other. The source document's fourth query divides the two."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np

from pitchey_slo.demo import plan
from pitchey_slo.demo.incidents import MINUTE
from pitchey_slo.series import Metadata, SampleBatch, labels_of

POOL: Final = 100
METADATA: Final = {
    "pitchey_db_connections_active": Metadata("gauge", "database connections in use"),
    "pitchey_db_connections_max": Metadata("gauge", "database connections there may be"),
}


def gauges(*, seed: int = 7, days: int = 30, end: datetime) -> SampleBatch:
    """Samples of `pitchey_db_connections_active` and `_max` for each minute of the history that `simulate` makes from
    the same arguments. The same arguments give the same samples."""
    future = plan.make(seed=seed, days=days, end=end)
    minutes = np.arange(future.start, future.end, MINUTE, dtype=np.int64)
    busy = future.weights.sum(axis=1)
    rng = np.random.default_rng([seed, 6])
    active = 10 + 45 * busy / busy.max() + rng.normal(0, 2, len(minutes))
    for incident in plan.incidents(future).to_pylist():
        if incident["kind"] == "slow_database":
            start, stop = (plan.microseconds(incident[edge]) for edge in ("started_at", "ended_at"))
            slow = (minutes >= start) & (minutes < stop)
            active[slow] = POOL - rng.exponential(2, int(slow.sum()))
    values = np.clip(np.round(active), 1, POOL)
    names = [labels_of({"__name__": name, "job": plan.SOURCE}) for name in METADATA]
    return SampleBatch(
        names,
        np.repeat(np.arange(2), len(minutes)),
        np.tile(minutes // 1_000, 2),
        np.concatenate([values, np.full(len(minutes), float(POOL))]),
        METADATA,
    )
