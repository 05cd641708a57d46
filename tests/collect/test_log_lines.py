"""Text logs: formats and their examples, times without year or zone, traces over many lines, real files."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.cli import main
from pitchey_slo.collect.files import read_file
from pitchey_slo.collect.log_formats import Formats, log_formats, read
from pitchey_slo.errors import CollectError, ConfigError, UnknownFormat
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.tables import LOGS

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def load(path: Path, **given: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    parts = list(read_file(path, table=LOGS, now=given.pop("now", NOW), user_key=b"k" * 32, **given))
    for part in parts:
        assert part.batch.rows.schema == LOGS.schema
    rows = [row for part in parts for row in part.batch.rows.to_pylist()]
    return rows, [r for part in parts for r in part.batch.rejected]


def written(folder: Path, text: str) -> Path:
    path = folder / "app.log"
    path.write_text(text)
    return path


LINES = {
    "openstack": "2017-05-16 00:00:04.500 2931 WARNING nova.virt [-] Unknown base file: /var/lib/nova/a",
    "apache_error": "[Sun Dec 04 04:51:18 2005] [error] mod_jk child workerEnv in error state 6",
    "syslog5424": "<34>1 2026-05-01T22:14:15.003Z web1 su - ID47 - it failed",
    "syslog": "Mar 27 13:06:56 web1 sshd[1291]: Server listening on 0.0.0.0 port 22.",
    "python": "2026-05-01 12:00:00,123 - shop.pay - ERROR - charge failed",
    "flask": "[2026-05-01 12:00:00,123] ERROR in app: Exception on / [GET]",
}


def test_formats_are_found_by_looking_inside(tmp_path: Path) -> None:
    """(That each example of the file gives what it says is tried whenever the file is read.)"""
    assert set(LINES) == set(log_formats())
    for name, line in LINES.items():
        rows, refused = load(written(tmp_path, f"{line}\n{line}\n"))
        told, _ = load(written(tmp_path, f"{line}\n{line}\n"), format=name)
        assert (len(rows), refused) == (2, []), name
        assert rows == told, name


def test_openstack_is_read_as_a_plain_loop_reads_it(conformance: Path) -> None:
    path = conformance / "logs/OpenStack/OpenStack_2k.log"
    rows, refused = load(path)
    assert refused == []
    with Path(f"{path}_structured.csv").open(encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    assert len(rows) == len(truth) == 2_000
    for row, line in zip(rows, truth, strict=True):
        assert row["ts"] == datetime.fromisoformat(f"{line['Date']}T{line['Time']}+00:00")
        assert row["message"].split() == line["Content"].split()
        assert row["logger"] == line["Component"]
        assert row["level"] == line["Level"].lower()
        assert (row["trace_id"] or "-") == line["ADDR"].split(" ")[0]
        words = line["Content"].split()
        if "status:" in words:
            assert row["status"] == int(words[words.index("status:") + 1])
            assert row["duration_ms"] == pytest.approx(float(words[-1]) * 1_000, rel=1e-12)
            assert json.loads(row["attributes"])["bytes"] == words[words.index("len:") + 1]
            assert "54fadb412c4e40cdbaed9335e4c35a9e" not in row["route"]
        else:
            assert row["status"] is None
            assert row["duration_ms"] is None
    assert len({row["event_id"] for row in rows}) == 2_000


def test_apache_and_syslog_are_read_whole(conformance: Path) -> None:
    rows, refused = load(conformance / "logs/Apache/Apache_2k.log")
    with (conformance / "logs/Apache/Apache_2k.log_structured.csv").open(encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    assert refused == []
    assert [r["message"] for r in rows] == [t["Content"] for t in truth]
    assert {(t["Level"], r["level"]) for r, t in zip(rows, truth, strict=True)} == {
        ("error", "error"),
        ("notice", "info"),
    }
    assert sum(r["user_hash"] is not None for r in rows) == sum("[client " in t["Content"] for t in truth)
    rows, refused = load(conformance / "traffic/elastic/auth.log")
    lines = (conformance / "traffic/elastic/auth.log").read_text().splitlines()
    assert (len(rows), refused) == (len(lines), [])
    assert all(line.endswith(row["message"]) and row["location"] in line for row, line in zip(rows, lines, strict=True))
    assert {row["ts"].year for row in rows} == {2026}


@pytest.mark.parametrize(
    ("text", "now", "meant"),
    [
        ("Mar 27 13:06:56", "2026-06-01", "2026-03-27T13:06:56+00:00"),
        ("Dec 31 23:59:59", "2026-01-01", "2025-12-31T23:59:59+00:00"),  # read just after the year's turn
        ("Jan  1 00:00:10", "2025-12-31T23:59:50", "2026-01-01T00:00:10+00:00"),  # a clock that is ahead a little
        ("Feb 29 12:00:00", "2026-06-01", "2024-02-29T12:00:00+00:00"),
    ],
)
def test_a_time_without_a_year(tmp_path: Path, text: str, now: str, meant: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    rows, _ = load(written(tmp_path, f"{text} web1 app: it began\n"), now=moment)
    assert rows[0]["ts"] == datetime.fromisoformat(meant)


TRACE = """2026-05-01 12:00:00,123 - shop - ERROR - charge failed
Traceback (most recent call last):
  File "/srv/pay.py", line 12, in charge
    raise Refused(card)

shop.Refused: no
2026-05-01 12:00:01,000 - shop - INFO - next
stray words
2026-05-01 12:99:01,000 - shop - INFO - no such time
2026-05-01 12:00:02,000 - shop - ERROR - last
  and what belongs to it
"""


def test_a_trace_belongs_to_its_line(tmp_path: Path) -> None:
    rows, refused = load(written(tmp_path, TRACE))
    assert [row["message"].split("\n")[0] for row in rows] == ["charge failed", "next", "last"]
    assert rows[0]["message"].endswith("raise Refused(card)\nshop.Refused: no")
    assert rows[2]["message"] == "last\n  and what belongs to it"
    assert [(r.row, r.reason, r.text) for r in refused] == [
        (8, "malformed_line", "stray words"),
        (9, "bad_time", "2026-05-01 12:99:01,000 - shop - INFO - no such time"),
    ]


def test_a_trace_across_pieces_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pitchey_slo.collect import files, lines

    whole, _ = load(written(tmp_path, TRACE))
    for size in (40, 64, 200):
        monkeypatch.setattr(files, "pieces", lambda path, size=size: lines.pieces(path, size))
        assert load(tmp_path / "app.log")[0] == whole, size


def test_a_grown_file_keeps_its_ids(tmp_path: Path) -> None:
    before, _ = load(written(tmp_path, TRACE))
    after, _ = load(written(tmp_path, TRACE + "2026-05-01 12:00:03,000 - shop - INFO - more\n"))
    assert [row["event_id"] for row in after[:3]] == [row["event_id"] for row in before]


def test_what_is_too_long_is_cut(tmp_path: Path) -> None:
    lines = "".join(f"  frame {i} {'x' * 100}\n" for i in range(2_000))
    rows, refused = load(written(tmp_path, f"2026-05-01 12:00:00 - a - ERROR - {'w' * 40_000}\n{lines}"))
    assert refused == []
    assert rows[0]["message"].endswith(" [cut]")
    assert len(rows[0]["message"]) < 32_768


DOCS = Path(__file__).parents[2] / "docs" / "logs.md"
OWN = re.findall(r"```yaml\n(formats:.*?)```", DOCS.read_text(), re.DOTALL)[0]


def test_a_format_of_ones_own(tmp_path: Path) -> None:
    config, home = tmp_path / "config", tmp_path / "home"
    config.mkdir()
    (config / "log_formats.yml").write_text(OWN)
    formats = log_formats(Settings.load(home=home, config=config))
    assert set(formats) == {*LINES, "shop"}
    path = written(tmp_path, "2026-01-05 12:00:00 [WARN] order=17 took=2500 slow\n")
    rows, _ = load(path, formats=formats)
    assert rows[0]["ts"] == datetime(2026, 1, 5, 11, tzinfo=UTC)  # winter time
    assert (rows[0]["duration_ms"], rows[0]["service"], rows[0]["level"]) == (2.5, "shop", "warning")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("2.5", "3.5", "the example gives 2.5 for duration_ms, not 3.5"),
        ("[WARN] order=17 took", "order=17 took", "does not fit its own example"),
        ("(?P<ts>", "(?P<when>", "no group ts"),
        ("(?P<level>", "(?P<lvel>", "level is meant"),
        ("(?P<level>", "(?P<level>(?=x)", "no RE2 pattern"),
        ("Europe/Vienna", "Europe/Wien", "no time zone"),
        ("zone: ", "time: rfc", "iso, apache"),
        ("what: ", "waht: ", 'did you mean "what"?'),
        ("  shop:", "  csv:", "is a format already"),
        ("duration_ms: 2.5", "duration: 2.5", "no column 'duration'"),
    ],
)
def test_what_is_wrong_with_a_format_is_told_with_its_line(before: str, after: str, said: str) -> None:
    text = OWN.replace(before, after, 1)
    assert text != OWN
    with pytest.raises(ConfigError) as caught:
        read(text, "log_formats.yml")
    assert said in str(caught.value)
    assert "log_formats.yml:" in str(caught.value)


def test_an_unknown_format_and_the_wrong_table_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, LINES["syslog"] + "\n")
    with pytest.raises(UnknownFormat, match='did you mean "syslog"'):
        load(path, format="sylog")
    with pytest.raises(UnknownFormat, match="--table logs"):
        list(read_file(path, now=NOW))
    with pytest.raises(CollectError, match="--table logs"):
        list(read_file(path, now=NOW, format="syslog"))


def test_the_command_loads_once_and_keeps_the_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, home = written(tmp_path, TRACE), tmp_path / "home"

    def ingest(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit, match="0"):
            main(["ingest", str(path), *words, "--home", str(home), "--json"])
        return dict(json.loads(capsys.readouterr().out))

    for stored in (3, 0):
        total = ingest("--table", "logs")
        assert (total["stored"], total["duplicates"], total["rejected"]) == (stored, 3 - stored, 2)
    kept = sorted((home / "rejects").glob("*.rejects"))[0]
    assert kept.read_text().splitlines()[0] == "stray words"
    assert ingest("--format", "python")["duplicates"] == 3  # the format names the table


def test_the_shipped_file_is_sound() -> None:
    path = shipped("config") / "log_formats.yml"
    formats: Formats = read(path.read_text(), str(path))
    assert all(each.what and each.line for each in formats.values())
