"""Where the alerts of the demo arrive: an address on this machine that takes messages and shows them on a page.

It stands for the pager and the chat that a real routes file names; nothing leaves the machine. It takes the webhook
body of Alertmanager (version 4), so any Alertmanager may send to it too.
"""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

#: Messages the page shows, newest first.
SHOWN: Final = 200
#: Bytes of one message.
LARGEST: Final = 8 << 20

_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><title>Who was told</title><style>
:root {{ color-scheme: light dark }} body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
padding: 0 1rem }} li {{ list-style: none; border-left: .3rem solid #888; margin: .8rem 0; padding: .1rem .8rem }}
li.critical {{ border-color: #c62828 }} li.warning {{ border-color: #ef8f00 }} li.resolved {{ border-color: #2e7d32 }}
ul {{ padding: 0 }} time, .to {{ opacity: .7; margin-right: .8em }} p {{ margin: .1rem 0 }}</style>
<h1>Who was told</h1><p>Messages of the demo's alerts, the newest first. The pager and the chat are this page.</p>
<ul>{items}</ul></html>
"""
_ITEM: Final = (
    '<li class="{mood}"><p><time>{at}</time><span class="to">{to}</span><strong>{title}</strong></p>{lines}</li>'
)


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
    link: str

    @property
    def mood(self) -> str:
        """resolved, or the severity."""
        return "resolved" if self.action == "resolved" else self.severity


class Collector:
    """Listens on a free port of 127.0.0.1 until `close`; `on_message` is called for each message, in a thread."""

    def __init__(self, on_message: Callable[[Arrived], None] = lambda _: None) -> None:
        self.messages: list[Arrived] = []
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

    def page(self) -> str:
        with self._lock:
            shown = self.messages[: -SHOWN - 1 : -1]
        items = [
            _ITEM.format(
                mood=html.escape(m.mood),
                at=f"{m.at:%H:%M:%S} UTC",
                to=html.escape(m.to),
                title=html.escape(m.title),
                lines="".join(f"<p>{html.escape(line)}</p>" for line in m.lines),
            )
            for m in shown
        ]
        return _PAGE.format(items="".join(items) or "<li><p>Nothing has come yet.</p></li>")


def read(to: str, body: Any) -> Arrived:
    """What a webhook body says. Raises ValueError."""
    if not isinstance(body, dict) or not isinstance(body.get("alerts"), list):
        raise ValueError("not a webhook message of Alertmanager: `alerts` is missing")
    own: dict[str, Any] = body.get("pitchey") or {}
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
        link=str((own.get("links") or {}).get("Why", "")),
    )


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
            if self.path != "/":
                self._answer(404, "the page is /", "text/plain")
                return
            self._answer(200, collector.page(), "text/html")

        def _answer(self, status: int, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
