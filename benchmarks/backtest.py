"""How fast a backtest is.

    python benchmarks/backtest.py                 # 50 series, 29 days, every 15 s: 8.4 M samples
    python benchmarks/backtest.py --demo HOME     # and the shipped rules over all the days of a demo's home

One rule: the ratio of two `sum by (route) (rate(...[5m]))` above a threshold with `for: 2m`, at every 15 s of 29 days:
167,040 evaluations. Compared with Debian's Prometheus answering the same expression over HTTP as `vmalert -replay` asks
it (pieces of 11,000 steps), where it is installed; it leaves the life of the alerts to the asker. The samples and both
stores are those of promql.py. Each figure is the best of --runs; the first run reads the files, later ones find them
decoded.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import promql
from machine import line

from pitchey_slo.alert.rules import parse_rules
from pitchey_slo.analyse.backtest import backtest
from pitchey_slo.analyse.backtest.ask import groups_of, rules_folder
from pitchey_slo.workbench import Workbench, connect

RULES = f"""
groups:
- name: bench
  query_offset: 0s
  rules:
  - alert: TooManyErrors
    expr: {promql.RATIO} > 0.06
    for: 2m
"""


def one_rule(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    batch, begin = promql.make(given.days, given.series)
    promql.load_ours(batch, given.days, folder / "home")
    first, last = begin // 1000 + 300, (begin + given.days * promql.DAY_MS) // 1000 - 60
    start, end = promql.utc(first), promql.utc(last)
    groups = parse_rules(RULES)
    found: dict[str, Any] = {"samples": len(batch)}
    seconds, cpu, result = [], [], None
    wb = connect(folder / "home")
    for _ in range(given.runs):
        begun, used = time.perf_counter(), time.process_time()
        result = backtest(groups, wb._series(), start, end).rules[0]
        seconds.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    assert result is not None
    found |= {"steps": result.steps, "firings": len(result.firings), "first": seconds[0], "again": min(seconds[1:])}
    found |= {"cpu_first": cpu[0], "cpu_again": min(cpu[1:])}
    print(
        f"{len(batch):,} samples, {result.steps:,} evaluations, {len(result.fired)} firings of {len(result.firings)}: "
        f"{seconds[0]:.2f} s the first time, {min(seconds[1:]):.2f} s again "
        f"(CPU {cpu[0]:.2f} and {min(cpu[1:]):.2f} s)",
        flush=True,
    )
    if shutil.which("prometheus") and shutil.which("promtool"):
        promql.load_prometheus(batch, given.days, folder)
        with promql.prometheus(folder, settle=False) as theirs:
            asked = f"{promql.RATIO} > 0.06"
            times = promql.best(lambda: list(promql.pieces(theirs, asked, first, last, 15)), given.runs)
        found["prometheus"] = times
        print(f"Prometheus' query_range of the same expression: {times:.2f} s ({times / min(seconds):.1f} x ours)")
    return found


def shipped(home: Path, runs: int) -> dict[str, Any]:
    """All rules over all days there are: those of the rule file, then the SLOs' burn alerts with them."""
    wb: Workbench = connect(home)
    earliest, newest = wb.reader.earliest("requests"), wb.watermark()
    assert earliest is not None and newest is not None
    days = (newest - earliest) / timedelta(days=1)
    found: dict[str, Any] = {"days": days, "requests": wb.reader.rows("requests")}
    for name, given in (("rule_file", rules_folder(wb.settings)), ("with_slos", None)):
        groups = groups_of(wb.settings, given)
        seconds, cpu = [], []
        for _ in range(runs):
            again = connect(home)
            begun, used = time.perf_counter(), time.process_time()
            result = backtest(groups, again._series(), earliest, newest)
            seconds.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - used)
        found[name] = {"rules": len(result.rules), "seconds": min(seconds), "cpu": min(cpu)}
        print(
            f"{days:.0f} days of demo data, {len(result.rules)} rules ({name}): {min(seconds):.2f} s, "
            f"CPU {min(cpu):.2f} s, {sum(len(h.fired) for h in result.rules)} firings"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=29)
    parser.add_argument("--series", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--demo", type=Path, help="home of a demo")
    given = parser.parse_args()
    print(line(), flush=True)
    with tempfile.TemporaryDirectory(prefix="pitchey-backtest-", dir=os.environ.get("PITCHEY_BENCH_DIR")) as folder:
        found = one_rule(given, Path(folder))
    if given.demo:
        found["demo"] = shipped(given.demo, given.runs)
    told = {k: str(v) if isinstance(v, Path) else v for k, v in vars(given).items()}
    print(orjson.dumps({"benchmark": "backtest", **told, **found}).decode())


if __name__ == "__main__":
    main()
