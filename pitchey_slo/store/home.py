"""The home folder: where the hot file lies, who owns it, and the sequence number last acknowledged."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

from pitchey_slo.errors import DiskFull, StoreLocked
from pitchey_slo.names import HOT_FILE, LOCK_FILE, SEQUENCE_FILE

MiB = 1 << 20


class Home:
    """Paths of one home folder, its lock and its free space."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hot = folder / HOT_FILE
        self.wal = folder / f"{HOT_FILE}.wal"
        self.sequence_file = folder / SEQUENCE_FILE
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Own the folder until `unlock` or the end of the process; raises StoreLocked that names the owner."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # append mode keeps the owner's pid readable for the one who is refused
        handle = (self.folder / LOCK_FILE).open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            handle.close()
            raise StoreLocked(
                f"{self.folder}: process {owner} owns this store; "
                "send rows to its server, or stop it first (readers need no lock: use connect())"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def acknowledged(self) -> int:
        """Sequence number of the last acknowledged commit; 0 in a new home."""
        try:
            return int(self.sequence_file.read_text())
        except FileNotFoundError:
            return 0
        except ValueError:  # torn by a power cut: the file promises nothing, the database still says what it has
            return 0

    def acknowledge(self, seq: int) -> None:
        """Write `seq` to the side file and wait for the disk.

        In place: at most 20 bytes of one sector, so a reader sees the old or the new number.
        """
        file = os.open(self.sequence_file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(file, f"{seq:020d}".encode(), 0)
            os.fdatasync(file)
        finally:
            os.close(file)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def floor_bytes(self) -> int:
        """Free space below which new data is refused: 5 % of the disk, at least 256 MiB."""
        return max(shutil.disk_usage(self.folder).total // 20, 256 * MiB)

    def check_space(self) -> None:
        """Raises DiskFull when new data would eat into the floor."""
        free, floor = self.free_bytes(), self.floor_bytes()
        if free < floor:
            raise DiskFull(
                f"{self.folder}: {free // MiB} MiB free, new data is refused below {floor // MiB} MiB; "
                "free some space, nothing stored is lost",
                detail={"free_bytes": free, "floor_bytes": floor},
            )
