"""What is recommended, in histories where the right answer is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pitchey_slo.alert.rules import Rule, RuleGroup, parse_rules
from pitchey_slo.analyse.tune import Cost, Incident, Tuning, compare, tune
from pitchey_slo.analyse.tune.ask import ask, changes_of, find
from pitchey_slo.analyse.tune.choose import pick
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import MemoryScan

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 28
END = START + timedelta(days=DAYS)
STEP = 60


def rule(expr: str, more: str = "for: 2m") -> tuple[tuple[RuleGroup, ...], Rule]:
    text = f"groups: [{{name: g, interval: 1m, rules: [{{alert: A, expr: {expr!r}, {more}}}]}}]"
    groups = parse_rules(text)
    return groups, groups[0].rules[-1]


def history(incidents: int, *, height: float, noise: float = 1.0, seed: int = 1) -> tuple[MemoryScan, list[Incident]]:
    """Noise around 1 with spikes of two minutes up to 6, and incidents of half an hour that rise to `height`."""
    draw = np.random.default_rng(seed)
    times = int(START.timestamp() * 1000) + np.arange(-600, DAYS * 1440) * STEP * 1000
    values = 1 + noise * np.abs(draw.normal(0, 0.3, len(times)))
    for at in draw.integers(700, len(times) - 10, 120):
        values[at : at + 2] = draw.uniform(3, 6)
    found = []
    for k, at in enumerate(np.linspace(1500, len(times) - 900, incidents).astype(int)):
        values[at : at + 30] = draw.uniform(0.95, 1.05, 30) * height
        begun = datetime.fromtimestamp(times[at] / 1000, UTC)
        found.append(Incident(str(k), f"incident {k}", begun, begun + timedelta(minutes=30)))
    scan = MemoryScan()
    scan.add({"__name__": "load"}, times, values)
    return scan, found


def tuned(expr: str, scan: MemoryScan, incidents: list[Incident], more: str = "for: 2m", **given: object) -> Tuning:
    _, found = rule(expr, more)
    return tune(found, scan, START, END, incidents, interval_seconds=60, query_offset=0, **given)  # type: ignore[arg-type]


def test_a_threshold_above_all_incidents_comes_down_and_spikes_are_waited_out() -> None:
    scan, incidents = history(8, height=4)
    tuning = tuned("load > 5", scan, incidents)
    assert tuning.current.caught == 0
    assert tuning.changes
    chosen = tuning.recommended
    assert (chosen.caught, chosen.false) == (8, 0)
    assert chosen.threshold is not None
    assert 1.9 < chosen.threshold < 3.9
    assert 60 < chosen.for_seconds <= 600
    assert tuning.sure == "fairly"
    assert "8 of 8 incidents caught, 0 of 8 firings false" in tuning.reasons[0]
    assert "week" in tuning.reasons[1]
    written = tuning.proposed()
    assert written.expr == f"load > {chosen.threshold:g}"
    assert written.for_seconds == chosen.for_seconds


def test_a_good_rule_stays() -> None:
    scan, incidents = history(8, height=4)
    tuning = tuned("load > 2.8", scan, incidents, "for: 3m")
    assert not tuning.changes
    assert tuning.reasons[0].startswith("Keep 2.8 for 3m: 8 of 8")


def test_what_is_caught_by_chance_is_no_reason() -> None:
    scan, _ = history(0, height=4)
    draw = np.random.default_rng(3)
    at = [START + timedelta(minutes=int(m)) for m in np.sort(draw.integers(0, DAYS * 1440 - 120, 20))]
    noise = [Incident(str(k), "elsewhere", t, t + timedelta(hours=1)) for k, t in enumerate(at)]
    tuning = tuned("load > 7", scan, noise)
    often = tuning.at(2, 0)
    assert often.fired > 100
    assert abs(often.told - often.by_chance) < 4
    assert not tuning.changes
    always = tuning.at(1, 0)
    assert always.caught > 15
    assert always.cost > tuning.current.cost


def test_a_rule_that_always_fires_tells_of_nothing() -> None:
    scan, incidents = history(8, height=4)
    tuning = tuned("load > 5", scan, incidents, thresholds=[0.5])
    point = tuning.at(0.5, 120)
    assert (point.fired, point.caught, point.told, point.detect_seconds) == (1, 8, 0, 0.0)
    assert tuning.recommended.threshold == 5


def test_few_incidents_say_so_and_none_judge_nothing() -> None:
    scan, incidents = history(2, height=4)
    tuning = tuned("load > 5", scan, incidents)
    assert tuning.sure == "weakly"
    assert "Only 2 incidents" in tuning.reasons[-1]
    one = tuned("load > 5", scan, incidents[:1])
    assert not one.changes
    assert "All incidents began in one week" in " ".join(one.reasons)
    none = tuned("load > 5", scan, [])
    assert (none.changes, none.sure) == (False, "not")
    assert "No incident is labelled" in none.reasons[-1]


def test_an_anomaly_score_is_tuned_by_the_same_call() -> None:
    scan, incidents = history(8, height=4)
    score = "(load - avg_over_time(load[6h])) / stddev_over_time(load[6h])"
    tuning = tuned(f"{score} > 15", scan, incidents)
    assert tuning.current.caught == 0
    assert tuning.changes
    assert tuning.recommended.caught >= 7
    assert tuning.recommended.false <= 2


def test_the_weights_decide() -> None:
    scan, incidents = history(8, height=4)
    careful = tuned("load > 5", scan, incidents, cost=Cost(minute=5.0, false=0.01))
    quiet = tuned("load > 5", scan, incidents, cost=Cost(minute=0.0))
    assert careful.best.detect_seconds < quiet.best.detect_seconds


def test_equals_are_broken_towards_the_middle() -> None:
    cost = np.full((9, 9), 5.0)
    cost[2:7, 2:7] = 1.0
    cost[8, 8] = 0.0  # a lucky corner
    _, i, j = pick([cost], (0, 0, 0))
    assert (i, j) in {(4, 4), (5, 5)}


def test_firings_are_gained_lost_and_moved() -> None:
    scan, incidents = history(4, height=4)
    groups, found = rule("load > 2.8", "for: 0s")
    tuning = ask(found, groups, scan, START, END, incidents)
    other = tuning.at(2.8, 180)
    changes = changes_of(tuning, groups, scan, other)
    assert len(changes.lost) == tuning.current.fired - 4
    assert all(c.incident is None for c in changes.lost)
    assert [c.moved_seconds for c in changes.moved] == [180.0] * 4
    assert [c.incident.id for c in changes.moved if c.incident] == ["0", "1", "2", "3"]
    assert changes == compare(tuning.firings(tuning.current), tuning.firings(other), incidents) or len(
        compare(tuning.firings(tuning.current), tuning.firings(other), incidents).lost
    ) == len(changes.lost)
    assert "3 min later" in changes.moved[0].sentence()
    back = compare(tuning.firings(other), tuning.firings(tuning.current), incidents)
    assert len(back.gained) == len(changes.lost)
    missed = compare(tuning.firings(other), (), incidents)
    assert [i.id for i in missed.newly_missed] == ["0", "1", "2", "3"]
    assert "no longer caught: incident 0" in missed.sentence()


def test_rules_are_found_by_name_group_and_labels() -> None:
    text = """
groups:
  - name: one
    rules:
      - {alert: A, expr: x > 1, labels: {severity: page}}
      - {alert: A, expr: x > 2, labels: {severity: info}}
  - name: two
    rules:
      - {alert: A, expr: x > 3}
      - {alert: Bee, expr: x > 4}
"""
    groups = parse_rules(text)
    assert find(groups, "Bee")[1].expr == "x > 4"
    assert find(groups, "two/A")[1].expr == "x > 3"
    assert find(groups, "one/A{severity=info}")[1].expr == "x > 2"
    assert find(groups, groups[0].rules[0].key)[1].expr == "x > 1"
    with pytest.raises(QueryError, match=r"3 rules are called 'A'(.|\n)*one/A\{severity=page\}(.|\n)*two/A"):
        find(groups, "A")
    with pytest.raises(QueryError, match='did you mean "Bee"'):
        find(groups, "Bea")


def test_recorded_series_come_from_the_rules_not_from_the_store() -> None:
    scan, incidents = history(6, height=4)
    scan.add({"__name__": "load:double"}, [int(START.timestamp() * 1000)], [100.0])
    text = """
groups:
  - name: g
    interval: 1m
    rules:
      - {record: "load:double", expr: 2 * load}
      - {alert: A, expr: "load:double > 10", for: 2m}
"""
    groups = parse_rules(text)
    tuning = ask("A", groups, scan, START, END, incidents)
    assert tuning.at(5, 180).caught == 6
    assert tuning.recommended.caught == 6
