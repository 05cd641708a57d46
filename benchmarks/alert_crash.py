"""Kill the whole server again and again while alerts fire and end: is each told once, and doubled at most once a kill?

A child process is the server itself (`web.serve`: store, rules, routes, outbox, API) on a home that stays. Senders make
alerts begin and end, half of them by the API and half by a series that a rule looks at, and go on when the collector in
this process was told. The server kills itself with SIGKILL at a named point, after a random number of times it came
there, or is killed at a random time; the next one goes on with the same home. In the end every alert is looked up at
the collector, and for some seconds in which nothing fires nothing may come.

    python benchmarks/alert_crash.py --kills 50 [--point after_send] [--seed N]

Exit code 0 when nothing was missed, no kill doubled more than one message, a repeat had the same id and dedup key, and
without a kill nothing came twice.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import logging
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from pitchey_slo.client import HttpDoor, ServerInfo, find_server
from pitchey_slo.settings import Settings

#: Where a server dies. The decision is the transaction that holds the alert, its group and the message; what is sent is
#: sent from the outbox. benchmarks/outbox_crash.py has the points of digests and dead letters. "any" is a random time.
POINTS = ("before_decision", "after_decision", "before_send", "after_send", "after_commit", "retry_wait", "any")
MIXED = "mixed"  # each kill at another one of them, for a short run
#: Children are forked from a process that has imported everything: seconds each are saved.
CHILDREN = multiprocessing.get_context("forkserver")
#: Alerts on their way at once, and seconds without any, at the end.
SENDERS = 6
QUIET = 4.0
PATIENCE = 120.0

RULES = """
groups:
  - name: levels
    interval: 1s
    query_offset: 0s
    rules:
      - alert: Level
        expr: crash_level > 0
        labels: {severity: critical}
"""
ROUTES = {
    "route": {"receiver": "collector", "group_by": ["n"], "group_wait": "0s", "group_interval": "1s",
              "repeat_interval": "1d"},
    "receivers": [{"name": "collector", "webhook_configs": [
        {"url": "URL", "allow_private": True, "send_resolved": True}]}],
}  # fmt: skip


@dataclass
class Collector:
    """Deliveries that were taken: (run, alert, status, id, dedup key). `run` is the server that lives."""

    flaky: bool
    taken: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    told: set[tuple[str, str]] = field(default_factory=set)
    run: int = 0
    started: float = field(default_factory=time.monotonic)  # the server that lives

    def late(self, since: float) -> bool:
        """Whether one server had all its time for what was said at `since`: lives that were cut short do not count."""
        return time.monotonic() - max(since, self.started) > PATIENCE

    def serve(self) -> ThreadingHTTPServer:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                text = self.rfile.read(length)
                if len(text) < length:  # its sender was killed in the middle of it
                    self.close_connection = True
                    return
                self.send_response(200 if collector.takes(json.loads(text)) else 503)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # connections end as servers are killed

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def takes(self, body: dict[str, Any]) -> bool:
        own = body["pitchey"]
        if self.flaky and own["id"] not in self.refused:
            self.refused.add(own["id"])
            return False
        (alert,) = body["alerts"]
        name = alert["labels"]["n"]
        self.taken.append((self.run, name, alert["status"], own["id"], own["dedupKey"]))
        self.told.add((name, alert["status"]))
        return True


def child(home: Path, config: Path, port: int, point: str, hits: int) -> None:
    """The server; it dies when `point` is reached for the `hits`-th time."""
    from pitchey_slo import web
    from pitchey_slo.alert.outbox import Outbox
    from pitchey_slo.alert.retry import Retry
    from pitchey_slo.store import Store
    from pitchey_slo.web import alerting

    logging.disable(logging.CRITICAL)
    reached = Counter[str]()

    def probe(name: str) -> None:
        reached[name] += 1
        if name == point and reached[name] == hits:
            os.kill(os.getpid(), signal.SIGKILL)

    whole = Store.append_all

    def append_all(store: Store, rows: Any) -> Any:
        decision = "alert_groups" in rows and "notifications" in rows
        if decision:
            probe("before_decision")
        done = whole(store, rows)
        if decision:
            probe("after_decision")
        return done

    Store.append_all = append_all  # type: ignore[method-assign]
    alerting.Outbox = functools.partial(Outbox, probe=probe, retry=Retry(first=0.3))  # type: ignore[misc]
    web.serve(Settings.load(env_file=None, home=home, config=config, port=port))


class Senders:
    """Alerts that begin and end, one after the other in each thread."""

    def __init__(self, collector: Collector, token: Callable[[], ServerInfo | None]) -> None:
        self.collector, self.server = collector, token
        self.stop = threading.Event()
        self.names: list[str] = []
        self.wrong: list[str] = []
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(SENDERS)]

    def _run(self, number: int) -> None:
        try:
            for turn in itertools.count():
                if self.stop.is_set():
                    return
                name = f"{number}-{turn}"
                self.names.append(name)
                for status in ("firing", "resolved"):
                    self._say(number, name, status)
                    self._wait(name, status)
        except TimeoutError as error:
            self.wrong.append(str(error))

    def _say(self, number: int, name: str, status: str) -> None:
        """Until the server says that it is stored."""
        on = status == "firing"
        if number % 2:
            path = "/api/monitoring/metrics"
            body: Any = {"metrics": [{"name": "crash_level", "type": "gauge", "value": int(on), "labels": {"n": name}}]}
        else:
            path = "/api/v2/alerts"
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + (3_600 if on else -1)))
            body = [{"labels": {"alertname": "Pushed", "severity": "critical", "n": name}, "endsAt": ends}]
        since = time.monotonic()
        while True:
            info = self.server()
            try:
                if info is not None:
                    headers = {"Authorization": f"Bearer {info.token}"}
                    answer = httpx.post(info.url + path, json=body, headers=headers, trust_env=False, timeout=20)
                    if answer.status_code == 200:
                        return
            except httpx.TransportError:
                pass
            if self.collector.late(since):
                raise TimeoutError(f"{name} {status} was not taken")
            time.sleep(0.02)

    def _wait(self, name: str, status: str) -> None:
        since = time.monotonic()
        while (name, status) not in self.collector.told:
            if self.collector.late(since):
                raise TimeoutError(f"{name} {status} was missed")
            time.sleep(0.01)


def crash(folder: Path, point: str, kills: int, rng: random.Random) -> tuple[Collector, Senders, int]:
    """The collector with what it took, the senders, and how many servers were killed."""
    home, config = folder / "home", folder / "config"
    home.mkdir()
    collector = Collector(flaky=point in ("retry_wait", MIXED))
    server = collector.serve()
    for name, text in (
        ("rules/levels.yml", RULES),
        ("routes/routes.yml", json.dumps(ROUTES).replace("URL", f"http://127.0.0.1:{server.server_address[1]}/")),
    ):
        (config / name).parent.mkdir(parents=True)
        (config / name).write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    senders, killed = Senders(collector, lambda: find_server(home)), 0
    for thread in senders.threads:
        thread.start()
    for run in range(kills + 1):
        collector.run, collector.started = run, time.monotonic()
        last = run == kills
        hits = 0 if last else rng.randint(1, 6)
        here = rng.choice(POINTS) if point == MIXED else point
        process = CHILDREN.Process(target=child, args=(home, config, port, here, hits))
        process.start()
        if last:
            senders.stop.set()
            _finish(senders)
            _idle(process, home, collector, senders)
        elif here == "any":
            _ready(process, home)
            time.sleep(rng.uniform(0.0, 6.0))
            process.kill()
        process.join(PATIENCE)
        if process.exitcode not in (0, -signal.SIGKILL) or (last and process.exitcode):
            process.kill()
            raise SystemExit(f"{point}: server {run} ended with {process.exitcode}")
        killed += process.exitcode == -signal.SIGKILL
    server.shutdown()
    server.server_close()
    return collector, senders, killed


def _ready(process: Any, home: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ((info := find_server(home)) and info.pid == process.pid):
        if time.monotonic() > deadline or not process.is_alive():
            raise SystemExit("the server did not come back")
        time.sleep(0.01)


def _finish(senders: Senders) -> None:
    for thread in senders.threads:
        thread.join(PATIENCE * 3)
    if any(thread.is_alive() for thread in senders.threads):
        senders.wrong.append("senders hang")


def _idle(process: Any, home: Path, collector: Collector, senders: Senders) -> None:
    """Nothing fires any more: nothing may come. Then the server is stopped as it should be."""
    before = len(collector.taken)
    _ready(process, home)
    time.sleep(QUIET)
    if len(collector.taken) > before:
        senders.wrong.append(f"{len(collector.taken) - before} messages came while nothing fired")
    with HttpDoor(find_server(home)) as door:  # type: ignore[arg-type]  # it is ready
        left = door.ask("GET", "/api/monitoring/alerts")["alerts"]
    if left:
        senders.wrong.append(f"{len(left)} alerts still fire")
    process.terminate()


def judge(collector: Collector, senders: Senders) -> tuple[list[str], int]:
    """What is wrong, and how many deliveries were repeats."""
    wrong = list(senders.wrong)
    ids, keys, runs = defaultdict(set), defaultdict(set), defaultdict(list)
    for run, name, status, key, dedup_key in collector.taken:
        ids[name, status].add(key)
        keys[name].add(dedup_key)
        runs[key].append(run)
    for name in senders.names:
        for status in ("firing", "resolved"):
            found = ids.pop((name, status), set())
            if len(found) != 1:
                wrong.append(f"{name} {status}: {len(found)} messages")
        if len(keys[name]) > 1:
            wrong.append(f"{name}: dedup keys {keys[name]}")
    wrong += [f"nobody sent {name} {status}" for name, status in ids]
    repeated = Counter(run for came in runs.values() for run in came[1:])
    wrong += [f"the kill before server {run} doubled {n} messages" for run, n in repeated.items() if n > 1 or run == 0]
    within = [key for key, came in runs.items() if len(came) != len(set(came))]
    wrong += [f"{key} came twice from one server" for key in within]
    return wrong, sum(repeated.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--point", choices=(*POINTS, MIXED), action="append")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    bad, kills, messages, doubled = 0, 0, 0, 0
    for point in given.point or POINTS:
        with tempfile.TemporaryDirectory(prefix="pitchey-alerts-") as folder:
            begun = time.monotonic()
            collector, senders, killed = crash(Path(folder), point, given.kills, random.Random(f"{seed} {point}"))
            wrong, repeats = judge(collector, senders)
        print(
            f"{point}: {killed} of {given.kills} servers killed, {len(senders.names)} alerts, {len(collector.taken)} "
            f"messages, {repeats} repeats, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        for line in wrong[:10]:
            print(f"WRONG: {line}")
        bad, kills, doubled = bad + len(wrong), kills + killed, doubled + repeats
        messages += len(collector.taken)
    told = {"benchmark": "alert_crash", "kills": kills, "messages": messages, "repeats": doubled, "wrong": bad}
    print(json.dumps(told))
    return 1 if bad else 0


if __name__ == "__main__":
    CHILDREN.set_forkserver_preload(
        ["pitchey_slo.web", "pitchey_slo.web.serve", "pandas", "pitchey_slo.slo.alerts.burn_rules"]
    )
    sys.exit(main())
