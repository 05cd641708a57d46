"""Files: formats found by content, access logs, identity of lines, rejects with their lines, damage."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import zstandard

from pitchey_slo.collect import Rejected, read_file, user_key
from pitchey_slo.collect.lines import LONGEST, pieces, source_name
from pitchey_slo.errors import CollectError, UnknownFormat

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KEY = b"k" * 32
LINE = '203.0.113.9 - ada [01/May/2026:12:00:00 +0200] "GET /api/pitches?page=2 HTTP/1.1" 200 5120'


def load(path: Path, **options: Any) -> tuple[list[dict[str, Any]], list[Rejected]]:
    parts = list(read_file(path, now=NOW, user_key=KEY, **options))
    return [r for p in parts for r in p.batch.rows.to_pylist()], [r for p in parts for r in p.batch.rejected]


def write(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"".join((x.encode() if isinstance(x, str) else x) + b"\n" for x in lines))
    return path


def test_an_access_line(tmp_path: Path) -> None:
    (row,), rejected = load(write(tmp_path / "access.log", LINE))
    assert rejected == []
    assert row["ts"] == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert (row["route"], row["method"], row["status"], row["bytes"]) == ("/api/pitches", "GET", 200, 5120)
    assert row["duration_ms"] is None
    assert len(row["user_hash"]) == 32
    assert "203.0.113.9" not in str(row)
    assert "page=2" not in str(row)


@pytest.mark.parametrize(
    ("tail", "milliseconds"),
    [
        ("", None),
        (' "-" "agent"', None),
        (' "-" "agent \\"7\\" 9"', None),
        (' "-" "agent" 0.042', 42.0),
        (' "-" "agent" 42000', 42.0),
        (' "-" "agent" "10.0.0.1" rt=1.5 uct=0.1', 1_500.0),
        (' "-" "agent" request_time=0.001 more', 1.0),
        (" 0.005", 5.0),
    ],
)
def test_time_taken(tmp_path: Path, tail: str, milliseconds: float | None) -> None:
    (row,), _ = load(write(tmp_path / "a", LINE + tail))
    assert row["duration_ms"] == pytest.approx(milliseconds) if milliseconds else row["duration_ms"] is None


def test_lines_that_do_not_fit_are_kept_with_number_and_reason(tmp_path: Path) -> None:
    bad = ["garbage", LINE.replace("May", "Mai"), LINE.replace('"GET /api/pitches?page=2 HTTP/1.1"', '"-"'), LINE[:-8]]
    rows, rejected = load(write(tmp_path / "a", LINE, *bad, b"\xff\xfe", LINE, LINE, LINE, LINE, LINE, LINE))
    assert len(rows) == 7
    assert [(r.row, r.reason) for r in rejected] == [(n, "malformed_line") for n in (2, 3, 4, 5)] + [
        (6, "invalid_utf8")
    ]
    assert [r.text for r in rejected[:4]] == bad
    assert (rejected[4].text or "").encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_ids_are_the_same_again_and_when_the_file_has_grown(tmp_path: Path) -> None:
    path = write(tmp_path / "a", LINE, LINE, LINE + ' "-" "x"')
    first = [r["event_id"] for r in load(path)[0]]
    assert len(set(first)) == 3
    write(path, LINE, LINE, LINE + ' "-" "x"', LINE)
    again = [r["event_id"] for r in load(path)[0]]
    assert again[:3] == first
    assert again[3] not in first


def test_hash_depends_on_key_and_address(tmp_path: Path) -> None:
    path = write(tmp_path / "a", LINE, LINE.replace("113.9", "113.8"))
    one, two = (r["user_hash"] for r in load(path)[0])
    other = next(read_file(path, now=NOW, user_key=b"z" * 32)).batch.rows["user_hash"][0].as_py()
    assert len({one, two, other}) == 3
    assert next(read_file(path, now=NOW)).batch.rows["user_hash"].null_count == 2


ROWS = [{"ts": "2026-05-01T10:00:00Z", "route": f"/{i}", "status": 200, "duration_ms": i / 2} for i in range(50)]


def csv_text() -> bytes:
    return b"ts,route,status,duration_ms\n" + b"".join(
        f"{r['ts']},{r['route']},{r['status']},{r['duration_ms']}\n".encode() for r in ROWS
    )


@pytest.mark.parametrize("pack", ["plain", "gz", "zst"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_formats_are_found_inside_whatever_the_name(tmp_path: Path, kind: str, pack: str) -> None:
    text = csv_text() if kind == "csv" else b"\n".join(map(orjson.dumps, ROWS))
    text = {"gz": gzip.compress, "zst": zstandard.compress}.get(pack, lambda b: b)(text)
    path = tmp_path / "data.bin"
    path.write_bytes(text)
    rows, rejected = load(path)
    assert rejected == []
    assert [r["route"] for r in rows] == [r["route"] for r in ROWS]
    assert [r["duration_ms"] for r in rows] == [r["duration_ms"] for r in ROWS]
    assert len({r["event_id"] for r in rows}) == 50


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([*ROWS, ROWS[0] | {"status": 5_000}]), tmp_path / "p")
    rows, rejected = load(tmp_path / "p")
    assert len({r["event_id"] for r in rows}) == 50
    assert [(r.row, r.reason) for r in rejected] == [(51, "out_of_range")]
    (tmp_path / "p").write_bytes((tmp_path / "p").read_bytes()[:-20])
    with pytest.raises(CollectError, match="Parquet"):
        load(tmp_path / "p")


def test_csv_with_quotes_line_ends_and_bad_records(tmp_path: Path) -> None:
    ts = "2026-05-01T10:00:00Z"
    lines = ["ts;path;status", f'{ts};"/a;b";200', f'{ts};"/x\ny";200', "1;2", f"{ts};/c;abc", f"{ts};/d;204"]
    rows, rejected = load(write(tmp_path / "a", *lines))
    assert [r["route"] for r in rows] == ["/a;b", "/x\ny", "/d"]
    assert [(r.row, r.reason) for r in rejected] == [(5, "malformed_line"), (6, "wrong_type")]


def test_what_is_no_format_is_shown(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match="hello world"):
        load(write(tmp_path / "a", "hello world"))
    with pytest.raises(UnknownFormat, match="jq"):
        load(write(tmp_path / "b", "[", '{"ts": 1},'))
    with pytest.raises(UnknownFormat, match='did you mean "parquet"'):
        load(write(tmp_path / "c", LINE), format="parket")
    with pytest.raises(CollectError, match="No such file"):
        load(tmp_path / "none")
    assert load(write(tmp_path / "empty")) == ([], [])


def test_damaged_gzip_gives_what_came_before(tmp_path: Path) -> None:
    text = "".join(f"{LINE} {i / 1000:.3f}\n" for i in range(200_000)).encode()
    (tmp_path / "a.gz").write_bytes(gzip.compress(text, 1)[:-1_000])
    seen = 0
    with pytest.raises(CollectError, match="damaged"):
        for part in read_file(tmp_path / "a.gz", now=NOW):
            seen += part.batch.rows.num_rows
    assert seen > 0


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_pieces_are_the_lines_whatever_their_size(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a", "one", "", "two\r", "three")
    with path.open("ab") as file:
        file.write(b"last")
    found = [(p.first + i, line) for p in pieces(path, size) for i, line in enumerate(p.lines)]
    assert found == list(enumerate([b"one", b"", b"two", b"three", b"last"], 1))


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a", LINE, b"x" * (3 * LONGEST), LINE)
    rows, rejected = load(path)
    assert len(rows) == 2
    assert [(r.row, r.reason, len(r.text or "")) for r in rejected] == [(2, "too_long", LONGEST)]


@pytest.mark.parametrize("name", ["access.log", "access.log.1", "access.log.2.gz", "access.log-20260501.gz"])
def test_rotated_files_are_one_source(name: str) -> None:
    assert source_name(Path("/var/log") / name) == "file:/var/log/access.log"


def test_user_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = user_key(tmp_path / "home")
    assert len(key) == 32
    assert user_key(tmp_path / "home") == key
    assert (tmp_path / "home" / "user.key").stat().st_mode & 0o777 == 0o600


def test_real_apache_log(conformance: Path) -> None:
    parts = list(read_file(conformance / "traffic/elastic/apache_logs", now=NOW, user_key=KEY))
    rows = pa.concat_tables([p.batch.rows for p in parts])
    assert rows.num_rows == 10_000
    assert pc.sum(pc.greater_equal(rows["status"], 500)).as_py() == 3
    assert pc.sum(pc.equal(rows["status"], 404)).as_py() == 213
    assert len(set(rows["event_id"].to_pylist())) == 10_000


def test_counters_and_syslog_are_refused_clearly(conformance: Path) -> None:
    with pytest.raises(CollectError, match=r'missing: "route"'):
        load(conformance / "traffic/elastic/nginxplus_json_logs")
    with pytest.raises(UnknownFormat, match="sshd"):
        load(conformance / "traffic/elastic/auth.log")
