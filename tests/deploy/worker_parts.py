"""Around the Worker's tests: its packages, the Workers runtime as a process, and servers that fail in known ways."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "deploy" / "worker"
STAMP = WORKER / "node_modules" / ".lock-sha256"


def installed() -> Path:
    """The folder of the Worker module with its packages as the lock says; installs them when they are others."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm (Debian packages nodejs and npm) are not here: the Workers runtime comes with npm")
    lock = hashlib.sha256((WORKER / "package-lock.json").read_bytes()).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != lock:
        # no install scripts: the programs are in the packages as they are
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(words, cwd=WORKER, capture_output=True, text=True, timeout=240)
        if done.returncode:
            pytest.skip(f"npm ci in deploy/worker found no packages: {done.stderr.strip()[-600:]}")
        STAMP.write_text(lock)
    return WORKER


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*words], cwd=WORKER, capture_output=True, text=True, timeout=120)


class Workers:
    """Workers in the runtime: addresses by name."""

    def __init__(self, urls: dict[str, str], said: Path) -> None:
        self.urls = urls
        self.said = said
        self._client = httpx.Client(trust_env=False, timeout=20, verify=False)

    def ask(self, name: str, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        return self._client.request(method, self.urls[name].rstrip("/") + path, **more)

    def stats(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask(name, "/stats").json()
        return answer

    def console(self) -> str:
        """What all of them printed."""
        return self.said.read_text()

    def close(self) -> None:
        self._client.close()


@contextmanager
def workers(asked: dict[str, dict[str, Any]], folder: Path) -> Iterator[Workers]:
    """Runs Workers as `test/serve.mjs` says, until the `with` block ends."""
    said = folder / "console.txt"
    with said.open("w") as errors:
        words = ["node", "test/serve.mjs"]
        process = subprocess.Popen(
            words, cwd=WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        killer = threading.Timer(180, process.kill)  # whatever happens, it ends
        killer.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            told = process.stdout.readline()
            assert told, said.read_text()[-3_000:]
            it = Workers(json.loads(told), said)
            yield it
            it.close()
        finally:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            killer.cancel()
            process.stdout.close()


@contextmanager
def hanging() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class Answers:
    """A server between the Worker and the workbench: `how` says what becomes of a delivery, by its number from 0."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.how: Callable[[int], str] = lambda _: "pass"
        self.keys: list[str] = []
        self.tables: list[str] = []
        self.lock = threading.Lock()


@contextmanager
def between(target: str) -> Iterator[tuple[str, Answers]]:
    answers = Answers(target)
    client = httpx.Client(trust_env=False, timeout=20, verify=False)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200, b"from elsewhere", {"cf-cache-status": "MISS"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with answers.lock:
                how = answers.how(len(answers.keys))
                answers.keys.append(self.headers["idempotency-key"])
                answers.tables.append(self.path.rpartition("/")[2])
            if how == "busy":
                return self.answer(503, b"{}", {"retry-after": "0"})
            if how == "page":
                return self.answer(200, b"<html>hello</html>")
            passed = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
            got = client.post(answers.target + self.path, content=body, headers=passed)
            if how == "lost":  # stored, but the answer never arrives
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return None
            return self.answer(got.status_code, got.content)

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", answers
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
        client.close()
