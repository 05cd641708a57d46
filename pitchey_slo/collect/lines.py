"""Files of text, plain or compressed, as pieces of whole lines: bounded memory whatever the file's size."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import zstandard

from pitchey_slo.errors import CollectError

READ: Final = 8 << 20  # bytes of text per piece
LONGEST: Final = 1 << 20  # bytes of one line; of a longer one only this much is kept, and it is refused

GENERATION: Final = 250_000


@dataclass(frozen=True)
class Piece:
    """Whole lines without their line ends; `first` is the number of the first one, counted from 1."""

    lines: list[bytes]
    first: int
    bytes_read: int
    total_bytes: int
    cut: frozenset[int] = field(default_factory=frozenset)  # positions of lines longer than LONGEST


class Source:
    """An open file and how far it was read; gzip and zstd are known by their first bytes, not by name."""

    def __init__(self, path: Path) -> None:
        try:
            self.raw = path.open("rb")
        except OSError as error:
            raise CollectError(f"{path}: {error.strerror or error}") from None
        self.path = path
        self.total = os.fstat(self.raw.fileno()).st_size
        magic = self.raw.read(4)
        self.raw.seek(0)
        self.stream: IO[bytes] = self.raw
        if magic[:2] == b"\x1f\x8b":
            self.stream = gzip.GzipFile(fileobj=self.raw)  # type: ignore[assignment]
        elif magic == b"\x28\xb5\x2f\xfd":
            self.stream = zstandard.ZstdDecompressor().stream_reader(self.raw, read_across_frames=True)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    @property
    def position(self) -> int:
        """Bytes read so far, as stored."""
        return min(self.raw.tell(), self.total)

    def read(self, size: int) -> bytes:
        try:
            return self.stream.read(size)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise CollectError(f"{self.path}: damaged near byte {self.position:,}: {error}") from None


def head(path: Path, size: int = 1 << 16) -> bytes:
    """The first `size` bytes of the text."""
    with Source(path) as source:
        return source.read(size)


def pieces(path: Path, size: int = READ) -> Iterator[Piece]:
    """The file in pieces of about `size` bytes of text, cut at line ends. Raises CollectError when it is damaged."""
    with Source(path) as source:
        first, rest, skipping = 1, b"", False
        while data := source.read(size):
            if skipping:  # what is left of a line that was too long
                _, found, data = data.partition(b"\n")
                if not found:
                    continue
                skipping = False
            text, found, rest = (rest + data).rpartition(b"\n")
            if found:
                piece = _piece(text, first, source)
                yield piece
                first += len(piece.lines)
            if len(rest) > LONGEST:
                yield _piece(rest, first, source)
                first, rest, skipping = first + 1, b"", True
        if rest:
            yield _piece(rest, first, source)


def _piece(text: bytes, first: int, source: Source) -> Piece:
    lines = text.split(b"\n")
    if b"\r" in text:
        lines = [line.removesuffix(b"\r") for line in lines]
    cut = frozenset(i for i, line in enumerate(lines) if len(line) > LONGEST) if len(text) > LONGEST else frozenset()
    for i in cut:
        lines[i] = lines[i][:LONGEST]
    return Piece(lines, first, source.position, source.total, cut)


class Identity:
    """Event ids for lines: a hash of the line, and its number among identical lines of the file.

    So the same file read again, or the file grown since, gives the same ids. Memory is bounded: identical lines with
    more than GENERATION different lines between them count as one (they carry the same time, so that is no real log).
    """

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.before: dict[str, int] = {}

    def ids(self, lines: Sequence[bytes]) -> list[str]:
        digests = [hashlib.blake2b(line, digest_size=12).hexdigest() for line in lines]
        fresh = dict.fromkeys(digests, 1)
        new = len(fresh) == len(digests) and self.now.keys().isdisjoint(fresh) and self.before.keys().isdisjoint(fresh)
        found = digests if new else [self._numbered(digest) for digest in digests]
        if new:
            self.now |= fresh
        if len(self.now) >= GENERATION:
            self.before, self.now = self.now, {}
        return found

    def _numbered(self, digest: str) -> str:
        count = (self.now.get(digest) or self.before.get(digest, 0)) + 1
        self.now[digest] = count
        return digest if count == 1 else f"{digest}.{count}"


_ROTATED: Final = re.compile(r"(?:\.(?:gz|zst|\d{1,4}|\d{4}-?\d\d-?\d\d)|-\d{4}-?\d\d-?\d\d(?:-\d+)?)+$")


def source_name(path: Path) -> str:
    """`file:/var/log/nginx/access.log` for access.log, access.log.1, access.log-20260501.gz: one log, one source."""
    full = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would also follow links: a log is what it is called
    name = _ROTATED.sub("", full.name) or full.name
    return f"file:{full.with_name(name)}"[-512:]


def verbatim(line: bytes) -> str:
    """The line as text that gives the same bytes back (`.encode("utf-8", "surrogateescape")`)."""
    return line.decode("utf-8", "surrogateescape")
