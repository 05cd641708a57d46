"""Each thing that can go wrong has one class and one phase, told from real servers."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import resource
import socket
import struct
import time

import pytest

from pitchey_slo.guard import Guard
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.definition import Assertion
from pitchey_slo.probe.synthetic.run import run
from tests.probe.synthetic.servers import HERE, Authority, check, hanging, js, look, now, site, speaking

LOCAL = ("127.0.0.0/8", "::1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def names(*addresses: str) -> Guard:
    """A guard whose name server gives these addresses for every name."""
    return Guard(LOCAL, lambda host, port: list(addresses))


def test_a_pass_has_every_phase_of_plain_http_and_no_other() -> None:
    with site({"GET /": js({"ok": True})}) as there:
        verdict = look("{{ base }}/", there.url)
    assert (verdict.state, verdict.failure, verdict.phase, verdict.reason) == ("healthy", None, None, None)
    assert set(verdict.phases) == {"dns", "connect", "first_byte", "transfer"}
    assert 0 < sum(verdict.phases.values()) <= (verdict.duration_ms or 0)
    assert (verdict.status, verdict.bytes, verdict.attempt, verdict.cert_days) == (200, 12, 1, None)


def test_a_pass_over_tls_measures_the_handshake_and_the_certificate(authority: Authority) -> None:
    with site({"GET /": js({})}, authority.server("shop.test", days=40)) as there:
        port = there.url.rpartition(":")[2]
        verdict = look(f"https://shop.test:{port}/", ca=authority.pem, guard=names("127.0.0.1"))
        host = there.seen[0].headers["host"]
    assert verdict.state == "healthy", verdict.reason
    assert set(verdict.phases) == {"dns", "connect", "tls", "first_byte", "transfer"}
    assert verdict.cert_days == pytest.approx(40, abs=0.01)
    assert host == f"shop.test:{port}"
    assert verdict.details["address"] == "127.0.0.1"


def test_the_time_is_booked_where_it_was_spent() -> None:
    def drip(held: socket.socket) -> None:
        time.sleep(0.15)
        held.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        time.sleep(0.3)
        held.sendall(b"cd")

    def slow_names(host: str, port: int) -> list[str]:
        time.sleep(0.2)
        return ["127.0.0.1"]

    with speaking(drip) as there:
        verdict = look(f"http://slow.test:{there.port}/", guard=Guard(LOCAL, slow_names), degraded_after=0.5)
    assert verdict.phases["dns"] >= 200
    assert 150 <= verdict.phases["first_byte"] < verdict.phases["transfer"]
    assert verdict.phases["transfer"] >= 300 > verdict.phases["connect"]
    assert (verdict.state, verdict.failure, verdict.phase) == ("degraded", None, "transfer")
    assert "in transfer; 500 ms is the limit" in (verdict.reason or "")


def test_a_name_without_address_is_dns() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    verdict = look("http://nobody.test/", guard=Guard((), nobody))
    assert (verdict.failure, verdict.phase, verdict.state) == ("dns", "dns", "unhealthy")
    assert "nobody.test cannot be resolved" in (verdict.reason or "")
    assert verdict.status is None


def test_a_name_server_that_hangs_is_a_timeout_in_dns_and_holds_nothing_up() -> None:
    started = time.perf_counter()
    verdict = look("http://slow.test/", guard=Guard((), lambda host, port: time.sleep(3) or []), timeout=0.3)
    assert time.perf_counter() - started < 2
    assert (verdict.failure, verdict.phase) == ("timeout", "dns")


def test_nobody_listening_is_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    verdict = look(f"http://127.0.0.1:{port}/")
    assert (verdict.failure, verdict.phase) == ("connect", "connect")
    assert verdict.reason == f"127.0.0.1 port {port}: connection refused"


def test_a_full_backlog_is_a_timeout_in_connect() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        verdict = look(f"http://127.0.0.1:{port}/", timeout=0.3)
        for each in waiting:
            each.close()
    assert (verdict.failure, verdict.phase) == ("timeout", "connect")


def test_the_second_address_is_tried_when_the_first_refuses() -> None:
    with site({"GET /": js({})}) as there:
        port = there.url.rpartition(":")[2]
        verdict = look(f"http://two.test:{port}/", guard=names("127.0.0.9", "127.0.0.1"))
    assert verdict.state == "healthy", verdict.reason
    assert verdict.details["address"] == "127.0.0.1"


def test_silence_after_the_request_is_a_timeout_in_first_byte() -> None:
    with hanging() as there:
        verdict = look("{{ base }}/", there.url, timeout=0.3)
    assert (verdict.failure, verdict.phase) == ("timeout", "first_byte")
    assert verdict.reason == "the first byte of the answer did not come within 300 ms"
    assert 300 <= (verdict.duration_ms or 0) < 2_000


def test_silence_in_the_body_is_a_timeout_in_transfer() -> None:
    with hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab") as there:
        verdict = look("{{ base }}/", there.url, timeout=0.3)
    assert (verdict.failure, verdict.phase) == ("timeout", "transfer")


def test_a_handshake_that_hangs_is_a_timeout_in_tls() -> None:
    with hanging() as there:
        verdict = look(there.url.replace("http:", "https:") + "/", timeout=0.3)
    assert (verdict.failure, verdict.phase) == ("timeout", "tls")


def test_a_server_without_tls_is_tls() -> None:
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as there:
        verdict = look(there.url.replace("http:", "https:") + "/")
    assert (verdict.failure, verdict.phase) == ("tls", "tls")
    assert "handshake failed" in (verdict.reason or "")


@pytest.mark.parametrize(
    ("hosts", "trusted", "said"),
    [
        (["127.0.0.1"], False, "self-signed|unable to get|not to be trusted"),
        (["other.test"], True, "mismatch|not valid for"),
    ],
    ids=["unknown authority", "wrong host"],
)
def test_a_certificate_nobody_believes_is_tls_and_its_days_are_known(
    authority: Authority, hosts: list[str], trusted: bool, said: str
) -> None:
    with site({"GET /": js({})}, authority.server(*hosts, days=12)) as there:
        verdict = look("{{ base }}/", there.url, ca=authority.pem if trusted else None)
        assert there.seen == []
    assert (verdict.failure, verdict.phase) == ("tls", "tls")
    assert verdict.cert_days == pytest.approx(12, abs=0.01)
    assert re.search(said, verdict.reason or ""), verdict.reason


def test_a_certificate_that_ended_is_cert_expiry_and_nothing_is_sent_to_its_server(authority: Authority) -> None:
    with site({"GET /": js({})}, authority.server("127.0.0.1", days=-3)) as there:
        verdict = look("{{ base }}/", there.url, ca=authority.pem)
        assert there.seen == []
    assert (verdict.failure, verdict.phase) == ("cert_expiry", "tls")
    assert verdict.cert_days == pytest.approx(-3, abs=0.01)
    assert verdict.reason == "the certificate of 127.0.0.1 ended 3.0 days ago"


@pytest.mark.parametrize(("above", "state"), [(20, "healthy"), (30, "unhealthy")])
def test_a_certificate_that_ends_too_soon_is_cert_expiry(authority: Authority, above: float, state: str) -> None:
    limit = Assertion("certificate_days", "above", above)
    with site({"GET /": js({})}, authority.server("127.0.0.1", days=25)) as there:
        verdict = look("{{ base }}/", there.url, ca=authority.pem, assertions=(limit,))
    assert verdict.state == state
    if state == "unhealthy":
        assert (verdict.failure, verdict.phase) == ("cert_expiry", "tls")
        assert verdict.reason == "the certificate of 127.0.0.1 ends in 25.0 days; more than 30 were hoped for"


def test_the_clock_of_the_run_judges_certificates(authority: Authority) -> None:
    limit = Assertion("certificate_days", "above", 20, degraded=True)
    with site({"GET /": js({})}, authority.server("127.0.0.1", days=25)) as there:
        verdict = look(
            "{{ base }}/", there.url, ca=authority.pem, assertions=(limit,), clock=lambda: now() + dt.timedelta(days=10)
        )
    assert verdict.cert_days == pytest.approx(15, abs=0.01)
    assert (verdict.state, verdict.failure, verdict.phase) == ("degraded", None, "tls")


def test_a_connection_that_is_dropped_before_any_answer_is_connect() -> None:
    def reset(held: socket.socket) -> None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        held.close()

    for rude in (reset, b""):
        with speaking(rude) as there:
            verdict = look("{{ base }}/", there.url)
        assert (verdict.failure, verdict.phase) == ("connect", "first_byte"), rude


@pytest.mark.parametrize("status", [500, 404, 304])
def test_another_status_than_success_is_http_status(status: int) -> None:
    with site({"GET /": (status, {}, b"")}) as there:
        verdict = look("{{ base }}/", there.url)
    assert (verdict.failure, verdict.phase, verdict.status) == ("http_status", "first_byte", status)
    assert verdict.reason == f"status {status}, not 2xx"


def test_an_answer_that_breaks_off_is_body() -> None:
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nonly this") as there:
        verdict = look("{{ base }}/", there.url)
    assert (verdict.failure, verdict.phase) == ("body", "transfer")


def test_what_is_no_http_is_body() -> None:
    with speaking(b"220 mail.example ESMTP ready\r\n") as there:
        verdict = look("{{ base }}/", there.url)
    assert (verdict.failure, verdict.phase) == ("body", "first_byte")


def test_html_where_json_should_be_is_body_and_a_wrong_value_is_assertion() -> None:
    wanted = Assertion("json", "equals", "ok", "$.status")
    with site({"GET /html": (200, {}, b"<html>"), "GET /json": js({"status": "down"})}) as there:
        html = look("{{ base }}/html", there.url, assertions=(wanted,))
        wrong = look("{{ base }}/json", there.url, assertions=(wanted,))
    assert (html.failure, html.phase) == ("body", "transfer")
    assert (wrong.failure, wrong.phase, wrong.status) == ("assertion", "transfer", 200)
    assert wrong.reason == "$.status is not 'ok'; it is 'down'"


def test_too_slow_an_answer_is_an_assertion_that_names_the_slow_phase() -> None:
    def slow(held: socket.socket) -> None:
        time.sleep(0.3)
        held.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with speaking(slow) as there:
        verdict = look("{{ base }}/", there.url, assertions=(Assertion("latency", "below", 0.2),))
    assert (verdict.failure, verdict.phase) == ("assertion", "first_byte")
    assert "% of it in first_byte; 200 ms is the limit" in (verdict.reason or "")


@pytest.mark.parametrize(
    ("url", "given", "said"),
    [
        ("{{ basis }}/", {}, "{{ basis }} stands for nothing"),
        ("{{ base }}/", {"headers": {"authorization": "Bearer ${secret:API}"}}, "set PITCHEY_SECRET_API"),
        ("{{ base }}/", {"headers": {"x": "a\r\nHost: other"}}, "the request is not HTTP"),
        ("ftp://127.0.0.1/", {}, "only http and https"),
        ("{{ base }}/", {"ca": "no certificate"}, "no certificates in PEM"),
    ],
    ids=["template", "secret", "header", "scheme", "ca"],
)
def test_our_own_faults_are_probe_error_and_say_nothing_of_the_target(
    url: str, given: dict[str, object], said: str
) -> None:
    with site({"GET /": js({})}) as there:
        verdict = look(url, there.url, **given)
        assert there.seen == []
    assert (verdict.state, verdict.failure) == ("unknown", "probe_error")
    assert said in (verdict.reason or "")


def test_too_many_open_files_is_our_own_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[socket.socket] = []

    async def starved(base: str) -> Result:
        while True:
            try:
                held.append(socket.socket())
            except OSError:
                break
        return (await run(check(), base=base, location="here", clock=now, guard=HERE))[0]

    with site({"GET /": js({})}) as there:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            verdict = asyncio.run(starved(there.url))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for each in held:
                each.close()
    assert (verdict.state, verdict.failure) == ("unknown", "probe_error"), verdict.reason
    assert "too many open files" in (verdict.reason or "")
