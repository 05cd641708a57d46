"""HTTP and WebSocket endpoints: good answers, and every way in which one is not."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.probe import Result

from .servers import free_port, looked, silent

CHECK = '{api: {check: http, url: "${URL}", timeout: 2s}}'
WS = '{live: {check: websocket, url: "${URL}", timeout: 2s}}'


class Platform(BaseHTTPRequestHandler):
    """What a path says it does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, _ = self.path.partition("?")
        if path == "/redirect":
            return self._say(302, b"", location="/health")
        if path == "/short":
            return self._say(200, b"half", length=100)
        if path == "/secret" and self.headers.get("authorization") != "Bearer t0ken-of-api":
            return self._say(401, b"who are you?")
        if path.startswith("/status/"):
            return self._say(int(path.removeprefix("/status/")), b"as told")
        if path == "/large":
            return self._say(200, b"x" * 3_000_000)
        return self._say(200, b'{"status": "ok"}')

    def _say(self, status: int, body: bytes, length: int | None = None, location: str = "") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body) if length is None else length))
        if location:
            self.send_header("location", location)
        if length is not None:
            self.close_connection = True
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(tls: ssl.SSLContext | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with served() as url:
        yield url


def at(url: str, more: str = "") -> Result:
    return looked(CHECK.replace("timeout", f"{more}, timeout" if more else "timeout"), URL=url)


def test_an_api_writes_whether_the_worker_is_up_a_page_about_a_database_whether_that_is() -> None:
    from pitchey_slo.probe.health.kinds import KINDS

    assert KINDS["http"].up["api"] == KINDS["http"].up["worker"] == ("pitchey_worker_up", "worker")
    assert KINDS["http"].up["database"] == KINDS["postgres"].up["database"] == ("pitchey_db_up", "instance")


def test_a_good_answer_with_its_phases(api: str) -> None:
    result = at(f"{api}/health")
    assert (result.state, result.status, result.bytes, result.failure) == ("healthy", 200, 16, None)
    assert set(result.phases) == {"connect", "first_byte", "transfer"}
    assert result.details["values"]["latency_seconds"] > 0 and result.details["up"] is True


@pytest.mark.parametrize(
    ("path", "more", "failure", "up", "says"),
    [
        ("/status/500", "", "http_status", False, "status 500 where 2xx was hoped for"),
        ("/status/404", "", "http_status", True, "status 404"),
        ("/redirect", "", "http_status", True, "status 302"),
        ("/short", "", "body", True, "broke off"),
        ("/health", "contains: pitches", "assertion", True, "does not say 'pitches'"),
        ("/status/200", "status: [204]", "http_status", True, "status 200 where 204"),
    ],
)
def test_a_bad_answer(api: str, path: str, more: str, failure: str, up: bool, says: str) -> None:
    result = at(api + path, more)
    assert (result.state, result.failure, result.details["up"]) == ("unhealthy", failure, up), result
    assert says in (result.reason or "")


def test_what_is_good_can_be_said(api: str) -> None:
    assert at(f"{api}/status/404", "status: [2xx, 404]").ok
    assert at(f"{api}/health", 'contains: \'"status": "ok"\'').ok
    assert at(f"{api}/large").bytes == 256 * 1024


def test_slow_is_degraded_and_slower_unhealthy_but_up(api: str) -> None:
    slow = at(api, "degraded: {latency_seconds: 0.0000001}")
    assert slow.state == "degraded" and slow.failure is None
    assert "the whole answer is" in (slow.reason or "") and "is good" in (slow.reason or "")
    slower = at(api, "unhealthy: {latency_seconds: 0.0000001}")
    assert (slower.state, slower.failure, slower.details["up"]) == ("unhealthy", "assertion", True)


def test_secrets_of_headers_and_addresses_are_sent_and_not_shown(api: str) -> None:
    text = '{api: {check: http, url: "${URL}", headers: {Authorization: "Bearer ${TOKEN}"}, contains: Bearer}}'
    url = api.replace("http://", "http://user:pa55word@") + "/status/200?key=k3y-in-query"
    result = looked(text, URL=url, TOKEN="t0ken-of-api")
    told = json.dumps(result.row(), default=str)
    assert result.status == 200 and result.details["target"] == f"{api}/status/200"
    assert not [secret for secret in ("pa55word", "k3y-in-query", "t0ken-of-api") if secret in told]
    good = looked('{api: {check: http, url: "${URL}", headers: {Authorization: "Bearer ${TOKEN}"}}}',
                  URL=f"{api}/secret", TOKEN="t0ken-of-api")  # fmt: skip
    assert good.ok


def test_nobody_listens_nobody_answers_no_such_name() -> None:
    refused = at(f"http://127.0.0.1:{free_port()}")
    assert (refused.state, refused.failure, refused.phase) == ("unhealthy", "connect", "connect")
    assert "connection refused" in (refused.reason or "")
    unnamed = at("http://pitchey.invalid/")
    assert (unnamed.state, unnamed.failure, unnamed.phase) == ("unhealthy", "dns", "dns")
    with silent() as port:
        hung = looked(CHECK.replace("2s", "1s"), URL=f"http://127.0.0.1:{port}")
    assert (hung.state, hung.failure, hung.phase) == ("unknown", "timeout", "first_byte")
    assert "while waiting for its answer" in (hung.reason or "") and hung.details["up"] is None


def certificate(folder: Path, days: int) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that ends in so many days, and the server's side of it."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{days}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return pem, context


def test_certificates(tmp_path: Path) -> None:
    pem, tls = certificate(tmp_path, 40)
    with served(tls) as url:
        trusted = at(url, f"ca_file: {pem}")
        assert trusted.ok and trusted.cert_days == pytest.approx(40, abs=0.1) and "tls" in trusted.phases
        soon = at(url, f"ca_file: {pem}, degraded: {{cert_days: 60}}")
        assert soon.state == "degraded" and "at least 60 days is good" in (soon.reason or "")
        strange = at(url)
        assert (strange.state, strange.failure, strange.phase) == ("unhealthy", "tls", "tls")
    pem, tls = certificate(tmp_path, -1)
    with served(tls) as url:
        ended = at(url, f"ca_file: {pem}")
        assert (ended.state, ended.failure, ended.phase) == ("unhealthy", "cert_expiry", "tls")
    with served() as url:
        assert at(url.replace("http:", "https:")).failure == "tls"


@contextmanager
def sockets() -> Iterator[str]:
    """A WebSocket server: /echo repeats, /chatty talks of other things first, /mute takes and says nothing."""
    from websockets.asyncio.server import ServerConnection, serve

    async def talk(connection: ServerConnection) -> None:
        path = connection.request.path if connection.request else ""
        if path == "/chatty":
            await connection.send('{"hello": "you"}')
        if path == "/rude":
            return
        async for message in connection:
            if path != "/mute":
                await connection.send(f"you said {message!r}" if path == "/chatty" else message)

    started, loop = threading.Event(), asyncio.new_event_loop()
    ports: list[int] = []

    async def main() -> None:
        async with serve(talk, "127.0.0.1", 0) as server:
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await asyncio.Event().wait()

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(main())
    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield f"ws://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


def test_websockets(api: str) -> None:
    with sockets() as url:
        for path in ("/echo", "/chatty"):
            result = looked(WS, URL=url + path)
            seen = result.details["values"]
            assert (result.state, result.status, result.component) == ("healthy", 101, "websocket"), result
            assert 0 < seen["echo_seconds"] < 1 and seen["messages_per_second"] > 50 and seen["connect_seconds"] > 0
        assert looked(WS.replace("timeout", "echo: false, timeout"), URL=f"{url}/mute").ok
        mute = looked(WS.replace("2s", "1s"), URL=f"{url}/mute")
        assert (mute.state, mute.failure, mute.phase) == ("unknown", "timeout", "first_byte")
        rude = looked(WS, URL=f"{url}/rude")
        assert (rude.state, rude.failure) == ("unhealthy", "body") and "closed" in (rude.reason or "")
        slow = looked(WS.replace("timeout", "degraded: {messages_per_second: 1e9}, timeout"), URL=f"{url}/echo")
        assert slow.state == "degraded" and "the throughput is" in (slow.reason or "")
    plain = looked(WS, URL=api.replace("http:", "ws:"))
    assert (plain.failure, plain.status) == ("http_status", 200)
    dead = looked(WS, URL=f"ws://127.0.0.1:{free_port()}")
    assert (dead.state, dead.failure) == ("unhealthy", "connect")
    with silent() as port:
        hung = looked(WS.replace("2s", "1s"), URL=f"ws://127.0.0.1:{port}")
    assert (hung.state, hung.phase) == ("unknown", "connect")
