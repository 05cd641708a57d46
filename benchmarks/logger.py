"""What one log line costs the caller: lines a second and time per call, against plain structlog and plain logging.

All write the same lines to a file on disk, the last to a receiver by HTTP in another process:

- `stdlib`: the standard library's logging with a formatter that writes JSON.
- `structlog`: structlog as its documentation has it for speed: `BytesLogger`, orjson, cached loggers.
- `ours, not scrubbed`: `pitchey_slo.logs` without taking personal data out: what trace, row and queue cost.
- `ours`: as it is used, with scrubbing.
- `ours, by logging`: the same from `logging.getLogger`.
- `ours, shipped`: to a receiver behind the queue; what the queue could not hold is counted.

    python benchmarks/logger.py                     # small: a few seconds
    python benchmarks/logger.py --lines 200000
"""

from __future__ import annotations

import argparse
import http.server
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import machine
import orjson
import structlog

from pitchey_slo import logs
from pitchey_slo.instrument import Pace, work

#: Lines as services write them; a few hold what has to be taken out.
MESSAGES = [
    ("pitch viewed", {"pitch": 4711, "route": "/api/pitches/:id", "status": 200, "duration_ms": 12.5}),
    ("cache miss for key pitches:list:2", {"ttl": 300}),
    ("payment accepted", {"order": "ord_8f2k1", "amount": 250_000, "currency": "EUR"}),
    ("query took 38.2 ms", {"rows": 120, "table": "investments"}),
    ("mail queued for nora.quist@example.org", {"template": "nda_signed"}),
]


class Unscrubbed:
    def text(self, text: str, *, source: str = "") -> str:
        return text

    def value(self, tree: Any, *, source: str = "") -> Any:
        return tree


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        row = {"ts": record.created, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        return orjson.dumps({**row, **record.__dict__.get("fields", {})}).decode()


def stdlib(file: IO[str]) -> Callable[[str, dict[str, Any]], None]:
    handler = logging.StreamHandler(file)
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("bench.stdlib")
    log.handlers[:], log.propagate, log.level = [handler], False, logging.INFO
    return lambda message, fields: log.info(message, extra={"fields": fields})


def plain_structlog(file: IO[str]) -> Callable[[str, dict[str, Any]], None]:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(file.buffer),  # type: ignore[attr-defined]
        cache_logger_on_first_use=False,
    )
    log = structlog.get_logger("bench").bind()
    return lambda message, fields: log.info(message, **fields)


def ours(file: IO[str], *, scrubbed: bool, by_logging: bool = False) -> Callable[[str, dict[str, Any]], None]:
    logs.configure(
        service="bench", destinations=[logs.Console("json", file)], scrubber=None if scrubbed else Unscrubbed()
    )
    if by_logging:
        std = logging.getLogger("bench.std")
        return lambda message, fields: std.info(message, extra=fields)
    log = logs.get_logger("bench").bind()
    return lambda message, fields: log.info(message, **fields)


class Taker(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


def take(pipe: Any) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    pipe.send(server.server_port)
    server.serve_forever()


def measure(call: Callable[[str, dict[str, Any]], None], lines: int) -> dict[str, Any]:
    took = []
    with work("bench"):
        for n in range(500):
            call(*MESSAGES[n % len(MESSAGES)])
        begun, used = time.perf_counter(), time.process_time()
        for n in range(lines):
            at = time.perf_counter()
            call(*MESSAGES[n % len(MESSAGES)])
            took.append(time.perf_counter() - at)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    took.sort()
    return {
        "lines_per_s": round(lines / seconds), "per_cpu_second": round(lines / cpu),
        "p50_us": round(took[lines // 2] * 1e6, 1), "p99_us": round(took[int(lines * 0.99)] * 1e6, 1),
    }  # fmt: skip


def one(name: str, lines: int, port: int) -> dict[str, Any]:
    """In a process of its own: logging is one per process."""
    if name == "ours, shipped":
        pace = Pace(lines=max(lines, 20_000), bytes=1 << 30)
        setup = logs.configure(service="bench", destinations=[logs.loki(f"http://127.0.0.1:{port}", pace=pace)])
        log = logs.get_logger("bench").bind()
        found = measure(lambda message, fields: log.info(message, **fields), lines)
        setup.flush(60)
        found["lost"] = setup.close(10)["loki"].lost
        return found
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as file:
        makers: dict[str, Callable[[], Callable[[str, dict[str, Any]], None]]] = {
            "stdlib": lambda: stdlib(file),
            "structlog": lambda: plain_structlog(file),
            "ours, not scrubbed": lambda: ours(file, scrubbed=False),
            "ours": lambda: ours(file, scrubbed=True),
            "ours, by logging": lambda: ours(file, scrubbed=True, by_logging=True),
        }
        return measure(makers[name](), lines)


NAMES = ["stdlib", "structlog", "ours, not scrubbed", "ours", "ours, by logging", "ours, shipped"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=5_000)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(orjson.dumps(one(given.one, given.lines, given.port)).decode())
        return
    context = multiprocessing.get_context("spawn")
    ours_end, theirs = context.Pipe()
    taker = context.Process(target=take, args=(theirs,), daemon=True)
    taker.start()
    port = ours_end.recv()
    results = {}
    for name in NAMES:
        command = [sys.executable, __file__, "--one", name, "--lines", str(given.lines), "--port", str(port)]
        env = {k: v for k, v in os.environ.items() if not k.startswith("PITCHEY_")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")
        results[name] = orjson.loads(done.stdout)
    taker.terminate()
    print(machine.line())
    print(f"{'':>20}{'lines/s':>12}{'per CPU s':>12}{'p50 us':>10}{'p99 us':>10}{'lost':>8}")
    for name, told in results.items():
        print(
            f"{name:>20}{told['lines_per_s']:>12,}{told['per_cpu_second']:>12,}{told['p50_us']:>10}{told['p99_us']:>10}"
            f"{told.get('lost', 0):>8}"
        )
    print(orjson.dumps({"benchmark": "logger", "lines": given.lines, "results": results}).decode())


if __name__ == "__main__":
    main()
