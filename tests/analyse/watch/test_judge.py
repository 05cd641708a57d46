"""Detectors against incidents: counted by the tuner, checked by counting by hand."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pitchey_slo.analyse.watch import Watched, judge
from pitchey_slo.analyse.watch.judge import score_rule, scores_of
from pitchey_slo.promql.scan import MemoryScan
from pitchey_slo.testing import NOON

MINUTE = 60_000
START = NOON - timedelta(days=14)
MINUTES = 14 * 1_440
SCORES = "pitchey_anomaly_score"


def at(minute: int) -> Any:
    return START + timedelta(minutes=minute)


def incident(name: str, first: int, last: int) -> dict[str, Any]:
    return {"id": name, "title": name, "started_at": at(first), "ended_at": at(last)}


def planted(*hits: tuple[int, int, float], detector: str = "mad") -> MemoryScan:
    """Scores of two weeks, 0.5 but for some stretches."""
    values = np.full(MINUTES, 0.5)
    for first, last, value in hits:
        values[first:last] = value
    scan = MemoryScan()
    times = round(START.timestamp() * 1000) + MINUTE * np.arange(MINUTES)
    scan.add({"__name__": SCORES, "detector": detector, "series": "load"}, times, values)
    return scan


INCIDENTS = [incident("early", 1_000, 1_030), incident("late", 9_000, 9_060)]


def test_the_threshold_keeps_within_the_false_alerts_that_are_borne() -> None:
    noise = [(2_000 + 300 * i, 2_001 + 300 * i, 0.9991) for i in range(10)]  # five a week
    scan = planted((1_004, 1_030, 0.9999), (9_002, 9_050, 0.9995), *noise)
    [found] = judge(scan, START, NOON, INCIDENTS, detectors=["mad"], fors=[0.0])
    assert 0.9991 <= found.threshold < 0.9995
    assert found.caught_ids == ("early", "late")
    assert found.false_per_week == 0
    assert found.detect_seconds == pytest.approx(180, abs=60)
    [borne] = judge(scan, START, NOON, INCIDENTS, detectors=["mad"], fors=[0.0], false_per_week=5.0)
    assert borne.caught == 2


def test_a_detector_that_is_never_quiet_is_told_as_such() -> None:
    noise = [(300 * i, 300 * i + 1, 0.9999999) for i in range(60)]
    [found] = judge(planted(*noise), START, NOON, INCIDENTS, detectors=["mad"], fors=[0.0])
    assert not found.within
    assert found.false_per_week == pytest.approx(30, abs=1)
    assert math.isfinite(found.recall)


def test_the_quieter_of_two_that_catch_the_same_soonest() -> None:
    scan = planted((1_004, 1_030, 0.999999), (9_002, 9_050, 0.999999), (5_000, 5_001, 0.9993))
    [found] = judge(scan, START, NOON, INCIDENTS, detectors=["mad"], fors=[0.0])
    assert (found.caught, found.false_per_week) == (2, 0)


def test_a_rule_of_the_name_and_series_is_what_is_judged() -> None:
    rule = score_rule("mad", "load", 0.999)
    assert rule.expr == 'pitchey_anomaly_score{detector="mad", series="load"} > 0.999'


def test_scores_for_judging_are_those_that_live_writes() -> None:
    raw = MemoryScan()
    rng = np.random.default_rng(5)
    times = round(START.timestamp() * 1000) + MINUTE * np.arange(MINUTES)
    values = rng.normal(10, 1, MINUTES)
    values[9_002:9_050] += 40
    raw.add({"__name__": "load"}, times, values)
    watched = Watched("load", "load", ("mad",))
    scored = scores_of([watched], ["mad"], raw, START + timedelta(days=2), NOON, warm_up=timedelta(days=2))
    whole = scores_of([watched], ["mad"], raw, START + timedelta(days=2), NOON, warm_up=timedelta(days=2, seconds=1))
    [(labels, (at_ms, numbers))] = scored.series.items()
    assert dict(labels) == {"__name__": SCORES, "detector": "mad", "series": "load"}
    assert at_ms[0] == times[2 * 1_440]
    [(_, numbers_again)] = whole.series.values()
    np.testing.assert_allclose(numbers, numbers_again)
    [found] = judge(scored, START + timedelta(days=2), NOON, INCIDENTS[1:], detectors=["mad"])
    assert found.caught_ids == ("late",)
