"""The PromQL engine on 8.6 M samples in memory: 50 series, 30 days, one sample every 15 s.

    python benchmarks/promql_engine.py [--days 30] [--jitter]

Prometheus itself took 0.95 s and 2.1 s for the sum (60 s and 15 s steps), 2.7 s and 7.3 s for the ratio, on two quiet
cores, reading its blocks and writing JSON included; here the samples are in memory. Without --jitter all series have
the same timestamps, as those of one scrape target or of events counted every 15 s have; with it, each has its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from pitchey_slo.promql import SeriesBlock, evaluate, instant
from pitchey_slo.promql.scan import block_of
from pitchey_slo.promql.tree import Matcher

DAY = 86_400_000
START = 1_750_000_000_000


class Loaded:
    """A scan that answers from blocks made beforehand: the engine is measured, not the reading."""

    def __init__(self) -> None:
        self.made: dict[str, SeriesBlock] = {}

    def select(self, matchers: Sequence[Matcher], *_range: int, needs: object = None) -> SeriesBlock:
        return self.made[next(m.value for m in matchers if m.name == "__name__")]


def counters(name: str, count: int, length_ms: int, step_ms: int, jitter: bool, seed: int = 1) -> SeriesBlock:
    """Counters over `count` series in ten routes, each reset about once a week."""
    random = np.random.default_rng(seed)
    times = START + np.arange(0, length_ms, step_ms)
    made = []
    for i in range(count):
        values = np.cumsum(random.poisson(3 + i % 7, len(times))).astype(np.float64)
        for reset in random.integers(0, len(times), max(1, length_ms // (7 * DAY))):
            values[reset:] -= values[reset]
        own = times + random.integers(-2000, 2000) + random.integers(-50, 50, len(times)) if jitter else times
        made.append(((("__name__", name), ("instance", str(i)), ("route", f"/r{i % 10}")), own, values))
    return block_of(made)


def measured(title: str, run: Callable[[], object], prometheus: float | None = None) -> None:
    """The better of three runs, and its processor time, which says more on a busy machine."""
    runs = []
    for _ in range(3):
        begin, used = time.perf_counter(), time.process_time()
        run()
        runs.append((time.process_time() - used, time.perf_counter() - begin))
    used, seconds = min(runs)
    ratio = f"{prometheus / used:5.1f} x Prometheus' {prometheus} s" if prometheus else ""
    print(f"{title:70} {seconds:7.3f} s, processor {used:7.3f} s {ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--jitter", action="store_true")
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    scan, length = Loaded(), chosen.days * DAY
    for name, seed in (("x_total", 1), ("y_total", 2)):
        scan.made[name] = counters(name, 50, length, 15_000, chosen.jitter, seed)
    print(f"{len(scan.made['x_total'].ts):,} samples a metric, jitter: {chosen.jitter}")
    end, full = START + length - 15_000, chosen.days == 30
    ratio = "sum by (route) (rate(x_total[5m])) / sum by (route) (rate(y_total[5m]))"
    cases = [
        ("sum(rate(x_total[5m]))", 60_000, 0.95),
        ("sum(rate(x_total[5m]))", 15_000, 2.1),
        (ratio, 60_000, 2.7),
        (ratio, 15_000, 7.3),
        ("sum(rate(x_total[3d]))", 3_600_000, None),
        ("max_over_time(x_total[1h])", 60_000, None),
        ("avg_over_time(x_total[1h])", 60_000, None),
        ("stddev_over_time(x_total[1h])", 60_000, None),
        ("quantile_over_time(0.9, x_total[1h])", 300_000, None),
        ("deriv(x_total[1h])", 60_000, None),
        ("topk(3, x_total)", 60_000, None),
    ]
    for expr, step, prometheus in cases:
        if chosen.only in expr:
            shown = expr if len(expr) < 45 else "ratio of two sum by (route) (rate)"
            measured(f"{shown} every {step // 1000} s", lambda e=expr, s=step: evaluate(e, scan, START, end, s),
                     prometheus if full else None)  # fmt: skip
    many(chosen.only)


def many(only: str) -> None:
    """Many series: 12 weeks of 8,800 counters (a sample an hour), and 5 minutes of 100,000."""
    scan = Loaded()
    weeks = 84 * DAY
    scan.made["x_total"] = counters("x_total", 8_800, weeks, 3_600_000, False)
    samples = len(scan.made["x_total"].ts)
    if only in "sum(rate(x_total[3d]))":
        title = f"sum(rate(x[3d])), 12 weeks, 8,800 series, {samples / 1e6:.1f} M samples"
        measured(
            f"{title}, every 12 h", lambda: evaluate("sum(rate(x_total[3d]))", scan, START, START + weeks, DAY // 2)
        )
        measured("  the same at one moment", lambda: instant("sum(rate(x_total[3d]))", scan, START + weeks))
    scan.made["x_total"] = counters("x_total", 100_000, 300_000, 15_000, False)
    if only in "sum(rate(x_total[5m]))":
        measured("sum(rate(x[5m])) of 100,000 series at one moment",
                 lambda: instant("sum(rate(x_total[5m]))", scan, START + 300_000))  # fmt: skip


if __name__ == "__main__":
    main()
