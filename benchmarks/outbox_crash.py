"""Kill the outbox again and again at six points of sending: is each message delivered, and doubled at most once a kill?

A child process opens the store, adds a few messages, sends what waits to a collector in this process, and kills itself
with SIGKILL at a named point, after a random number of times it came there. The next child goes on with the same store.
In the end one child runs to the end, and every message is looked up in the store and at the collector.

    python benchmarks/outbox_crash.py --kills 50 [--point after_send] [--seed N]

Exit code 0 when nothing was missed, no kill doubled more than one message, and a repeat had the same id and dedup key.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pitchey_slo.alert import rows
from pitchey_slo.alert.channels import House, build
from pitchey_slo.alert.model import Alert, Message, Notification
from pitchey_slo.alert.outbox import Outbox
from pitchey_slo.alert.retry import Retry
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store, utc_now

#: Point on the screen -> the steps of the outbox (`probe`) at which a child dies.
POINTS = {
    "before_send": ("before_send",),
    "after_send": ("after_send",),
    "after_commit": ("after_commit",),
    "retry_wait": ("retry_wait",),
    "digest": ("digest", "after_digest"),
    "dead_letter": ("dead_letter", "after_dead_letter"),
}
#: Children are forked from a process that has imported everything: a second each is saved.
CHILDREN = multiprocessing.get_context("forkserver")


@dataclass
class Collector:
    """Deliveries that were taken: (run, id, dedup key). `run` is the child that lives."""

    point: str
    taken: list[tuple[int, str, str]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    run: int = 0

    def status(self, path: str, key: str) -> int:
        self.seen[key] += 1
        if self.point == "retry_wait" and self.seen[key] == 1:
            return 503
        return 404 if self.point == "dead_letter" and path == "/main" else 200

    def serve(self) -> ThreadingHTTPServer:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["pitchey"]
                status = collector.status(self.path, told["id"])
                if status == 200:
                    assert told["id"] == self.headers["webhook-id"]
                    collector.taken.append((collector.run, told["id"], told["dedupKey"]))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


def child(home: Path, url: str, run: int, count: int, point: str, step: str, hits: int) -> None:
    """Add `count` messages, send until nothing waits; die when `step` is reached for the `hits`-th time."""
    logging.disable(logging.CRITICAL)
    reached = Counter[str]()

    def probe(name: str) -> None:
        reached[name] += 1
        if name == step and reached[name] == hits:
            os.kill(os.getpid(), signal.SIGKILL)

    slow = {"rate": "5/s burst 1", "digest": True} if point == "digest" else {}
    given = {"allow_private": True, "timeout_seconds": 10}
    main = build("webhook", {"url": f"{url}/main", **given, **slow}, House())
    spare = build("webhook", {"url": f"{url}/spare", **given}, House())
    channels = {"main": {"webhook/0": main}, "spare": {"webhook/0": spare}}
    with Store.open(Settings.load(env_file=None, home=home), background=False) as store:
        now = utc_now()
        notes = [note(f"{run}-{i}", now) for i in range(count)]
        store.append("notifications", rows.notification_rows(notes))
        box = Outbox(
            store, channels, utc_now, fallbacks={"main": "spare"}, retry=Retry(first=0.05), poll=0.05, probe=probe
        )
        box.start()
        while store.query("SELECT 1 FROM notifications WHERE state = 'waiting' LIMIT 1").num_rows:
            time.sleep(0.02)
        box.close()
        os._exit(0)  # every commit is on disk; the flush to the lake is not asked for here


def note(key: str, now: object) -> Notification:
    alert = Alert({"alertname": key, "severity": "info"}, "firing", now, now)  # type: ignore[arg-type]
    message = Message("firing", "main", key, (alert,), severity="info")
    return Notification(key, f"group {key}", key, "main", "webhook/0", message, now, now, now, now)  # type: ignore[arg-type]


def crash(home: Path, point: str, kills: int, rng: random.Random) -> tuple[Collector, int]:
    """The collector with what it took, and how many children were killed."""
    collector = Collector(point)
    server = collector.serve()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    count, killed = (8 if point == "digest" else 4), 0
    try:
        for run in range(kills + 1):
            collector.run = run
            last = run == kills
            hits = 0 if last else 1 if point == "digest" else rng.randint(1, count)
            step = rng.choice(POINTS[point])
            process = CHILDREN.Process(target=child, args=(home, url, run, 0 if last else count, point, step, hits))
            process.start()
            process.join(60)
            if process.exitcode not in (0, -signal.SIGKILL) or (last and process.exitcode):
                process.kill()
                raise SystemExit(f"{point}: child {run} ended with {process.exitcode}")
            killed += process.exitcode == -signal.SIGKILL
    finally:
        server.shutdown()
        server.server_close()
    return collector, killed


def judge(home: Path, collector: Collector) -> tuple[list[str], int, int]:
    """What is wrong, how many messages there were, how many deliveries were repeats."""
    with Store.open(Settings.load(env_file=None, home=home), background=False) as store:
        found = store.query("SELECT id, state, answer, dedup_key, fallback_of FROM notifications").to_pylist()
    by_id = {row["id"]: row for row in found}
    taken, keys, runs = Counter[str](), defaultdict(set), defaultdict(list)
    for run, key, dedup_key in collector.taken:
        taken[key] += 1
        keys[key].add(dedup_key)
        runs[key].append(run)

    def told(row: dict[str, str]) -> bool:
        if row["state"] == "merged":
            return told(by_id[str(row["answer"]).split("digest ")[1].split(":")[0]])
        if row["state"] == "dead":
            return any(told(other) for other in found if other["fallback_of"] == row["id"])
        return row["state"] == "sent" and taken[row["id"]] > 0

    wrong = [f"{row['id']} was missed: {row}" for row in found if not told(row)]
    wrong += [f"{key} is not in the store" for key in taken if key not in by_id]
    wrong += [f"{key} came with keys {keys[key]}" for key in taken if keys[key] != {by_id[key]["dedup_key"]}]
    repeated = Counter(run for key in taken for run in runs[key][1:])
    wrong += [f"the kill before child {run} doubled {n} messages" for run, n in repeated.items() if n > 1 or run == 0]
    return wrong, len(found), sum(repeated.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--point", choices=list(POINTS))
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    all_wrong, kills = 0, 0
    for point in [given.point] if given.point else POINTS:
        with tempfile.TemporaryDirectory(prefix="pitchey-outbox-") as folder:
            begun = time.monotonic()
            collector, killed = crash(Path(folder), point, given.kills, random.Random(f"{seed} {point}"))
            wrong, messages, repeats = judge(Path(folder), collector)
        print(
            f"{point}: {killed} of {given.kills} children killed, {messages} messages, {len(collector.taken)} "
            f"deliveries, {repeats} repeats, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        for line in wrong[:10]:
            print(f"WRONG: {line}")
        all_wrong, kills = all_wrong + len(wrong), kills + killed
    print(json.dumps({"benchmark": "outbox_crash", "kills": kills, "wrong": all_wrong}))
    return 1 if all_wrong else 0


if __name__ == "__main__":
    CHILDREN.set_forkserver_preload(["pitchey_slo.alert.outbox", "pitchey_slo.alert.channels", "httpx", "pandas"])
    sys.exit(main())
