from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pitchey_slo.demo import LiveGauges, live, simulate, upcoming
from pitchey_slo.demo.plan import moment
from pitchey_slo.demo.traffic import usual
from pitchey_slo.errors import ConfigError
from pitchey_slo.tables import TABLES

START = datetime(2026, 11, 23, 12, 0, 3, 250_000, tzinfo=UTC)


def batches(steps, rate=200.0, seed=7):
    """What comes when the clock shows START plus each of `steps` seconds."""
    times = iter([START + timedelta(seconds=s) for s in steps])
    source = live(seed=seed, rate=rate, start=START, clock=lambda: next(times))
    return [next(source) for _ in steps]


def test_exactly_rate_times_seconds_rows_come_however_the_clock_steps():
    for steps in ([10.0], [0.5, 1.0, 10.0], [0.001 * i for i in range(1, 10_001, 37)] + [10.0]):
        assert sum(len(b["requests"]) for b in batches(steps)) == 2_000


def test_rows_lie_between_the_last_look_and_this_one_in_order():
    steps = [0.5, 1.0, 4.0]
    last = START
    for step, batch in zip(steps, batches(steps), strict=True):
        times = batch["requests"]["ts"].to_pylist()
        assert times == sorted(times)
        assert last <= times[0]
        assert times[-1] < START + timedelta(seconds=step)
        last = START + timedelta(seconds=step)


def test_too_soon_or_a_clock_gone_back_gives_empty_tables_with_the_schema():
    for batch in batches([0.001, -5.0]):
        assert {name: len(rows) for name, rows in batch.items()} == {"requests": 0, "business_events": 0, "logs": 0}
        for name, rows in batch.items():
            assert rows.schema.equals(TABLES[name].schema)


def test_ids_are_unique_and_the_same_clock_gives_the_same_rows():
    steps = [1.0, 2.0, 3.0, 60.0]
    one, two = (pa.concat_tables([b["requests"] for b in batches(steps)]) for _ in range(2))
    assert one.equals(two)
    assert len(set(one["event_id"].to_pylist())) == len(one) == 12_000
    assert not one.equals(pa.concat_tables([b["requests"] for b in batches(steps, seed=8)]))


def test_business_events_belong_to_requests_of_the_same_batch():
    for batch in batches([5.0, 20.0]):
        traces = set(batch["requests"]["trace_id"].to_pylist())
        assert set(batch["business_events"]["trace_id"].to_pylist()) <= traces
        assert len(batch["business_events"])


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_sends_nothing_is_refused(rate):
    with pytest.raises(ConfigError, match="above 0"):
        live(rate=rate, start=START, clock=lambda: START)


def test_log_lines_belong_to_requests_of_the_same_batch():
    (batch,) = batches([120.0])
    assert set(batch["logs"]["trace_id"].to_pylist()) <= set(batch["requests"]["trace_id"].to_pylist())
    assert len(batch["requests"]) / 20 < len(batch["logs"]) < len(batch["requests"]) / 8


def test_gauges_come_every_fifteen_seconds_and_counters_grow():
    troubles = [t for t, _ in zip(upcoming(7, START), range(60), strict=False) if t.kind == "slow_database"][:1]
    begin = moment(troubles[0].start)
    gauges = LiveGauges(7, begin - timedelta(seconds=60), troubles)
    found = [gauges.since(begin + timedelta(seconds=5 * i)) for i in range(-12, 24)]
    taken = [b for b in found if b is not None]
    assert len(taken) == 11
    by_name = [{dict(labels)["__name__"]: v for labels, v in zip(b.labels, b.value, strict=True)} for b in taken]
    hits = [b["pitchey_cache_hits_total"] for b in by_name]
    assert hits == sorted(hits)
    assert hits[-1] > hits[0] > 0
    active = [b["pitchey_db_connections_active"] for b in by_name]
    assert max(active[:3]) < 75
    assert min(active[4:]) > 85


def test_live_traffic_is_as_dense_as_the_history_at_that_hour():
    """The same hour of the week, counted in a simulated history without its surges and incidents' losses."""
    requests, days = 200_000, 14
    end = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
    at = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
    parts = [t for name, t in simulate(seed=7, days=days, end=end, requests=requests) if name == "requests"]
    ts = np.concatenate([t["ts"].cast(pa.int64()).to_numpy() for t in parts]) / 1e6
    counts = [((ts >= a) & (ts < a + 3600)).sum() for a in (at.timestamp(), at.timestamp() - 7 * 86_400)]
    expected = np.mean([usual(requests, days, at + timedelta(minutes=m)) for m in range(60)]) * 3600
    assert np.mean(counts) == pytest.approx(expected, rel=0.35)
    night = usual(requests, days, datetime(2026, 11, 18, 3, tzinfo=UTC))
    assert night < usual(requests, days, datetime(2026, 11, 18, 18, tzinfo=UTC))
