"""Firings against incidents, by hand and against a slow obvious way."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from pitchey_slo.analyse.backtest import incidents_of, score
from pitchey_slo.slo.interval import wilson

from .made import at, firing, history, incident

END = at(7 * 1440)


def test_by_hand() -> None:
    rule = history(
        firing(12, 30),  # caught a, two minutes in
        firing(31, 33),  # a second alert about a, within the grace after its end
        firing(100, 110),  # nobody's incident
        firing(200, None),  # caught c, on at the end
    )
    known = [incident("a", 10, 29), incident("b", 60, 70), incident("c", 210, None)]
    found = score(rule, known, at(0), END)
    assert [c.incident.id for c in found.caught] == ["a", "c"] and [i.id for i in found.missed] == ["b"]
    assert [c.detect_seconds for c in found.caught] == [120.0, 0.0]
    assert [c.reset_seconds for c in found.caught] == [240.0, None]
    assert (found.precision, found.recall) == (0.75, 2 / 3)
    assert found.recall_interval == wilson(2 / 3, 3) and found.precision_interval == wilson(0.75, 4)
    assert found.alerts_per_week == 4.0 and found.detect_seconds == 60.0
    assert [f.fired_at for f in found.false_firings] == [at(100)]
    assert "3 incidents are few" in found.words()


def test_the_edges_of_an_incident() -> None:
    known = [incident("a", 10, 20)]
    cases = [((0, 10), False), ((0, 10.25), True), ((24.75, 26), True), ((25, 26), False)]
    for span, caught in cases:
        assert bool(score(history(firing(*span)), known, at(0), END).caught) is caught, span
    assert not score(history(firing(21, 26)), known, at(0), END, grace=timedelta()).caught


def test_routes_and_location_must_not_disagree() -> None:
    known = [incident("a", 10, 20, routes="/a,/b", location="LHR")]
    assert score(history(firing(12, 13, route="/a")), known, at(0), END).caught
    assert score(history(firing(12, 13)), known, at(0), END).caught, "an alert about everything is about this, too"
    assert not score(history(firing(12, 13, route="/c")), known, at(0), END).caught
    assert not score(history(firing(12, 13, location="SIN")), known, at(0), END).caught


def test_nothing_known_is_no_number() -> None:
    found = score(history(evaluated=0.0), [], at(0), END)
    assert (found.precision, found.recall, found.detect_seconds, found.recall_interval) == (None, None, None, None)
    assert found.words() == "Never fired. It never had any data."
    assert "Evaluated on 97.0% of the time" in score(history(evaluated=0.97), [], at(0), END).words()


def test_an_incident_from_before_is_not_counted_but_explains() -> None:
    found = score(history(firing(1, 5)), [incident("old", -30, 3)], at(0), END)
    assert found.incidents == 0 and found.precision == 1.0


def test_several_rules_as_one() -> None:
    rules = [history(firing(12, 13), name="A"), history(firing(61, 64), firing(11, 14), name="B")]
    found = score(rules, [incident("a", 10, 20), incident("b", 60, 70)], at(0), END)
    assert found.recall == 1.0 and found.caught[0].firing.alertname == "B" and found.name == "2 rules together"


def test_what_was_lost_is_asked_for_the_span_before_the_alert() -> None:
    asked = []

    def lost(slo: str, objective: str, start: object, end: object) -> tuple[float, float]:
        asked.append((slo, objective, start, end))
        return 40.0, 0.02

    rule = history(firing(12, 13), firing(58, 62), slo="api", objective="ok")
    found = score(rule, [incident("a", 10, 20), incident("b", 60, 70)], at(0), END, lost=lost)
    assert asked == [("api", "ok", at(10), at(12)), ("api", "ok", at(60), at(60))]
    assert found.budget_lost_before_page == 0.02 and found.bad_events_before_page == 40.0


@pytest.mark.parametrize("seed", range(20))
def test_counts_as_the_slow_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spans = sorted((float(s), float(s + rng.uniform(0.5, 30))) for s in rng.uniform(0, 2_000, 25))
    troubles = sorted((float(s), float(s + rng.uniform(1, 60))) for s in rng.uniform(0, 2_000, 12))
    rule = history(*(firing(*s) for s in spans))
    known = [incident(str(i), *t) for i, t in enumerate(troubles)]
    found = score(rule, known, at(0), END)
    minutes = np.arange(0, 2_200, 0.01)
    on = {s: (minutes >= s[0]) & (minutes < s[1]) for s in spans}
    in_ = {t: (minutes > t[0]) & (minutes < t[1] + 5) for t in troubles}
    assert len(found.caught) == sum(any((o & i).any() for o in on.values()) for i in in_.values())
    assert len(found.true_firings) == sum(any((o & i).any() for i in in_.values()) for o in on.values())


def test_incidents_of_a_frame() -> None:
    import pandas as pd

    frame = pd.DataFrame([incident("a", 0, None, routes="/a, /b"), incident("b", -5, 5)])
    first, second = incidents_of(frame)
    assert (first.id, second.ended_at, second.routes) == ("b", None, ("/a", "/b"))
