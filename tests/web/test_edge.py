"""Hostile and broken senders: stalled, too large, lying about lengths; and exceptions nobody foresaw."""

from __future__ import annotations

import random
import select
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitchey_slo.web import Limits
from tests.depth import examples

from .conftest import Running, event, running
from .test_events import ARROW, EVENTS, arrow, ndjson, post, refused

MiB = 1 << 20
ALLOWED = {200, 400, 401, 403, 404, 405, 413, 415, 422, 429, 503}


def connect(server: Running) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=20)


def head(token: str, *more: str, path: str = EVENTS) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        "Content-Type: application/x-ndjson",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_of(sock: socket.socket) -> tuple[int, bytes]:
    """Status and everything until the server closes."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return int(data.split(b" ", 2)[1]), data


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory):
    """A server with small limits."""
    limits = Limits(stall=0.6, body=2.0, idle=1.0)
    with running(tmp_path_factory.mktemp("small"), limits=limits, body_limit=MiB, queue_limit=MiB) as it:
        yield it


def test_a_promise_of_too_much_is_refused_before_anything_is_sent(small: Running) -> None:
    token = small.token("ingest")
    with connect(small) as sock:
        started = time.monotonic()
        sock.sendall(head(token, f"Content-Length: {MiB + 1}"))
        status, data = answer_of(sock)
        assert status == 413 and b"payload_too_large" in data
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("length", ["chunked", "honest"])
def test_too_much_is_refused_before_it_is_all_read(small: Running, length: str) -> None:
    """The sender would go on for ever; it gets its answer, and the connection is closed."""
    token = small.token("ingest")
    with connect(small) as sock:
        if length == "chunked":
            sock.sendall(head(token, "Transfer-Encoding: chunked"))
            piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        else:
            sock.sendall(head(token, f"Content-Length: {1 << 40}"))
            piece = b"x" * 65536
        sent, data, deadline = 0, b"", time.monotonic() + 15
        sock.setblocking(False)
        try:
            while time.monotonic() < deadline:
                readable, writable, _ = select.select([sock], [sock], [], 1)
                if readable:
                    got = sock.recv(65536)
                    if not got:
                        break
                    data += got
                if writable:
                    sent += sock.send(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert time.monotonic() < deadline, "the connection stayed open"
        assert b" 413 " in data.split(b"\r\n", 1)[0] and b"payload_too_large" in data
    with small.client(token) as client:
        assert post(client, ndjson(event())).status_code == 200


def test_a_bomb_is_refused_by_its_size_unpacked(small: Running) -> None:
    import gzip

    with small.client(small.token("ingest")) as client:
        bomb = gzip.compress(b" " * (64 * MiB))
        assert len(bomb) < MiB
        refused(post(client, bomb, Content_Encoding="gzip"), 413, "payload_too_large")


def test_more_promised_than_sent_is_cut_off(small: Running) -> None:
    with connect(small) as sock:
        sock.sendall(head(small.token("ingest"), "Content-Length: 1000") + b"{}")
        status, data = answer_of(sock)
        assert status == 408 and b"body_timeout" in data


def test_stalled_senders_are_closed_and_hold_nobody_up(small: Running) -> None:
    """No headers, half headers, half a body, a byte now and then: all closed, while an honest sender is served."""
    token = small.token("ingest")
    beginnings = [b"", b"POST /api/mon", head(token, "Content-Length: 1000") + b"{"]
    socks = [connect(small) for _ in range(60)]
    started = time.monotonic()
    for i, sock in enumerate(socks):
        sock.sendall(beginnings[i % 3])
        sock.setblocking(False)
    waiting, slowest = set(socks), 0.0
    with small.client(token) as client:
        while waiting and time.monotonic() - started < 15:
            asked = time.monotonic()
            assert post(client, ndjson(event())).status_code == 200
            slowest = max(slowest, time.monotonic() - asked)
            for sock in select.select(list(waiting), [], [], 0.05)[0]:
                try:
                    if not sock.recv(65536):
                        waiting.discard(sock)
                except ConnectionResetError:
                    waiting.discard(sock)
    for sock in socks:
        sock.close()
    assert not waiting, f"{len(waiting)} of 60 still open after 15 s"
    assert slowest < 2


def test_a_body_that_drips_ends_too(small: Running) -> None:
    with connect(small) as sock:
        sock.sendall(head(small.token("ingest"), "Content-Length: 100000"))
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                sock.sendall(b"x")
            except OSError:
                break
            if select.select([sock], [], [], 0.2)[0]:
                assert b"408" in sock.recv(65536)
                break
        else:
            pytest.fail("a dripping body is read for ever")


def test_all_bodies_together_are_bounded(small: Running) -> None:
    """One sender holds the whole budget; the next is asked to come again, and can once the first has gone."""
    token = small.token("ingest")
    deadline = time.monotonic() + 20
    with small.client(token) as client:
        while True:  # a silent sender is let go after 0.6 s: hold the budget anew for each try
            with connect(small) as sock:
                sock.sendall(head(token, f"Content-Length: {MiB}") + b" " * (MiB - 10))
                answer = post(client, ndjson(*[event()] * 100))
            if answer.status_code == 503:
                break
            assert time.monotonic() < deadline
        refused(answer, 503, "store_busy")
        while post(client, ndjson(*[event()] * 100)).status_code != 200:
            assert time.monotonic() < deadline


def test_a_refusal_before_the_body_reaches_a_sender_that_is_still_sending(server: Running) -> None:
    answer = httpx.post(server.url + EVENTS, content=b"x" * (8 * MiB), trust_env=False)
    refused(answer, 401, "unauthorized")


def test_connections_are_kept_alive(ingest: httpx.Client) -> None:
    streams = {id(post(ingest, ndjson(event())).extensions["network_stream"]) for _ in range(5)}
    assert len(streams) == 1


def test_an_exception_nobody_foresaw_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def burst(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("a bug")

    with running(tmp_path) as server, server.client(server.token("ingest")) as client:
        monkeypatch.setattr("pitchey_slo.web.events.decode", burst)
        error = refused(post(client, ndjson(event())), 503, "store_unavailable")
        assert "a bug" not in str(error), "no internals in an answer"
        assert "ZeroDivisionError" in caplog.text and "in burst" in caplog.text
        monkeypatch.undo()
        assert post(client, ndjson(event())).status_code == 200


def mutate(body: bytes, seed: int) -> bytes:
    """A few random changes, as a broken or hostile sender would make them."""
    rng, data = random.Random(seed), bytearray(body)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.randbytes(rng.randint(1, 9))
        elif kind == 2:
            del data[at : at + rng.randint(1, 40)]
        else:
            data[at:at] = data[: rng.randint(1, 40)]
    return bytes(data)


GOOD = [
    (ndjson(event(), event()), "application/x-ndjson"),
    (orjson.dumps([event(), event()]), "application/json"),
    (arrow([event(), event()]), ARROW),
    (arrow([event()] * 50, "zstd"), ARROW),
]


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, len(GOOD) - 1),
    seed=st.integers(0, 2**32),
    encoding=st.sampled_from([None, None, None, "gzip", "zstd", "identity", "\x00", "gzip, zstd"]),
    kind=st.sampled_from(
        [None, None, None, "", "application/json", ARROW, "text/plain", ";;=", "application/x-ndjson; charset=utf-16"]
    ),
)
def test_broken_bodies_get_only_foreseen_answers(ingest: httpx.Client, which: int, seed: int, encoding, kind) -> None:
    body, right = GOOD[which]
    headers = {"Content-Type": right if kind is None else kind}
    if encoding and encoding.isprintable():
        headers["Content-Encoding"] = encoding
    answer = ingest.post(EVENTS, content=mutate(body, seed), headers=headers)
    assert answer.status_code in ALLOWED - {503}, answer.text
    assert answer.status_code == 200 or answer.json()["error"]["reason"]


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_not_http_never_harm(server: Running, data: bytes) -> None:
    with connect(server) as sock:
        sock.sendall(data + b"\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    assert httpx.get(server.url + "/api/health/live", trust_env=False).status_code == 200
