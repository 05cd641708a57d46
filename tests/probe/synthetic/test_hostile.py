"""What a hostile server can do costs the time and memory that were given, and no more."""

from __future__ import annotations

import gzip
import itertools
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from pitchey_slo.probe.synthetic.definition import Assertion
from pitchey_slo.probe.synthetic.http import MOST_KEPT, MOST_READ, Kept
from tests.probe.synthetic.servers import js, look, site, speaking


def test_an_endless_body_is_read_up_to_its_limit_only() -> None:
    sent = itertools.count()

    def flood(held: socket.socket) -> None:
        held.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in sent:
            held.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    with speaking(flood) as there:
        tracemalloc.start()
        verdict = look("{{ base }}/", there.url, timeout=20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert verdict.state == "healthy"
    assert verdict.bytes == MOST_READ
    assert verdict.details["cut"] is True
    assert peak < 4 << 20
    assert next(sent) * 65_536 < 32 << 20  # the kernel's buffers aside, it was dropped at once


def test_a_gzip_bomb_is_cut_while_it_swells() -> None:
    bomb = gzip.compress(b"\0" * (256 << 20), 9)  # 256 MiB in 256 KiB
    page = (200, {"Content-Encoding": "gzip"}, bomb)
    with site({"GET /": page}) as there:
        tracemalloc.start()
        verdict = look("{{ base }}/", there.url, timeout=20, assertions=(Assertion("json", "exists", True, "$.a"),))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (verdict.failure, verdict.phase) == ("body", "transfer")
    assert peak < 4 << 20


@pytest.mark.parametrize("size", [0, 1, MOST_KEPT - 1, MOST_KEPT, MOST_KEPT + 1, 3 * MOST_KEPT])
@pytest.mark.parametrize("piece", [1_000, 70_000])
def test_kept_bodies_are_those_that_decompressing_all_of_them_would_give(size: int, piece: int) -> None:
    plain = bytes(i * 7 % 251 for i in range(size))
    for coding, sent in (("", plain), ("gzip", gzip.compress(plain)), ("deflate", zlib.compress(plain))):
        kept = Kept(coding)
        for start in range(0, len(sent), piece):
            kept.add(sent[start : start + piece])
        kept.end(True)
        assert bytes(kept.body) == plain[:MOST_KEPT]
        assert kept.cut == (size > MOST_KEPT)


@pytest.mark.parametrize("sent", [b"not gzip at all", gzip.compress(b"whole" * 99)[:-9]], ids=["no gzip", "broken off"])
def test_a_body_that_is_not_what_its_coding_says_is_body(sent: bytes) -> None:
    with site({"GET /": (200, {"Content-Encoding": "gzip"}, sent)}) as there:
        verdict = look("{{ base }}/", there.url)
    assert (verdict.failure, verdict.phase) == ("body", "transfer")


def test_a_coding_that_was_not_asked_for_is_body() -> None:
    with site({"GET /": (200, {"Content-Encoding": "br"}, b"?")}) as there:
        assert look("{{ base }}/", there.url).failure == "body"


def dripping(piece: bytes, start: bytes = b"") -> Callable[[socket.socket], None]:
    def drip(held: socket.socket) -> None:
        held.sendall(start)
        for _ in range(2_000):
            held.sendall(piece)
            time.sleep(0.01)

    return drip


@pytest.mark.parametrize(
    ("drip", "phase"),
    [
        (dripping(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"), "transfer"),
        (dripping(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "), "transfer"),
    ],
    ids=["body", "head"],
)
def test_drips_end_when_the_time_is_over(drip: Callable[[socket.socket], None], phase: str) -> None:
    with speaking(drip) as there:
        started = time.perf_counter()
        verdict = look("{{ base }}/", there.url, timeout=0.4)
        assert time.perf_counter() - started < 3
    assert (verdict.failure, verdict.phase) == ("timeout", phase)


def test_heads_without_end_are_not_read_for_ever() -> None:
    def endless(held: socket.socket) -> None:
        held.sendall(b"HTTP/1.1 200 OK\r\n")
        for i in itertools.count():
            held.sendall(b"X-%d: %s\r\n" % (i, b"y" * 900))

    with speaking(endless) as there:
        verdict = look("{{ base }}/", there.url, timeout=10)
    assert (verdict.failure, verdict.phase) == ("body", "first_byte")
    assert (verdict.duration_ms or 0) < 5_000


def test_hints_without_an_answer_are_not_read_for_ever() -> None:
    with speaking(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000) as there:
        verdict = look("{{ base }}/", there.url)
    assert verdict.failure == "body"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 9",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999999",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    ],
)
def test_lengths_that_contradict_themselves_do_not_pass_for_more_than_they_are(head: bytes) -> None:
    with speaking(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nhello") as there:
        verdict = look("{{ base }}/", there.url, timeout=2)
    assert (verdict.failure, verdict.phase) in (("body", "first_byte"), ("body", "transfer"))


def test_redirects_in_a_circle_end() -> None:
    with site({"GET /": (302, {"Location": "/"}, b"")}) as there:
        verdict = look("{{ base }}/", there.url)
        assert len(there.seen) == 11
    assert (verdict.failure, verdict.phase, verdict.status) == ("http_status", "first_byte", 302)
    assert "more than 10 redirects" in (verdict.reason or "")


def test_another_host_gets_neither_credentials_nor_cookies_nor_bodies() -> None:
    secret = {"authorization": "Bearer x", "x-api-key": "k", "accept": "application/json"}
    with site({"GET /": js({}), "POST /": js({})}) as other:
        away = {"Location": other.url.replace("127.0.0.1", "127.0.0.2") + "/", "Set-Cookie": "sid=1; Path=/"}
        with site({"GET /": (302, away, b""), "POST /": (307, away, b"")}) as there:
            got = look("{{ base }}/", there.url, headers=secret)
            posted = look("{{ base }}/", there.url, method="POST", body="card number")
        assert got.failure == "dns", "127.0.0.2 is not allowed"
        assert (posted.failure, posted.phase) == ("http_status", "first_byte")
        assert other.seen == []
    with site({"GET /": js({})}) as other:
        away = {"Location": f"{other.url}/", "Set-Cookie": "sid=1; Path=/"}
        with site({"GET /": (302, away, b"")}) as there:
            assert look("{{ base }}/", there.url, headers=secret).state == "healthy"
        sent = other.seen[0].headers
    assert sent["accept"] == "application/json"
    assert not {"authorization", "x-api-key"} & set(sent)


def test_a_regular_expression_takes_linear_time_on_what_a_server_chose() -> None:
    with site({"GET /": (200, {}, b"a" * MOST_KEPT)}) as there:
        started = time.perf_counter()
        verdict = look("{{ base }}/", there.url, assertions=(Assertion("body", "matches", "(a+)+(a|a)*b"),))
        assert time.perf_counter() - started < 5
    assert verdict.failure == "assertion"


def test_json_that_is_nested_without_end_is_body() -> None:
    with site({"GET /": (200, {}, b"[" * 60_000)}) as there:
        verdict = look("{{ base }}/", there.url, assertions=(Assertion("json", "exists", True, "$..a"),))
    assert verdict.failure == "body"
