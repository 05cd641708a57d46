"""SLO counts as PromQL series, against a slow count of the same events and against the report."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pitchey_slo.errors import ConfigError
from pitchey_slo.promql import Matcher, evaluate, instant
from pitchey_slo.promql.lake_scan import LakeScan, StoreScan
from pitchey_slo.slo import Slo
from pitchey_slo.slo import evaluate as judge
from pitchey_slo.slo.model import Correction
from pitchey_slo.slo.series import SloSeries
from pitchey_slo.slo.spec.openslo import parse
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.tables import CORRECTIONS
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

DAY_MS, TICK_MS = 86_400_000, 15_000
NOON_MS = round(NOON.timestamp() * 1_000)
START = NOON - timedelta(days=4)
SPECS = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: errors, displayName: Errors}
spec:
  service: api
  indicator:
    metadata: {name: errors}
    spec:
      ratioMetric:
        bad:
          metricSource:
            type: pitchey
            spec: {table: requests, filter: "route = '/a' AND status >= 500 AND cache_status IS NULL"}
        total: {metricSource: {type: pitchey, spec: {table: requests, filter: "route = '/a'"}}}
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: quick, displayName: Quick}
spec:
  service: api
  indicator:
    metadata: {name: quick}
    spec:
      thresholdMetric: {metricSource: {type: pitchey, spec: {table: requests, value: duration_ms}}}
  budgetingMethod: Occurrences
  objectives: [{displayName: "200 ms", op: lte, value: 200, target: 0.9}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: paid, displayName: Paid}
spec:
  service: money
  indicator:
    metadata: {name: paid}
    spec:
      ratioMetric:
        good: {metricSource: {type: pitchey, spec: {table: business_events, filter: "event = 'payment_succeeded'"}}}
        total: {metricSource: {type: pitchey, spec: {table: requests, filter: "route = '/pay'"}}}
  budgetingMethod: Occurrences
  objectives: [{displayName: paid, target: 0.5}]
"""
CORRECTION = {
    "id": "release",
    "slos": "errors",
    "category": "deployment",
    "reason": "release 12",
    "approver": "lead",
    "starts_at": START + timedelta(hours=30),
    "seconds": 7_200.0,
}


@functools.cache
def slos() -> tuple[Slo, ...]:
    return parse(SPECS).slos


@functools.cache
def requests(count: int = 3_000) -> pa.Table:
    rng = np.random.default_rng(3)
    return rows(
        count=count,
        start=START,
        step=4 * 86_400 / count,
        route=rng.choice(["/a", "/b", "/pay"], count).tolist(),
        status=rng.choice([200, 503], count, p=[0.9, 0.1]).tolist(),
        duration_ms=[None if v > 900 else float(v) for v in rng.integers(0, 1_000, count)],
        cache_status=rng.choice(np.array(["HIT", None], dtype=object), count).tolist(),
        sample_interval=rng.choice([1.0, 10.0], count).tolist(),
        event_id=[str(i) for i in range(count)],
    )


@functools.cache
def payments(count: int = 700) -> pa.Table:
    rng = np.random.default_rng(4)
    events = rng.choice(["payment_succeeded", "payment_failed"], count).tolist()
    ids = [str(i) for i in range(count)]
    return rows("business_events", count, start=START, step=4 * 86_400 / count, event=events, event_id=ids)


def made(**given: Any) -> SloSeries:
    return SloSeries(slos, **given)


@pytest.fixture(scope="module", params=["lake", "lake and hot", "compacted"])
def scan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeScan | StoreScan]:
    with fresh_store(tmp_path_factory.mktemp("home"), clock=FixedClock()) as store:
        store.append("corrections", CORRECTIONS.of([CORRECTION]))
        store.append("business_events", payments())
        for i, part in enumerate(np.array_split(np.random.default_rng(1).permutation(3_000), 4)):
            store.append("requests", requests().take(pa.array(part)))
            if request.param != "lake and hot" or i < 2:
                store.flush()
        if request.param == "lake and hot":
            yield StoreScan(store, [made()])
            return
        for _ in range(5 if request.param == "compacted" else 0):
            store.compact()
        yield LakeScan(LakeReader(store.settings.lake_uri), more=[made()])


def tick(at: datetime) -> int:
    return -(-round(at.timestamp() * 1e6) // (TICK_MS * 1_000)) * TICK_MS


def slow_counts(slo: str, upto_ms: int) -> tuple[float, float]:
    """(valid, bad) by looking at each event."""
    valid = bad = 0.0
    first, last = (
        round(t.timestamp() * 1e3) for t in (CORRECTION["starts_at"], CORRECTION["starts_at"] + timedelta(hours=2))
    )  # type: ignore[union-attr, operator]  # both are times
    for row in requests().to_pylist():
        if tick(row["ts"]) > upto_ms:
            continue
        weight = row["sample_interval"]
        if slo == "errors" and row["route"] == "/a" and not first < tick(row["ts"]) <= last:
            valid += weight
            bad += weight * (row["status"] >= 500 and row["cache_status"] is None)
        if slo == "quick" and row["duration_ms"] is not None:
            valid += weight
            bad += weight * (row["duration_ms"] > 200)
        if slo == "paid" and row["route"] == "/pay":
            valid += weight
    if slo == "paid":
        good = sum(r["event"] == "payment_succeeded" and tick(r["ts"]) <= upto_ms for r in payments().to_pylist())
        bad = valid - good
    return valid, bad


@pytest.mark.parametrize("slo", ["errors", "quick"])
def test_counters_are_what_counting_gives(scan: LakeScan | StoreScan, slo: str) -> None:
    for back in (0, DAY_MS + 7 * TICK_MS, 3 * DAY_MS):
        at = NOON_MS - 60_000 - back
        valid, bad = slow_counts(slo, at // TICK_MS * TICK_MS)
        found = [instant(f'pitchey_slo_{n}_total{{slo="{slo}"}}', scan, at).values[0, 0] for n in ("valid", "bad")]
        assert found == [valid, bad]
        assert valid > 50


def test_good_of_another_table_never_lets_the_counter_fall(scan: LakeScan | StoreScan) -> None:
    block = scan.select([Matcher("__name__", "=", "pitchey_slo_bad_total"), Matcher("slo", "=", "paid")], 0, NOON_MS)
    assert len(block.values) > 10_000
    assert (np.diff(block.values) >= 0).all()
    valid, bad = slow_counts("paid", NOON_MS)
    assert block.values[-1] == pytest.approx(max(bad, block.values.max()))
    assert valid > bad


def test_labels_and_target(scan: LakeScan | StoreScan) -> None:
    result = instant("pitchey_slo_target", scan, NOON_MS - 60_000)
    found = {
        dict(pairs)["slo"]: (dict(pairs), float(v)) for pairs, v in zip(result.labels, result.values[:, 0], strict=True)
    }
    assert {slo: value for slo, (_, value) in found.items()} == {"paid": 0.5, "quick": 0.9, "errors": 0.99}
    name = {"__name__": "pitchey_slo_target"}
    assert found["quick"][0] == name | {"slo": "quick", "service": "api", "objective": "200 ms"}
    assert found["errors"][0] == name | {"slo": "errors", "service": "api", "objective": "99%"}
    listed = scan.series([Matcher("slo", "=", "quick")], 0, NOON_MS)
    assert sorted(dict(labels)["__name__"] for labels in listed) == [
        "pitchey_slo_bad_total",
        "pitchey_slo_target",
        "pitchey_slo_valid_total",
    ]
    assert scan.series([Matcher("slo", "=", "nobody")], 0, NOON_MS) == []


def test_the_burn_rate_of_the_rule_is_the_burn_rate_of_the_report(tmp_path_factory: pytest.TempPathFactory) -> None:
    with fresh_store(tmp_path_factory.mktemp("home"), clock=FixedClock()) as store:
        # nothing on a tick, so that a minute's ticks hold exactly a minute's events
        shifted = requests().set_column(
            0,
            "ts",
            pa.array(
                [t + timedelta(seconds=1) for t in requests()["ts"].to_pylist()], requests().schema.field("ts").type
            ),
        )
        store.append("requests", shifted)
        store.flush()
        reader = LakeReader(store.settings.lake_uri)
        report = next(r for r in judge(slos()[:1], reader, end=NOON, windows=["3d"], now=NOON))
        scan = LakeScan(reader, more=[made()])
        bad, valid = (f'pitchey_slo_{name}_total{{slo="errors"}}' for name in ("bad", "valid"))
        expr = f"({bad} - {bad} offset 3d) / ({valid} - {valid} offset 3d) / (1 - 0.99)"
        found = instant(expr, scan, NOON_MS)
    assert found.values[0, 0] == pytest.approx(report.burn["3d"], rel=1e-12)
    assert report.burn["3d"]


def test_new_rows_specs_and_corrections_are_seen_at_once(store: Store) -> None:
    known: list[Slo] = [slos()[0]]
    added: list[Correction] = []
    scan = StoreScan(store, [SloSeries(lambda: known, lambda _: added)])

    def counted(slo: str) -> list[float]:
        block = scan.select(
            [Matcher("__name__", "=", "pitchey_slo_valid_total"), Matcher("slo", "=", slo)], 0, NOON_MS + DAY_MS
        )
        return [float(block.values[-1])] if len(block.values) else []

    event = functools.partial(rows, route="/a", duration_ms=20.0)
    for i in itertools.count():
        store.append("requests", event(start=NOON + timedelta(seconds=20 * i), event_id=f"e{i}"))
        assert counted("errors") == [i + 1.0]
        if i in (1, 3):
            store.flush()
        if i == 5:
            break
    known.append(slos()[1])
    assert counted("quick") == [6.0]
    start = NOON + timedelta(seconds=60)
    added.append(Correction("c", "other", "why", "who", start, 60.0))
    assert counted("errors") == [4.0]  # 60 s is the last of the minute before: ticks are open on the left; 80, 100 go
    added.clear()
    assert counted("errors") == [6.0]


def test_broken_specs_only_break_queries_that_name_the_series(store: Store) -> None:
    def broken() -> tuple[Slo, ...]:
        raise ConfigError("not YAML", file="slos/a.yaml", line=3)

    store.append("requests", rows(count=2))
    scan = StoreScan(store, [SloSeries(broken)])
    at = NOON_MS + 60_000
    with pytest.raises(ConfigError, match=r"slos/a.yaml:3"):
        instant("pitchey_slo_bad_total", scan, at)
    assert instant('sum({__name__=~"pitchey_http_requests_total|pitchey_slo_.*"})', scan, at).values[0, 0] == 2


def test_an_empty_store_has_no_series(store: Store) -> None:
    assert evaluate("pitchey_slo_valid_total", StoreScan(store, [made()]), 0, NOON_MS, DAY_MS).labels == []


def test_the_workbench_knows_the_series_of_its_own_slos(tmp_path_factory: pytest.TempPathFactory) -> None:
    from pitchey_slo.settings import Settings
    from pitchey_slo.workbench import Workbench

    folder = tmp_path_factory.mktemp("with_config")
    (folder / "slos").mkdir()
    (folder / "slos" / "all.yaml").write_text(SPECS)
    with fresh_store(folder / "home", clock=FixedClock()) as store:
        store.append("requests", requests())
    wb = Workbench(Settings.load(env_file=None, home=folder / "home", config=folder))
    frame = wb.promql('sum by (slo) (pitchey_slo_valid_total{slo=~"errors|quick"})')
    assert frame.shape == (1, 2)
    assert frame.max(axis=None) == slow_counts("quick", NOON_MS)[0]
