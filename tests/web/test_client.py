"""The door's HTTP side against a real server, and against servers that answer badly."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from pitchey_slo import client as client_module
from pitchey_slo.client import HttpDoor, ServerInfo, error_of, find_server, read_info, split
from pitchey_slo.errors import (
    BadRows,
    DiskFull,
    Forbidden,
    NotFound,
    PitcheyError,
    RateLimited,
    StoreBusy,
    StoreUnavailable,
    Unauthorized,
)
from pitchey_slo.names import REASONS, SERVER_FILE
from pitchey_slo.store import Store
from pitchey_slo.tables import REQUESTS

from .conftest import Running, running, stored

START = datetime(2026, 1, 5, tzinfo=UTC)


def requests(count: int, source: str = "door") -> pa.Table:
    times = [START + timedelta(milliseconds=i) for i in range(count)]
    columns = {
        "ts": times,
        "route": ["/api/pitches"] * count,
        "method": ["GET"] * count,
        "status": [200] * count,
        "duration_ms": [float(i) for i in range(count)],
        "sample_interval": [1.0] * count,
        "source": [source] * count,
    }
    nothing = {name: [None] * count for name in REQUESTS.names if name not in columns}
    return pa.table({**columns, **nothing}).select(REQUESTS.names).cast(REQUESTS.schema)


def test_rows_arrive_as_they_were_sent(tmp_path: Path) -> None:
    with running(tmp_path) as server, HttpDoor(server.info) as door:
        receipt = door.append("requests", requests(1000))
        assert (receipt.stored, receipt.duplicates) == (1000, 0) and receipt.commit_seq > 0
        assert door.append("requests", requests(0)).stored == 0
    assert sorted(r["duration_ms"] for r in stored(tmp_path)) == [float(i) for i in range(1000)]


def test_large_tables_go_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the server takes less than the client thought: the parts are halved."""
    monkeypatch.setattr(client_module, "REQUEST_BYTES", 400_000)
    with running(tmp_path, body_limit=100_000) as server, HttpDoor(server.info) as door:
        assert door.append("requests", requests(10_000)).stored == 10_000
    assert len({r["duration_ms"] for r in stored(tmp_path)}) == 10_000


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_parts_are_the_whole(count: int) -> None:
    rows = requests(count)
    parts = split(rows, 1000)
    assert (pa.concat_tables(parts) if parts else rows.schema.empty_table()) == rows
    assert all(part.nbytes < 3000 for part in parts)


def test_refused_rows_are_an_error_with_the_servers_words(server: Running) -> None:
    rows = requests(2)
    far = [datetime(2126, 1, 1, tzinfo=UTC), START]
    rows = rows.set_column(0, "ts", pa.array(far, REQUESTS.schema.field("ts").type))
    with HttpDoor(server.info) as door, pytest.raises(BadRows, match="refused 1 rows"):
        door.append("requests", rows)


def test_tokens_through_the_door(server: Running) -> None:
    with HttpDoor(server.info) as door:
        text = door.create_token("mine", ["read"], None)
        mine = next(t for t in door.tokens() if t["id"] == text.split("_")[1])
        assert (mine["name"], mine["scopes"], mine["expires_at"]) == ("mine", ["read"], None)
        door.revoke_token(mine["id"])
        with pytest.raises(NotFound):
            door.revoke_token("no/body?x")
        with HttpDoor(replace(server.info, token=text)) as revoked, pytest.raises(Unauthorized):
            revoked.tokens()


def test_flush_and_backup_through_the_door(server: Running, tmp_path: Path) -> None:
    with HttpDoor(server.info) as door:
        door.flush()
        assert door.backup(tmp_path).parent == tmp_path


def test_retention_through_the_door_says_what_the_store_says(tmp_path: Path) -> None:
    now = [START]
    with running(tmp_path, retention={"requests": 1}, clock=lambda: now[0]) as server, HttpDoor(server.info) as door:
        door.append("requests", requests(10))
        now[0] += timedelta(days=400)
        told = next(r for r in door.retention(dry_run=True) if r.table == "requests")
    assert told.rows == 10
    with Store.open(server.settings, clock=lambda: now[0], background=False) as store:
        assert told == next(r for r in store.apply_retention(dry_run=True) if r.table == "requests")


def test_the_server_file_is_private_and_goes_with_the_server(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        file = tmp_path / SERVER_FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert find_server(tmp_path) == server.info
    assert not file.exists()
    assert find_server(tmp_path) is None


def test_a_server_file_left_behind_names_nobody(tmp_path: Path, server: Running) -> None:
    gone = replace(server.info, pid=2**22 - 7)
    gone.write(tmp_path)
    assert read_info(tmp_path) == gone and find_server(tmp_path) is None, "the process is gone"
    replace(server.info, started_at=START).write(tmp_path)
    assert find_server(tmp_path) is None, "another server answers there now"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    replace(server.info, url=f"http://127.0.0.1:{port}").write(tmp_path)
    assert find_server(tmp_path) is None, "nobody answers there"
    for text in ("", "{", "[]", '{"url":1}'):
        (tmp_path / SERVER_FILE).write_text(text)
        assert find_server(tmp_path) is None


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[ServerInfo, list[tuple[float, bytes]]]]:
    """A server that gives these answers, one per connection (b"": closes), and notes what it was sent."""
    seen: list[tuple[float, bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def work() -> None:
            for answer in answers:
                conn, _ = listener.accept()
                with conn:
                    conn.settimeout(5)
                    data = b""
                    while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < length(data):
                        data += conn.recv(1 << 20)
                    seen.append((time.monotonic(), data))
                    conn.sendall(answer)

        thread = threading.Thread(target=work)
        thread.start()
        yield ServerInfo(f"http://127.0.0.1:{listener.getsockname()[1]}", os.getpid(), "t", START), seen
        thread.join()


def length(data: bytes) -> int:
    lines = data.split(b"\r\n\r\n", 1)[0].lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")), 0)


def http(status: int, body: object, *headers: str) -> bytes:
    content = orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def error(reason: str) -> dict:
    return {"error": {"reason": reason, "message": "m", "detail": None}}


DONE = http(200, {"stored": 3, "duplicates": 0, "rejected": 0, "rows": [], "warnings": [], "commit_seq": 9})


def test_what_may_succeed_later_is_tried_again_under_the_same_name() -> None:
    bad = [
        http(503, error("store_busy"), "Retry-After: 1"),
        b"",
        http(429, error("rate_limited")),
        b"HTTP/1.1 500 X\r\n\r\n",
    ]
    with scripted(*bad, DONE) as (info, seen), HttpDoor(info) as door:
        assert door.append("requests", requests(3)).stored == 3
    keys = {line for _, data in seen for line in data.split(b"\r\n") if line.lower().startswith(b"idempotency-key")}
    assert len(seen) == 5 and len(keys) == 1
    assert seen[1][0] - seen[0][0] >= 0.95, "Retry-After is honoured"


def test_patience_ends() -> None:
    full = http(503, error("disk_full"), "Retry-After: 30")
    with scripted(full) as (info, seen), HttpDoor(info, patience=2) as door, pytest.raises(DiskFull):
        door.append("requests", requests(3))
    assert len(seen) == 1


def test_what_never_succeeds_is_not_tried_again() -> None:
    with scripted(http(403, error("forbidden"))) as (info, seen), HttpDoor(info) as door, pytest.raises(Forbidden):
        door.append("requests", requests(3))
    assert len(seen) == 1


def test_every_reason_comes_back_as_an_error_of_its_own() -> None:
    for reason, text in REASONS.items():
        made = error_of(error(reason), int(text[:3]))
        assert made.reason == reason
        assert made.transient == (text[:3] in ("408", "429", "503")), reason
    assert isinstance(error_of(error("rate_limited"), 429), RateLimited)
    assert isinstance(error_of(error("store_busy"), 503), StoreBusy)
    assert isinstance(error_of("?", 502), StoreUnavailable)
    assert type(error_of(error("new_reason"), 400)) is PitcheyError
