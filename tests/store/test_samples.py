"""Samples: order, duplicates, limits, bits; the same state whatever the order of arrival."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitchey_slo.series import STALE, SampleBatch, labels_of
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store
from tests.depth import examples

T0 = round(NOON.timestamp() * 1_000)
UP = labels_of({"__name__": "up", "job": "api"})


def batch(*samples: tuple[int, float], labels=UP) -> SampleBatch:  # type: ignore[no-untyped-def]
    """Samples of one series, at seconds after noon."""
    return SampleBatch(
        [labels],
        np.zeros(len(samples), dtype=np.int64),
        np.array([T0 + 1_000 * s for s, _ in samples], dtype=np.int64),
        np.array([v for _, v in samples], dtype=np.float64),
    )


def stored(store: Store) -> list[tuple[int, float]]:
    found = store.query("SELECT epoch_ms(ts) AS t, value FROM samples ORDER BY series_id, ts")
    return [((t - T0) // 1_000, v) for t, v in zip(found["t"].to_pylist(), found["value"].to_pylist(), strict=True)]


def test_samples_are_stored_under_their_labels(store: Store) -> None:
    receipt = store.samples(batch((0, 1.0), (15, 2.0))).result()
    assert (receipt.stored, receipt.duplicates, receipt.counts) == (2, 0, {})
    assert stored(store) == [(0, 1.0), (15, 2.0)]
    assert store.query("SELECT name, labels FROM series").to_pylist() == [
        {"name": "up", "labels": '{"__name__":"up","job":"api"}'}
    ]


def test_replaying_a_delivery_three_times_changes_nothing(store: Store) -> None:
    for _ in range(3):
        receipt = store.samples(batch((0, 1.0), (15, 2.0), (30, float("nan")))).result()
    assert (receipt.stored, receipt.duplicates) == (0, 3)
    assert len(stored(store)) == 3


def test_another_value_for_the_same_time_is_refused_and_the_first_wins(store: Store) -> None:
    store.samples(batch((0, 1.0), (15, 2.0))).result()
    for other in (batch((15, 3.0)), batch((0, 3.0))):
        receipt = store.samples(other).result()
        assert receipt.counts == {"duplicate_timestamp": 1}
    assert store.samples(batch((20, 1.0), (20, 2.0), (20, 1.0))).result().counts == {"duplicate_timestamp": 1}
    assert stored(store) == [(0, 1.0), (15, 2.0), (20, 1.0)]


def test_late_samples_within_the_window_are_taken_and_older_ones_refused(store: Store) -> None:
    store.samples(batch((0, 1.0))).result()
    assert store.samples(batch((-3_600, 5.0), (-3_601, 6.0))).result().counts == {"too_old": 1}
    assert store.samples(batch((-3_600, 5.0))).result().duplicates == 1
    assert stored(store) == [(-3_600, 5.0), (0, 1.0)]
    assert store.samples(batch((-90_000, 7.0)), backfill=True).result().stored == 1


def test_a_sample_from_the_future_is_refused(store: Store) -> None:
    assert store.samples(batch((601, 1.0), (600, 1.0))).result().counts == {"too_far_in_future": 1}


def test_bits_survive_hot_and_lake(store: Store) -> None:
    values = [STALE, float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1e308]
    store.samples(batch(*((i, v) for i, v in enumerate(values)))).result()
    store.flush()
    lake = LakeReader(store.settings.lake_uri).query("SELECT value FROM samples ORDER BY ts")["value"].to_numpy()
    hot = store.query("SELECT value FROM samples ORDER BY ts")["value"].to_numpy()
    wanted = np.array(values).view(np.uint64).tolist()
    assert hot.view(np.uint64).tolist() == wanted
    assert lake.view(np.uint64).tolist() == wanted


def test_new_series_beyond_the_limit_are_refused_while_existing_ones_flow(tmp_path: Path) -> None:
    with fresh_store(tmp_path, series_limit=2) as store:
        names = [labels_of({"__name__": name}) for name in ("a", "b", "c")]
        for name in names[:2]:
            store.samples(batch((0, 1.0), labels=name)).result()
        both = SampleBatch(names, np.array([0, 1, 2, 2]), np.full(4, T0 + 15_000) + np.arange(4), np.ones(4))
        receipt = store.samples(both).result()
        assert receipt.stored == 2
        assert receipt.counts == {"series_limit": 2}
        assert "PITCHEY_SERIES_LIMIT" in receipt.refused[0].message


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ((("job", "x"),), "invalid_labels"),
        ((("b", "1"), ("__name__", "x")), "invalid_labels"),
        ((("__name__", "x"), ("a", "1"), ("a", "2")), "invalid_labels"),
        ((("__name__", "x"), ("a", "\ud800")), "invalid_labels"),
        ((("__name__", "x"), ("a", "b" * 5_000)), "label_too_long"),
        ((("__name__", "x"), *((f"l{i:03}", "1") for i in range(50))), "too_many_labels"),
    ],
)
def test_bad_labels_are_refused_with_a_reason(store: Store, labels, reason: str) -> None:  # type: ignore[no-untyped-def]
    receipt = store.samples(batch((0, 1.0), (1, 1.0), labels=labels)).result()
    assert (receipt.stored, receipt.counts) == (0, {reason: 2})


def test_utf8_names_and_values_are_fine(store: Store) -> None:
    assert store.samples(batch((0, 1.0), labels=labels_of({"__name__": "Größe.m²", "stadt": "Köln\n"}))).result().stored


def test_a_failed_transaction_leaves_no_trace_in_the_index(store: Store) -> None:
    import threading

    gate = threading.Event()
    held = store._writer.write(lambda _: gate.wait(20))
    pending = store.samples(batch((0, 1.0)))
    broken = store._writer.write(lambda c: c.execute("SELECT nothing_such"))
    gate.set()
    assert broken.exception(20) is not None
    held.result(20)
    assert pending.result(20).stored == 1
    assert store.samples(batch((0, 1.0))).result().duplicates == 1


def test_reopening_and_trimming_remember(tmp_path: Path, clock: FixedClock) -> None:
    with fresh_store(tmp_path, clock=clock) as store:
        store.samples(batch((0, 1.0), (15, 2.0))).result()
    with fresh_store(tmp_path, clock=clock) as store:
        assert store.samples(batch((15, 2.0))).result().duplicates == 1
        clock.forward(days=10)
        store.trim()
        assert stored(store) == []
        assert store.samples(batch((15, 2.0))).result().counts == {"too_old": 1}
        again = store.samples(batch((15, 2.0), (0, 9.0), (20, 3.0)), backfill=True).result()
        assert (again.stored, again.duplicates, again.counts) == (1, 1, {"duplicate_timestamp": 1})


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-3_000, 0)), min_size=1, max_size=40, unique=True),
    st.integers(0, 2**32),
)
def test_any_order_of_arrival_ends_in_the_same_state(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[int, int]], seed: int
) -> None:
    names = [labels_of({"__name__": f"m{i}"}) for i in range(3)]
    shuffled = samples + samples[::3]  # some come twice
    random.Random(seed).shuffle(shuffled)
    with fresh_store(tmp_path_factory.mktemp("home")) as store:
        for i in range(0, len(shuffled), 7):
            part = shuffled[i : i + 7]
            store.samples(
                SampleBatch(
                    names,
                    np.array([s for s, _ in part], dtype=np.int64),
                    np.array([T0 + 1_000 * t for _, t in part], dtype=np.int64),
                    np.array([float(s * 10_000 + t) for s, t in part]),
                )
            ).result()
        found = store.query(
            "SELECT name, epoch_ms(ts) AS t, value FROM samples JOIN series USING (series_id)"
        ).to_pylist()
    assert sorted((f["name"], (f["t"] - T0) // 1_000, f["value"]) for f in found) == sorted(
        (f"m{s}", t, float(s * 10_000 + t)) for s, t in samples
    )


def test_samples_are_flushed_once_and_compacted_by_series(store: Store, clock: FixedClock) -> None:
    names = [labels_of({"__name__": "m", "i": str(i)}) for i in range(5)]
    for k in range(14):
        store.samples(SampleBatch(names, np.arange(5), np.full(5, T0 + 15_000 * k), np.arange(5) + 10.0 * k)).result()
        store.flush()
    reader = LakeReader(store.settings.lake_uri)
    before = reader.query("SELECT * FROM samples ORDER BY series_id, ts")
    assert before.num_rows == 70
    clock.forward(days=1, hours=2)
    store.compact()
    after = reader.query("SELECT * FROM samples")
    assert after.equals(before)  # the one file left is sorted by series and time
    assert len(reader._files["samples"].paths) == 1
    store.samples(batch((0, 1.0), labels=names[0]), backfill=True).result()
    store.flush()
    assert reader.rows("samples") == 70
    assert reader.watermark("samples") == NOON + timedelta(seconds=15 * 13)
