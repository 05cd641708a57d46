"""A home of an older version: tables that have more columns since are read, upgraded and written."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from pitchey_slo.names import HOT_FILE, LAKE_DIR
from pitchey_slo.settings import Settings
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.tables import REPORT_RUNS
from pitchey_slo.testing import NOON, FixedClock, rows

OLD = REPORT_RUNS.names[: REPORT_RUNS.names.index("kind")]


def made_older(home: Path) -> None:
    """A home as it was before report_runs grew, with one run in the store and in the lake."""
    home.mkdir(parents=True)
    folder = resources.files("pitchey_slo.store").joinpath("schema")
    with duckdb.connect(str(home / HOT_FILE)) as connection:
        connection.execute("CREATE TABLE migrations (number INTEGER NOT NULL, name VARCHAR NOT NULL)")
        for name in sorted(f.name for f in folder.iterdir() if f.name < "0006"):
            connection.execute(folder.joinpath(name).read_text("utf-8"))
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [int(name[:4]), name])
        connection.execute(
            "INSERT INTO report_runs BY NAME SELECT 'old' AS id, '30_slo_report' AS notebook, 'succeeded' AS status, "
            "? AS started_at, 1 AS commit_seq",
            [NOON],
        )
    old = rows("report_runs", 1, id=["old"]).select(OLD).append_column("commit_seq", pa.array([1], pa.int64()))
    (home / LAKE_DIR).mkdir()
    write_deltalake(str(home / LAKE_DIR / "report_runs"), old)


def test_a_lake_that_lacks_columns_reads_them_as_null(tmp_path: Path) -> None:
    made_older(tmp_path / "home")
    found = LakeReader(str(tmp_path / "home" / LAKE_DIR)).query("SELECT id, kind, due_at, attempts FROM report_runs")
    assert found.to_pylist() == [{"id": "old", "kind": None, "due_at": None, "attempts": None}]


def test_an_older_home_is_upgraded_and_keeps_its_rows(tmp_path: Path) -> None:
    made_older(tmp_path / "home")
    settings = Settings.load(env_file=None, home=tmp_path / "home")
    with Store.open(settings, clock=FixedClock(), background=False) as store:
        assert store.query("SELECT id, kind FROM report_runs").to_pylist() == [{"id": "old", "kind": None}]
        store.append("report_runs", rows("report_runs", 1, id=["new"], kind=["slo"]))
        store.flush()
        found = LakeReader(settings.lake_uri).query("SELECT id, kind FROM report_runs ORDER BY id")
        assert found.to_pylist() == [{"id": "new", "kind": "slo"}, {"id": "old", "kind": None}]
