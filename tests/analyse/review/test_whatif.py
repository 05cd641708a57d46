"""What the sliders show is what a backtest of the rule with these numbers finds, pages included."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitchey_slo.alert.config import load_routes
from pitchey_slo.alert.rules import Rule, RuleGroup, parse_rules
from pitchey_slo.analyse.backtest import backtest
from pitchey_slo.analyse.backtest.pages import through_routing
from pitchey_slo.analyse.review.whatif import Routing, whatif
from pitchey_slo.analyse.tune import Incident, tune
from pitchey_slo.promql import MemoryScan
from pitchey_slo.settings import Settings, shipped

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(days=2)
STEP = 15_000
RULE = """
groups:
- name: g
  rules:
  - {alert: Queue, expr: queue > 0.6, for: 2m, keep_firing_for: KEEP, labels: {severity: critical}}
"""
INCIDENTS = (
    Incident("a", "first", START + timedelta(hours=5), START + timedelta(hours=5, minutes=20)),
    Incident("b", "second", START + timedelta(hours=30), START + timedelta(hours=30, minutes=9)),
)


def scan() -> MemoryScan:
    draw = np.random.default_rng(2)
    times = np.arange(int(START.timestamp() * 1000) - 600_000, int(END.timestamp() * 1000), STEP)
    found = MemoryScan()
    for host in ("a", "b"):
        level = np.repeat(draw.random(len(times) // 20 + 1), 20)[: len(times)] ** 3
        for incident in INCIDENTS:
            inside = (times > incident.started_at.timestamp() * 1000) & (times < incident.ended_at.timestamp() * 1000)  # type: ignore[union-attr]
            level[inside] = 0.95
        found.add({"__name__": "queue", "host": host}, times, level)
    return found


def rule(keep: str = "0s") -> Rule:
    return parse_rules(RULE.replace("KEEP", keep), file="r.yml")[0].rules[0]


@pytest.fixture(scope="module")
def routing() -> Routing:
    file = shipped("config") / "routes" / "routes.yml"
    return Routing(load_routes(file, settings=Settings.load(env_file=None, home=Path("nowhere"))))


@pytest.mark.parametrize("keep", ["0s", "3m"])
def test_points_are_backtests(routing: Routing, keep: str) -> None:
    tuning = tune(rule(keep), scan(), START, END, INCIDENTS, thresholds=[0.3, 0.6, 0.9], fors=[0, 120, 600])
    told: dict[str, Any] = json.loads(json.dumps(whatif(tuning, routing), allow_nan=False))
    assert told["thresholds"] == [0.3, 0.6, 0.9]
    assert told["current"] == [1, 1]
    assert [i["title"] for i in told["incidents"]] == ["first", "second"]
    for i, j in ((0, 0), (1, 1), (2, 2), (2, 0)):
        changed = replace(rule(keep), expr=f"queue > {told['thresholds'][i]}", for_seconds=told["fors"][j])
        [history] = backtest([RuleGroup("g", rules=(changed,), key="k")], scan(), START, END).rules
        fired = [f for f in history.firings if f.fired]
        assert told["fired"][i][j] == len(fired)
        paged = through_routing(fired, routing.routes, start=START, end=END, annotations=changed.annotations)
        assert told["pages"][i][j] == pytest.approx(len(paged.pages) / tuning.weeks)
        assert told["night_pages"][i][j] == pytest.approx(len(paged.at_night) / tuning.weeks)
        assert told["caught"][i][j] == 2 - len(told["missed"][i][j])


def test_runs_as_long_as_for_are_the_firings(routing: Routing) -> None:
    """What the page draws, by its own few lines."""
    tuning = tune(rule(), scan(), START, END, INCIDENTS, thresholds=[0.6], fors=[0, 120, 600])
    told = whatif(tuning, routing)
    for j, seconds in enumerate(told["fors"]):
        drawn = [run for run in told["runs"][0] if run[2] - run[1] >= seconds * 1000]
        assert len(drawn) == told["fired"][0][j]
    assert told["series"] == ["host=a", "host=b"]


def test_without_routes_and_without_time_pages_are_not_counted(routing: Routing) -> None:
    tuning = tune(rule(), scan(), START, END, INCIDENTS, thresholds=[0.6], fors=[120])
    assert whatif(tuning, None)["pages"] == [[None]]
    assert whatif(tuning, routing, seconds=-1.0)["pages"] == [[None]]


def test_a_rule_that_compares_with_nothing_has_one_threshold(routing: Routing) -> None:
    bare = replace(rule(), expr="queue == 0")
    told = whatif(tune(bare, scan(), START, END, INCIDENTS, fors=[0, 60]), routing)
    assert told["thresholds"] == [None]
    assert len(told["fors"]) == 3
