"""The series that health checks and tests write, from the results that the simulated ones gave.

A result stands until the next one comes, five minutes later; samples are two minutes apart, within the five minutes
for which a sample speaks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.demo import plan
from pitchey_slo.demo.gauges import Values, batch
from pitchey_slo.demo.incidents import MINUTE
from pitchey_slo.demo.looks import LOCAL
from pitchey_slo.demo.probes import FAILURES, Run, runs
from pitchey_slo.series import STALE, SampleBatch

#: Minutes between two samples of one series.
EVERY: Final = 2
#: state -> what `pitchey_health_state` says (healthy, degraded, unhealthy); unknown says nothing.
_SAID: Final = np.array([2.0, 1.0, 0.0, np.nan])


def probe_gauges(*, seed: int = 7, days: int = 30, end: datetime) -> SampleBatch:
    """Samples of the probes' series (names.PROBE_SERIES) for the history that `simulate` makes from the same
    arguments. The same arguments give the same samples."""
    future = plan.make(seed=seed, days=days, end=end)
    at = np.arange(future.start, future.end, EVERY * MINUTE, dtype=np.int64)
    made: dict[tuple[str, ...], Values] = {}
    failed: dict[str, list[Values]] = {}
    for run in runs(future):
        last = np.searchsorted(run.at, at, side="right") - 1  # -1: nothing yet
        if run.spot is LOCAL:
            made |= _health(run, last)
        else:
            made |= _test(run, last)
            failed.setdefault(run.look.name, []).append(_then((run.state == 2).astype(float), last))
    for test, each in failed.items():
        # down when at least half of the locations fail; nothing is said before all of them have looked
        share = np.mean(np.stack(each), axis=0)
        made["pitchey_synthetic_up", "test", test] = np.where(np.isnan(share), np.nan, share < 0.5)
    return batch(made, at)


def _then(values: Values, last: NDArray[np.int64]) -> Values:
    """Each value until the next one; NaN before the first."""
    found: Values = np.where(last >= 0, values[last], np.nan)
    return found


def _health(run: Run, last: NDArray[np.int64]) -> dict[tuple[str, ...], Values]:
    name = run.look.component
    pairs = ("component", name, "test", run.look.name, "location", run.spot.name)
    found: dict[tuple[str, ...], Values] = {
        ("pitchey_health_state", *pairs): _then(_SAID[run.state], last),
        ("pitchey_health_latency_seconds", *pairs): _then(np.round(run.duration / 1_000, 5), last),
    }
    up = (run.state < 2).astype(float)
    if name == "database":
        found["pitchey_db_up", "instance", "primary", "location", run.spot.name] = _then(up, last)
    if name == "worker":
        found["pitchey_worker_up", "worker", "pitchey", "location", run.spot.name] = _then(up, last)
    return found


def _test(run: Run, last: NDArray[np.int64]) -> dict[tuple[str, ...], Values]:
    pairs = ("test", run.look.name, "location", run.spot.name)
    failed = run.state == 2
    found: dict[tuple[str, ...], Values] = {
        ("pitchey_synthetic_success", *pairs): _then((~failed).astype(float), last),
        ("pitchey_synthetic_duration_seconds", *pairs, "phase", "total"): _then(
            np.round(run.duration / 1_000, 4), last
        ),
        ("pitchey_synthetic_cert_days", *pairs): _then(run.cert_days, last),
    }
    row = _in_a_row(failed)
    for number in np.unique(run.failure[failed]):
        why = np.where(failed & (run.failure == number), row, np.nan)
        key = ("pitchey_synthetic_consecutive_failures", *pairs, "reason", str(FAILURES[number]))
        found[key] = _ended(_then(why, last))
    return found


def _ended(values: Values) -> Values:
    """With the marker that ends a series where it has no value any more."""
    gone = np.isnan(values)
    gone[1:] &= ~np.isnan(values[:-1])
    gone[:1] = False
    return np.where(gone, STALE, values)


def _in_a_row(failed: NDArray[np.bool_]) -> Values:
    """How many failures there have been since the last look that passed."""
    count = np.arange(1, len(failed) + 1)
    passed = np.maximum.accumulate(np.where(failed, 0, count))
    found: Values = (count - passed).astype(float)
    return found
