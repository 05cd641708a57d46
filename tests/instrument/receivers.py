"""Receivers that a test scripts: a real HTTP server that notes each delivery and answers as it is told."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: (status, body) or (status, body, headers); "hang" never answers, "reset" breaks the connection.
Reply = tuple[Any, ...] | str


@dataclass
class Delivery:
    path: str
    headers: dict[str, str]
    raw: bytes
    at: float

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass
class Receiver:
    url: str
    seen: list[Delivery] = field(default_factory=list)

    def wait(self, count: int, seconds: float = 20) -> list[Delivery]:
        """The deliveries, once there are so many."""
        deadline = time.monotonic() + seconds
        while len(self.seen) < count:
            assert time.monotonic() < deadline, f"{len(self.seen)} deliveries, {count} were awaited"
            time.sleep(0.005)
        return self.seen

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for delivery in self.seen for row in delivery.rows]


@contextmanager
def receiving(
    answer: Callable[[int, Delivery], Reply], *, certificate: tuple[Path, Path] | None = None
) -> Iterator[Receiver]:
    """A receiver; `answer` is given its number, from 0, and the delivery. `certificate`: with its key, TLS."""
    lock, released = threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body of an answer in one packet: two would wait for each other's acknowledgement

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            found = Delivery(self.path, {k.lower(): v for k, v in self.headers.items()}, raw, time.monotonic())
            with lock:
                number = len(receiver.seen)
                receiver.seen.append(found)
            reply = answer(number, found)
            if reply == "hang":
                released.wait(30)
                self.close_connection = True
                return
            if reply == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            status, body, *more = reply
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the sender closed it
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        receiver.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        released.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


def stored(count: int, refused: dict[str, int] | None = None) -> Reply:
    """What the workbench says of rows."""
    bad = refused or {}
    answer = {"stored": count, "duplicates": 0, "rejected": sum(bad.values()), "reasons": bad, "rows": []}
    return 200, answer


def all_stored(_: int, delivery: Delivery) -> Reply:
    return stored(len(delivery.rows))
