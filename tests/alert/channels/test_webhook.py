"""The webhook: Alertmanager's body, Standard Webhooks' signature, and only addresses it may reach."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pitchey_slo.alert.channels import Channel, House, build
from pitchey_slo.alert.channels.guard import is_public
from pitchey_slo.alert.channels.http import retry_after
from pitchey_slo.alert.channels.webhook import signed
from pitchey_slo.errors import ChannelError, ConfigError
from pitchey_slo.testing import NOON, FixedClock

from .collector import Answering, Collector, collecting
from .made import alert, message, note
from .mailbox import certificate

OLD, NEW = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def webhook(url: str, **settings: Any) -> Channel:
    given = {"url": url, "allow_private": True, "timeout_seconds": 3, **settings}
    return build("webhook", given, House("http://here", clock=FixedClock()))


def verified(headers: Any, body: bytes, secret: str) -> bool:
    """As a receiver verifies it, written from the specification alone."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return any(given == f"v1,{expected}" for given in headers["webhook-signature"].split(" "))


def test_the_specification_s_own_example() -> None:
    """standard-webhooks/standard-webhooks, libraries/python/tests: payload, id, time, secret and signature."""
    headers = signed(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_signed_with_every_secret_while_they_are_rotated(collector: Collector) -> None:
    webhook(collector.url, secret=SecretStr(NEW), secrets=[OLD]).send(note("n-7"))
    request = collector.requests[0]
    assert request.headers["webhook-id"] == "n-7"
    assert request.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    for secret in (OLD, NEW):
        assert verified(request.headers, request.body, secret)
    assert not verified(request.headers, request.body + b" ", NEW)
    assert not verified(request.headers, request.body, "whsec_" + base64.b64encode(b"x" * 32).decode())


def test_a_secret_file_is_read_at_each_use(collector: Collector, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(OLD + "\n")
    channel = webhook(collector.url, secret_file=str(file))
    channel.send(note())
    file.write_text(NEW)
    channel.send(note())
    first, second = collector.requests
    assert verified(first.headers, first.body, OLD)
    assert verified(second.headers, second.body, NEW)


@pytest.mark.parametrize("secret", ["whsec_short", "whsec_***", "whsec_" + "QUJD" * 40, "hunter2"])
def test_a_secret_that_is_none_is_named_but_not_shown(secret: str) -> None:
    with pytest.raises(ConfigError, match="signing secret") as error:
        webhook("http://127.0.0.1:1", secret=secret)
    assert secret not in str(error.value)


def test_without_a_secret_there_is_no_signature(collector: Collector) -> None:
    webhook(collector.url).send(note())
    assert "webhook-signature" not in collector.requests[0].headers


def test_the_body_is_that_of_alertmanager(collector: Collector) -> None:
    one = alert(labels={"route": "/a"}, annotations={"summary": "s"}, generator_url="http://g")
    gone = alert(state="resolved", labels={"route": "/b"}, annotations={"summary": "s"})
    webhook(collector.url).send(note(said=message(one, gone, group_labels={"alertname": "HighErrorRate"})))
    body = collector.requests[0].json
    assert set(body) - {"pitchey"} == {
        "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
        "commonAnnotations", "externalURL", "alerts",
    }  # fmt: skip
    assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "oncall")
    assert body["commonLabels"] == {"alertname": "HighErrorRate", "severity": "critical"}
    assert body["commonAnnotations"] == {"summary": "s"}
    assert body["alerts"][0] == {
        "status": "firing",
        "labels": {"alertname": "HighErrorRate", "severity": "critical", "route": "/a"},
        "annotations": {"summary": "s"},
        "startsAt": "2026-03-02T11:50:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://g",
        "fingerprint": one.fingerprint,
    }
    assert body["alerts"][1]["endsAt"] == "2026-03-02T12:00:00Z"


def test_max_alerts_says_how_many_are_missing(collector: Collector) -> None:
    many = [alert(labels={"n": str(i)}) for i in range(5)]
    webhook(collector.url, max_alerts=2).send(note(said=message(*many)))
    body = collector.requests[0].json
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (2, 3)


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(301, True), (400, True), (401, True), (404, True), (410, True), (408, False), (429, False),
     (500, False), (502, False)],
)  # fmt: skip
def test_the_status_decides(collector: Collector, status: int, permanent: bool) -> None:
    collector.answers = [Answering(status, b"why", headers={"Retry-After": "7"})]
    with pytest.raises(ChannelError, match=f"answered {status}: why") as error:
        webhook(collector.url).send(note())
    assert (error.value.permanent, error.value.retry_after) == (permanent, 7)


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("120") == 120
    assert retry_after("Mon, 02 Mar 2026 12:01:00 GMT", NOON) == 60
    assert retry_after("Mon, 02 Mar 2026 11:00:00 GMT", NOON) == 0
    assert [retry_after(text) for text in (None, "", "soon", "-3", "9" * 30)] == [None] * 5


def test_login_and_headers_of_http_config(collector: Collector) -> None:
    config = {
        "authorization": {"type": "Bearer", "credentials": SecretStr("token-1")},
        "http_headers": {"X-Team": {"values": ["payments"]}},
    }
    webhook(collector.url, http_config=config).send(note())
    config = {"basic_auth": {"username": "me", "password": "you"}}
    webhook(collector.url, http_config=config).send(note())
    webhook(collector.url.replace("//", "//me:you@")).send(note())
    headers = [r.headers for r in collector.requests]
    assert headers[0]["authorization"] == "Bearer token-1"
    assert headers[0]["x-team"] == "payments"
    assert headers[1]["authorization"] == headers[2]["authorization"] == "Basic bWU6eW91"
    with pytest.raises(ConfigError, match="oauth2"):
        webhook(collector.url, http_config={"oauth2": {}})


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """(address, its certificate, names asked for by SNI) of an HTTPS server called localhost."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.sni_callback = lambda _, name, __: asked.append(name or "")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", str(cert), asked
    server.shutdown()
    server.server_close()


def test_the_certificate_is_checked_for_the_name_though_the_address_is_dialled(tls: tuple[str, str, list[str]]) -> None:
    url, cert, asked = tls
    webhook(url, http_config={"tls_config": {"ca_file": cert}}).send(note())
    assert asked == ["localhost"]
    with pytest.raises(ChannelError, match=r"CERTIFICATE_VERIFY_FAILED|certificate"):
        webhook(url).send(note())
    webhook(url, http_config={"tls_config": {"insecure_skip_verify": True}}).send(note())


ATTACKS = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/",
    "http://0x7f000001:{port}/", "http://0177.0.0.1:{port}/", "http://0:{port}/", "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/", "http://[::]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://[2002:7f00:1::]:{port}/", "http://[fe80::1%25lo]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/", "http://127。0。0。1:{port}/", "http://localhost.:{port}/",
    "http://user:pw@127.0.0.1:{port}/", "http://example.com@127.0.0.1:{port}/", "http://10.0.0.1/", "http://[fd00::1]/",
    "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/", "http://192.168.1.1/", "http://224.0.0.1/",
    "http://255.255.255.255/", "http://[fec0::1]/", "http://[ff02::1]/", "http://192.0.0.9/", "http://172.16.0.1/",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "http:///x", "http://127.0.0.1:99999/", "http://127.0.0.1:{port}\\@example.com/", "javascript:alert(1)",
    "http://127.0.0.1\r\nHost: x:{port}/",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_reaches_this_machine(collector: Collector, attack: str) -> None:
    url = attack.replace("{port}", collector.url.rpartition(":")[2])
    with pytest.raises(ChannelError):
        webhook(url, allow_private=False).send(note())
    assert not collector.requests


def test_a_name_is_resolved_once_and_that_address_is_dialled(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers a public address first and ours afterwards gains nothing."""
    import socket

    answers = ["127.0.0.2", "127.0.0.1", "127.0.0.1"]
    asked: list[str] = []

    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[len(asked) - 1], 80))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("pitchey_slo.guard.is_public", lambda address: address == "127.0.0.2")
    port = collector.url.rpartition(":")[2]
    with pytest.raises(ChannelError, match="ConnectError"):
        webhook(f"http://rebind.example:{port}/", allow_private=False).send(note())
    assert not collector.requests
    assert asked.count("rebind.example") == 1


def test_what_python_calls_global_is_not_all_public() -> None:
    hidden = ["224.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "fec0::1", "192.0.0.9", "100.64.0.1",
              "2001:0:1::1", "::", "0.0.0.0", "not an address", "fe80::1%eth0"]  # fmt: skip
    assert [a for a in hidden if is_public(a)] == []
    assert all(is_public(a) for a in ("1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"))


def test_a_name_that_does_not_exist_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChannelError, match=r"nowhere\.invalid") as error:
        webhook("http://nowhere.invalid/", timeout_seconds=1).send(note())
    assert not error.value.permanent


def test_nobody_listening_is_tried_again() -> None:
    with pytest.raises(ChannelError, match="ConnectError") as error:
        webhook("http://127.0.0.1:1/").send(note())
    assert not error.value.permanent
