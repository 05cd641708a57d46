"""The SLO report against a bare scan of the same columns, and what a row costs in the lake.

    python benchmarks/slo_report.py                     3 M requests, 30 days, in a temporary home
    python benchmarks/slo_report.py --requests 30000000 --home /tmp/demo30   (kept, and used again when it is there)

The bare scan asks DuckDB for the simplest aggregate of each column that the report reads, on the same files, in the
same process. Both are run in turn; medians and the ratio are printed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from machine import line

from pitchey_slo.demo import simulate
from pitchey_slo.settings import Settings
from pitchey_slo.slo import evaluate
from pitchey_slo.store import Store
from pitchey_slo.workbench import connect

END = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAYS = 30


def fill(home: Path, requests: int) -> float:
    began = time.perf_counter()
    with Store.open(Settings.load(env_file=None, home=home)) as store:
        waiting = []
        for table, rows in simulate(end=END, days=DAYS, requests=requests):
            waiting.append(store.submit(table, rows))
            if len(waiting) > 4:
                waiting.pop(0).result()
        for future in waiting:
            future.result()
    return time.perf_counter() - began


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3_000_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = args.home or Path(scratch) / "home"
        print(line())
        if not (home / "lake").exists():
            seconds = fill(home, args.requests)
            print(f"simulated, stored and flushed in {seconds:.1f} s")
        measure(home, args.rounds)


def measure(home: Path, rounds: int) -> None:
    wb = connect(settings=Settings.load(env_file=None, home=home))
    rows = wb.reader.rows("requests")
    files = [Path(p) for p in wb.reader._files["requests"].paths]
    size = sum(f.stat().st_size for f in files)
    print(f"{rows:,} requests, {DAYS} days, {len(files)} files, {size / rows:.1f} bytes a row in the lake")
    start = END - timedelta(days=DAYS)
    source = wb.reader.source("requests", start, END)
    bare = (
        "SELECT count(*), max(ts), max(route), max(method), max(status), sum(duration_ms), sum(sample_interval) "
        f"FROM {source}"
    )
    one = "SELECT count(*), max(ts), max(route), max(status), sum(sample_interval) " + f"FROM {source}"
    slos = wb.slos()
    availability = tuple(slo for slo in slos if slo.name == "api-availability")
    cases: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        (
            "api-availability, 30d",
            lambda: evaluate(availability, wb.reader, end=END, windows=["30d"], now=END),
            lambda: wb.reader.query(one),
        ),
        (
            f"{len(slos)} SLOs, 30d",
            lambda: evaluate(slos, wb.reader, end=END, windows=["30d"], now=END),
            lambda: wb.reader.query(bare),
        ),
        (
            f"{len(slos)} SLOs, own windows",
            lambda: evaluate(slos, wb.reader, end=END, windows=None, now=END),
            lambda: wb.reader.query(bare),
        ),
    ]
    print(f"{'case':28} {'report s':>9} {'bare scan s':>12} {'ratio':>6}   (medians of {rounds})")
    for name, report, scan in cases:
        report(), scan()  # warm the page cache and the footers
        pairs = [(timed(report), timed(scan)) for _ in range(rounds)]
        ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"{name:28} {ours:9.3f} {theirs:12.3f} {statistics.median(a / b for a, b in pairs):6.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process {peak:,.0f} MiB (simulation included when it ran here)")


if __name__ == "__main__":
    sys.exit(main())
