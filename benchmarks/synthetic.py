"""1,000 synthetic checks a minute from one process against a local server: how late do they start, what do they cost.

    .venv/bin/python benchmarks/synthetic.py                       # small: 200 tests for 20 seconds
    .venv/bin/python benchmarks/synthetic.py --tests 1000 --seconds 180

Each test is a request of its own with assertions (connection, TLS without, body parsed), every 60 seconds, through the
scheduler, the engine and the spool of an agent, as `pitchey-slo synthetic run` does; the server is another process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.agent import event_id
from pitchey_slo.probe.synthetic.reader import read
from pitchey_slo.probe.synthetic.run import run
from pitchey_slo.probe.synthetic.schedule import Scheduler
from pitchey_slo.probe.synthetic.secrets import Secrets
from pitchey_slo.probe.synthetic.spool import Spool

TEXT = """name: {name}
kind: http
component: api
interval: 1m
timeout: 5s
allow: [base]
steps:
  - name: get
    request: {{url: "{{{{ base }}}}/api/health"}}
    assert:
      - status: 200
      - json: {{path: $.status, equals: ok}}
      - latency: {{below: 2s}}
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(0.02)  # an answer takes a moment
        body = b'{"status": "ok", "checks": [1, 2, 3]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes away at the end is no news."""


def serve(said: Connection) -> None:
    server = Server(("127.0.0.1", 0), Handler)
    said.send(server.server_address[1])
    server.serve_forever()


async def live(base: str, count: int, seconds: float, folder: Path) -> dict[str, Any]:
    first = read(TEXT.format(name="t"), "t.yaml")  # reading a definition takes some ms, once
    tests = {f"t{i:04}": replace(first, name=f"t{i:04}") for i in range(count)}
    spool, secrets, states = Spool(folder), Secrets({}), dict[str, int]()

    async def one(name: str) -> Sequence[Result]:
        found = await run(tests[name], base=base, location="bench", clock=lambda: datetime.now(UTC), secrets=secrets)
        return [replace(r, location="bench") for r in found]

    async def keep(results: Sequence[Result]) -> None:
        for r in results:
            if r.scope == "verdict":
                states[r.state] = states.get(r.state, 0) + 1
        await asyncio.to_thread(spool.append, [{**r.row(), "event_id": r.event_id or event_id(r)} for r in results])

    scheduler = Scheduler("bench", one, keep)
    scheduler.use({name: d.interval for name, d in tests.items()})
    stop = asyncio.Event()
    began, used = time.monotonic(), cpu()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await scheduler.work(stop)
    wall, late = time.monotonic() - began, scheduler.lateness
    return {
        "checks": late.started.total(),
        "per_minute": round(late.started.total() / wall * 60),
        "states": states,
        "late_p50_ms": milli(late.quantile(0.5)),
        "late_p95_ms": milli(late.quantile(0.95)),
        "late_max_ms": milli(late.quantile(1.0)),
        "skipped": late.skipped.total(),
        "missed": late.missed.total(),
        "cpu_ms_per_check": round(1_000 * (cpu() - used) / max(1, late.started.total()), 2),
        "cores": round((cpu() - used) / wall, 3),
        "spool_bytes": spool.bytes,
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024),
    }


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def milli(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=200, help="tests, each once a minute")
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        base = f"http://127.0.0.1:{ours.recv()}"
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(live(base, given.tests, given.seconds, Path(folder)))
        print(json.dumps(found, indent=2))
    finally:
        server.terminate()
        server.join(10)


if __name__ == "__main__":
    main()
