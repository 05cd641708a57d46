"""1,000 (threshold, for) pairs over a month at 15 s: one evaluation and a sweep, against one backtest per pair.

    python benchmarks/tune.py [--days 29] [--routes 10]

The rule is the ratio of two `sum by (route) (rate(...[5m]))`, the history counters scraped every 15 s with incidents
now and then. The backtest of single pairs is timed on a few and multiplied.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from pitchey_slo.alert.rules import parse_rules
from pitchey_slo.analyse.backtest import backtest
from pitchey_slo.analyse.tune import Incident, tune
from pitchey_slo.promql import MemoryScan

END = datetime(2026, 3, 30, tzinfo=UTC)
EXPR = "sum by (route) (rate(errors_total[5m])) / sum by (route) (rate(requests_total[5m])) > 0.05"


def history(days: int, routes: int) -> tuple[MemoryScan, list[Incident]]:
    """Counters per route and instance; three incidents a week."""
    draw = np.random.default_rng(1)
    start = END - timedelta(days=days)
    times = np.arange(int(start.timestamp() * 1000) - 600_000, int(END.timestamp() * 1000), 15_000)
    bad = np.zeros((routes, len(times)))
    incidents = []
    for n in range(3 * days // 7):
        first, route = int(draw.integers(1000, len(times) - 1000)), int(draw.integers(0, routes))
        length = int(draw.integers(20, 200))
        bad[route, first : first + length] = draw.uniform(0.03, 0.3)
        at = datetime.fromtimestamp(times[first] / 1000, UTC)
        incidents.append(Incident(str(n), f"incident {n}", at, at + timedelta(seconds=15 * length), (f"/r{route}",)))
    scan = MemoryScan()
    for route in range(routes):
        for instance in range(2):
            requests = draw.poisson(20, len(times))
            errors = draw.binomial(requests, np.minimum(1, 0.004 + bad[route]))
            labels = {"route": f"/r{route}", "instance": str(instance)}
            scan.add({"__name__": "requests_total", **labels}, times, np.cumsum(requests))
            scan.add({"__name__": "errors_total", **labels}, times, np.cumsum(errors))
    return scan, incidents


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=29)
    parser.add_argument("--routes", type=int, default=10)
    given = parser.parse_args()
    scan, incidents = history(given.days, given.routes)
    group = parse_rules(f"groups: [{{name: g, rules: [{{alert: A, expr: '{EXPR}', for: 2m}}]}}]")[0]
    rule, start = group.rules[0], END - timedelta(days=given.days)
    thresholds = [round(x, 4) for x in np.geomspace(0.005, 0.3, 40)]
    fors = [0.0, *range(30, 720, 30)][:25]
    begun = time.perf_counter()
    first = tune(rule, scan, start, END, incidents, thresholds=[0.05], fors=[120])
    once = time.perf_counter() - begun
    begun = time.perf_counter()
    tuning = tune(rule, scan, start, END, incidents, thresholds=thresholds, fors=fors)
    took = time.perf_counter() - begun
    pairs = sum(turn.total.size for turn in tuning.turns)
    begun = time.perf_counter()
    slow = [backtest([replace(group, rules=(tuning.proposed(p),))], scan, start, END) for p in tuning.front[:2]]
    each = (time.perf_counter() - begun) / len(slow)
    agree = all(len(b.rules[0].fired) == p.fired for b, p in zip(slow, tuning.front, strict=False))
    print(f"{given.days} days at 15 s, {given.routes} alerts, {len(incidents)} incidents, {pairs:,} pairs")
    print(f"  evaluation and one pair      {once:7.2f} s")
    print(f"  evaluation and all pairs     {took:7.2f} s, of it the sweep about {took - once:.2f} s")
    print(
        f"  one backtest per pair        {each * pairs:7.0f} s ({each:.2f} s each, {len(slow)} timed); agree: {agree}"
    )
    print(f"  current {first.current.caught} of {first.current.incidents} caught; {tuning.reasons[0]}")


if __name__ == "__main__":
    main()
