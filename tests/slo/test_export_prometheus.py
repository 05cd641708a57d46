"""The rule file counts events, not ratios: shown where the mean of ratios is wrong, and by Prometheus itself."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pitchey_slo.promql import MemoryScan, evaluate, instant, parse
from pitchey_slo.slo.export.prometheus import export_prometheus
from pitchey_slo.slo.model import Slo
from pitchey_slo.slo.spec.openslo import parse as read
from tests.slo.made import spec_text

TICK = 15_000
HOUR = 3_600_000
#: Aligned to hours, long after 1970.
T0 = 1_770_000_000_000 // HOUR * HOUR

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is part of apt package prometheus")


def slo(**given: Any) -> Slo:
    return read(spec_text(**given)).slos[0]


def groups_of(slos: Sequence[Slo]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(export_prometheus(slos))["groups"]
    return found


def counters(bad_per_tick: np.ndarray, valid_per_tick: np.ndarray, name: str = "x") -> MemoryScan:
    """Our two counters, counting these events at each tick from T0 on."""
    scan = MemoryScan()
    for what, each in (("bad", bad_per_tick), ("valid", valid_per_tick)):
        labels = {"__name__": f"pitchey_slo_{what}_total", "slo": name, "service": "test", "objective": "99%"}
        scan.add(labels, T0 + np.arange(len(each) + 1) * TICK, np.concatenate([[0], np.cumsum(each)]))
    return scan


def record(groups: list[dict[str, Any]], scan: MemoryScan, end: int, step: int = 60_000) -> None:
    """What Prometheus does with recording rules: group by group, rule by rule, each a sample per step."""
    for group in groups:
        for rule in group["rules"]:
            if "record" not in rule:
                continue
            for labels, times, values in evaluate(rule["expr"], scan, T0, end, step).series():
                scan.add(labels | rule.get("labels", {}) | {"__name__": rule["record"]}, times, values)


def value(expr: str, scan: MemoryScan, at: int) -> float:
    found = list(instant(expr, scan, at).series())
    assert len(found) == 1, found
    return float(found[0][2][0])


@needs_promtool
def test_the_shipped_slos_pass_prometheus_own_check(tmp_path: Path) -> None:
    slos = read("\n---\n".join(p.read_text() for p in sorted(Path("config/slos").glob("*.yaml")))).slos
    file = tmp_path / "rules.yml"
    file.write_text(export_prometheus(slos))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_names_of_groups_and_series_are_unique_and_sloths_series_are_there() -> None:
    groups = groups_of([slo(name="a"), slo(name="b", window="{duration: 3d, isRolling: true}")])
    assert len({g["name"] for g in groups}) == len(groups) == 6
    seen = [
        (r.get("record"), *(r["labels"].get(k) for k in ("sloth_id", "sloth_window")))
        for g in groups
        for r in g["rules"]
        if "record" in r
    ]
    assert len(seen) == len(set(seen))
    names = {record_ for record_, *_ in seen}
    assert {
        *("slo:sli_error:ratio_rate5m", "slo:sli_error:ratio_rate1h", "slo:sli_error:ratio_rate28d"),
        *("slo:objective:ratio", "slo:error_budget:ratio", "slo:time_period:days", "slo:current_burn_rate:ratio"),
        *("slo:period_burn_rate:ratio", "slo:period_error_budget_remaining:ratio", "sloth_slo_info"),
    } <= names
    for group in groups:
        for rule in group["rules"]:
            parse(rule["expr"])


def test_sloths_mean_of_ratios_is_wrong_where_traffic_changes_and_ours_is_right() -> None:
    """Two days: 1,000 requests per tick from 08 to 20 o'clock without a failure, 4 per tick at night, half of which
    fail. 0.2 % of all requests failed; the mean of the 5-minute ratios says 25 %."""
    hours = (np.arange(2 * 5760) * TICK // HOUR) % 24
    day = (hours >= 8) & (hours < 20)
    valid, bad = np.where(day, 1000, 4), np.where(day, 0, 2)
    scan, end = counters(bad, valid), T0 + 48 * HOUR
    record(groups_of([slo(objectives="[{target: 0.99}]", window="{duration: 2d, isRolling: true}")]), scan, end)
    chosen = '{sloth_id="test-x"}'

    ours = value(f"slo:sli_error:ratio_rate2d{chosen}", scan, end)
    base = f"slo:sli_error:ratio_rate5m{chosen}"
    sloth = value(f"sum_over_time({base}[2d]) / count_over_time({base}[2d])", scan, end)
    counted = bad.sum() / valid.sum()

    assert counted == pytest.approx(0.0019920, rel=1e-4)
    assert ours == pytest.approx(counted, rel=0.005)
    assert sloth == pytest.approx(0.25, rel=0.01)
    # the budget of 1 %: a fifth is spent; by the mean of ratios it would be overspent 25 times
    left = value(f"slo:period_error_budget_remaining:ratio{chosen}", scan, end)
    assert left == pytest.approx(1 - counted / 0.01, abs=0.005) and 1 - sloth / 0.01 < -23
    assert value(f"slo:current_burn_rate:ratio{chosen}", scan, end) == pytest.approx(50)
    assert value(f"slo:time_period:days{chosen}", scan, end) == 2


def test_recorded_slices_are_those_of_plain_counting() -> None:
    objective = "[{displayName: 99%, target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 5m}]"
    made = slo(method="Timeslices", objectives=objective, window="{duration: 1d, isRolling: true}")
    rng = np.random.default_rng(3)
    valid = rng.integers(0, 3, 5760) * rng.integers(0, 2, 288).repeat(20)
    bad = rng.binomial(valid, 0.1)
    scan, end = counters(bad, valid), T0 + 24 * HOUR
    groups = groups_of([made])
    assert groups[0]["interval"] == "5m"
    record(groups[:1], scan, end, 5 * 60_000)
    record(groups[1:], scan, end)
    per_slice = valid.reshape(288, 20).sum(axis=1), bad.reshape(288, 20).sum(axis=1)
    failed = sum(1 for v, b in zip(*per_slice, strict=True) if v and (v - b) / v < 0.9 - 1e-12)
    assert value('slo:sli_error:ratio_rate1d{sloth_id="test-x"}', scan, end) == pytest.approx(failed / 288)


def test_an_alert_holds_by_the_recorded_series_as_by_the_rules_of_our_own_evaluator() -> None:
    from pitchey_slo.slo.alerts.burn_rules import rules

    made = dataclasses.replace(slo(objectives="[{displayName: 99%, target: 0.99}]"), minimum_bad=100.0)
    valid = np.full(2 * 5760, 50)
    bad = np.where((np.arange(2 * 5760) > 3000) & (np.arange(2 * 5760) < 3600), 20, 0)
    scan, end = counters(bad, valid), T0 + 48 * HOUR
    record(groups_of([made]), scan, end)
    exported = [r["expr"] for g in groups_of([made]) for r in g["rules"] if r.get("alert") == "SloErrorBudgetBurn"]
    own = [r.expr for r in rules(made).rules if r.alert == "SloErrorBudgetBurn"]
    for theirs, ours in zip(exported, own, strict=True):
        held = [
            {int(t) for _, times, _ in evaluate(expr, scan, T0, end, 60_000).series() for t in times}
            for expr in (theirs, ours)
        ]
        assert held[0] == held[1] and (held[0] or "13.44" not in ours)


@needs_promtool
def test_prometheus_fires_when_our_evaluator_says_so(tmp_path: Path) -> None:
    """The exported file in Prometheus' own rule engine: a fifth of the requests fails from minute 100 on."""
    made = slo(objectives="[{displayName: 99%, target: 0.99}]", window="{duration: 28d, isRolling: true}")
    (tmp_path / "rules.yml").write_text(export_prometheus([made]))
    # page 1h/5m: 13.44 % of the hour; 20 % failing get there after 40.3 minutes, so first seen in minute 141
    series = '{slo="x", service="test", objective="99%"}'
    first = 100 + int(np.ceil(60 * 0.1344 / 0.2))
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f"pitchey_slo_valid_total{series}", "values": "0+100x200"},
                    {"series": f"pitchey_slo_bad_total{series}", "values": "0+0x100 20+20x99"},
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count(ALERTS{alertname="SloErrorBudgetBurn", windows="1h/5m"}) or vector(0)',
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": fires}],
                    }
                    for minute, fires in ((first - 1, 0), (first + 1, 1))
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(test))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
