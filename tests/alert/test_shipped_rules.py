# ruff: noqa: E501
"""The rules in config/rules are those of the monitoring document: thresholds, durations, words."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.alert.evaluate import Place, TickScan
from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.rules import Rule, RuleGroup, load_rules
from pitchey_slo.alert.running import run_group
from pitchey_slo.alert.schedule import Due
from pitchey_slo.alert.state import step
from pitchey_slo.names import ANOMALY_SCORE, PROBE_SERIES
from pitchey_slo.promql import MemoryScan
from pitchey_slo.testing import NOON

ROOT = Path(__file__).resolve().parents[2]
GROUPS = load_rules(ROOT / "config" / "rules")
RULES = {(r.name, r.labels["severity"]): (g, r) for g in GROUPS for r in g.rules}
START = NOON - timedelta(hours=1)
REQUESTS = "pitchey_http_requests_total"


def counters(**per_second: float) -> MemoryScan:
    """Counters that rise steadily for an hour and 20 minutes; names with __ take what follows as `le`."""
    scan = MemoryScan()
    ts = np.arange(round(START.timestamp()) * 1000, round(NOON.timestamp() + 1_200) * 1000, 15_000)
    for name, rate in per_second.items():
        metric, _, le = name.partition("__")
        labels = {"__name__": metric, "route": "/api/pitches"} | ({"le": le.replace("_", ".")} if le else {})
        scan.add(labels, ts, (ts - ts[0]) / 1000 * rate)
    return scan


def gauges(**values: float) -> MemoryScan:
    scan = MemoryScan()
    ts = np.arange(round(START.timestamp()) * 1000, round(NOON.timestamp() + 1_200) * 1000, 15_000)
    for name, value in values.items():
        scan.add({"__name__": name, "instance": "i1", "test": "signup"}, ts, np.full(len(ts), value))
    return scan


def health(**values: float) -> MemoryScan:
    """Series of one health check of a cache."""
    scan = MemoryScan()
    ts = np.arange(round(START.timestamp()) * 1000, round(NOON.timestamp() + 1_200) * 1000, 15_000)
    for name, value in values.items():
        labels = {"__name__": name, "component": "cache", "test": "cache-1", "location": "local"}
        scan.add(labels, ts, np.full(len(ts), value))
    return scan


def synthetic(**values: float) -> MemoryScan:
    """Series of the test `signup` at one location; `up`, `limit` and `blind` are not by location and test both."""
    labels = {"location": "eu", "test": "signup"}
    own = {"up": {"test": "signup"}, "consecutive_limit": {"test": "signup"},
           "location_blind": {"location": "eu", "reason": "silent"}}  # fmt: skip
    scan = MemoryScan()
    ts = np.arange(round(START.timestamp()) * 1000, round(NOON.timestamp() + 5_400) * 1000, 15_000)
    for name, value in values.items():
        scan.add({"__name__": f"pitchey_synthetic_{name}"} | own.get(name, labels), ts, np.full(len(ts), value))
    return scan


def latency(slow: float) -> MemoryScan:
    """100 requests a second, `slow` of them between 2.5 and 5 s, the rest below 0.1 s."""
    bounds = {"0_1": 100 - slow, "2_5": 100 - slow, "5_0": 100, "+Inf": 100}
    return counters(**{f"pitchey_http_response_time_bucket__{le}": rate for le, rate in bounds.items()})


def unusual(score: float) -> MemoryScan:
    scan = MemoryScan()
    ts = np.arange(round(START.timestamp()) * 1000, round(NOON.timestamp() + 1_200) * 1000, 60_000)
    labels = {"__name__": "pitchey_anomaly_score", "detector": "ensemble", "series": "payments"}
    scan.add(labels, ts, np.full(len(ts), score))
    return scan


def fires_after(name: str, severity: str, scan: MemoryScan) -> tuple[float | None, Alert | None]:
    """Seconds until the rule fires, and the alert, when it is evaluated every 15 s; None when it never does."""
    group, rule = RULES[name, severity]
    alone = RuleGroup(group.name, rules=(rule,), key=group.key)
    alerts: dict[str, Alert] = {}
    for seconds in range(0, 3_900 if rule.for_seconds > 900 else 900, 15):
        now = NOON + timedelta(seconds=seconds)
        run = run_group(Due(alone, now, None, 0.0, 0), TickScan(scan), Place(), lambda *_: None).rules[0]
        assert run.error is None
        alerts, _ = step(rule, alerts, run.samples, now)
        for alert in alerts.values():
            if alert.firing:
                return float(seconds), alert
    return None, None


CASES = [
    ("HighErrorRate", "critical", 120, counters(**{REQUESTS: 100, "pitchey_http_errors_total": 5.1}), counters(**{REQUESTS: 100, "pitchey_http_errors_total": 5})),
    ("HighErrorRate", "warning", 300, counters(**{REQUESTS: 100, "pitchey_http_errors_total": 2.1}), counters(**{REQUESTS: 100, "pitchey_http_errors_total": 2})),
    ("DatabaseUnavailable", "critical", 60, gauges(pitchey_db_up=0), gauges(pitchey_db_up=1)),
    ("WorkerUnresponsive", "critical", 180, gauges(pitchey_worker_up=0), gauges(pitchey_worker_up=1)),
    ("ComponentUnavailable", "critical", 120, health(pitchey_health_up=0), health(pitchey_health_up=1)),
    ("ComponentDegraded", "warning", 600, health(pitchey_health_up=1, pitchey_health_state=1), health(pitchey_health_up=0, pitchey_health_state=0)),
    ("HealthCheckBlind", "warning", 600, health(pitchey_health_probe_error=1), health(pitchey_health_probe_error=0)),
    ("SyntheticTestFailing", "critical", 0, gauges(pitchey_synthetic_consecutive_failures=3), gauges(pitchey_synthetic_consecutive_failures=2)),
    ("SyntheticTestFailsSomewhere", "warning", 300, synthetic(consecutive_failures=3, up=1), synthetic(consecutive_failures=3, up=0)),
    ("CertificateExpiring", "warning", 3_600, synthetic(cert_days=20.9), synthetic(cert_days=21)),
    ("ProbeLocationBlind", "warning", 600, synthetic(location_blind=1), synthetic(location_blind=0)),
    ("SlowResponses", "warning", 300, latency(6.5), latency(5.5)),
    ("HighMemoryUsage", "warning", 300, gauges(pitchey_memory_used_bytes=86, pitchey_memory_limit_bytes=100), gauges(pitchey_memory_used_bytes=85, pitchey_memory_limit_bytes=100)),
    ("LowCacheHitRate", "warning", 600, counters(pitchey_cache_hits_total=69, pitchey_cache_misses_total=31), counters(pitchey_cache_hits_total=70, pitchey_cache_misses_total=30)),
    ("UnusualSeries", "warning", 0, unusual(0.99991), unusual(0.9999)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "severity", "seconds", "bad", "good"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_threshold_and_duration(name: str, severity: str, seconds: int, bad: MemoryScan, good: MemoryScan) -> None:
    after, alert = fires_after(name, severity, bad)
    assert after == seconds
    assert alert is not None and alert.severity == severity
    told = " ".join(alert.annotations.values())
    assert "error expanding" not in told and "<no value>" not in told and "map[" not in told
    assert fires_after(name, severity, good) == (None, None)
    assert fires_after(name, severity, MemoryScan()) == (None, None)  # no data is not an alert


@pytest.mark.parametrize(
    ("series", "fires"),
    [
        ({"consecutive_failures": 3, "up": 0}, True),
        ({"consecutive_failures": 3, "up": 1}, False),  # the other locations pass
        ({"consecutive_failures": 2, "up": 0}, False),
        ({"consecutive_failures": 2, "consecutive_limit": 2, "up": 0}, True),
        ({"consecutive_failures": 4, "consecutive_limit": 5, "up": 0}, False),
        ({"up": 0}, False),  # an excluded location has no such series
    ],
)
def test_a_synthetic_test_pages_when_most_locations_fail_as_often_as_it_says(
    series: dict[str, float], fires: bool
) -> None:
    assert (fires_after("SyntheticTestFailing", "critical", synthetic(**series))[0] == 0) is fires


def test_every_rule_is_tested() -> None:
    assert {(c[0], c[1]) for c in CASES} == set(RULES)


def test_words_have_the_numbers() -> None:
    _, alert = fires_after("HighErrorRate", "critical", CASES[0][3])
    assert alert is not None and alert.annotations["summary"] == "5.1% of all requests fail"
    assert alert.annotations["description"] == (
        "1530 of 30000 requests of the last five minutes were answered with 5xx: 5.1%, the limit is 5 %. "
        "Most of them: /api/pitches (1530)."
    )


@pytest.mark.parametrize(("group", "rule"), RULES.values(), ids=lambda v: v.name)
def test_each_has_summary_description_runbook_dashboard(group: RuleGroup, rule: Rule) -> None:
    assert {"summary", "description", "runbook_url", "dashboard_url"} <= set(rule.annotations)
    assert (ROOT / rule.annotations["runbook_url"].lstrip("/")).is_file()
    assert rule.labels["service"]


def test_series_that_nobody_makes_of_events_are_named() -> None:
    from pitchey_slo.promql import parse, tree
    from pitchey_slo.promql.derived_metrics import METRICS

    def names(node: tree.Node) -> set[str]:
        found = set()
        if isinstance(node, tree.Selector):
            found = {m.value for m in node.alternatives[0] if m.name == "__name__"}
        for child in tree.children(node):
            found |= names(child)
        return found

    for _, rule in RULES.values():
        assert names(parse(rule.expr)) <= {*METRICS, *PROBE_SERIES, ANOMALY_SCORE}
