"""A real HTTP server that keeps what it is sent and answers what a test asks for."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answering:
    """One answer. `hang` keeps the connection open in silence, `drip` sends a header byte now and then, `reset` ends it
    without a word, `raw` is sent as it is."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drip: bool = False
    reset: bool = False
    raw: bytes | None = None


class Collector:
    """`answers` are given in order, the last one for ever; `judge` may answer by request instead."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answering] = [Answering()]
        self.judge: Callable[[Request], Answering | None] = lambda _: None
        self.open = threading.Event()  # set: what hangs ends
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, body, time.monotonic())
                collector.requests.append(request)
                answer = collector.judge(request) or collector.next()
                self.close_connection = True
                collector.give(self, answer)

            do_GET = do_PUT = do_POST  # noqa: N815  # a redirect must not be followed by any method

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def next(self) -> Answering:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def give(self, handler: BaseHTTPRequestHandler, answer: Answering) -> None:
        if answer.hang:
            self.open.wait(30)
        elif answer.drip:
            for _ in range(300):
                handler.wfile.write(b"H")
                if self.open.wait(0.05):
                    break
        elif answer.reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            handler.connection.close()
        elif answer.raw is not None:
            handler.wfile.write(answer.raw)
        else:
            handler.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(answer.body)

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Until `count` requests came; fails after `seconds`."""
        end = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < end, f"{len(self.requests)} of {count} requests came within {seconds:g} s"
            time.sleep(0.01)


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.open.set()
        collector.server.shutdown()
        collector.server.server_close()
        thread.join(5)
