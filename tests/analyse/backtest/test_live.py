"""The backtest against the engine that pages people: the same store, the same rules, every firing compared."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.alert.rules import load_rules
from pitchey_slo.analyse.backtest import Backtest, backtest
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.series import STALE, SampleBatch, labels_of
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock, rows

RULES = r"""
groups:
- name: plain
  rules:
  - alert: High
    expr: load > 3
    for: 1m
    labels: {severity: critical}
  - alert: HighKept
    expr: load > 3
    keep_firing_for: 3m
    labels: {severity: warning, job: '{{ $labels.job | toUpper }}'}
  - alert: Low
    expr: load < 0.5
    for: 30s
    labels: {level: '{{ if lt $value 0.25 }}deep{{ else }}low{{ end }}'}
  - alert: Ratio
    expr: |
      sum by (route) (rate(pitchey_http_errors_total[5m]))
        / sum by (route) (rate(pitchey_http_requests_total[5m])) > 0.2
    for: 2m
  - alert: Gone
    expr: absent(load{job="c"})
    for: 2m
  - alert: Clash
    expr: load > 4
    labels: {job: same}
  - alert: Asked
    expr: load{job="a"} > 4
    labels: {others: '{{ with query "count(load > 2)" }}{{ . | first | value }}{{ end }}'}
  - alert: Pinned
    expr: load > 1.5 * max_over_time(load[5m] @ end()) / 2
    for: 45s
  - alert: PinnedInside
    expr: max_over_time((load - load @ end())[2m:30s]) > 1.2
  - alert: Joined
    expr: sum by (job) (load) > on (job) threshold
- name: limited
  limit: 2
  rules:
  - alert: Limited
    expr: load > 3
  - record: limited:load
    expr: load > 3
- name: recorded
  rules:
  - alert: TooEarly
    expr: job:load:max > 3
  - record: job:load:max
    expr: max by (job) (load)
  - record: job:load:sum
    expr: sum by (job) (load)
    labels: {from: rule}
  - alert: Chained
    expr: job:load:sum{from="rule"} > 3.5
    for: 30s
    annotations: {summary: '{{ $value }}'}
  - record: job:load:avg10m
    expr: avg_over_time(job:load:sum[10m])
  - alert: ChainedLong
    expr: job:load:avg10m > 4
- name: slower
  interval: 1m
  query_offset: 30s
  rules:
  - alert: OtherGroup
    expr: job:load:sum > 3
    for: 1m
  - alert: Pattern
    expr: '{__name__=~"job:load:[as].*", job="b"} > 3'
  - alert: OfLimited
    expr: count(limited:load) > 0
"""

HOURS = 0.5


@pytest.fixture
def traffic(store: Store, clock: FixedClock) -> Store:
    """Loads that come and go, with gaps, a stale marker and NaN, and requests with errors."""
    rng = np.random.default_rng(11)
    steps = int(HOURS * 240)
    start = round(clock().timestamp() * 1000)
    labels, series, ts, value = [], [], [], []

    def add(pairs: dict[str, str], times: np.ndarray, numbers: np.ndarray) -> None:
        series.append(np.full(len(times), len(labels)))
        labels.append(labels_of(pairs))
        ts.append(times)
        value.append(numbers)

    for job in ("a", "b", "c"):
        for instance in ("1", "2"):
            times = start + 15_000 * np.arange(steps) - rng.integers(0, 15_000)
            level = 2 + 2 * np.sin(np.arange(steps) / rng.integers(6, 14)) + rng.normal(0, 0.4, steps)
            level[rng.random(steps) < 0.01] = np.nan
            keep = rng.random(steps) > 0.05
            hole = 55 if job == "c" else rng.integers(50, steps - 35)
            keep[hole : hole + 30] = False
            level[hole - 1] = STALE
            add({"__name__": "load", "job": job, "instance": instance}, times[keep], level[keep])
    every = start + 60_000 * np.arange(steps // 4)
    add({"__name__": "threshold", "job": "a"}, every, np.full(len(every), 3.0))
    # from the middle on a second threshold makes the join ambiguous: the evaluation fails
    late = every[len(every) // 2 :]
    add({"__name__": "threshold", "job": "a", "x": "1"}, late, np.full(len(late), 3.0))
    batch = SampleBatch(labels, np.concatenate(series), np.concatenate(ts), np.concatenate(value))
    clock.forward(hours=HOURS)  # data of the future are refused
    assert store.samples(batch, backfill=True).result().counts == {}

    bad = rng.random(6_000) < 0.1 + 0.3 * (np.arange(6_000) % 2_000 > 1_500)
    times = [NOON + timedelta(seconds=s) for s in np.sort(rng.uniform(0, HOURS * 3600, 6_000)).tolist()]
    status = np.where(bad, 500, 200).tolist()
    routes = [f"/r{i % 3}" for i in range(6_000)]
    store.append("requests", rows("requests", 6_000, ts=times, status=status, route=routes))
    store.flush()
    clock.forward(hours=-HOURS)
    return store


def live(store: Store, folder: Path, clock: FixedClock) -> list[tuple]:
    """Every alert the engine had. Its clock stands five seconds after each multiple of 15: every group is due then."""
    engine = Engine(store, StoreScan(store), store.settings, clock=clock, book=RuleBook(folder))
    clock.forward(seconds=5)
    while clock() < NOON + timedelta(hours=HOURS):
        engine.run_due()
        clock.forward(seconds=15)
    engine.close()
    found = store.query("SELECT rule, labels, active_at, fired_at, resolved_at FROM alerts").to_pylist()
    import json

    return sorted(
        (json.loads(row["rule"])["key"], tuple(sorted(json.loads(row["labels"]).items())), row["active_at"],
         row["fired_at"] or datetime.max.replace(tzinfo=NOON.tzinfo), row["resolved_at"])
        for row in found if json.loads(row["rule"]).get("key")
    )  # fmt: skip


def replayed(found: Backtest) -> list[tuple]:
    return sorted(
        (f.rule_key, tuple(sorted(f.labels.items())), f.pending_at,
         f.fired_at or datetime.max.replace(tzinfo=NOON.tzinfo), f.resolved_at)
        for history in found.rules for f in history.firings
    )  # fmt: skip


def differences(found: list[tuple], expected: list[tuple]) -> list[str]:
    only = [("backtest", f) for f in set(found) - set(expected)] + [("live", f) for f in set(expected) - set(found)]
    return [
        f"only {who}: {key} {dict(labels)} {' '.join(f'{t:%H:%M:%S}' if t else '-' for t in times)}"
        for who, (key, labels, *times) in sorted(only, key=lambda each: str(each[1]))
    ]


def test_every_firing_is_the_live_one(tmp_path: Path, traffic: Store, clock: FixedClock) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yml").write_text(RULES)
    start = clock()
    seen = live(traffic, folder, clock)
    groups = load_rules(folder)
    found = backtest(groups, StoreScan(traffic), start, start + timedelta(hours=HOURS))
    assert differences(replayed(found), seen) == []
    names = {history.rule.name: history for history in found.rules}
    for name in ("High", "HighKept", "Low", "Ratio", "Gone", "Asked", "Pinned", "PinnedInside", "Joined", "Chained",
                 "ChainedLong", "OtherGroup", "Pattern", "TooEarly", "Clash",
                 "Limited", "OfLimited"):  # fmt: skip
        assert names[name].fired, f"{name} never fired: it proves nothing"
    assert names["Clash"].failed > 0 and "same alert" in (names["Clash"].problem or "")
    assert names["Joined"].failed > 10 and "many-to-many" in (names["Joined"].problem or "")
    # in pieces it is the same
    pieces = backtest(groups, StoreScan(traffic), start, start + timedelta(hours=HOURS), stretch_days=0.02)
    assert differences(replayed(pieces), seen) == []
