"""What the parts say of themselves follows the incidents: cache, memory, storage."""

from __future__ import annotations

import numpy as np
import pytest

from pitchey_slo.demo import gauges, make_plan
from pitchey_slo.demo.gauges import METADATA, POOL
from tests.demo.conftest import END

PLAN = make_plan(seed=7, days=30, end=END)


@pytest.fixture(scope="module")
def series():
    """name and labels -> (ms, values)."""
    batch = gauges(end=END)
    found = {}
    for n, labels in enumerate(batch.labels):
        mine = batch.series == n
        key = tuple(v for k, v in labels if k != "job")
        found[key] = (batch.ts[mine], batch.value[mine])
    return found


def within(series, trouble, late=0):
    """Values while it lasts, from `late` minutes on."""
    ts, values = series
    return values[(ts >= trouble.start // 1_000 + late * 60_000) & (ts < trouble.end // 1_000)]


def test_every_name_is_described_and_sampled_once_a_minute(series):
    assert {key[0] for key in series} == set(METADATA)
    for ts, values in series.values():
        assert len(ts) == 30 * 1_440
        assert set(np.diff(ts)) == {60_000}
        assert np.isfinite(values).all()
        assert (values >= 0).all()


def test_counters_only_grow(series):
    for (name, *_), (_, values) in series.items():
        if name.endswith("_total"):
            assert (np.diff(values) >= 0).all()


def test_the_cache_answers_nine_of_ten_but_not_when_it_was_emptied(series):
    hits, misses = (series[f"pitchey_cache_{n}_total",] for n in ("hits", "misses"))
    first, second = (t for t in PLAN.troubles if t.kind == "slow_database")

    def rate(trouble):
        h, m = (np.ptp(within(s, trouble)) for s in (hits, misses))
        return h / (h + m)

    assert rate(first) < 0.5
    assert rate(second) > 0.85
    assert hits[1][-1] / (hits[1][-1] + misses[1][-1]) > 0.9


def test_a_leak_takes_memory_until_the_restart(series):
    (leak,) = (t for t in PLAN.troubles if t.kind == "slow_leak")
    limit = series["pitchey_memory_limit_bytes", "api-1"][1][0]
    used = series["pitchey_memory_used_bytes", "api-1"]
    assert within(used, leak)[-10:].mean() > 0.85 * limit
    ts, values = used
    assert values[ts >= leak.end // 1_000][:10].mean() < 0.65 * limit
    outside = values[(ts < leak.start // 1_000) | (ts >= leak.end // 1_000)]
    assert outside.max() < 0.85 * limit


def test_the_pool_is_full_only_while_the_database_is_slow(series):
    ts, active = series["pitchey_db_connections_active",]
    slow = np.zeros(len(ts), dtype=bool)
    for t in (t for t in PLAN.troubles if t.kind == "slow_database"):
        slow |= (ts >= t.start // 1_000) & (ts < t.end // 1_000)
    assert active[slow].mean() > 0.9 * POOL
    assert active[~slow].max() < 0.75 * POOL


def test_the_storage_refuses_only_what_is_put_and_only_in_trouble(series):
    for operation in ("get", "delete"):
        assert set(series["pitchey_storage_success", operation][1]) == {1.0}
    ts, put = series["pitchey_storage_success", "put"]
    refused = ts[put == 0]
    spans = [t for t in PLAN.troubles if t.kind in ("bad_deployment", "slow_leak")]
    assert len(refused) > 10
    assert all(any(t.start <= 1_000 * at < t.end for t in spans) for at in refused.tolist())
