"""`pitchey-slo ingest` as a command, into a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitchey_slo.cli import main

LINE = '203.0.113.9 - - [01/May/2026:12:00:00 +0200] "GET / HTTP/1.1" 200 5'


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = 0
    try:
        main(["ingest", *words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_loads_once_and_keeps_refused_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, home = tmp_path / "a.log", tmp_path / "home"
    log.write_bytes(f"{LINE}\n{LINE}\nbad \x1b[31m\n".encode() + b"\xff\n")
    code, said, _ = run(capsys, str(log), "--home", str(home))
    assert code == 0
    assert "2 stored" in said
    assert "malformed_line" in said
    assert "no data" in said  # no durations
    assert "\x1b[31m" not in said
    (kept,) = (home / "rejects").glob("*.rejects")
    assert kept.read_bytes() == b"bad \x1b[31m\n\xff\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.with_suffix(".reasons.csv").read_text().splitlines()[1].startswith("3,malformed_line,")
    code, said, _ = run(capsys, str(log), "--home", str(home), "--json")
    total = json.loads(said)
    assert (code, total["stored"], total["duplicates"], total["rejected"]) == (0, 0, 2, 2)


def test_nothing_readable_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "a.log"
    log.write_text("hello world\n")
    code, _, error = run(capsys, str(log), "--home", str(tmp_path / "home"))
    assert code == 1
    assert "hello world" in error
    assert "Traceback" not in error


def test_csv_rejects_are_a_csv_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, home = tmp_path / "a.csv", tmp_path / "home"
    file.write_text("ts,route,status\n2026-05-01,/,abc\n2026-05-01,/,200\n")
    assert run(capsys, str(file), "--home", str(home))[0] == 0
    (kept,) = (home / "rejects").glob("*.rejects")
    assert kept.read_text() == "ts,route,status\n2026-05-01,/,abc\n"
