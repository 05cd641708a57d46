"""What was written comes into the store, once, with its weight: late, sampled, refused, limited, begun again."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.collect.analytics_engine import Mark, Pull, refused_told
from pitchey_slo.errors import PullError
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.web.analytics_engine_keep import StoreKeep
from tests.collect.analytics_engine import engine as made
from tests.collect.analytics_engine.conftest import Made, Waits
from tests.collect.analytics_engine.engine import Engine, business, request
from tests.depth import examples

DATASET = "pitchey_metrics"


def ago(**length: float) -> datetime:
    return NOON - timedelta(**length)


def weights(store: Store, table: str = "requests") -> dict[Any, float]:
    """Events per route, or name."""
    key = "route" if table == "requests" else "event"
    found = store.query(f"SELECT {key} AS k, sum(sample_interval) AS n FROM {table} GROUP BY 1").to_pylist()
    return {row["k"]: row["n"] for row in found}


def traffic(start: datetime, seconds: int, per_second: int = 4, **more: Any) -> list[dict[str, Any]]:
    """Requests of two routes, each with an id of its own."""
    return [
        request(
            start + timedelta(seconds=s), f"/r/{i % 2}", duration=float(i), event_id=f"{start:%H%M%S}-{s}-{i}", **more
        )
        for s in range(seconds)
        for i in range(per_second)
    ]


def until(store: Store) -> datetime | None:
    text = store.fact(f"analytics_engine:{DATASET}")
    return Mark.of(text).until if text else None


def test_the_first_pull_takes_everything_up_to_the_last_minutes(local: Engine, store: Store, puller: Made) -> None:
    local.write(*traffic(ago(minutes=40), 30), *traffic(ago(minutes=3), 2, late=-30), *traffic(ago(minutes=1), 5))
    local.write(business(ago(minutes=20), "payment_succeeded", 4_900, currency="EUR", properties='{"plan":"pro"}'))
    local.write(*traffic(ago(hours=3), 5))  # before what the first pull reaches
    pull = puller().pull()
    assert weights(store) == {"/r/0": 64.0, "/r/1": 64.0}
    (event,) = store.query("SELECT event, value, currency, properties, source FROM business_events").to_pylist()
    assert event == {"event": "payment_succeeded", "value": 4_900.0, "currency": "EUR", "properties": '{"plan":"pro"}',
                     "source": "worker"}  # fmt: skip
    assert until(store) == pull.at == ago(minutes=2)
    assert (pull.tables["requests"].read, pull.tables["requests"].stored, pull.share) == (128, 128, 1.0)
    asked = [re.sub(r"'\d{4}[^']*'", "T", sql) for sql in local.asked[:1]]
    assert asked == [
        "SELECT timestamp, _sample_interval, blob2, blob3, blob4, blob5, blob6, blob7, blob8, double1, double2, "
        "double3 "
        "FROM pitchey_metrics WHERE timestamp >= toDateTime(T) AND timestamp < toDateTime(T) AND (blob1 = 'request') "
        "ORDER BY timestamp LIMIT 50001 FORMAT JSON"
    ]


def test_a_second_pull_takes_what_is_new_and_what_came_late(
    local: Engine, store: Store, clock: FixedClock, puller: Made
) -> None:
    local.write(
        *traffic(ago(minutes=10), 10), *(request(ago(minutes=5, seconds=s), "/late", late=300) for s in range(9))
    )
    puller().pull()
    assert "/late" not in weights(store)
    clock.forward(minutes=5)
    local.write(*traffic(NOON - timedelta(minutes=1), 10))
    pull = puller().pull()
    assert weights(store) == {"/r/0": 40.0, "/r/1": 40.0, "/late": 9.0}
    assert (pull.tables["requests"].stored, pull.tables["requests"].duplicates) == (49, 40)
    assert pull.start == ago(minutes=12)
    assert puller().pull().tables["requests"].stored == 0


def test_equal_points_without_ids_are_all_kept_and_none_twice(local: Engine, store: Store, puller: Made) -> None:
    local.write(
        *(request(ago(minutes=7), "/same") for _ in range(5)),
        *(request(ago(minutes=7), "/same", late=400) for _ in range(2)),
    )
    puller(window=60).pull()
    puller(window=900).pull()
    assert weights(store) == {"/same": 5.0}
    local.clock.forward(minutes=5)
    puller(window=120).pull()
    assert weights(store) == {"/same": 7.0}


def test_rows_the_worker_sent_itself_are_the_same_rows(local: Engine, store: Store, puller: Made) -> None:
    store.append("requests", rows(count=2, start=ago(minutes=6, seconds=-0.25), source="worker", event_id=["a", "b"]))
    local.write(*(request(ago(minutes=6, seconds=-i), "/api/pitches", event_id=e) for i, e in enumerate("abc")))
    puller().pull()
    assert weights(store) == {"/api/pitches": 3.0}


def test_what_was_sampled_when_written_counts_with_its_weight(local: Engine, store: Store, puller: Made) -> None:
    local.write(*traffic(ago(minutes=10), 60, 30), *(request(ago(minutes=9), "/rare") for _ in range(3)), most=4)
    pull = puller().pull()
    assert weights(store) == {"/r/0": 900.0, "/r/1": 900.0, "/rare": 3.0}
    assert pull.tables["requests"].read < 600
    assert pull.tables["requests"].weight == 1_803.0


@pytest.mark.parametrize("first", [1, 10])
def test_when_reading_is_sampled_the_first_sample_stays_whole(
    local: Engine, store: Store, puller: Made, first: int
) -> None:
    """Full then a tenth, and a tenth then full: never the sum of both."""
    local.write(*(request(ago(minutes=6, seconds=-i / 10), "/r", event_id=f"e{i}") for i in range(1_000)))
    local.level = lambda _: first
    puller(window=3_600).pull()
    assert weights(store) == {"/r": 1_000.0}
    local.clock.forward(minutes=1)
    local.level = lambda _: 11 - first
    local.write(*(request(ago(minutes=1.9, seconds=-i / 10), "/new", event_id=f"n{i}") for i in range(50)))
    pull = puller(window=3_600).pull()
    assert weights(store) == {"/r": 1_000.0, "/new": 50.0}
    assert pull.tables["requests"].resampled == (0 if first == 1 else 900)
    local.level = lambda _: 1
    puller(window=3_600).pull()
    assert weights(store) == {"/r": 1_000.0, "/new": 50.0}


def test_the_workers_sampled_deliveries_are_not_filled_up(local: Engine, store: Store, puller: Made) -> None:
    """Half of the requests were sent directly, each standing for two; all of them are in Analytics Engine."""
    ids = [f"e{i}" for i in range(100)]
    store.append("requests", rows(count=50, start=ago(minutes=6), step=0, source="worker", event_id=ids[::2],
                                  sample_interval=2.0, route="/r"))  # fmt: skip
    local.write(*(request(ago(minutes=6), "/r", event_id=e) for e in ids))
    assert puller().pull().tables["requests"].resampled == 50
    assert weights(store) == {"/r": 100.0}


def test_windows_shrink_when_an_answer_is_too_big_and_grow_again(local: Engine, store: Store, puller: Made) -> None:
    local.write(*traffic(ago(minutes=55), 60, 20))
    pull = puller(window=900, most_rows=200).pull()
    assert weights(store) == {"/r/0": 600.0, "/r/1": 600.0}
    spans = _spans(local)
    assert min(spans) <= 10
    assert 900 in spans[spans.index(min(spans)) :]
    assert pull.pauses == 0
    # the server's own limit helps just as well
    local.asked.clear()
    local.most_rows = 150
    assert puller(overlap=1_800).pull(since=ago(minutes=56)).tables["requests"].duplicates == 1_200
    assert min(_spans(local)) < 8


def test_one_second_that_is_too_big_is_taken_whole(local: Engine, store: Store, puller: Made) -> None:
    local.write(*traffic(ago(minutes=10), 1, 500))
    puller(most_rows=100).pull()
    assert sum(weights(store).values()) == 500.0
    assert any("LIMIT ALL" in sql for sql in local.asked)


def test_a_second_beyond_all_bytes_is_told(local: Engine, store: Store, puller: Made) -> None:
    local.write(*traffic(ago(minutes=10), 1, 500))
    with pytest.raises(PullError, match="more than 20,000 bytes"):
        puller(api={"limit": 20_000}).pull()
    assert until(store) == ago(minutes=10)  # everything before is safe


def test_a_limit_is_waited_for_as_long_as_it_says(local: Engine, store: Store, puller: Made, waits: Waits) -> None:
    local.write(*traffic(ago(minutes=10), 5))
    local.faults += [made.limited("7"), made.broken(503), made.page(), made.cut, made.shortened]
    pull = puller().pull()
    assert sum(weights(store).values()) == 20.0
    assert (pull.pauses, waits.seconds[0]) == (5, 7.0)
    assert all(a < b for a, b in zip(waits.seconds[1:], waits.seconds[2:], strict=False))


def test_what_does_not_end_is_given_up_for_now_and_gone_on_with(
    local: Engine, store: Store, puller: Made, waits: Waits
) -> None:
    local.write(*traffic(ago(minutes=50), 5), *traffic(ago(minutes=10), 5))
    one = puller()
    local.faults += [made.broken()] * 6
    with pytest.raises(PullError, match="status 500"):
        one.pull()
    assert len(waits.seconds) == 5
    local.faults.clear()
    local.faults.append(made.limited("3600"))
    with pytest.raises(PullError) as caught:
        one.pull()
    assert (caught.value.retry_after, len(waits.seconds)) == (3_600.0, 5)  # an hour is not waited for within a pull
    one.pull()
    assert sum(weights(store).values()) == 40.0


def test_a_wrong_token_is_not_tried_again(local: Engine, store: Store, puller: Made, waits: Waits) -> None:
    local.token = "another"
    with pytest.raises(PullError) as caught:
        puller().pull()
    assert (caught.value.kind, caught.value.transient, len(local.asked), waits.seconds) == ("auth", False, 1, [])


def test_bad_points_are_counted_and_told_without_their_values(local: Engine, store: Store, puller: Made) -> None:
    local.write(
        request(ago(minutes=9), "/ok"), request(ago(minutes=9), "/secret", 1_200), request(ago(minutes=9), "", 200)
    )
    pull = puller().pull()
    assert weights(store) == {"/ok": 1.0}
    assert pull.tables["requests"].refused == {"out_of_range": 1, "missing_field": 1}
    told = refused_told(pull)
    assert told is not None
    assert "1 of requests: out_of_range" in told
    assert "1200" not in told
    assert any("1200" in text for text in pull.tables["requests"].told)


def test_a_dry_run_stores_and_moves_nothing(local: Engine, store: Store, puller: Made) -> None:
    local.write(*traffic(ago(minutes=10), 5))
    pull = puller().pull(dry_run=True)
    assert (pull.tables["requests"].read, pull.tables["requests"].stored) == (20, 0)
    assert (weights(store), until(store)) == ({}, None)


def test_since_reads_again_and_never_moves_the_mark_across_a_gap(
    local: Engine, store: Store, clock: FixedClock, puller: Made
) -> None:
    puller().pull()
    late = [request(ago(minutes=40), "/late", late=3_000)]
    local.write(*late, *traffic(NOON, 5))
    clock.forward(hours=1)
    assert puller().pull(since=NOON + timedelta(minutes=30)).end == NOON + timedelta(minutes=58)
    assert until(store) == ago(minutes=2)  # half an hour was not asked for
    puller().pull()
    assert sum(weights(store).values()) == 20.0
    assert puller().pull(since=ago(hours=1)).tables["requests"].stored == 1
    assert until(store) == NOON + timedelta(minutes=58)
    assert weights(store)["/late"] == 1.0


def test_no_more_than_three_months_are_asked_for(
    local: Engine, store: Store, clock: FixedClock, puller: Made, waits: Waits
) -> None:
    puller().pull()
    waits.stop = True  # after one window
    pull = puller(window=86_400).pull(since=ago(days=200))
    assert pull.start == ago(days=90)
    assert "three months" in str(pull.note)
    clock.forward(days=120)
    pull = puller(window=86_400).pull()
    assert (pull.start, until(store)) == (ago(days=-30), ago(days=-31))
    assert "is lost" in str(pull.note)


def test_days_that_hot_no_longer_has_are_known_from_the_lake(tmp_path: Path, local: Engine, puller: Made) -> None:
    """A tenth was read first; read whole ten days later it stays what it was."""
    local.write(*(request(ago(minutes=6, seconds=-i), "/r", event_id=f"e{i}") for i in range(100)))
    local.level = lambda _: 10
    with fresh_store(tmp_path / "days", clock=local.clock) as store:
        keep = StoreKeep(store, local.clock)
        one = puller()
        one._keep = keep
        one.pull()
        local.clock.forward(days=10)
        store.trim()
        assert weights(store) == {}
        local.level = lambda _: 1
        one.config = replace(one.config, window=86_400)
        one._width = 86_400
        pull = one.pull(since=ago(hours=1))
        assert (pull.tables["requests"].stored, pull.tables["requests"].resampled) == (0, 90)


def test_the_workers_own_rows_are_known_when_only_the_lake_has_them(
    tmp_path: Path, local: Engine, clock: FixedClock, puller: Made
) -> None:
    """With times of their own: milliseconds, and up to a second earlier than Analytics Engine's."""
    local.write(*(request(ago(minutes=15, seconds=-i), "/api/pitches", event_id=f"e{i}") for i in range(10)))
    with fresh_store(tmp_path / "days", clock=clock) as store:
        sent = rows(
            count=10, start=ago(minutes=15, seconds=0.8), source="worker", event_id=[f"e{i}" for i in range(10)]
        )
        store.append("requests", sent)
        clock.forward(days=10)
        store.trim()
        one = puller(window=86_400)
        one._keep = StoreKeep(store, clock)
        pull = one.pull(since=ago(minutes=15))
        assert (pull.tables["requests"].stored, pull.tables["requests"].duplicates) == (0, 10)


def test_a_clock_that_goes_back_asks_for_nothing(local: Engine, store: Store, clock: FixedClock, puller: Made) -> None:
    puller().pull()
    local.asked.clear()
    clock.forward(hours=-3)
    pull = puller().pull()
    assert (pull.questions, pull.start, until(store)) == (0, pull.end, ago(minutes=2))


def test_a_pull_that_is_stopped_is_gone_on_with(local: Engine, store: Store, puller: Made, waits: Waits) -> None:
    local.write(*traffic(ago(minutes=55), 5), *traffic(ago(minutes=10), 5))
    waits.stop = True
    assert puller().pull().stopped
    assert sum(weights(store).values()) == 20.0
    waits.stop = False
    assert not puller().pull().stopped
    assert sum(weights(store).values()) == 40.0


def test_the_marks_edges_stay_few() -> None:
    mark = Mark(NOON, (ago(minutes=5), ago(minutes=1)))
    assert Mark.of(mark.text()) == mark


@pytest.mark.parametrize("seed", range(examples(1)))
def test_whatever_happens_the_store_ends_with_what_was_written(
    local: Engine, store: Store, clock: FixedClock, puller: Made, seed: int
) -> None:
    """Half an hour of points, some late, some equal, some sampled, with faults of every kind, pulled at odd times."""
    chance = random.Random(seed)
    written: dict[str, float] = {}
    end = clock() + timedelta(minutes=30)
    last: Pull | None = None
    while clock() < end:
        points = []
        for _ in range(chance.randrange(0, 60)):
            at = clock() - timedelta(seconds=chance.randrange(0, 60))
            route = f"/r/{chance.randrange(3)}"
            identity = None if chance.random() < 0.5 else f"{seed}-{chance.getrandbits(60)}"
            late = chance.randrange(0, 500) if chance.random() < 0.2 else 0
            points.append(request(at, route, event_id=identity, duration=chance.randrange(3), late=late))
            written[route] = written.get(route, 0.0) + 1
        local.write(*points, most=chance.choice([None, None, 2]))
        clock.forward(seconds=chance.randrange(60, 300))
        faults = [made.limited("1"), made.broken(), made.page(), made.cut, made.shortened, made.fewer, made.broken(413)]
        local.faults += chance.sample(faults, chance.randrange(0, 3))
        last = puller(window=chance.choice([60, 333, 900]), most_rows=chance.choice([20, 1_000])).pull()
    clock.forward(minutes=15)
    local.faults.clear()
    last = puller(overlap=1_800).pull()
    assert last is not None
    assert weights(store) == written


def _spans(local: Engine) -> list[int]:
    """Seconds that each question asked for."""
    found = []
    for sql in local.asked:
        start, end = (datetime.fromisoformat(t) for t in re.findall(r"toDateTime\('([^']*)'\)", sql))
        found.append(int((end - start).total_seconds()))
    return found
