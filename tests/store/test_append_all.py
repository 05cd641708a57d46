"""Rows of several tables in one transaction: all of them or none."""

from __future__ import annotations

import pytest

from pitchey_slo.errors import StoreError, StoreUnavailable
from pitchey_slo.store import Store
from pitchey_slo.tables import ALERT_EVENTS, CORRECTIONS
from pitchey_slo.testing import NOON, rows

EVENT = {"ts": NOON, "alert_id": "a-1", "fingerprint": "a", "kind": "state", "text": "pending -> firing"}
CORRECTION = {
    "id": "c-1",
    "category": "deployment",
    "reason": "release 12",
    "approver": "lead",
    "starts_at": NOON,
    "seconds": 600.0,
}


def count(store: Store, table: str) -> int:
    return int(store.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def test_rows_of_several_tables_share_a_commit_and_reach_the_lake(store: Store) -> None:
    receipts = store.append_all(
        {"alert_events": ALERT_EVENTS.of([EVENT, EVENT]), "corrections": CORRECTIONS.of([CORRECTION])}
    )
    assert {name: (r.stored, r.commit_seq) for name, r in receipts.items()} == {
        "alert_events": (2, receipts["corrections"].commit_seq),
        "corrections": (1, receipts["corrections"].commit_seq),
    }
    assert store.query("SELECT zone, source FROM corrections").to_pylist() == [{"zone": "UTC", "source": "api"}]


def test_a_part_that_fails_takes_the_others_with_it(store: Store) -> None:
    broken = CORRECTIONS.of([CORRECTION | {"reason": None}])  # NOT NULL in the file
    with pytest.raises(StoreUnavailable, match="NOT NULL"):
        store.append_all({"alert_events": ALERT_EVENTS.of([EVENT]), "corrections": broken})
    assert (count(store, "alert_events"), count(store, "corrections")) == (0, 0)
    store.append_all({"alert_events": ALERT_EVENTS.of([EVENT])})
    assert count(store, "alert_events") == 1


def test_parts_that_do_not_conform_are_refused_before_anything_is_queued(store: Store) -> None:
    with pytest.raises(StoreError, match="requests: rows have schema"):
        store.append_all({"alert_events": ALERT_EVENTS.of([EVENT]), "requests": rows().drop_columns(["route"])})
    assert count(store, "alert_events") == 0
