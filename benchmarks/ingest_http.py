"""Durable ingest over HTTP: rows per second that are committed and synced when the answer comes.

A real `pitchey-slo serve` on a temporary home; senders are a process of their own with several connections, each
sending the next batch when the last is acknowledged. Bodies are made before the clock starts. Server and senders share
the machine.

    python benchmarks/ingest_http.py                                  # small: a few seconds
    python benchmarks/ingest_http.py --rows 20000000 --batch 50000 --connections 4

`--ids` gives each row an event id, so that duplicates are looked for; without, rows are stored as they come.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson
import psutil
import pyarrow as pa
from crash import start

from pitchey_slo.client import HttpDoor, ServerInfo
from pitchey_slo.tables import REQUESTS

ARROW = "application/vnd.apache.arrow.stream"
FORMATS: dict[str, tuple[str, str | None]] = {
    "ndjson": ("application/x-ndjson", None),
    "arrow": (ARROW, None),
    "arrow-lz4": (ARROW, "lz4"),
    "arrow-zstd": (ARROW, "zstd"),
}
ROUTES = [f"/api/pitches/:id/{name}" for name in ("views", "nda", "invest", "files", "team", "likes", "share", "edit")]


def make_rows(count: int, seed: int, *, ids: bool) -> pa.Table:
    """Request events as Pitchey's are: few routes, many users, log-normal durations."""
    rng = np.random.default_rng(seed)
    hexes = np.char.mod("%032x", rng.integers(0, 1 << 62, count))

    def pick(values: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(rng.integers(0, len(values), count, np.int32), pa.array(values)).cast(
            "string"
        )

    def name(prefix: str) -> pa.Array:
        return pa.array(np.char.add(prefix, np.arange(count).astype(str)))

    now = int(time.time() * 1e6)
    columns: dict[str, Any] = {
        "ts": pa.array(now - np.sort(rng.integers(0, 3_600_000_000, count)), pa.timestamp("us", "UTC")),
        "route": pick(ROUTES),
        "method": pick(["GET", "POST", "PUT"]),
        "status": pa.array(rng.choice([200, 201, 304, 404, 500], count, p=[0.8, 0.1, 0.05, 0.04, 0.01]), pa.int16()),
        "duration_ms": pa.array(np.round(rng.lognormal(3.5, 0.8, count), 3)),
        "location": pick(["FRA", "LHR", "IAD", "SFO", "NRT"]),
        "user_hash": pick([f"{n:016x}" for n in rng.integers(0, 1 << 62, 20_000)]),
        "trace_id": pa.array(hexes),
        "cache_status": pick(["HIT", "MISS", "DYNAMIC"]),
        "bytes": pa.array(rng.integers(200, 50_000, count)),
        "sample_interval": pa.array(np.ones(count)),
        "source": pa.array(["worker"] * count),
        "event_id": name(f"{seed:x}-") if ids else pa.nulls(count, pa.string()),
    }
    return pa.table(columns).cast(REQUESTS.schema)


def encode(rows: pa.Table, kind: str) -> bytes:
    if kind == "ndjson":
        texts = rows.set_column(0, "ts", rows.column("ts").cast(pa.timestamp("us")).cast("string"))
        return b"\n".join(orjson.dumps({k: v for k, v in row.items() if v is not None}) for row in texts.to_pylist())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=FORMATS[kind][1])) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def send_all(url: str, token: str, kind: str, bodies: list[bytes], connections: int) -> tuple[int, list[float]]:
    """Rows stored, and the seconds each answer took."""
    waiting, lock = iter(bodies), threading.Lock()
    stored, waits = [0], []

    def work() -> None:
        address = urlsplit(url)
        conn = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": FORMATS[kind][0]}
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            begun = time.perf_counter()
            conn.request("POST", "/api/monitoring/events", body, headers)
            answer = conn.getresponse()
            told = orjson.loads(answer.read())
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {told}")
            with lock:
                waits.append(time.perf_counter() - begun)
                stored[0] += told["stored"]

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return stored[0], waits


def sender(pipe: Any, url: str, token: str, given: argparse.Namespace, kind: str) -> None:
    """The process of the senders: make bodies, say so, send on the word, tell."""
    count = max(1, given.rows // given.batch)
    # without ids a body may be sent again and again, so that a long run needs no long preparation
    distinct = [
        encode(make_rows(given.batch, time.time_ns() + n, ids=given.ids), kind)
        for n in range(count if given.ids else min(count, 8))
    ]
    bodies = [distinct[n % len(distinct)] for n in range(count)]
    pipe.send(sum(map(len, bodies)))
    pipe.recv()
    begun, cpu = time.perf_counter(), time.process_time()
    stored, waits = send_all(url, token, kind, bodies, given.connections)
    pipe.send((stored, waits, time.perf_counter() - begun, time.process_time() - cpu))


def measure(info: ServerInfo, token: str, given: argparse.Namespace, kind: str) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=sender, args=(theirs, info.url, token, given, kind))
    process.start()
    size = ours.recv()
    server = psutil.Process(info.pid)
    before = server.cpu_times()
    ours.send("go")
    stored, waits, seconds, sender_cpu = ours.recv()
    after = server.cpu_times()
    process.join()
    waits.sort()
    return {
        "format": kind,
        "rows": stored,
        "rows_per_s": round(stored / seconds),
        "MB_per_s": round(size / seconds / 1e6, 1),
        "p50_ms": round(waits[len(waits) // 2] * 1e3, 1),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1e3, 1),
        "server_cores": round((after.user + after.system - before.user - before.system) / seconds, 2),
        "sender_cores": round(sender_cpu / seconds, 2),
        "server_MB": round(server.memory_info().rss / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000, help="rows per format")
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--formats", default="ndjson,arrow")
    parser.add_argument("--ids", action="store_true", help="event ids: duplicates are looked for")
    given = parser.parse_args()
    results = []
    for kind in given.formats.split(","):
        with tempfile.TemporaryDirectory(prefix="pitchey-ingest-", dir=os.environ.get("PITCHEY_BENCH_DIR")) as folder:
            process, info, _ = start(Path(folder), 0, 10.0)
            try:
                with HttpDoor(info) as door:
                    token = door.create_token("bench", ["ingest"])
                results.append(measure(info, token, given, kind))
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
    print(
        f"{given.connections} connections, batches of {given.batch:,} rows, event ids: {'yes' if given.ids else 'no'}"
    )
    for name in results[0]:
        print(f"{name:>14}" + "".join(f"{result[name]!s:>14}" for result in results))
    print(orjson.dumps({"benchmark": "ingest_http", **vars(given), "results": results}).decode())


if __name__ == "__main__":
    sys.exit(main())
