"""What an agent found and could not deliver yet, on disk: an append-only journal with a bound.

A folder of segments `<number>.jsonl`; each line is a checksum and a row as JSON, synced before `append` returns. What
was delivered is remembered in `delivered` (segment and bytes, replaced atomically); a segment that was delivered whole
is removed. A crash can lose nothing that `append` returned for, and can only make a row be sent twice, which its
`event_id` makes harmless. A line torn by a crash, or damaged, is left out and counted.

When the bound is reached the oldest segment goes, delivered or not: the newest say how the platform is. How many rows
went that way is kept in `dropped` until somebody was told.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from pitchey_slo.errors import ConfigError

MiB: Final = 1 << 20
#: Bytes on disk, at most; a verdict with its attempt and steps is about 2 KB, so this is a day of ten tests a minute.
LIMIT: Final = 32 * MiB
#: A segment is closed at this share of the bound: what is dropped at once when it is reached.
SHARE: Final = 16


@dataclass(frozen=True)
class Waiting:
    """Rows to deliver, oldest first, and what to tell `delivered` when they are."""

    rows: tuple[dict[str, Any], ...]
    segment: int
    end: int


class Spool:
    """The journal in `folder`. For one process and one thread at a time. Raises ConfigError when it cannot be made."""

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        self.folder, self._limit = folder, limit
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._segments = sorted(int(p.stem) for p in folder.glob("*.jsonl") if p.stem.isdigit())
        except OSError as error:
            raise ConfigError(f"cannot be used as a spool: {error.strerror}", file=folder, key="--spool") from None
        self._at, self._done = self._read_place()
        self.damaged = 0
        self._last = self._mend(self._segments[-1]) if self._segments else 0
        self._forget_delivered()

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep these rows; on disk when it returns. Raises OSError when the disk does not take them."""
        if not rows:
            return
        data = b"".join(_line(row) for row in rows)
        if not self._segments or self._last + len(data) > max(self._limit // SHARE, len(data)):
            self._segments.append((self._segments[-1] if self._segments else self._at) + 1)
            self._last = 0
        path = self._path(self._segments[-1])
        fresh = not path.exists()
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            _sync_folder(self.folder)
        self._last += len(data)
        self._make_room()

    def waiting(self, most: int = 500) -> Waiting | None:
        """The oldest rows that were not delivered, `most` at once; None when all were."""
        for segment in list(self._segments):
            begin = self._done if segment == self._at else 0
            rows: list[dict[str, Any]] = []
            end = begin
            for row, after in self._rows(segment, begin):
                end = after
                if row is not None:
                    rows.append(row)
                if len(rows) == most:
                    break
            if rows:
                return Waiting(tuple(rows), segment, end)
            if end > begin:  # nothing sound in it
                self.delivered(Waiting((), segment, end))
        return None

    def delivered(self, what: Waiting) -> None:
        """These rows need not be sent again."""
        if what.segment < self._at:  # dropped meanwhile
            return
        self._at, self._done = what.segment, what.end
        _replace(self.folder / "delivered", orjson.dumps([self._at, self._done]))
        self._forget_delivered()

    @property
    def empty(self) -> bool:
        """Nothing waits."""
        return self.waiting(1) is None

    @property
    def bytes(self) -> int:
        return sum(self._size(segment) for segment in self._segments)

    @property
    def dropped(self) -> int:
        """Rows that were dropped, and of which nobody was told yet."""
        try:
            return int((self.folder / "dropped").read_bytes())
        except (OSError, ValueError):
            return 0

    def told(self, count: int) -> None:
        """Somebody was told of so many dropped rows."""
        self._note_dropped(-count)

    def _note_dropped(self, more: int) -> None:
        _replace(self.folder / "dropped", str(max(0, self.dropped + more)).encode())

    def _rows(self, segment: int, begin: int) -> Iterator[tuple[dict[str, Any] | None, int]]:
        """Rows from byte `begin` on, each with the place after it; None for a line that is not sound."""
        place = begin
        with contextlib.suppress(FileNotFoundError), self._path(segment).open("rb") as file:
            file.seek(begin)
            for line in file:
                place += len(line)
                yield _row(line), place

    def _mend(self, segment: int) -> int:
        """Cut a torn last line off; the segment's size."""
        path, sound = self._path(segment), 0
        for row, after in self._rows(segment, 0):
            if row is None:
                self.damaged += 1
            sound = after
        data_end = path.stat().st_size
        with path.open("r+b") as file:
            if data_end:
                file.seek(data_end - 1)
                if file.read(1) != b"\n":
                    file.seek(0)
                    whole = file.read().rfind(b"\n") + 1
                    file.truncate(whole)
                    os.fsync(file.fileno())
                    return whole
        return sound

    def _make_room(self) -> None:
        while self.bytes > self._limit and len(self._segments) > 1:
            oldest = self._segments.pop(0)
            begin = self._done if oldest == self._at else 0
            gone = sum(row is not None for row, _ in self._rows(oldest, begin))
            self._note_dropped(gone)  # before the file goes: a crash between tells of them, and sends some all the same
            self._path(oldest).unlink(missing_ok=True)
            if oldest >= self._at:
                self._at, self._done = oldest + 1, 0
                _replace(self.folder / "delivered", orjson.dumps([self._at, self._done]))

    def _forget_delivered(self) -> None:
        for segment in list(self._segments):
            over = segment < self._at or (segment == self._at and self._done >= self._size(segment))
            if not over:
                return
            self._segments.remove(segment)
            self._path(segment).unlink(missing_ok=True)

    def _read_place(self) -> tuple[int, int]:
        try:
            at, done = orjson.loads((self.folder / "delivered").read_bytes())
            return int(at), int(done)
        except (OSError, ValueError, TypeError):
            return 0, 0

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:010d}.jsonl"

    def _size(self, segment: int) -> int:
        try:
            return self._path(segment).stat().st_size
        except FileNotFoundError:
            return 0


def _line(row: Mapping[str, Any]) -> bytes:
    body = orjson.dumps({k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items() if v is not None})
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _row(line: bytes) -> dict[str, Any] | None:
    sum_, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        if int(sum_, 16) == zlib.crc32(body):
            found: dict[str, Any] = orjson.loads(body)
            return found
    except ValueError:
        pass
    return None


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
