"""Charts of a tuning: what is marked, and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pitchey_slo.alert.rules import parse_rules
from pitchey_slo.analyse.tune import Incident, Tuning, tune
from pitchey_slo.plots.tune import tuning_front, tuning_map
from pitchey_slo.promql import MemoryScan

START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def made() -> Tuning:
    draw = np.random.default_rng(1)
    times = int(START.timestamp() * 1000) + 60_000 * np.arange(4 * 1440)
    values = 1 + np.abs(draw.normal(0, 0.3, len(times)))
    incidents = []
    for k in range(5):
        at = 500 + 1000 * k
        values[at : at + 30] = 4
        begun = START + timedelta(minutes=at)
        incidents.append(Incident(str(k), "<b>bad</b>", begun, begun + timedelta(minutes=30)))
    scan = MemoryScan()
    scan.add({"__name__": "load"}, times, values)
    rule = parse_rules("groups: [{name: g, rules: [{alert: A, expr: load > 5, for: 2m}]}]")[0].rules[0]
    return tune(rule, scan, START, START + timedelta(days=4), incidents, interval_seconds=60)


def test_now_and_proposed_are_marked_where_they_are(made: Tuning) -> None:
    assert made.changes
    fig = tuning_front(made)
    marks = {t.hovertext[0].split("</b>")[0].removeprefix("<b>"): t for t in fig.data if t.marker.size == 14}
    assert (marks["now"].x[0], marks["now"].y[0]) == (made.current.false_per_week, 5)
    assert (marks["proposed"].x[0], marks["proposed"].y[0]) == (
        made.recommended.false_per_week,
        made.recommended.missed,
    )
    assert {"now", "proposed"} <= {a.text for a in fig.layout.annotations}


def test_the_map_has_a_cell_for_every_setting(made: Tuning) -> None:
    fig = tuning_map(made)
    heat = fig.data[0]
    turn = made.turns[0]
    assert np.array(heat.z).shape == (len(made.fors), len(turn.thresholds))
    assert np.allclose(np.array(heat.z), np.log10(1 + turn.total.T))
    star = next(t for t in fig.data if t.type == "scatter" and t.text[0] == "proposed")
    _, i, j = made.recommended.place
    assert (star.x[0], star.y[0]) == (heat.x[i], heat.y[j])


def test_without_incidents_it_says_so(made: Tuning) -> None:
    from dataclasses import replace

    assert "no incident" in tuning_front(replace(made, incidents=())).layout.annotations[0].text
