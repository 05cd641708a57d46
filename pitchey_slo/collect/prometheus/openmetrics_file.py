"""An OpenMetrics file with times -> batches, a piece at a time, whatever its size.

Such files come from `promtool tsdb dump-openmetrics` and from exporters of other systems. Every sample must bring its
time, since "now" would be a lie for a file; the file ends with `# EOF`. Plain, gzip and zstd are told apart by content.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np
import zstandard

from pitchey_slo.collect.prometheus.text import TextParser, decode
from pitchey_slo.errors import CollectError
from pitchey_slo.series import SampleBatch

PIECE: Final = 4 << 20
MOST_SERIES: Final = 200_000  # remembered between pieces


def read_openmetrics(path: Path, *, piece: int = PIECE) -> Iterator[SampleBatch]:
    """Batches of about `piece` bytes of text. Metadata stand in the batch where they are read, and in all later ones.

    Raises CollectError with file and line: a line that is none, a sample without a time, no `# EOF`, a damaged archive.
    """
    parser, first = TextParser(), 1
    ended = False
    try:
        with open_plain(path) as stream:
            for text in _pieces(stream, piece):
                if ended:
                    raise CollectError(f"line {first}: nothing may follow # EOF")
                lines = decode(text, first).split("\n")
                if lines[-1] == "":
                    lines.pop()
                if "# EOF" in lines:
                    place = lines.index("# EOF")
                    if place != len(lines) - 1:
                        raise CollectError(f"line {first + place + 1}: nothing may follow # EOF")
                    ended = True
                    lines.pop()
                told = parser.parse_lines(lines, now=0, openmetrics=True, first=first)
                if not told.timed.all():
                    _complain(lines, first)
                first += len(lines)
                if len(told.batch):
                    yield told.batch
                if parser.remembered > MOST_SERIES:
                    parser.prune(np.empty(0, np.int64))
        if not ended:
            raise CollectError(f"line {first}: the file does not end with # EOF; was it cut off?")
    except CollectError as error:
        raise CollectError(f"{path}: {error.message}", detail=error.detail) from None
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise CollectError(f"{path}: cannot be read: {error}") from None


def open_plain(path: Path) -> IO[bytes]:
    """The bytes of a plain, gzip or zstd file, told apart by content."""
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.open(path, "rb"))
    if head == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(path.open("rb")))
    return path.open("rb")


def _pieces(stream: IO[bytes], piece: int) -> Iterator[bytes]:
    """Whole lines of about `piece` bytes together. A line longer than that is none."""
    rest = b""
    while part := stream.read(piece):
        text = rest + part
        cut = text.rfind(b"\n") + 1
        if not cut and len(text) > 4 * piece:
            raise CollectError(f"a line of more than {len(text):,} bytes is no OpenMetrics")
        rest = text[cut:]
        if cut:
            yield text[:cut]
    if rest:
        yield rest


def _complain(lines: list[str], first: int) -> None:
    """Raises for the first sample without a time."""
    for number, line in enumerate(lines, first):
        if not line.startswith("#"):
            parser = TextParser()
            if not parser.parse_lines([line], now=0, openmetrics=True, first=number).timed.all():
                raise CollectError(f"line {number}: a sample of a file needs a time\n    {line[:120]}")
