"""What `add_monitoring` adds to a request, and what is lost.

A real workbench on a temporary home, in a process of its own.

Overhead: the same application bare and watched, asked by turns in one process without a network, so that nothing but
the layer differs; rows are sent to the workbench meanwhile. Quantiles of both and the difference of the quantiles, in
wall time, and in processor time of the thread, which other processes of the machine do not blur.
`nothing` is an application that only answers, `starlette` one with a route, `fastapi` one with a parameter and JSON.

Loss: requests below the buffer's limit while the workbench is up, and five times the limit while it is stopped
(SIGSTOP) and then goes on: offered = stored + dropped, and what is dropped was counted.

    python benchmarks/middleware.py                        # small: a few seconds
    python benchmarks/middleware.py --requests 200000
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import orjson
from crash import start
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pitchey_slo import add_monitoring, connect
from pitchey_slo.client import HttpDoor
from pitchey_slo.instrument import Pace
from pitchey_slo.settings import Settings

HEADERS = [
    (b"host", b"api.example.org"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"), (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, br"), (b"accept-language", b"en"), (b"cookie", b"theme=dark"),
]  # fmt: skip


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def starlette() -> Starlette:
    async def pitch(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/api/pitches/{id}", pitch)])


def fastapi() -> FastAPI:
    app = FastAPI()

    @app.get("/api/pitches/{id}")
    async def pitch(id: int) -> dict[str, int]:  # noqa: A002
        return {"id": id}

    return app


APPS: dict[str, Callable[[], Any]] = {"nothing": lambda: nothing, "starlette": starlette, "fastapi": fastapi}


async def ask(app: Any) -> tuple[float, float]:
    """Seconds of one request: of the wall's clock, and of this thread's processor time."""
    scope = {
        "type": "http", "method": "GET", "path": "/api/pitches/42", "raw_path": b"/api/pitches/42", "root_path": "",
        "query_string": b"", "headers": list(HEADERS), "scheme": "http", "server": ("127.0.0.1", 80),
        "http_version": "1.1", "client": ("127.0.0.1", 1), "asgi": {"version": "3.0", "spec_version": "2.4"},
    }  # fmt: skip
    begun, used = time.perf_counter(), time.thread_time()
    await app(scope, _receive, _send)
    return time.perf_counter() - begun, time.thread_time() - used


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None: ...


def overhead(kind: str, requests: int, url: str, token: str) -> dict[str, Any]:
    bare = APPS[kind]()
    watched = APPS[kind]()
    # the queue holds them all: what is measured is the layer, not the limit
    monitoring = add_monitoring(
        watched, url=url, token=token, service=f"bench-{kind}", pace=Pace(lines=requests + 2_000)
    )
    took: dict[str, list[tuple[float, float]]] = {"bare": [], "watched": []}

    async def main() -> None:
        for n in range(requests + 1_000):
            for name, app in (("bare", bare), ("watched", monitoring.app)):
                seconds = await ask(app)
                if n >= 1_000:  # warm
                    took[name].append(seconds)
            if n % 500 == 0:
                await asyncio.sleep(0.01)  # a service waits now and then; the sending thread gets its turn

    asyncio.run(main())
    stats = monitoring.close(30)["requests"]
    found: dict[str, Any] = {"application": kind, "requests": requests, "lost": stats.lost}
    for place, clock in enumerate(("wall", "cpu")):
        for q in (0.5, 0.9, 0.99, 0.999):
            at = {name: 1e6 * sorted(v[place] for v in values)[int(len(values) * q)] for name, values in took.items()}
            at["added"] = at["watched"] - at["bare"]
            found |= {f"{clock} p{q * 100:g} {name} us": round(value, 1) for name, value in at.items()}
    return found


def loss(name: str, limit: int, offered: int, info: Any, home: Path, token: str, *, stopped: bool) -> dict[str, Any]:
    monitoring = add_monitoring(
        nothing, url=info.url, token=token, service=name, pace=Pace(lines=limit, age=0.05, first=0.1, most=1.0)
    )

    async def main() -> None:
        for n in range(offered):
            await ask(monitoring.app)
            if n % 100 == 0:
                await asyncio.sleep(0.001)

    if stopped:
        os.kill(info.pid, signal.SIGSTOP)
    try:
        begun = time.perf_counter()
        asyncio.run(main())
        seconds = time.perf_counter() - begun
    finally:
        os.kill(info.pid, signal.SIGCONT)
    monitoring.flush(60)
    stats = monitoring.close(30)["requests"]
    with HttpDoor(info) as door:
        door.flush()
    reader = connect(settings=Settings.load(env_file=None, home=home))
    (rows,) = reader.sql(f"SELECT count(*), count(DISTINCT event_id) FROM requests WHERE source = '{name}'").fetchall()
    if rows[0] != stats.sent or rows[0] + stats.lost != offered or rows[0] != rows[1]:
        raise SystemExit(f"{name}: {offered} offered, {rows} stored, {stats}")
    return {
        "offered": offered, "limit": limit, "stored": rows[0], "dropped": stats.lost, "per_s": round(offered / seconds),
        "retries": stats.retries,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5_000, help="requests per application and way")
    parser.add_argument("--limit", type=int, default=5_000, help="rows the queue holds in the loss runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pitchey-middleware-", dir=os.environ.get("PITCHEY_BENCH_DIR")) as folder:
        process, info, _ = start(Path(folder), 0, 10.0)
        try:
            with HttpDoor(info) as door:
                token = door.create_token("bench", ["ingest"])
            results = [overhead(kind, given.requests, info.url, token) for kind in APPS]
            below, above, home = given.limit - 1, given.limit * 5, Path(folder)
            losses = {
                "below the limit, stopped": loss("below", given.limit, below, info, home, token, stopped=True),
                "above, workbench up": loss("up", given.limit, above, info, home, token, stopped=False),
                "above, workbench stopped": loss("stopped", given.limit, above, info, home, token, stopped=True),
            }
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    print(machine.line())
    for name in results[0]:
        print(f"{name:>24}" + "".join(f"{result[name]!s:>12}" for result in results))
    for name, told in losses.items():
        print(f"{name:>26}: " + ", ".join(f"{key} {value:,}" for key, value in told.items()))
    print(orjson.dumps({"benchmark": "middleware", **vars(given), "results": results, "loss": losses}).decode())


if __name__ == "__main__":
    sys.exit(main())
