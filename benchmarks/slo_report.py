"""A report of 20 SLOs over 28 days, each time in a process of its own: from counted minutes, from the requests alone,
and the simplest scan of the same columns of the requests for comparison.

    python benchmarks/slo_report.py                     1 M requests, 30 days, in a temporary home
    python benchmarks/slo_report.py --requests 30000000 --home /tmp/demo30   (kept, and used again when it is there)

A process imports, opens a reader and evaluates; nothing is cached in it, the files are in the page cache. Medians, and
CPU seconds, which other work on the machine changes less. Then: are all numbers of the two reports equal, and how far
are the quantiles of the latency sketch from the exact ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

END = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAYS, WINDOW = 30, timedelta(days=28)
WAYS = ("minutes", "requests", "bare scan")

#: name -> (condition on the valid requests, condition on the bad ones, or the most milliseconds of a good one)
SLOS: dict[str, tuple[str, str | float]] = {
    "site": ("true", "status >= 500"),
    "api": ("route LIKE '/api/%'", "status >= 500"),
    "api-500ms": ("route LIKE '/api/%'", 500),
    "api-2s": ("route LIKE '/api/%'", 2_000),
    "site-100ms": ("true", 100),
    "pitches": ("route = '/api/pitches'", "status >= 500"),
    "pitches-250ms": ("route = '/api/pitches'", 250),
    "pitch": ("route = '/api/pitches/:id'", "status >= 500"),
    "pitch-250ms": ("route = '/api/pitches/:id'", 250),
    "create-pitch": ("method = 'POST' AND route = '/api/pitches'", "status >= 500"),
    "login": ("method = 'POST' AND route = '/api/auth/login'", "status >= 500"),
    "login-1s": ("method = 'POST' AND route = '/api/auth/login'", 1_000),
    "signup": ("method = 'POST' AND route = '/api/auth/signup'", "status >= 500"),
    "nda": ("method = 'POST' AND route = '/api/ndas/:id/sign'", "status >= 500"),
    "investment": ("method = 'POST' AND route = '/api/investments'", "status >= 500"),
    "payment": ("method = 'POST' AND route = '/api/payments'", "status >= 500"),
    "payment-2500ms": ("method = 'POST' AND route = '/api/payments'", 2_500),
    "london": ("location = 'LHR'", "status >= 500"),
    "singapore-500ms": ("location = 'SIN' AND route LIKE '/api/%'", 500),
    "writes": ("method IN ('POST', 'PUT', 'DELETE')", "status >= 500"),
}


def spec(name: str, valid: str, bad: str | float) -> str:
    def source(condition: str, more: str = "") -> str:
        return f'{{metricSource: {{type: pitchey, spec: {{table: requests, filter: "{condition}"{more}}}}}}}'

    metric, goal = f"ratioMetric: {{bad: {source(f'{valid} AND {bad}')}, total: {source(valid)}}}", "target: 0.999"
    if not isinstance(bad, str):
        metric, goal = (
            f"thresholdMetric: {source(valid, ', value: duration_ms')}",
            f"target: 0.95, op: lte, value: {bad}",
        )
    return f"""
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: bench
  indicator: {{metadata: {{name: {name}}}, spec: {{{metric}}}}}
  timeWindow: [{{duration: 28d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{{goal}}}]
"""


class RowsOnly:
    """A reader without its counted minutes."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        if name == "counted_spans":
            raise AttributeError(name)
        return getattr(self._reader, name)


def once(way: str, home: Path) -> dict[str, Any]:
    """One fresh process's work; the numbers of all reports are in the answer."""
    began, cpu = time.perf_counter(), time.process_time()
    from pitchey_slo.settings import Settings
    from pitchey_slo.slo import evaluate
    from pitchey_slo.slo.spec.openslo import parse
    from pitchey_slo.workbench import connect

    reader = connect(settings=Settings.load(env_file=None, home=home)).reader
    opened = time.perf_counter()
    if way == "bare scan":
        aggregates = "count(*), max(ts), max(route), max(method), max(status), max(location), sum(duration_ms)"
        reader.query(f"SELECT {aggregates}, sum(sample_interval) FROM {reader.source('requests', END - WINDOW, END)}")
        reports = []
    else:
        slos = parse("\n---".join(spec(name, *given) for name, given in SLOS.items())).slos
        found = evaluate(slos, reader if way == "minutes" else RowsOnly(reader), end=END, now=END)
        reports = [report.as_dict() | {"provenance": None} for report in found]
        assert len(reports) == len(SLOS)
    done = time.perf_counter()
    assert "pandas" not in sys.modules
    # the interpreter's own start is in the processor time, and before `began`
    return {"open": opened - began, "work": done - opened, "cpu": time.process_time() - cpu, "reports": reports}


def fresh(way: str, home: Path) -> dict[str, Any]:
    began = time.perf_counter()
    run = subprocess.run(
        [sys.executable, __file__, "--once", way, "--home", str(home)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(run.stdout)
    return found | {"process": time.perf_counter() - began}


def fill(home: Path, requests: int) -> float:
    """Simulate, store, flush, and count the days that are over; returns seconds."""
    from pitchey_slo.demo import simulate
    from pitchey_slo.settings import Settings
    from pitchey_slo.store import Store
    from pitchey_slo.store.minutes import count_past_days

    began = time.perf_counter()
    with Store.open(Settings.load(env_file=None, home=home), clock=lambda: END, background=False) as store:
        waiting = []
        for table, rows in simulate(end=END, days=DAYS, requests=requests):
            waiting.append(store.submit(table, rows))
            if len(waiting) > 4:
                waiting.pop(0).result()
        for future in waiting:
            future.result()
        store.flush()
        stored, cpu = time.perf_counter(), time.process_time()
        while count_past_days(store._lake, END):
            pass
        seconds, used = time.perf_counter() - stored, time.process_time() - cpu
        print(f"counting the days that are over: {seconds:.1f} s, CPU {used:.1f} s")
    return time.perf_counter() - began


def measure(home: Path, rounds: int) -> None:
    from pitchey_slo.store import LakeReader

    reader = LakeReader(str(home / "lake"))
    for table in ("requests", "request_minutes", "rollups"):
        size = sum(Path(path).stat().st_size for path in reader.files(table))
        print(f"{table}: {reader.rows(table):,} rows, {size / 1e6:.0f} MB")
    found = {way: [fresh(way, home)] for way in WAYS}  # warms the page cache, and is not counted
    for _ in range(rounds):
        for way in WAYS:
            found[way].append(fresh(way, home))
    heads = f"{'open s':>8} {'work s':>7} {'process s':>10} {'CPU s':>6}"
    print(f"{f'{len(SLOS)} SLOs, 28 days':19} {heads}   (medians of {rounds})")
    for way, runs in found.items():
        open_, work, process, cpu = (
            statistics.median(r[key] for r in runs[1:]) for key in ("open", "work", "process", "cpu")
        )
        print(f"  {way:17} {open_:8.2f} {work:7.2f} {process:10.2f} {cpu:6.2f}")
    equal = found["minutes"][0]["reports"] == found["requests"][0]["reports"]
    print(f"all numbers of the two reports equal: {equal}")
    quantiles(reader)
    if not equal:
        sys.exit(1)


def quantiles(reader: Any) -> None:
    """The sketch beside exact quantiles; between times at which nothing ended, since a tick is (t - 15 s, t]."""
    from pitchey_slo.store.questions import latency_quantiles
    from pitchey_slo.store.rollup_questions import sketch_quantiles

    shares, where = [0.5, 0.9, 0.95, 0.99, 0.999], "route LIKE '/api/%'"
    asked = (END - WINDOW, END, shares)
    began = time.perf_counter()
    exact = latency_quantiles(reader, *asked, by="route", where=where).to_pylist()
    middle = time.perf_counter()
    sketch = {row["route"]: row for row in sketch_quantiles(reader, *asked, by="route", where=where).to_pylist()}
    done = time.perf_counter()
    names = [name for name in exact[0] if name.startswith("p")]
    worst = max(abs(sketch[row["route"]][n] / row[n] - 1) for row in exact for n in names)
    print(
        f"{len(names)} quantiles of {len(exact)} routes: exact {middle - began:.2f} s, sketch {done - middle:.2f} s, "
        f"at most {worst:.2%} apart"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        print(json.dumps(once(args.once, args.home)))
        return
    from machine import line

    with tempfile.TemporaryDirectory() as scratch:
        home = args.home or Path(scratch) / "home"
        print(line())
        if not (home / "lake").exists():
            print(f"simulated, stored, flushed and counted in {fill(home, args.requests):.1f} s")
        measure(home, args.rounds)


if __name__ == "__main__":
    sys.exit(main())
