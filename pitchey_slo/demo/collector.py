"""Where the alerts of the demo arrive: an address on this machine that takes messages and shows them on a page.

It stands for the pager and the chat that a real routes file names; nothing leaves the machine. It takes the webhook
body of Alertmanager (version 4), so any Alertmanager may send to it too.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from pitchey_slo.demo.collector_page import Step, lanes, page

#: Messages the page shows, newest first.
SHOWN: Final = 200
#: Bytes of one message.
LARGEST: Final = 8 << 20


@dataclass(frozen=True)
class Arrived:
    """One message. `to` is the last part of the address it came to: who would have been told."""

    at: datetime
    to: str
    action: str
    severity: str
    title: str
    lines: tuple[str, ...]
    alerts: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()

    @property
    def mood(self) -> str:
        """resolved, or the severity."""
        return "resolved" if self.action == "resolved" else self.severity


class Collector:
    """Listens on a free port of 127.0.0.1 until `close`; `on_message` is called for each message, in a thread."""

    def __init__(self, on_message: Callable[[Arrived], None] = lambda _: None) -> None:
        self.messages: list[Arrived] = []
        #: what the page tells people to look at
        self.steps: Sequence[Step] = ()
        self._ids: set[str] = set()
        self._lock = threading.Lock()
        self._on_message = on_message
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def take(self, to: str, body: Any) -> None:
        """One message as it was sent. A repeat (the same id) is taken and not shown again. ValueError when it is
        none."""
        arrived = read(to, body)
        key = str((body.get("pitchey") or {}).get("id") or "")
        with self._lock:
            if key and key in self._ids:
                return
            self._ids.add(key)
            self.messages.append(arrived)
        self._on_message(arrived)

    def page(self, nonce: str) -> str:
        return page(self.steps, self._newest(), nonce)

    def lanes(self) -> str:
        """What changes of the page."""
        return lanes(self._newest())

    def _newest(self) -> list[Arrived]:
        with self._lock:
            return self.messages[: -SHOWN - 1 : -1]


def read(to: str, body: Any) -> Arrived:
    """What a webhook body says. Raises ValueError."""
    if not isinstance(body, dict) or not isinstance(body.get("alerts"), list):
        raise ValueError("not a webhook message of Alertmanager: `alerts` is missing")
    own: dict[str, Any] = body.get("pitchey") or {}
    links = own.get("links")
    alerts = [a for a in body["alerts"] if isinstance(a, dict)]
    names = [str((a.get("labels") or {}).get("alertname", "")) for a in alerts]
    said = [str((a.get("annotations") or {}).get("summary", "")) for a in alerts]
    severity = str(own.get("severity") or (body.get("commonLabels") or {}).get("severity") or "")
    return Arrived(
        at=datetime.now(UTC),
        to=to,
        action=str(own.get("action") or body.get("status") or ""),
        severity=severity,
        title=str(own.get("title") or f"[{str(body.get('status', '')).upper()}] {', '.join(dict.fromkeys(names))}"),
        lines=tuple(str(line) for line in own.get("lines") or said if line),
        alerts=tuple(names),
        links=tuple((str(text), str(to)) for text, to in links.items()) if isinstance(links, dict) else (),
    )


def policy(nonce: str) -> str:
    """Content-Security-Policy of an answer: its own script, if it has one, and questions to this server."""
    script = f"; script-src 'nonce-{nonce}'; connect-src 'self'" if nonce else ""
    return f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'{script}"


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 20

        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("Content-Length") or 0)
                if not 0 < length <= LARGEST:
                    raise ValueError(f"{length} bytes; 1 to {LARGEST} are taken")
                collector.take(self.path.strip("/").rpartition("/")[2], json.loads(self.rfile.read(length)))
            except ValueError as error:
                self._answer(400, str(error), "text/plain")
                return
            self._answer(200, "shown", "text/plain")

        def do_GET(self) -> None:
            nonce = secrets.token_urlsafe(16)
            if self.path == "/":
                self._answer(200, collector.page(nonce), "text/html", nonce)
            elif self.path == "/lanes":
                self._answer(200, collector.lanes(), "text/html")
            else:
                self._answer(404, "the page is /", "text/plain")

        def _answer(self, status: int, text: str, kind: str, nonce: str = "") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", policy(nonce))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
