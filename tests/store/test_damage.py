"""Power cuts, torn logs, full disks: never silent."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pitchey_slo.errors import DiskFull, StoreDamaged
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store, repair
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

CHILD = """
import os, sys
from pathlib import Path
from pitchey_slo.store import Store
from pitchey_slo.settings import Settings
from pitchey_slo.testing import rows
store = Store.open(Settings.load(env_file=None, home=Path(sys.argv[1])), background=False)
for i in range(int(sys.argv[2])):
    store.append("requests", rows(count=50, event_id=[f"{i}-{k}" for k in range(50)]))
os._exit(9)  # no close, no checkpoint: as if the power went
"""


def crashed_home(tmp_path: Path, commits: int = 20) -> Path:
    home = tmp_path / "home"
    done = subprocess.run([sys.executable, "-c", CHILD, str(home), str(commits)], check=False, timeout=60)
    assert done.returncode == 9
    assert (home / "hot.duckdb.wal").stat().st_size > 0
    return home


def test_a_crash_loses_nothing_and_leaves_no_copies_behind(tmp_path: Path) -> None:
    home = crashed_home(tmp_path)
    with fresh_store(home) as store:
        assert store.query("SELECT count(*) AS n FROM requests")["n"][0].as_py() == 1_000
        assert store.status().gaps == ()
    assert not list(home.glob("before-open-*"))


def test_commits_that_were_promised_and_are_missing_are_reported_and_their_numbers_not_given_again(
    tmp_path: Path,
) -> None:
    home = crashed_home(tmp_path)
    wal = home / "hot.duckdb.wal"
    wal.write_bytes(wal.read_bytes()[: wal.stat().st_size // 2])  # a torn tail: replays to a shorter history
    with fresh_store(home) as store:
        stored = store.query("SELECT count(*) AS n FROM requests")["n"][0].as_py()
        assert 0 < stored < 1_000
        ((first, last),) = store.status().gaps
        assert (first, last) == (stored // 50 + 1, 20)
        assert store.append("requests", rows()).commit_seq == 21
    kept = list(home.glob("before-open-*"))
    assert len(kept) == 1
    assert (kept[0] / "hot.duckdb.wal").exists()


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_byte_in_the_log_is_never_silent(tmp_path: Path, seed: int) -> None:
    home = crashed_home(tmp_path, commits=6)
    wal = home / "hot.duckdb.wal"
    data = bytearray(wal.read_bytes())
    at = random.Random(seed).randrange(len(data))
    data[at] ^= 0xFF
    wal.write_bytes(bytes(data))
    try:
        with fresh_store(home) as store:
            stored = store.query("SELECT count(*) AS n FROM requests")["n"][0].as_py()
            gaps = store.status().gaps
    except StoreDamaged as damage:
        assert "pitchey-slo repair" in damage.message
        done = repair(home, str(home / "lake"), {}, NOON)
        assert done.quarantine is not None
        with fresh_store(home) as store:
            stored = store.query("SELECT count(*) AS n FROM requests")["n"][0].as_py()
        gaps = (done.lost,) if done.lost else ()
    missing = sum(last - first + 1 for first, last in gaps)
    assert stored + 50 * missing == 300


def test_repair_brings_back_everything_before_a_zeroed_tail(tmp_path: Path) -> None:
    home = crashed_home(tmp_path, commits=6)
    wal = home / "hot.duckdb.wal"
    whole = wal.read_bytes()
    wal.write_bytes(whole + b"\0" * 4_096)
    done = repair(home, str(home / "lake"), {}, NOON)
    assert done.lost is None
    with fresh_store(home) as store:
        assert store.query("SELECT count(*) AS n FROM requests")["n"][0].as_py() == 300


def test_repair_of_a_sound_store_says_so(tmp_path: Path) -> None:
    with fresh_store(tmp_path) as store:
        store.append("requests", rows(count=3))
    done = repair(tmp_path, str(tmp_path / "lake"), {}, NOON)
    assert (done.quarantine, done.lost, done.commit_seq, done.in_lake) == (None, None, 1, 1)


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with fresh_store(tmp_path):
        pass
    with duckdb.connect(str(tmp_path / "hot.duckdb")) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, 'from the future')")
    with pytest.raises(StoreDamaged, match="newer version"), fresh_store(tmp_path):
        pass


def test_commits_the_lake_has_and_hot_lost_are_not_numbered_again(tmp_path: Path) -> None:
    with fresh_store(tmp_path) as store:
        store.append("requests", rows(count=2))
        store.query("SELECT 1")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns("copy"))
    with fresh_store(tmp_path) as store:
        store.append("requests", rows(count=2))
    for name in ("hot.duckdb", "hot.seq"):  # hot goes back in time, the lake does not
        shutil.copy(copy / name, tmp_path / name)
    with fresh_store(tmp_path) as store:
        assert store.append("requests", rows(count=1)).commit_seq == 3


@pytest.fixture
def small_disk(tmp_path: Path):  # type: ignore[no-untyped-def]
    folder = tmp_path / "small"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(folder)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("mounting a small disk needs root and a kernel that lets it")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_new_data_keeps_the_old_and_goes_on_when_there_is_space(small_disk: Path) -> None:
    with fresh_store(small_disk / "home") as store:
        store.append("requests", rows(count=10))
        (small_disk / "ballast").write_bytes(b"\0" * (60 << 20))
        store._writer._space_checked = 0.0
        with pytest.raises(DiskFull) as refused:
            store.append("requests", rows())
        assert refused.value.transient
        assert store.query("SELECT count(*) AS n FROM requests")["n"][0].as_py() == 10
        status = store.status()
        assert not status.ready
        assert "MiB free" in (status.reason or "")
        (small_disk / "ballast").unlink()
        store._writer._space_checked = 0.0
        assert store.append("requests", rows()).stored == 1


def test_a_fatal_error_reopens_the_store(store: Store) -> None:
    store.append("requests", rows(event_id=["a"]))
    failed = store._writer.write(_fatal)
    assert failed.exception(30) is not None
    assert failed.exception(30).transient  # type: ignore[union-attr]
    assert store.append("requests", rows(count=2, event_id=["a", "b"])).stored == 1
    assert store.status().ready


def _fatal(_: duckdb.DuckDBPyConnection) -> None:
    raise duckdb.FatalException("as after a full disk in the middle of a checkpoint")


def test_the_side_file_may_be_torn(tmp_path: Path) -> None:
    with fresh_store(tmp_path) as store:
        store.append("requests", rows())
    (tmp_path / "hot.seq").write_text("00000garbage")
    with fresh_store(tmp_path) as store:
        assert store.append("requests", rows()).commit_seq == 2


def test_a_home_can_be_described_as_json_after_repair(tmp_path: Path) -> None:
    home = crashed_home(tmp_path, commits=2)
    done = repair(home, Settings.load(env_file=None, home=home).lake_uri, {}, FixedClock()())
    assert json.loads(json.dumps(vars(done), default=str))["lost"] is None
