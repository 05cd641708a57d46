"""Backup while everything runs, and restore.

A backup is a folder: the hot file as one snapshot, the lake's live files and their log, and a manifest with counts
and a checksum. The lake is copied first and hot after it, with the flush held between the two: whatever the lake
lacks is in hot, so nothing is lost and nothing is there twice. Lake files never change once written; on one disk they
are linked, not copied. A lake in an object store is not copied: the manifest keeps its address and versions."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pitchey_slo.errors import ConfigError, StoreDamaged, StoreError
from pitchey_slo.names import HOT_FILE, LAKE_DIR
from pitchey_slo.store.home import Home
from pitchey_slo.store.hot import Hot
from pitchey_slo.store.lake import Lake, is_remote, live_files, table_uri
from pitchey_slo.tables import HOT, STORED

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Restored:
    """What a restore brought back."""

    home: Path
    commit_seq: int
    rows: dict[str, int]
    moved_aside: Path | None


def backup(hot: Hot, lake: Lake, folder: Path, now: datetime) -> Path:
    """Write a verified backup below `folder`; returns its path. Appears under its name only when complete."""
    target = folder / f"pitchey-slo-{now:%Y%m%dT%H%M%SZ}"
    if target.exists():
        raise StoreError(f"{target} exists already; wait a second or choose another folder")
    draft = folder / f".{target.name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        with lake.lock:
            versions = {name: _copy_table(lake, name, draft / LAKE_DIR) for name in STORED}
            _copy_hot(hot, draft / HOT_FILE)
        manifest = {
            "made_at": now.isoformat(),
            "lake": lake.uri if is_remote(lake.uri) else LAKE_DIR,
            "lake_versions": versions,
            **_describe(draft / HOT_FILE),
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        _sync(draft)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def restore(source: Path, home_folder: Path, *, force: bool = False) -> Restored:
    """Put a backup in place of a home. The home must be free of a server; what it held is moved aside when `force`.

    Raises StoreDamaged when the backup is not what its manifest says; then nothing was touched.
    """
    manifest = _read_manifest(source)
    found = _describe(source / HOT_FILE)
    for key in ("sha256", "rows", "commit_seq"):
        if found[key] != manifest[key]:
            raise StoreDamaged(f"{source / HOT_FILE}: {key} is {found[key]}, the manifest says {manifest[key]}")
    home = Home(home_folder)
    home.lock()
    aside: Path | None = None
    try:
        occupied = [p for p in (home.hot, home.wal, home.sequence_file, home_folder / LAKE_DIR) if p.exists()]
        if occupied and not force:
            raise StoreError(f"{home_folder} holds a store already; --force moves it aside and keeps it")
        if occupied:
            aside = home_folder / f"before-restore-{datetime.fromisoformat(manifest['made_at']):%Y%m%dT%H%M%S}"
            while aside.exists():
                aside = aside.with_name(aside.name + "-again")
            aside.mkdir()
            for path in occupied:
                path.rename(aside / path.name)
        shutil.copy2(source / HOT_FILE, home.hot)
        if (source / LAKE_DIR).exists():
            shutil.copytree(source / LAKE_DIR, home_folder / LAKE_DIR)
        home.acknowledge(int(manifest["commit_seq"]))
    finally:
        home.unlock()
    return Restored(home_folder, int(manifest["commit_seq"]), dict(manifest["rows"]), aside)


def _read_manifest(source: Path) -> dict[str, Any]:
    file = source / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "no backup here", file=file, hint="give the folder that `pitchey-slo backup` printed"
        ) from None
    except ValueError as error:
        raise StoreDamaged(f"{file}: {error}") from error
    return manifest


def _copy_hot(hot: Hot, target: Path) -> None:
    """COPY FROM DATABASE takes one snapshot of all tables and does not hold up the writer."""
    quoted = str(target).replace("'", "''")
    with hot.cursor() as cursor:
        row = cursor.execute("SELECT current_database()").fetchone()
        name = row[0] if row else ""
        cursor.execute(f"ATTACH '{quoted}' AS backup_copy")
        try:
            cursor.execute(f'COPY FROM DATABASE "{name}" TO backup_copy')
            cursor.execute("CHECKPOINT backup_copy")
        finally:
            cursor.execute("DETACH backup_copy")


def _copy_table(lake: Lake, name: str, target: Path) -> int:
    """Copy the live files and the log of one lake table; returns its version."""
    table = lake.table(name)
    if is_remote(lake.uri):
        return int(table.version())
    root, copy = Path(table_uri(lake.uri, name)), target / name
    shutil.copytree(root / "_delta_log", copy / "_delta_log")
    for path in live_files(table)["path"].to_pylist():
        file = copy / path
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(root / path, file)
        except OSError:  # another disk, or a file system without links
            shutil.copy2(root / path, file)
    return int(table.version())


def _describe(file: Path) -> dict[str, Any]:
    """Checksum, rows per table and last commit of a closed hot file; raises StoreDamaged when it cannot be read."""
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            counts = {
                name: connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in (*HOT, "tokens")
            }
            seq = connection.execute("SELECT coalesce(max(seq), 0) FROM commits").fetchall()[0][0]
    except duckdb.Error as error:
        raise StoreDamaged(f"{file}: {error}") from error
    with file.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return {"sha256": digest, "rows": counts, "commit_seq": seq}


def _sync(folder: Path) -> None:
    for file in (folder / HOT_FILE, folder / MANIFEST):
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
