"""500 rules, evaluated every 15 s from live data while it comes in: how late is each evaluation, and what does it cost?

    python benchmarks/alert_rules.py [--rules 500] [--seconds 90]

A store with an hour of requests (`pitchey_http_*` are computed from them) and 200 stored series, to which requests and
samples are added all the time. Rules in groups of ten, as people write them: rates and quantiles by route over
several windows, thresholds on stored series, some recording rules; some dozens of alerts are active at a time. Late is
the time from the moment an evaluation is due until its result is committed; the aim is a p99 below 1 s.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.testing import rows

ROUTES = [f"/api/route{i}" for i in range(20)]


def rules(count: int) -> str:
    """A rule file with `count` rules in groups of ten."""
    made = []
    for i in range(count):
        route, window = ROUTES[i % len(ROUTES)], ("5m", "10m", "30m")[i % 3]
        expr = (
            f'sum by (route) (rate(pitchey_http_errors_total{{route="{route}"}}[{window}])) '
            f'/ sum by (route) (rate(pitchey_http_requests_total{{route="{route}"}}[{window}])) > 0.{i % 9 + 1}',
            f"histogram_quantile(0.95, sum by (le) (rate(pitchey_http_response_time_bucket[{window}]))) > {1 + i % 7}",
            f"avg_over_time(gauge_{i % 20}[{window}]) > {60 + i % 30}",
            f"gauge_{i % 20} > {95 + i % 5} and on (instance) gauge_{(i + 1) % 20} > 10",
            f"sum(rate(pitchey_http_requests_total[{window}])) < {i % 5}",
        )[i % 5]
        kind = f"record: rule:{i}" if i % 10 == 9 else f"alert: Rule{i}"
        extra = "" if i % 10 == 9 else "\n    for: 1m\n    annotations: {summary: 'value {{ $value | humanize }}'}"
        made.append(f"  - {kind}\n    expr: |\n      {expr}{extra}")
    groups = [made[i : i + 10] for i in range(0, count, 10)]
    return "groups:\n" + "\n".join(f"- name: g{n}\n  rules:\n" + "\n".join(group) for n, group in enumerate(groups))


def requests(start: datetime, seconds: float, per_second: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    count = int(seconds * per_second)
    return rows(
        count=count,
        start=start,
        step=1 / per_second,
        route=[ROUTES[i] for i in rng.integers(0, len(ROUTES), count)],
        status=[int(s) for s in rng.choice([200, 404, 500], count, p=[0.9, 0.05, 0.05])],
        duration_ms=rng.lognormal(4, 1, count).tolist(),
        source="bench",
        event_id=[f"{seed}-{i}" for i in range(count)],
    )


def samples(at: datetime) -> SampleBatch:
    labels = [labels_of({"__name__": f"gauge_{g}", "instance": f"i{i}"}) for g in range(20) for i in range(10)]
    ms = round(at.timestamp() * 1000)
    values = np.random.default_rng(ms % 2**32).uniform(0, 100, len(labels))
    return SampleBatch(labels, np.arange(len(labels)), np.full(len(labels), ms), values)


def feed(store: Store, stop: threading.Event) -> None:
    """50 requests a second and a scrape of 200 series every 15 s."""
    turn = 0
    while not stop.wait(1.0):
        now = datetime.now(UTC)
        store.append("requests", requests(now - timedelta(seconds=1), 1, 50, 1_000 + turn))
        if turn % 15 == 0:
            store.samples(samples(now)).result()
        turn += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rules", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=75)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "rules").mkdir()
        (home / "rules" / "bench.yml").write_text(rules(given.rules))
        with Store.open(Settings.load(env_file=None, home=home / "home")) as store:
            now = datetime.now(UTC)
            store.append("requests", requests(now - timedelta(hours=1), 3_590, 20, 1))
            for i in range(240):
                store.samples(samples(now - timedelta(seconds=3_600 - 15 * i))).result()
            store.flush()
            stop = threading.Event()
            feeder = threading.Thread(target=feed, args=(store, stop), daemon=True)
            feeder.start()
            engine = Engine(store, StoreScan(store), store.settings, book=RuleBook(home / "rules"))
            engine.load()
            cpu, began = time.process_time(), time.monotonic()
            engine.start()
            time.sleep(given.seconds)
            status = engine.status()
            cpu, wall = time.process_time() - cpu, time.monotonic() - began
            engine.close()
            stop.set()
            feeder.join()
    late = np.array(status.lateness)
    took = np.array([run.seconds for run in status.runs.values()])
    errors = [h.error for h in status.health.values() if h.error]
    print(f"{given.rules} rules in {len(status.groups)} groups, {len(late)} evaluations of groups in {wall:.0f} s")
    print(f"late: p50 {np.percentile(late, 50):.2f} s, p99 {np.percentile(late, 99):.2f} s, worst {late.max():.2f} s")
    active = len(list(status.table.active()))
    print(f"missed {status.missed}, failed {len(errors)}{': ' + errors[0] if errors else ''}, alerts active {active}")
    print(f"a group takes p50 {np.percentile(took, 50) * 1000:.0f} ms, worst {took.max() * 1000:.0f} ms")
    print(f"CPU: {cpu / wall:.2f} cores, feeding and flushing included")


if __name__ == "__main__":
    main()
