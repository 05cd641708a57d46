"""Many readers beside one writer: a server takes events while notebooks, reports and queries read.

    python benchmarks/live.py                      2,000 events/s for 40 s
    python benchmarks/live.py --rate 5000 --seconds 120

First half: events alone. Second half: events while `pitchey-slo sql` runs in a loop, a second process keeps a
workbench open as a notebook does, and one report runs. Printed: how long the sender waited for each acknowledgement in
both halves, how old the newest event was that the readers saw, and that every acknowledged event is there once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from crash import start
from machine import line

from pitchey_slo.client import HttpDoor
from pitchey_slo.demo.live import live

NEWEST = "SELECT epoch(now()) - epoch(max(ts)) AS age, count(*) AS n FROM requests"
NOTEBOOK = """
import sys, time, json
import pitchey_slo as ps
wb = ps.connect(sys.argv[1])
until = time.time() + float(sys.argv[2])
while time.time() < until:
    age = wb.sql("SELECT epoch(now()) - epoch(max(ts)) FROM requests").fetchall()[0][0]
    wb.percentiles(bucket="5m")
    print(json.dumps({"age": age}), flush=True)
    time.sleep(1)
"""


class Sender(threading.Thread):
    """Sends what live() gives every 100 ms, and notes how long each acknowledgement took."""

    def __init__(self, door: HttpDoor, rate: float) -> None:
        super().__init__(daemon=True)
        self._door, self._rate = door, rate
        self.stop = threading.Event()
        self.waits: list[tuple[float, float]] = []  # (time, seconds)
        self.stored = 0

    def run(self) -> None:
        turns = live(seed=11, rate=self._rate, start=datetime.now(UTC), clock=lambda: datetime.now(UTC))
        while not self.stop.wait(0.1):
            for table, rows in next(turns).items():
                if rows.num_rows:
                    began = time.monotonic()
                    receipt = self._door.append(table, rows)
                    self.waits.append((began, time.monotonic() - began))
                    self.stored += receipt.stored if table == "requests" else 0


def told(name: str, waits: list[float]) -> str:
    ordered = sorted(waits)
    p99 = ordered[int(len(ordered) * 0.99)]
    p50 = statistics.median(ordered)
    return f"{name:30} {len(ordered):5} deliveries  p50 {p50 * 1e3:6.1f} ms  p99 {p99 * 1e3:6.1f} ms"


def queries(home: Path, until: float) -> list[float]:
    """Ages in seconds of the newest event as `pitchey-slo sql` sees it, one process per query."""
    ages = []
    while time.monotonic() < until:
        command = [sys.executable, "-m", "pitchey_slo", "sql", NEWEST, "--json", "--home", str(home)]
        out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        age = json.loads(out)["age"]
        ages += [age] if age is not None else []
    return ages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=2_000)
    parser.add_argument("--seconds", type=float, default=40)
    args = parser.parse_args()
    print(line())
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        server, info, _ = start(home, 0, 10.0)
        with HttpDoor(info) as door:
            began = time.monotonic()
            sender = Sender(door, args.rate)
            sender.start()
            time.sleep(args.seconds / 2)
            halfway = time.monotonic()
            until = halfway + args.seconds / 2
            notebook = subprocess.Popen(
                [sys.executable, "-c", NOTEBOOK, str(home), str(args.seconds / 2)], stdout=subprocess.PIPE, text=True
            )
            report = subprocess.Popen(
                [sys.executable, "-m", "pitchey_slo", "report", "run", "slo", "--home", str(home)],
                stdout=subprocess.DEVNULL,
                cwd=Path(__file__).parent.parent,
                env={**os.environ, "PITCHEY_REPORTS": str(Path(scratch) / "reports")},
            )
            ages = queries(home, until)
            looks = [json.loads(text) for text in notebook.communicate(timeout=60)[0].splitlines()]
            report_ended = report.wait(timeout=120)
            sender.stop.set()
            sender.join(30)
            took = time.monotonic() - began
            door.flush()
        before = [w for at, w in sender.waits if at < halfway]
        beside = [w for at, w in sender.waits if at >= halfway]
        print(told("events alone", before))
        print(told("beside sql, notebook, report", beside))
        seen = [look["age"] for look in looks if look["age"] is not None]
        print(f"newest event seen by sql       {len(ages):5} queries     oldest {max(ages):.1f} s")
        print(f"newest event seen by notebook  {len(seen):5} looks       oldest {max(seen):.1f} s")
        print(f"report run ended with {report_ended}")
        command = [sys.executable, "-m", "pitchey_slo", "sql", NEWEST, "--json", "--home", str(home)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["n"]
        print(f"acknowledged {sender.stored:,} requests ({sender.stored / took:,.0f}/s), in the lake {found:,}")
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    main()
