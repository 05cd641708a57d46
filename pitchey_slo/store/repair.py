"""`pitchey-slo repair`: bring a hot file back that does not open, and say exactly what is missing.

Works on a copy first; the damaged files are kept in `quarantine-<time>`. When replay of the write-ahead log fails,
DuckDB names the byte at which it failed; the log cut sixteen bytes before it replays to every commit before the
damage. Commits that hot lost but the lake has are not lost."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pitchey_slo.errors import StoreDamaged
from pitchey_slo.store.home import Home
from pitchey_slo.store.lake import open_or_create
from pitchey_slo.tables import GROWING, STORED

#: DuckDB reports the position behind the checksum header of the entry it could not read.
_HEADER_BYTES = 16


@dataclass(frozen=True)
class Repaired:
    """What repair found and did. `lost` is the range of acknowledged commits found nowhere, or None."""

    quarantine: Path | None
    commit_seq: int
    in_lake: int
    acknowledged: int
    lost: tuple[int, int] | None
    steps: tuple[str, ...]


def repair(folder: Path, lake_uri: str, options: dict[str, str], now: datetime) -> Repaired:
    """Make the home's hot file open again. Raises StoreDamaged when even the file without its log does not open:
    then restore a backup. Raises StoreLocked while a server runs."""
    home = Home(folder)
    home.lock()
    try:
        return _repair(home, lake_uri, options, now)
    finally:
        home.unlock()


def _repair(home: Home, lake_uri: str, options: dict[str, str], now: datetime) -> Repaired:
    steps: list[str] = []
    quarantine: Path | None = None
    try:
        seq = _last_commit(home.hot, read_only=not home.wal.exists())
        steps.append("the hot file opens")
    except duckdb.Error as error:
        steps.append(f"the hot file does not open: {str(error).splitlines()[0]}")
        quarantine = home.folder / f"quarantine-{now:%Y%m%dT%H%M%S}"
        quarantine.mkdir()
        for file in (home.hot, home.wal, home.sequence_file):
            if file.exists():
                shutil.copy2(file, quarantine / file.name)
        seq = _reopen(home, quarantine, error, steps)
    in_lake = max(_in_lake(home, lake_uri, options))
    acknowledged = home.acknowledged()
    known = max(seq, in_lake)
    lost = (known + 1, acknowledged) if acknowledged > known else None
    _settle(home, max(known, acknowledged), lost, now)
    return Repaired(quarantine, seq, in_lake, acknowledged, lost, tuple(steps))


def _reopen(home: Home, quarantine: Path, error: duckdb.Error, steps: list[str]) -> int:
    """Cut the log before the damage, again and again if need be; without a log at last."""
    for _ in range(8):
        position = re.search(r"(?:position|offset|location)\D{0,20}(\d+)", str(error))
        if position is None or not home.wal.exists():
            break
        keep = max(int(position[1]) - _HEADER_BYTES, 0)
        shutil.copy2(quarantine / home.hot.name, home.hot)
        with (quarantine / home.wal.name).open("rb") as damaged:
            home.wal.write_bytes(damaged.read(keep))
        try:
            seq = _last_commit(home.hot)
        except duckdb.Error as next_error:
            if str(next_error) == str(error):
                break
            error = next_error
            continue
        steps.append(f"the log was cut at byte {keep}; everything before it is back")
        return seq
    if (quarantine / home.hot.name).exists():
        shutil.copy2(quarantine / home.hot.name, home.hot)
    home.wal.unlink(missing_ok=True)
    try:
        seq = _last_commit(home.hot)
    except duckdb.Error as last:
        raise StoreDamaged(
            f"{home.hot} does not open even without its log: {last}; restore a backup "
            f"(`pitchey-slo restore`), the damaged files lie in {quarantine}"
        ) from last
    steps.append("the log could not be read; the file was opened without it")
    return seq


def _last_commit(file: Path, *, read_only: bool = False) -> int:
    with duckdb.connect(str(file), read_only=read_only) as connection:
        return int(connection.execute("SELECT coalesce(max(seq), 0) FROM commits").fetchall()[0][0])


def _in_lake(home: Home, lake_uri: str, options: dict[str, str]) -> list[int]:
    with duckdb.connect(str(home.hot)) as connection:
        writer = connection.execute("SELECT value FROM facts WHERE name = 'store_id'").fetchall()[0][0]
    return [open_or_create(lake_uri, options, STORED[name]).transaction_version(writer) or 0 for name in GROWING]


def _settle(home: Home, next_to: int, lost: tuple[int, int] | None, now: datetime) -> None:
    """Continue with a number nobody was promised, and keep the gap on record."""
    with duckdb.connect(str(home.hot)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        have = connection.execute("SELECT coalesce(max(seq), 0) FROM commits").fetchall()[0][0]
        if next_to > have:
            connection.execute("INSERT INTO commits VALUES (?, ?, 0)", [next_to, now])
        if lost:
            connection.execute("INSERT INTO gaps VALUES (?, ?, ?)", [now, *lost])
        connection.execute("CHECKPOINT")
    home.acknowledge(next_to)
