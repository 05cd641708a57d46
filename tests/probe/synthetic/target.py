"""A target over real HTTP whose answers a test turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Target:
    """`status` and `seconds` by path; `seen` the paths that were asked."""

    url: str = ""
    status: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)


@contextmanager
def target(host: str = "127.0.0.1", port: int = 0) -> Iterator[Target]:
    made = Target()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.seen.append(self.path)
            time.sleep(made.seconds.get(self.path, 0.0))
            body = b'{"ok": true}'
            self.send_response(made.status.get(self.path, 200))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who went away is no news."""

    server = Server((host, port), Handler)
    made.url = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def definition(name: str, path: str = "/ok", *, component: str = "api", interval: str = "1m", more: str = "") -> str:
    """A test of one request, as a file says it."""
    url = path if path.startswith("http") else "{{ base }}" + path
    return f"""name: {name}
kind: http
component: {component}
interval: {interval}
timeout: 2s
retries: {{count: 0}}
allow: [base, 127.0.0.1, 10.0.0.0/8]
{more}
steps:
  - name: get
    request: {{url: "{url}"}}
    assert:
      - status: 200
"""
