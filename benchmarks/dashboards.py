"""How many people can look at the dashboards at once, measured with real WebSocket clients on a 12-widget board.

Run: `python benchmarks/dashboards.py [--viewers 200] [--seconds 30]`; small by default. One run measures both ways of
doing it, each in a process of its own that serves the same numbers to the same clients:

    ours     the process that `pitchey-slo serve` starts: one message for each viewer and tick, drawn in the browser
    panes    plain Panel: eight Plotly panes and four Numbers per viewer, each updated through Panel

Printed for each: processor time of that process in percent of one core, memory per viewer, how long after the first
the last viewer had a tick (the longest of all ticks), in how many of the spans of 5 s viewers had something new, the
time of a page, and what one viewer's first message and a tick weigh; beside them p50 and p99 of GET /api/health/live
on the API meanwhile. The clients run in a third process. What they say is Bokeh's own protocol; they draw nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import psutil
from machine import line

BOARD = "system"
TICK = 5.0

PANES = """
import json, os, socket, sys, time
import numpy as np, panel as pn
from tornado.ioloop import PeriodicCallback
pn.extension("plotly")
port = int(sys.argv[1])
sets = []

def figure(x, y):
    return {"data": [{"type": "scatter", "x": x, "y": line} for line in y], "layout": {"height": 280}}

def numbers():
    rng = np.random.default_rng(int(time.time() / 5))
    x = [time.time() - 15 * i for i in range(240)]
    return [figure(x, rng.random((2, 240)).tolist()) for _ in range(8)], rng.random(4).tolist()

def page():
    figures, values = numbers()
    panes = [pn.pane.Plotly(f) for f in figures]
    ns = [pn.indicators.Number(name="n", value=v) for v in values]
    sets.append((panes, ns))
    pn.state.on_session_destroyed(lambda _: None)
    return pn.Column(*ns, *panes)

def tick():
    figures, values = numbers()
    for panes, ns in sets:
        for pane, f in zip(panes, figures): pane.object = f
        for n, v in zip(ns, values): n.value = v

PeriodicCallback(tick, 5000).start()
s = pn.serve({"/show": page}, port=port, show=False, start=False, websocket_origin=[f"127.0.0.1:{port}"])
s.start()
s.io_loop.start()
"""


async def viewer(base: str, path: str, told: dict[str, Any], stop: asyncio.Event) -> None:
    """One who looks until `stop`; writes down when each message arrived and how large it was."""
    from bokeh.protocol import Protocol
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    protocol = Protocol()
    began = time.perf_counter()
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        page = (await client.get(base + path)).text
    told["pages"].append(time.perf_counter() - began)
    token = re.search(r'"token":"([^"]+)"', page)
    assert token is not None, page[:300]
    request = HTTPRequest(base.replace("http", "ws") + path + "/ws", headers={"Origin": base}, request_timeout=120)
    connection = await websocket_connect(request, subprotocols=["bokeh", token[1]], max_message_size=64 << 20)
    mine: list[tuple[float, int]] = []
    told["messages"].append(mine)

    async def say(message: Any) -> None:
        for part in (message.header_json, message.metadata_json, message.content_json):
            await connection.write_message(part)

    await connection.read_message()  # the first of the three parts of an ACK: the session is there
    await say(protocol.create("PULL-DOC-REQ"))
    model, heard = "", 0.0
    while not stop.is_set():
        try:
            part = await asyncio.wait_for(connection.read_message(), 1.0)
        except TimeoutError:
            continue
        if part is None:
            told["lost"] += 1
            return
        if not model and isinstance(part, str) and "main.js" in part:
            model = next(m["id"] for m in models(json.loads(part)) if "main.js" in json.dumps(m["attributes"]))
            await look(connection, model)
        elif len(part) > 300:
            mine.append((time.time(), len(part)))
            if model and time.time() - heard > TICK * 0.8:  # a browser answers each tick
                heard = time.time()
                await say_event(connection, model, [["do", "had"]])
    connection.close()


def models(value: Any) -> Iterator[dict[str, Any]]:
    """Every model of a document, wherever it stands."""
    if isinstance(value, dict):
        if {"id", "name", "attributes"} <= set(value):
            yield value
        for inner in value.values():
            yield from models(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from models(inner)


async def look(connection: Any, model: str) -> None:
    """What the page's component says first: show me this board."""
    data = [["do", "look"], ["board", BOARD], ["span", "1h"], ["start", ""], ["end", ""], ["compare", ""],
            ["variables", {"type": "map", "entries": []}]]  # fmt: skip
    await say_event(connection, model, data)


async def say_event(connection: Any, model: str, data: list[list[Any]]) -> None:
    """Say something as the component does."""
    values = {"type": "map", "entries": [["model", {"id": model}], ["data", {"type": "map", "entries": data}]]}
    event = {"type": "event", "name": "data_event", "values": values}
    body = {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}]}
    header = {"msgid": os.urandom(8).hex(), "msgtype": "PATCH-DOC"}
    for part in (json.dumps(header), "{}", json.dumps(body)):
        await connection.write_message(part)


async def crowd(base: str, path: str, count: int, seconds: float) -> dict[str, Any]:
    """`count` viewers for `seconds` after the last one came."""
    told: dict[str, Any] = {"pages": [], "messages": [], "lost": 0}
    stop = asyncio.Event()
    tasks = []
    began = time.perf_counter()
    for start in range(0, count, 4):  # four come at a time
        known = len(told["messages"])
        new = [asyncio.create_task(viewer(base, path, told, stop)) for _ in range(min(4, count - start))]
        tasks += new
        while len(told["messages"]) < known + len(new) and not any(t.done() for t in new):
            await asyncio.sleep(0.01)
    told["joined"] = time.perf_counter() - began
    await asyncio.sleep(3 * TICK)
    told["from"] = time.time()
    print(json.dumps({"event": "all here", "joined": told["joined"]}), flush=True)  # the parent measures from now on
    await asyncio.sleep(seconds)
    told["until"] = time.time()
    stop.set()
    await asyncio.gather(*tasks)
    return told


def summary(told: dict[str, Any]) -> dict[str, Any]:
    """Ticks are the times at which somebody got something; a viewer had a tick when it got something in it."""
    inside = [[(at, size) for at, size in mine if told["from"] <= at < told["until"]] for mine in told["messages"]]
    every = sorted(at for mine in inside for at, _ in mine)
    ticks: list[list[float]] = []
    for at in every:
        if not ticks or at - ticks[-1][0] > TICK * 0.8:
            ticks.append([at, at])
        ticks[-1][1] = at
    windows = int((told["until"] - told["from"]) // TICK)
    had = sum(len({int((at - told["from"]) // TICK) for at, _ in mine} & set(range(windows))) for mine in inside)
    sizes = [sum(s for _, s in mine) / max(1, len(ticks)) for mine in inside]
    return {
        "joined": told["joined"], "page": median(told["pages"]), "lost": told["lost"],
        "ticks": len(ticks), "spread": max((b - a for a, b in ticks), default=0.0),
        "had": had / max(1, windows * len(inside)), "tick_bytes": median(sizes) if sizes else 0,
        "first_bytes": median(max((s for at, s in mine if at < told["from"]), default=0) for mine in told["messages"]),
    }  # fmt: skip


def measured(base: str, path: str, pid: int, count: int, seconds: float, api: str) -> dict[str, Any]:
    process = psutil.Process(pid)
    empty = process.memory_info().rss
    args = [sys.executable, __file__, "--crowd", base, path, str(count), str(seconds)]
    clients = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
    assert clients.stdout is not None
    try:
        json.loads(clients.stdout.readline())
        used, began = sum(process.cpu_times()[:2]), time.perf_counter()
        full = process.memory_info().rss
        waits, stop = [], threading.Event()

        def watch() -> None:
            with httpx.Client(trust_env=False, timeout=30) as client:
                while not stop.wait(0.1):
                    at = time.perf_counter()
                    client.get(f"{api}/api/health/live")
                    waits.append(time.perf_counter() - at)

        thread = threading.Thread(target=watch)
        thread.start()
        line = clients.stdout.readline()
        busy = (sum(process.cpu_times()[:2]) - used) / (time.perf_counter() - began)
        stop.set()
        thread.join()
        found: dict[str, Any] = json.loads(line)
    finally:
        clients.terminate()
        clients.wait(30)
    found |= {"cpu": busy, "mb": (full - empty) / 1e6 / count, "waits": waits}
    return found


def told(name: str, count: int, found: dict[str, Any]) -> None:
    p99 = quantiles(found["waits"], n=100)[-1] if len(found["waits"]) > 2 else float("nan")
    print(
        f"| {name} | {count} | {found['cpu'] * 100:.1f} % | {found['mb']:.2f} | {found['spread'] * 1e3:,.0f} ms "
        f"| {found['had'] * 100:.0f} % | {found['page'] * 1e3:,.0f} ms | {found['first_bytes'] / 1e3:,.0f} kB "
        f"| {found['tick_bytes'] / 1e3:,.1f} kB | {median(found['waits']) * 1e3:.0f} / {p99 * 1e3:.0f} ms |",
        flush=True,
    )


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as it:
        return int(it.getsockname()[1])


def wait_for(url: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False, timeout=10).status_code < 500:
                return
        time.sleep(0.2)
    raise SystemExit(f"{url} did not answer in {seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[5], help="how many look, several for several runs")
    parser.add_argument(
        "--panes", type=int, nargs="*", default=None, help="how many look at plain panes; like --viewers"
    )
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each run is measured")
    parser.add_argument("--requests", type=int, default=20_000, help="rows of the demo day that is looked at")
    parser.add_argument("--crowd", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.crowd:
        base, path, count, seconds = given.crowd
        print(json.dumps(summary(asyncio.run(crowd(base, path, int(count), float(seconds))))), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        bench(given, Path(folder))


def bench(given: argparse.Namespace, folder: Path) -> None:
    home = folder / "home"
    env = {**os.environ, "PITCHEY_HOME": str(home), "PITCHEY_DASHBOARDS": "on", "PITCHEY_DASHBOARDS_PORT": "0",
           "PITCHEY_PORT": "0", "PITCHEY_DASHBOARDS_ANONYMOUS": "viewer", "PITCHEY_INVESTIGATE": "",
           "PITCHEY_LOG_LEVEL": "error"}  # fmt: skip
    end = (datetime.now(UTC) + timedelta(minutes=3)).replace(microsecond=0).isoformat()
    args = ["--days", "1", "--requests", str(given.requests), "--end", end]
    subprocess.run([sys.executable, "-m", "pitchey_slo", "demo", *args], env=env, check=True, stdout=subprocess.DEVNULL)
    print(f"{line()}; load before {os.getloadavg()[0]:.1f}\n")
    print("| | viewers | of a core | MB each | last had it after | arrived | page | first | tick | API p50 / p99 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    server = subprocess.Popen([sys.executable, "-m", "pitchey_slo", "serve"], env=env, stdout=subprocess.DEVNULL)
    try:
        info_file = home / "server.json"
        deadline = time.monotonic() + 120
        while not info_file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        info = json.loads(info_file.read_text())
        wait_for(info["dashboards"] + "/alive")
        ours = next(p.pid for p in psutil.Process(server.pid).children() if "pitchey_slo.show" in p.cmdline())
        until_listed(info["dashboards"])
        for count in given.viewers:
            told("ours", count, measured(info["dashboards"], f"/show/{BOARD}", ours, count, given.seconds, info["url"]))
        for count in given.viewers if given.panes is None else given.panes:
            port = free()
            (folder / "panes.py").write_text(PANES)
            process = subprocess.Popen([sys.executable, str(folder / "panes.py"), str(port)], stdout=subprocess.DEVNULL)
            try:
                wait_for(f"http://127.0.0.1:{port}/show")
                found = measured(f"http://127.0.0.1:{port}", "/show", process.pid, count, given.seconds, info["url"])
                told("panes", count, found)
            finally:
                process.kill()
                process.wait()
    finally:
        server.terminate()
        server.wait(60)


def until_listed(url: str) -> None:
    """Until the process knows which boards there are."""
    deadline = time.monotonic() + 60
    while httpx.get(f"{url}/", trust_env=False).headers.get("location") == "/signin" and time.monotonic() < deadline:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
