"""What the store spends: commits and flushes since this process opened it, and what lies on the disk.

Plain numbers that only grow, each written by one thread; whoever reads them sees each as it was a moment ago.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pitchey_slo.tables import STORED


@dataclass
class Effort:
    """Sums since the start, and the number of time series known. Bytes are those of Arrow in memory (24 a sample),
    before compression; seconds are wall time."""

    commits: int = 0
    commit_seconds: float = 0.0
    commit_bytes: int = 0
    commit_rows: int = 0
    flushes: int = 0
    flushes_failed: int = 0
    flush_seconds: float = 0.0
    series: int = 0


@dataclass(frozen=True)
class Disk:
    """Bytes on this machine's disk. `lake` and `files` are by table and count what a vacuum has yet to remove; both are
    empty when the lake is not a folder of this machine."""

    hot: int
    wal: int
    lake: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)


def disk(hot: Path, wal: Path, lake: Path | None) -> Disk:
    """Look at the files; some milliseconds for a month."""
    sizes = {name: folder_size(lake / name) for name in STORED if (lake / name).is_dir()} if lake else {}
    return Disk(
        hot=size_of(hot),
        wal=size_of(wal),
        lake={name: size for name, (size, _) in sizes.items()},
        files={name: files for name, (_, files) in sizes.items()},
    )


def size_of(path: Path) -> int:
    """0 when it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def folder_size(folder: Path) -> tuple[int, int]:
    """(bytes of all files, number of data files); what vanishes meanwhile is not counted."""
    size, files = 0, 0
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return 0, 0
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                inner = folder_size(Path(entry.path))
                size, files = size + inner[0], files + inner[1]
            else:
                size += entry.stat(follow_symlinks=False).st_size
                files += entry.name.endswith(".parquet")
        except OSError:
            continue
    return size, files
