"""The process of the dashboards, as the server sees it: started, kept alive, stopped.

The parent binds the socket and keeps it: the address is known before the process runs and stays the same when it is
started again. A process that dies is started again at once, then after 1, 2, 4 ... seconds; after `TRIES` deaths in ten
minutes it is left, the socket is closed, and the server shows its small pages instead.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace

from pitchey_slo.client import ServerInfo
from pitchey_slo.settings import Settings
from pitchey_slo.show.orders import Orders, origins_of

log = logging.getLogger(__name__)

TRIES = 6
WITHIN = 600.0
#: Seconds the process has to end when it is asked to.
PATIENCE = 8.0


class Dashboards:
    """One per server. `url` is where people look; `up` says whether a process runs there."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        host, port = listener.getsockname()[:2]
        named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        own = f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"
        self.url = (settings.dashboards_url or own).rstrip("/")
        self._origins = origins_of(self.url, host, port)
        self._once = secrets.token_urlsafe(24)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def link(self) -> str:
        """Signs whoever opens it in as administrator: works once, for ten minutes after the start."""
        return f"{self.url}/signin?once={self._once}"

    @property
    def up(self) -> bool:
        process = self._process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process is not None else None

    def viewers(self) -> int | None:
        """Pages that are open; None when the process does not answer at once."""
        host, port = self._listener.getsockname()[:2]
        named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        asked = http.client.HTTPConnection(named, port, timeout=1.0)
        try:
            asked.request("GET", "/alive")
            return int(json.loads(asked.getresponse().read(1_024))["viewers"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None
        finally:
            asked.close()

    def start(self, info: ServerInfo) -> None:
        """Start the process for the server behind `info`; returns at once."""
        given = self._settings
        orders = Orders(
            api=info.url,
            token=info.token,
            fd=self._listener.fileno(),
            url=self.url,
            anonymous=given.dashboards_anonymous,
            origins=self._origins,
            once=self._once,
            watch=True,
            log_level=given.log_level,
        )
        self._thread = threading.Thread(target=self._keep, args=(orders,), name="dashboards", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the process, and the socket with it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE * 2)
        self._listener.close()

    def _keep(self, orders: Orders) -> None:
        deaths: deque[float] = deque(maxlen=TRIES)
        while not self._stop.is_set():
            code = self._live(orders)
            if self._stop.is_set():
                return
            orders = replace(orders, once="")  # the link of the first start is used up, or was printed too long ago
            deaths.append(time.monotonic())
            if len(deaths) == TRIES and deaths[-1] - deaths[0] < WITHIN:
                log.error("the dashboards ended %d times in %.0f s, the last with %d: left", TRIES, WITHIN, code)
                self._listener.close()
                return
            log.warning("the dashboards ended with %d; started again", code)
            self._stop.wait(0.0 if len(deaths) == 1 else 2.0 ** (len(deaths) - 2))

    def _live(self, orders: Orders) -> int:
        """One life of the process: its exit code."""
        process = subprocess.Popen(
            [sys.executable, "-m", "pitchey_slo.show"], stdin=subprocess.PIPE, pass_fds=[orders.fd], env=environment()
        )
        self._process, self.starts = process, self.starts + 1
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once: its exit code tells
            process.stdin.write(orders.line())
            process.stdin.flush()
        while process.poll() is None and not self._stop.wait(0.2):
            pass
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode


def environment() -> dict[str, str]:
    """That of the parent, without what configures Bokeh from outside: origins and signing are ours to say."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("BOKEH_", "PANEL_"))}
