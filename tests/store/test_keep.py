"""Retention, backup and restore, tokens, schema."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from pitchey_slo.errors import ConfigError, StoreDamaged, StoreError
from pitchey_slo.store import LakeReader, Store, digest, restore
from pitchey_slo.tables import HOT
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows


def lake_rows(store: Store, table: str = "requests") -> list[object]:
    return LakeReader(store.settings.lake_uri).query(f"SELECT event_id FROM {table} ORDER BY 1")["event_id"].to_pylist()


def test_the_schema_files_say_what_tables_py_says(store: Store) -> None:
    types = {"TIMESTAMP WITH TIME ZONE": "timestamp[us, tz=UTC]", "VARCHAR": "string", "SMALLINT": "int16"}
    types |= {"BIGINT": "int64", "DOUBLE": "double", "BOOLEAN": "bool"}
    for table in HOT.values():
        found = store.query(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
            [table.name],
        ).to_pylist()
        assert [(f["column_name"], types[f["data_type"]]) for f in found] == [
            (f.name, str(f.type)) for f in table.stored_schema
        ]


def test_retention_counts_from_the_later_of_event_and_arrival(tmp_path: Path, clock: FixedClock) -> None:
    with fresh_store(tmp_path, clock=clock, retention={"requests": 30}) as store:
        store.append("requests", rows(event_id=["old log, loaded today"], start=NOON - timedelta(days=4_000)))
        store.append("requests", rows(event_id=["of today"]))
        clock.forward(days=20)
        store.append("requests", rows(event_id=["of later"], start=clock()))
        assert [r.rows for r in store.apply_retention() if r.table == "requests"] == [0]
        clock.forward(days=11)
        assert [r.rows for r in store.apply_retention(dry_run=True) if r.table == "requests"] == [2]
        assert lake_rows(store) == ["of later", "of today", "old log, loaded today"]
        assert [r.rows for r in store.apply_retention() if r.table == "requests"] == [2]
        assert lake_rows(store) == ["of later"]
        assert store.query("SELECT event_id FROM requests")["event_id"].to_pylist() == ["of later"]


def test_retention_of_a_register_reaches_its_mirror(tmp_path: Path, clock: FixedClock) -> None:
    with fresh_store(tmp_path, clock=clock, retention={"report_runs": 10}) as store:
        store.append("report_runs", rows("report_runs", 2))
        store.flush()
        clock.forward(days=11)
        store.append("report_runs", rows("report_runs", 1, id="young", start=clock()))
        assert [r.rows for r in store.apply_retention() if r.table == "report_runs"] == [2]
        found = LakeReader(store.settings.lake_uri).query("SELECT id FROM report_runs")
        assert found["id"].to_pylist() == ["young"]


def test_zero_days_keeps_for_ever(tmp_path: Path, clock: FixedClock) -> None:
    with fresh_store(tmp_path, clock=clock, retention={"requests": 0}) as store:
        store.append("requests", rows(event_id=["a"]))
        clock.forward(days=10_000)
        assert "requests" not in {r.table for r in store.apply_retention()}
        assert lake_rows(store) == ["a"]


def test_a_backup_taken_while_rows_arrive_restores_to_one_moment(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home") as store:
        stop = threading.Event()
        acknowledged: list[int] = []

        def write() -> None:
            while not stop.is_set():
                k = len(acknowledged)
                store.append("requests", rows(event_id=[f"e{k}"]))
                store.append("business_events", rows("business_events", event_id=[f"e{k}"]))
                acknowledged.append(k)
                if k % 7 == 0:
                    store.flush()

        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < 20:
            assert writer.is_alive()
        before = len(acknowledged)
        path = store.backup(tmp_path / "backups")
        stop.set()
        writer.join(30)
    done = restore(path, tmp_path / "again")
    with fresh_store(tmp_path / "again") as again:
        stored = again.query("SELECT event_id FROM requests ORDER BY commit_seq")["event_id"].to_pylist()
        events = again.query("SELECT event_id FROM business_events ORDER BY commit_seq")["event_id"].to_pylist()
        assert stored == [f"e{k}" for k in range(len(stored))]
        assert before <= len(stored) <= len(acknowledged) + 1
        assert len(stored) - len(events) in (0, 1)
        assert done.rows["requests"] == len(stored)
        again.flush()
        assert sorted(lake_rows(again)) == sorted(stored)


def test_a_damaged_backup_is_refused_before_anything_is_touched(store: Store, tmp_path: Path) -> None:
    store.append("requests", rows(count=3))
    path = store.backup(tmp_path / "backups")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["rows"]["requests"] = 4
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreDamaged, match="the manifest says"):
        restore(path, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_restore_keeps_what_was_there(store: Store, tmp_path: Path) -> None:
    store.append("requests", rows(count=3))
    path = store.backup(tmp_path / "backups")
    with fresh_store(tmp_path / "other") as other:
        other.append("requests", rows(count=1))
    with pytest.raises(StoreError, match="--force"):
        restore(path, tmp_path / "other")
    done = restore(path, tmp_path / "other", force=True)
    assert done.moved_aside is not None
    assert (done.moved_aside / "hot.duckdb").exists()
    with fresh_store(tmp_path / "other") as other:
        assert other.query("SELECT count(*) AS n FROM requests")["n"][0].as_py() == 3


def test_restoring_from_nowhere_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pitchey-slo backup"):
        restore(tmp_path, tmp_path / "again")


def test_a_token_is_kept_as_a_hash_and_dies_when_revoked_or_old(store: Store, clock: FixedClock) -> None:
    text = store.tokens.create("ci", ["ingest", "read"], days=10)
    (token,) = store.tokens.list()
    assert text.startswith(f"pslo_{token.id}_")
    assert token.secret_sha256 == digest(text)
    assert text not in str(store.query("SELECT * FROM tokens").to_pylist())
    assert token.scopes == {"ingest", "read"}
    assert token.alive(clock())
    assert not token.alive(clock() + timedelta(days=11))
    store.tokens.revoke(token.id)
    revoked = store.tokens.find(token.id)
    assert revoked is not None
    assert not revoked.alive(clock())


@pytest.mark.parametrize(
    ("scopes", "days", "says"),
    [(["ingst"], 1, 'did you mean "ingest"'), ([], 1, "needs a scope"), (["read"], 0, "positive")],
)
def test_a_wrong_token_request_says_what_would_work(store: Store, scopes: list[str], days: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        store.tokens.create("x", scopes, days)


def test_compaction_and_vacuum_change_no_answer(store: Store) -> None:
    for i in range(15):
        store.append(
            "requests", rows(count=4, start=NOON + timedelta(minutes=i), event_id=[f"{i}-{k}" for k in range(4)])
        )
        store.flush()
    reader = LakeReader(store.settings.lake_uri)
    before = reader.query("SELECT * FROM requests ORDER BY ts, event_id")
    files = len(reader._files["requests"].paths)
    store.compact()
    store._lake.vacuum("requests", hours=0)
    after = reader.query("SELECT * FROM requests ORDER BY ts, event_id")
    assert after.equals(before)
    assert len(reader._files["requests"].paths) < files
