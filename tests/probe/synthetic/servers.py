"""Real servers to look at: pages of the standard library, sockets that misbehave, all kinds of certificates."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pitchey_slo.guard import Guard
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.definition import Definition, Request, Retries, Step
from pitchey_slo.probe.synthetic.run import run
from pitchey_slo.probe.synthetic.secrets import Secrets

HERE = Guard(allow=("127.0.0.1",))


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def go(definition: Definition, base: str, **given: Any) -> list[Result]:
    """One run from here; loopback is allowed unless a guard is given."""
    given = {"location": "here", "clock": now, "guard": HERE, **given}
    return asyncio.run(run(definition, base=base, **given))


def check(url: str = "{{ base }}/", *, timeout: float = 5.0, **given: Any) -> Definition:
    """A test of one request; keywords of Step and Definition."""
    step = {name: given.pop(name) for name in ("assertions", "extracts") if name in given}
    request = {name: given.pop(name) for name in ("method", "headers", "json", "has_json", "body", "form", "follow")
               if name in given}  # fmt: skip
    return Definition(
        "probe", "http", "api", steps=(Step("look", Request(url, **request), **step),), timeout=timeout,
        **{"retries": Retries(0), **given},
    )  # fmt: skip


def look(url: str, base: str = "http://127.0.0.1:1", **given: Any) -> Result:
    """The verdict of one request."""
    passed = {name: given.pop(name) for name in ("guard", "secrets", "clock", "now") if name in given}
    return go(check(url, **given), base, **passed)[0]


class Socket:
    """Accepts connections and hands each to `talk` in a thread of its own; `accepted` counts them."""

    def __init__(
        self,
        talk: Callable[[socket.socket], None],
        tls: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.accepted = 0
        self._talk, self._tls = talk, tls
        self._held: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                held, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._held.append(held)
            threading.Thread(target=self._serve, args=(held,), daemon=True).start()

    def _serve(self, held: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                held = self._tls.wrap_socket(held, server_side=True)
                self._held.append(held)
            self._talk(held)

    def close(self) -> None:
        self._listener.close()
        for held in self._held:
            with contextlib.suppress(OSError):
                held.close()


@contextmanager
def speaking(answer: bytes | Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[Socket]:
    """A server that reads a request and says this, byte for byte, then closes."""

    def talk(held: socket.socket) -> None:
        held.recv(65_536)
        if callable(answer):
            answer(held)
        else:
            held.sendall(answer)
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_WR)
            held.recv(1)
        held.close()

    server = Socket(talk, tls)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def hanging(before: bytes = b"") -> Iterator[Socket]:
    """A server that accepts, says this at most, and never goes on."""
    stop = threading.Event()

    def talk(held: socket.socket) -> None:
        if before:
            held.recv(65_536)
            held.sendall(before)
        stop.wait(30)

    server = Socket(talk)
    try:
        yield server
    finally:
        stop.set()
        server.close()


Page = Callable[["Seen"], "tuple[int, dict[str, str], bytes]"]


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """Pages by "METHOD /path"; what was asked is in `seen`."""

    pages: dict[str, Page | tuple[int, dict[str, str], bytes]]
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    def asked(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.seen]


@contextmanager
def site(pages: dict[str, Any], tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A real HTTP server. A page is (status, headers, body) or a function of the request."""
    given = Site(pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            given.seen.append(seen)
            page = given.pages.get(f"{self.command} {self.path.partition('?')[0]}", (404, {}, b"no such page"))
            status, headers, content = page(seen) if callable(page) else page
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do_PUT = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    given.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield given
    finally:
        server.shutdown()
        server.server_close()


def js(value: Any, status: int = 200, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A page of JSON."""
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


@dataclass
class Authority:
    """A certificate authority of our own; `pem` is what a definition trusts."""

    folder: Path
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    made: int = 0

    def __post_init__(self) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = (
            self._builder(self.name, self.key, 3650, 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _builder(self, subject: x509.Name, key: Any, days: float, age: float = 1) -> x509.CertificateBuilder:
        end = now() + dt.timedelta(days=days)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now(), end) - dt.timedelta(days=age))
            .not_valid_after(end)
        )

    def server(self, *hosts: str, days: float = 90) -> ssl.SSLContext:
        """A server's side of TLS with a certificate for these hosts that ends in `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        made = (
            self._builder(subject, key, days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        self.made += 1
        path = self.folder / f"{self.made}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def secrets(**values: str) -> Secrets:
    return Secrets({f"PITCHEY_SECRET_{name}": value for name, value in values.items()})
