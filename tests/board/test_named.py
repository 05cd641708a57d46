"""Named questions give what a slow look at the rows gives."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pitchey_slo import board
from pitchey_slo.probe.result import Result, rows_of
from pitchey_slo.store import Store
from pitchey_slo.tables import ALERTS, LOGS
from pitchey_slo.testing import NOON, rows

from .made import asked, defined, source_of

HOUR = timedelta(hours=1)


def halves(store: Store, table: str, made: Any) -> None:
    """Half of the rows in the lake, half in hot alone."""
    store.append(table, made.slice(0, len(made) // 2))
    store.flush()
    store.append(table, made.slice(len(made) // 2))


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


def look(test: str, minutes: float, state: str = "healthy", **more: Any) -> Result:
    return Result(test, state, NOON - timedelta(minutes=minutes), **{"kind": "health", "component": test} | more)


def test_the_matrix_shows_the_worst_newest_verdict_and_stale_is_unknown(store: Store) -> None:
    results = [
        look("db", 10), look("db", 2, "unhealthy", reason="it does not answer", failure="timeout"),
        look("replica", 3, component="db"),
        look("cache", 5, "degraded", location="fra", duration_ms=12.0), look("cache", 1, location="local"),
        look("storage", 40),
        look("db", 1, scope="attempt"),
        look("login", 1, kind="journey", component="api"),
    ]  # fmt: skip
    halves(store, "probes", rows_of(results))
    found = asked(defined("named: health_matrix", type="health"), store, NOON)
    assert found["rows"] == ["db", "storage", "cache"] and found["columns"] == ["fra", "local"]
    db, storage, cache = found["cells"]
    assert db[0] is None
    assert db[1]["state"] == "unhealthy" and db[1]["reason"] == "it does not answer" and db[1]["test"] == "db"
    assert storage[1]["state"] == "unknown" and "no result for 40 minutes" in storage[1]["reason"]
    assert [cell["state"] for cell in cache] == ["degraded", "healthy"] and cache[0]["latency_ms"] == 12.0
    tests = asked(defined("named: health_matrix\nwith: {of: tests}", type="health"), store, NOON)
    assert tests["rows"] == ["login"]


def test_tests_are_judged_by_verdicts_that_know_something(store: Store) -> None:
    states = ["healthy", "unhealthy", "degraded", "unknown", "healthy"]
    results = [
        look("login", 50 - 10 * i, s, kind="journey", duration_ms=100.0 * i, cert_days=30.0 - i,
             failure="tls" if s == "unhealthy" else None, phase="tls" if s == "unhealthy" else None,
             phases={"dns": 1.0 + i, "tls": 5.0})
        for i, s in enumerate(states)
    ]  # fmt: skip
    halves(store, "probes", rows_of(results))
    table = asked(defined("named: synthetic_tests", type="table"), store, NOON)
    (row,) = [dict(zip([c["name"] for c in table["columns"]], r, strict=True)) for r in table["rows"]]
    assert (row["state"], row["passed"], row["looks"], row["at"]) == ("healthy", 0.75, 4, ms(NOON) - 600_000)
    assert row["p50"] == np.median([0.0, 200.0, 400.0])
    failed = asked(defined("named: synthetic_failures", type="table"), store, NOON)["rows"]
    assert [r[:5] for r in failed] == [["login", "local", "tls", "tls", 1]]
    assert asked(defined("named: certificates", type="table"), store, NOON)["rows"][0][2] == 26.0
    phases = asked(defined("named: synthetic_phases\nwith: {test: login}"), store, NOON)
    assert [line["name"] for line in phases["series"]] == ["dns", "tls"]
    assert [v for v in phases["series"][0]["values"] if v is not None] == [1.0, 3.0, 5.0]
    assert asked(defined('named: synthetic_phases\nwith: {test: "x\' OR true --"}'), store, NOON)["series"] == []


@pytest.fixture
def business(store: Store) -> list[dict[str, Any]]:
    """Events of a hundred people over a day, in a random order; rows as dictionaries."""
    rng = np.random.default_rng(5)
    steps = ["pitch_viewed", "nda_requested", "nda_signed", "investment_requested"]
    made = [
        {"ts": NOON - HOUR * float(rng.uniform(0.1, 23.9)), "event": str(rng.choice(steps, p=[0.5, 0.25, 0.15, 0.1])),
         "user_hash": f"u{rng.integers(100)}" if rng.random() < 0.9 else None}
        for _ in range(1_500)
    ]  # fmt: skip
    columns: dict[str, Any] = {name: [row[name] for row in made] for name in ("ts", "event", "user_hash")}
    halves(store, "business_events", rows("business_events", len(made), **columns))
    return made


def test_the_funnel_counts_people_in_order(store: Store, business: list[dict[str, Any]]) -> None:
    found = asked(defined("named: investment_funnel", type="funnel"), store, NOON, length="24h")
    steps = ["pitch_viewed", "nda_requested", "nda_signed", "investment_requested"]
    reached = [0] * 4
    for user in {row["user_hash"] for row in business} - {None}:
        after = NOON - 2 * 24 * HOUR
        for i, step in enumerate(steps):
            times = [r["ts"] for r in business if r["user_hash"] == user and r["event"] == step and r["ts"] >= after]
            if not times:
                break
            after = min(times)
            reached[i] += 1
    assert [stage["value"] for stage in found["stages"]] == reached
    assert reached[0] > reached[1] > reached[2] > reached[3] > 0


def test_the_time_between_two_events_is_that_of_the_same_person(store: Store, business: list[dict[str, Any]]) -> None:
    found = asked(defined("named: nda_latency"), store, NOON, length="24h")
    asking: dict[str, list[datetime]] = defaultdict(list)
    for row in sorted(business, key=lambda r: r["ts"]):
        if row["event"] == "nda_requested" and row["user_hash"]:
            asking[row["user_hash"]].append(row["ts"])
    waits: dict[int, list[float]] = defaultdict(list)
    step = found["times"][1] - found["times"][0]
    for row in business:
        before = [t for t in asking.get(row["user_hash"] or "", []) if t <= row["ts"]]
        if row["event"] == "nda_signed" and row["user_hash"] and before:
            waits[ms(row["ts"]) // step * step].append((row["ts"] - max(before)).total_seconds())
    median = dict(zip(found["times"], found["series"][0]["values"], strict=True))
    assert {t for t, v in median.items() if v is not None} == set(waits)
    assert all(median[t] == pytest.approx(np.median(waits[t]), abs=1e-5) for t in waits)


def test_features_are_counted_by_people(store: Store) -> None:
    given = {"route": ["/api/a", "/api/b", "/api/a", "/x", "/api/a"], "user_hash": ["u", "u", "v", "w", None],
             "status": [200, 200, 500, 200, 200], "sample_interval": [1.0, 10.0, 1.0, 1.0, 2.0]}  # fmt: skip
    halves(store, "requests", rows(count=5, start=NOON - HOUR / 2, **given))
    table = asked(defined("named: feature_use", type="table"), store, NOON)
    assert table["rows"] == [["GET /api/a", 2, 1.0, 4.0, 0.25], ["GET /api/b", 1, 0.5, 10.0, 0.0]]


def test_lines_are_chosen_by_text_level_and_column(store: Store) -> None:
    lines = [("info", "GET / 200", None), ("error", "Pool exhausted: it's full", "f1"),
             ("error", "pool EXHAUSTED", "f1"), ("warning", "slow", None), ("critical", "down", "f2")]  # fmt: skip
    made = [
        {"ts": NOON - timedelta(minutes=i + 1), "level": level, "message": text, "fingerprint": mark,
         "trace_id": f"t{i}", "sample_interval": 16.0 if level == "info" else 1.0}
        for i, (level, text, mark) in enumerate(lines)
    ]  # fmt: skip
    halves(store, "logs", LOGS.of(made))

    def messages(given: str) -> list[str]:
        found = asked(defined(f"named: logs\nwith: {given}", type="logs"), store, NOON)
        return [row["message"] for row in found["rows"]]

    assert messages("{}") == [text for _, text, _ in lines]
    assert messages("{search: 'EXHAUSTED: it''s'}") == ["Pool exhausted: it's full"]
    assert messages("{level: error}") == ["Pool exhausted: it's full", "pool EXHAUSTED", "down"]
    assert messages("{trace_id: t3}") == ["slow"]
    assert messages('{search: "%", limit: 1}') == []
    found = asked(defined("named: logs", type="logs"), store, NOON)
    assert found["levels"] == {"info": 16.0, "error": 2.0, "warning": 1.0, "critical": 1.0} and found["total"] == 20.0
    levels = asked(defined("named: log_levels"), store, NOON)
    assert {line["name"]: sum(line["values"]) for line in levels["series"]} == found["levels"]
    assert [line["name"] for line in levels["series"]] == ["critical", "error", "warning", "info"]
    patterns = asked(defined("named: log_patterns\nwith: {level: warning}", type="table"), store, NOON)["rows"]
    assert [patterns[0][i] for i in (2, 3, 6)] == ["Pool exhausted: it's full", 2.0, "f1"]


def test_what_is_new_was_not_said_before(store: Store) -> None:
    """The range is an hour; of the three things said in it one was said yesterday."""
    at = {"old": [1_600, 30], "bad 17": [20, 10], "worse 3": [5], "gone": [1_600]}
    made = [
        {"ts": NOON - timedelta(minutes=m), "message": text, "fingerprint": text[:3], "route": "/a",
         "level": {"bad 17": "warning", "worse 3": "error"}.get(text, "info"), "sample_interval": 2.0}
        for text, minutes in at.items() for m in minutes
    ]  # fmt: skip
    halves(store, "logs", LOGS.of(sorted(made, key=lambda row: row["ts"])))
    found = asked(defined("named: log_new", type="table"), store, NOON)["rows"]
    assert [[row[i] for i in (0, 2, 3, 4, 5, 6)] for row in found] == [
        ["error", "worse …", 2.0, "/a", ms(NOON) - 300_000, "wor"],
        ["warning", "bad …", 4.0, "/a", ms(NOON) - 1_200_000, "bad"],
    ]
    # a day that the logs do not reach back from has nothing to compare with
    assert asked(defined("named: log_new\nwith: {days: 1}", type="table"), store, NOON)["rows"] == []


def test_a_trace_leads_to_its_requests(store: Store) -> None:
    halves(
        store,
        "requests",
        rows(count=4, start=NOON - HOUR / 2, trace_id=["a", "b", "a'", None], status=[200, 500, 404, 200]),
    )
    found = asked(defined("named: trace_requests\nwith: {trace_id: b}", type="table"), store, NOON)["rows"]
    assert [row[1:4] for row in found] == [["GET", "/api/pitches", 500]]
    assert asked(defined("named: trace_requests", type="table"), store, NOON)["rows"] == []
    assert len(asked(defined('named: trace_requests\nwith: {trace_id: "a\'"}', type="table"), store, NOON)["rows"]) == 1


def test_traffic_by_weekday_is_the_mean_of_whole_hours(store: Store) -> None:
    # two Mondays: 60 requests in the hour before 10:00 on one, 120 on the other; NOON is a Monday
    for week, count in ((0, 60), (1, 120)):
        start = NOON - timedelta(hours=3, days=7 * week)
        store.append("requests", rows(count=count, start=start + timedelta(seconds=7), step=3_500 / count))
    found = asked(defined("named: traffic_heatmap\nwith: {days: 14}", type="heatmap"), store, NOON)
    monday = dict(zip(found["columns"], found["values"][found["buckets"].index("Monday")], strict=True))
    assert monday["09"] == pytest.approx(90, rel=0.05)
    assert monday["12"] is None or monday["12"] == 0


def test_the_calendar_spends_what_bad_events_of_the_day_spend(store: Store) -> None:
    from pitchey_slo.promql.lake_scan import StoreScan
    from pitchey_slo.slo.series import SloSeries
    from pitchey_slo.slo.spec.shelf import Shelf

    midnight = NOON - timedelta(hours=12)
    for day, bad in ((2, 3), (0, 1)):
        status = [503] * bad + [200] * (100 - bad)
        store.append("requests", rows(count=100, start=midnight - timedelta(days=day) + HOUR, status=status))
    scan = StoreScan(store, [SloSeries(Shelf(store.settings).slos)])
    report = {"slo": "api-availability", "target": 0.999, "window": "28d"}
    source = replace(source_of(store), scan=scan, reports=lambda: [report])
    definition = defined("named: budget_calendar\nwith: {days: 4}", type="calendar")
    told = board.data(definition, source, board.view_of(definition, NOON))["widgets"]["one"]
    spent = {day["day"]: day["spent"] for day in told["days"]}
    assert list(spent) == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert spent["2026-02-28"] == pytest.approx(3 / 100 / 0.001) and spent["2026-03-02"] == pytest.approx(10.0)
    assert spent["2026-02-27"] is None and spent["2026-03-01"] is None


def test_alerts_are_those_of_the_inbox(store: Store) -> None:
    def alert(name: str, severity: str, state: str, minutes: int, **more: Any) -> dict[str, Any]:
        at = NOON - timedelta(minutes=minutes)
        labels = json.dumps({"alertname": name, "severity": severity})
        return {"id": name, "fingerprint": name, "name": name, "severity": severity, "state": state, "labels": labels,
                "active_at": at, "fired_at": at, "updated_at": NOON, **more}  # fmt: skip

    made = [
        alert("Old", "warning", "resolved", 50, resolved_at=NOON - timedelta(minutes=45)),
        alert("Slow", "warning", "firing", 20),
        alert("Down", "critical", "firing", 5),
        alert("Soon", "critical", "pending", 1),
        alert("Taken", "critical", "firing", 30, acked_at=NOON, acked_by="ann"),
    ]
    store.append("alerts", ALERTS.of(made))
    found = asked(defined("named: alerts", type="alerts"), store, NOON)
    assert [row["name"] for row in found["rows"]] == ["Down", "Slow", "Taken", "Soon"]
    assert found["firing"] == 3 and found["severities"] == {"critical": 2, "warning": 1, "info": 0}
    every = asked(defined("named: alerts\nwith: {state: all}", type="alerts"), store, NOON)
    assert [row["name"] for row in every["rows"]] == ["Soon", "Down", "Slow", "Taken", "Old"]
    assert (
        asked(defined("named: alerts\nwith: {state: all}", type="alerts"), store, NOON, length="40m")["rows"][-1][
            "name"
        ]
        == "Taken"
    )


def test_what_happened_is_told_newest_first(store: Store) -> None:
    store.append("deployments", rows("deployments", 1, ts=[NOON - HOUR / 2], deployed_by=["ann"]))
    store.append("incidents", rows("incidents", 1, started_at=[NOON - HOUR / 4]))
    store.append("report_runs", rows("report_runs", 1, started_at=[NOON - HOUR / 3], ended_at=[NOON]))
    table = asked(defined("named: events", type="table"), store, NOON)
    assert [row[1:3] for row in table["rows"]] == [
        ["incident", "something broke"], ["report", "30_slo_report succeeded"], ["deployment", "pitchey 1.0.0"],
    ]  # fmt: skip
    runs = asked(defined("named: reports", type="table"), store, NOON)
    assert runs["rows"][0][:5] == [ms(NOON - HOUR / 3), "30_slo_report", "succeeded", None, 1_200.0]
    assert runs["rows"][0][-1] == "/reports/run-0"
