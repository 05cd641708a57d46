"""Kill the server again and again while it takes deliveries: is every acknowledged row stored exactly once?

A real `pitchey-slo serve` on a temporary home; several clients send batches whose rows have event ids, note what was
acknowledged, and send again what was not. The server gets SIGKILL after a random 10 to 500 ms and is started again. In
the end it is stopped cleanly, and hot and lake are counted row by row.

    python benchmarks/crash.py --rounds 50 [--seed N]

Exit code 0 when nothing was lost or doubled.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pyarrow as pa

from pitchey_slo.client import HttpDoor, ServerInfo, find_server
from pitchey_slo.settings import Settings
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.tables import REQUESTS

PROGRAM = str(Path(sys.executable).with_name("pitchey-slo"))
START = datetime(2026, 1, 5, tzinfo=UTC)
SOURCE = "crash"


@dataclass
class Client:
    """One sender: sends a batch until it is acknowledged, then the next."""

    number: int
    url: str
    token: str
    seed: int
    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: list[str] = field(default_factory=list)
    tries: int = 0
    batches: int = 0

    def run(self) -> None:
        rng = random.Random(self.seed)
        with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, trust_env=False, timeout=20) as client:
            while not self.stop.is_set():
                self.deliver(client, rng)

    def deliver(self, client: httpx.Client, rng: random.Random) -> None:
        ids = [f"{self.number}-{self.batches}-{i}" for i in range(rng.choice([1, 10, 300, 3000]))]
        body, kind = encode(ids, arrow=rng.random() < 0.5)
        self.batches += 1
        while True:  # also after `stop`: what was begun is delivered
            self.tries += 1
            try:
                answer = client.post(f"{self.url}/api/monitoring/events", content=body, headers={"Content-Type": kind})
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code == 200:
                told = answer.json()
                assert told["stored"] + told["duplicates"] == len(ids), told
                self.acknowledged += ids
                return
            assert answer.status_code == 503, f"{answer.status_code} {answer.text}"
            time.sleep(0.02)


def encode(ids: list[str], *, arrow: bool) -> tuple[bytes, str]:
    rows = [
        {"ts": START + timedelta(seconds=i), "route": "/api/pitches", "status": 200, "source": SOURCE, "event_id": key}
        for i, key in enumerate(ids)
    ]
    if not arrow:
        return b"\n".join(map(orjson.dumps, rows)), "application/x-ndjson"
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=REQUESTS.schema)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"


def start(home: Path, port: int, flush_seconds: float) -> tuple[subprocess.Popen[bytes], ServerInfo, float]:
    """A server that is ready, and the seconds it took."""
    env = {**os.environ, "PITCHEY_FLUSH_SECONDS": str(flush_seconds)}
    begun = time.monotonic()
    command = [PROGRAM, "serve", "--port", str(port), "--home", str(home)]
    with (home / "serve.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=home)
    while time.monotonic() - begun < 30:
        if (info := find_server(home)) and info.pid == process.pid:
            return process, info, time.monotonic() - begun
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise SystemExit(f"the server did not come back:\n{(home / 'serve.log').read_text()[-4000:]}")


def crash(home: Path, rounds: int, clients: int, rng: random.Random) -> tuple[list[Client], list[float]]:
    """The senders with what was acknowledged, and the seconds each restart took until ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process, info, _ = start(home, port, 0.3)
    with HttpDoor(info) as door:
        token = door.create_token("crash", ["ingest"])
    senders = [Client(n, info.url, token, rng.randrange(1 << 32)) for n in range(clients)]
    threads = [threading.Thread(target=sender.run) for sender in senders]
    for thread in threads:
        thread.start()
    waits = []
    try:
        for _ in range(rounds):
            time.sleep(rng.uniform(0.010, 0.500))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process, _, seconds = start(home, port, rng.uniform(0.1, 1.0))
            waits.append(seconds)
    finally:
        for sender in senders:
            sender.stop.set()
        for thread in threads:
            thread.join(60)
        alive = [thread for thread in threads if thread.is_alive()]
        process.terminate()
        code = process.wait(60)
    if alive or code:
        raise SystemExit(f"{len(alive)} senders hang, the server ended with {code}")
    return senders, waits


def judge(home: Path, acknowledged: set[str]) -> list[str]:
    """What is wrong with the rows of a home that was stopped cleanly; empty when nothing is."""
    with Store.open(Settings.load(env_file=None, home=home), background=False) as store:
        hot = store.query("SELECT event_id FROM requests WHERE source = ?", [SOURCE]).column(0).to_pylist()
        gaps = store.status().gaps
    reader = LakeReader(str(home / "lake"))
    lake = reader.query("SELECT event_id FROM requests WHERE source = ?", [SOURCE]).column(0).to_pylist()
    wrong = [f"gaps in the commits: {gaps}"] if gaps else []
    for name, ids in (("hot", hot), ("lake", lake)):
        counts = Counter(ids)
        doubled = [key for key, n in counts.items() if n > 1]
        lost, strange = acknowledged - counts.keys(), counts.keys() - acknowledged
        for what, keys in (("lost", lost), ("doubled", doubled), ("never acknowledged", strange)):
            if keys:
                wrong.append(f"{name}: {len(keys)} rows {what}, such as {sorted(keys)[:5]}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pitchey-crash-") as folder:
        home = Path(folder)
        senders, waits = crash(home, given.rounds, given.clients, random.Random(seed))
        acknowledged = {key for sender in senders for key in sender.acknowledged}
        wrong = judge(home, acknowledged)
    again = sum(s.tries - s.batches for s in senders)
    print(f"{given.rounds} kills, {len(acknowledged):,} rows acknowledged, {again:,} batches sent again")
    print(
        f"ready again after {sum(waits) / max(1, len(waits)):.2f} s on average, {max(waits, default=0):.2f} s at most"
    )
    for line in wrong:
        print(f"WRONG: {line}")
    print(
        orjson.dumps(
            {"benchmark": "crash", "kills": given.rounds, "rows": len(acknowledged), "wrong": len(wrong)}
        ).decode()
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
