"""`pitchey-slo ingest` of OpenMetrics files: the same numbers with and without a server."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from pitchey_slo.cli import main
from pitchey_slo.cli.ingest_samples import is_samples
from pitchey_slo.settings import Settings
from pitchey_slo.store import LakeReader

TEXT = (
    "# TYPE jobs counter\n# HELP jobs Jobs done.\n"
    + "".join(f'jobs_total{{kind="a"}} {i} {1_600_000_000 + 15 * i}\n' for i in range(100))
    + "".join(f'jobs_total{{kind="b"}} {2 * i} {1_600_000_000 + 15 * i}.5\n' for i in range(100))
    + "# EOF\n"
)


def ingest(capsys: pytest.CaptureFixture[str], *args: str) -> dict:
    with pytest.raises(SystemExit) as ended:
        main(["ingest", "--json", *args])
    assert not ended.value.code, capsys.readouterr().err
    return orjson.loads(capsys.readouterr().out)


def test_a_file_is_loaded_once_however_often(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, file = str(tmp_path / "home"), tmp_path / "jobs.txt.gz"
    file.write_bytes(gzip.compress(TEXT.encode()))
    assert is_samples(file, None)
    first = ingest(capsys, str(file), "--home", home)
    assert (first["lines"], first["stored"], first["rejected"]) == (200, 200, 0)
    again = ingest(capsys, str(file), "--home", home)
    assert (again["stored"], again["duplicates"]) == (0, 200)
    settings = Settings.load(env_file=None, home=home)
    reader = LakeReader(settings.lake_uri)
    found = reader.query(
        "SELECT count(*) AS n, sum(value) AS s, count(DISTINCT series_id) AS k FROM samples"
    ).to_pylist()
    assert found == [{"n": 200, "s": 3 * 4950.0, "k": 2}]


def test_a_damaged_file_tells_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "jobs.om"
    file.write_text(TEXT.replace("# EOF\n", "jobs_total{ 1\n# EOF\n"))
    with pytest.raises(SystemExit) as ended:
        main(["ingest", str(file), "--home", str(tmp_path / "home")])
    assert ended.value.code == 1
    assert "line 203" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("# TYPE jobs counter", True),
        ('jobs_total{kind="a b"} 1 1600000000', True),
        ("jobs 1e5 1600000000.5", True),
        ('127.0.0.1 - - [05/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5', False),
        ('{"ts": 1}', False),
        ("ts,route,status", False),
    ],
)
def test_what_looks_like_samples(tmp_path: Path, first: str, expected: bool) -> None:
    file = tmp_path / "x"
    file.write_text(first + "\n")
    assert is_samples(file, None) is expected
