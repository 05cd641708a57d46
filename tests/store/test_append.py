"""What a receipt promises: stored once, in hot at once, in the lake after a flush."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import StoreBusy, StoreError, StoreLocked
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store, lay_out, rows
from tests.depth import examples


def count(store: Store, table: str = "requests") -> int:
    return int(store.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def lake_count(store: Store, table: str = "requests") -> int:
    reader = LakeReader(store.settings.lake_uri)
    return int(reader.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def ids(n: int, start: int = 0) -> list[str]:
    return [f"e{i}" for i in range(start, start + n)]


def test_a_delivery_is_stored_and_numbered(store: Store) -> None:
    receipt = store.append("requests", rows(count=3, event_id=ids(3)))
    assert (receipt.stored, receipt.duplicates) == (3, 0)
    assert store.append("requests", rows(count=1, event_id=["x"])).commit_seq == receipt.commit_seq + 1
    assert count(store) == 4


def test_the_same_delivery_again_stores_nothing(store: Store) -> None:
    batch = rows(count=5, event_id=ids(5))
    store.append("requests", batch)
    again = store.append("requests", batch)
    assert (again.stored, again.duplicates, count(store)) == (0, 5, 5)


def test_repeats_inside_one_delivery_are_stored_once(store: Store) -> None:
    receipt = store.append("requests", rows(count=4, event_id=["a", "b", "a", "a"]))
    assert (receipt.stored, receipt.duplicates) == (2, 2)


def test_the_first_of_two_with_the_same_id_wins_even_with_another_time(store: Store) -> None:
    store.append("requests", rows(event_id=["a"], status=200))
    store.append("requests", rows(event_id=["a"], status=500, start=NOON.replace(hour=13)))
    assert store.query("SELECT status FROM requests")["status"].to_pylist() == [200]


def test_the_same_id_from_another_source_is_another_event(store: Store) -> None:
    store.append("requests", rows(event_id=["a"], source="one"))
    assert store.append("requests", rows(event_id=["a"], source="two")).stored == 1


def test_rows_without_an_event_id_are_always_stored(store: Store) -> None:
    for _ in range(2):
        assert store.append("requests", rows(count=2)).stored == 2
    mixed = rows(count=3, event_id=["a", None, None])
    store.append("requests", mixed)
    assert store.append("requests", mixed).stored == 2
    assert count(store) == 9


def test_an_empty_delivery_is_fine(store: Store) -> None:
    assert store.append("requests", rows(count=0)).stored == 0


def test_rows_of_another_shape_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="expected"):
        store.append("requests", pa.table({"ts": [1]}))


def test_a_register_keeps_the_newest_row_of_an_id(store: Store) -> None:
    store.append("incidents", rows("incidents", 2))
    store.append("incidents", rows("incidents", 1, title="renamed"))
    store.flush()
    for found in (
        store.query("SELECT id, title FROM incidents ORDER BY id"),
        LakeReader(store.settings.lake_uri).query("SELECT id, title FROM incidents ORDER BY id"),
    ):
        assert found.to_pylist() == [
            {"id": "inc-0", "title": "renamed"},
            {"id": "inc-1", "title": "something broke"},
        ]


def test_a_delivery_that_cannot_wait_is_told_to_come_back(tmp_path: Path) -> None:
    with fresh_store(tmp_path, queue_limit=1_000) as store:
        gate = threading.Event()
        held = store._writer.write(lambda _: gate.wait(20))
        store._writer._queued += 2_000  # as if that much were waiting
        with pytest.raises(StoreBusy) as refused:
            store.submit("requests", rows(count=10))
        assert refused.value.transient
        store._writer._queued -= 2_000
        gate.set()
        held.result(20)
        assert store.append("requests", rows(count=10)).stored == 10


def test_one_bad_job_of_a_group_fails_alone(store: Store) -> None:
    gate = threading.Event()
    first = store._writer.write(lambda _: gate.wait(20))
    good = store.submit("requests", rows(event_id=["a"]))
    bad = store._writer.write(lambda c: c.execute("SELECT no_such_column FROM requests"))
    also_good = store.submit("requests", rows(event_id=["b"]))
    gate.set()
    first.result(20)
    assert good.result(20).stored == also_good.result(20).stored == 1
    assert bad.exception(20) is not None
    assert count(store) == 2


def test_many_threads_get_their_own_receipts(store: Store) -> None:
    receipts: dict[int, int] = {}

    def send(k: int) -> None:
        receipts[k] = sum(
            store.append("requests", rows(count=k + 1, event_id=ids(k + 1, start=1_000 * k + 100 * i))).stored
            for i in range(5)
        )

    threads = [threading.Thread(target=send, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert receipts == {k: 5 * (k + 1) for k in range(8)}
    assert count(store) == sum(receipts.values())


def test_only_one_process_owns_a_home(store: Store) -> None:
    with pytest.raises(StoreLocked, match="owns this store"):
        Store.open(store.settings)


def test_reopening_remembers_what_was_seen_and_goes_on_counting(tmp_path: Path) -> None:
    batch = rows(count=3, event_id=ids(3))
    with fresh_store(tmp_path) as store:
        first = store.append("requests", batch).commit_seq
    with fresh_store(tmp_path) as store:
        again = store.append("requests", batch)
        assert (again.stored, again.duplicates) == (0, 3)
        assert again.commit_seq > first
        assert lake_count(store) == 3


def test_the_lake_gets_each_row_once_whatever_is_repeated(store: Store) -> None:
    store.append("requests", rows(count=3, event_id=ids(3)))
    store.flush()
    store.flush()
    store._reached = dict.fromkeys(store._reached, 0)  # as after a crash between the lake's commit and ours
    store.flush()
    store.append("requests", rows(count=2, event_id=ids(2, start=3)))
    store.flush()
    assert lake_count(store) == 5


def test_a_trimmed_row_is_still_known(store: Store, clock: FixedClock) -> None:
    batch = rows(count=3, event_id=ids(3))
    store.append("requests", batch)
    clock.forward(days=10)
    assert store.trim()["requests"] == 3
    assert count(store) == 0
    mixed = pa.concat_tables([batch, rows(count=1, event_id=["new"])])
    receipt = store.append("requests", mixed)
    assert (receipt.stored, receipt.duplicates) == (1, 3)
    store.flush()
    assert lake_count(store) == 4


def test_trimming_never_removes_what_the_lake_lacks(store: Store, clock: FixedClock) -> None:
    store.append("requests", rows(count=2))
    clock.forward(days=10)
    from pitchey_slo.store import retention

    # without the flush that trim() does first
    retention.trim_hot(store._lake, store._writer, store._dedup, store._index, clock(), 3)
    assert count(store) == 2


@settings(max_examples=examples(8), deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=8), st.sets(st.integers(0, 7)))
def test_any_history_of_deliveries_and_restarts_keeps_each_id_once(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[list[int]], restarts: set[int]
) -> None:
    home = tmp_path_factory.mktemp("home")
    lay_out(home)
    model: set[int] = set()
    clock = FixedClock()
    store = Store.open(_settings(home), clock=clock, background=False)
    try:
        for i, delivery in enumerate(deliveries):
            if i in restarts:
                store.close()
                store = Store.open(_settings(home), clock=clock, background=False)
            if i % 3 == 2:
                clock.forward(days=2)
                store.trim()
            receipt = store.append("requests", rows(count=len(delivery), step=0, event_id=[f"e{k}" for k in delivery]))
            assert receipt.stored == len(set(delivery) - model)
            model |= set(delivery)
        store.flush()
        assert lake_count(store) == len(model)
    finally:
        store.close()


def _settings(home: Path):  # type: ignore[no-untyped-def]
    from pitchey_slo.settings import Settings

    return Settings.load(env_file=None, home=home)
