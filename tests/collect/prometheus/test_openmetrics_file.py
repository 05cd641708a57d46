"""OpenMetrics files are read in pieces, and the pieces say what the whole says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from pitchey_slo.collect.prometheus.openmetrics_file import read_openmetrics
from pitchey_slo.collect.prometheus.text import TextParser
from pitchey_slo.errors import CollectError

TEXT = (
    "# TYPE a counter\n"
    + "".join(f'a_total{{i="{i % 7}"}} {i} {1_700_000_000 + i}.25\n' for i in range(500))
    + "# EOF\n"
)


def test_pieces_give_what_the_whole_gives(tmp_path: Path) -> None:
    whole = TextParser().parse(TEXT.encode(), now=0, openmetrics=True).batch
    expected = [(whole.labels[s], t, v) for s, t, v in zip(whole.series, whole.ts, whole.value, strict=True)]
    for name, body in {
        "plain": TEXT.encode(),
        "gz": gzip.compress(TEXT.encode()),
        "zst": zstandard.compress(TEXT.encode()),
    }.items():
        path = tmp_path / name
        path.write_bytes(body)
        for piece in (37, 1000, 1 << 20):
            batches = list(read_openmetrics(path, piece=piece))
            got = [(b.labels[s], t, v) for b in batches for s, t, v in zip(b.series, b.ts, b.value, strict=True)]
            assert got == expected
            assert batches[-1].metadata["a"].type == "counter"
        assert len(batches) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a 1 5\n", "line 2: the file does not end with # EOF"),
        ("", "line 1: the file does not end"),
        ("a 1 5\na 2\n# EOF\n", "line 2: a sample of a file needs a time"),
        ("a 1 5\n\n# EOF\n", "line 2: OpenMetrics allows no empty lines"),
        ("a 1 5\n# EOF\nb 1 5\n", "nothing may follow # EOF"),
        ("a 1 5\nb x 5\n# EOF\n", "line 2: 'x' is not a value"),
        ('a 1 5\nb{x="\udcff"} 1 5\n# EOF\n', "line 2: not UTF-8"),
    ],
)
@pytest.mark.parametrize("piece", [16, 1 << 20])
def test_errors_name_file_and_line(tmp_path: Path, text: str, word: str, piece: int) -> None:
    path = tmp_path / "dump.om"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CollectError) as raised:
        list(read_openmetrics(path, piece=piece))
    assert str(raised.value).startswith(f"{path}: ")
    assert word in str(raised.value)


def test_a_line_that_never_ends_is_no_openmetrics(tmp_path: Path) -> None:
    path = tmp_path / "dump.om"
    path.write_text("a" * 1000 + " 1 5\n# EOF\n")
    with pytest.raises(CollectError, match="is no OpenMetrics"):
        list(read_openmetrics(path, piece=16))


def test_damaged_archives_and_missing_files(tmp_path: Path) -> None:
    for body in (gzip.compress(TEXT.encode())[:-20], zstandard.compress(TEXT.encode())[:-5], b"\x1f\x8bxx"):
        path = tmp_path / "dump"
        path.write_bytes(body)
        with pytest.raises(CollectError, match="dump"):
            list(read_openmetrics(path))
    with pytest.raises(CollectError, match="cannot be read"):
        list(read_openmetrics(tmp_path / "nowhere"))
