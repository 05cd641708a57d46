"""The sweep against the slow way: each pair as a rule of its own, backtested and judged firing by firing."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pitchey_slo.alert.rules import Rule, RuleGroup, parse_rules
from pitchey_slo.analyse.backtest import Firing, backtest
from pitchey_slo.analyse.backtest.score import score
from pitchey_slo.analyse.tune import Incident, Tuning, tune
from pitchey_slo.promql import MemoryScan

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(hours=9)
STEP = 15_000

RULES = {
    "ratio": "rule_errors / rule_requests > 0.3",
    "below": "min without (instance) (rule_hits) < 0.4",
    "at least": "rule_errors >= 3",
    "mirrored": "0.25 < rule_hits",
    "burn": "rule_hits > 2 * 0.25 and rule_errors / 10 > 2 * 0.25",
    "or": "rule_hits > 0.5 or rule_errors > 0.5",
    "floor": "rule_hits > 0.4 and rule_requests > 9",
    "floor first": "rule_requests > 9 and rule_hits > 0.4",
    "not while": "rule_errors > 4 unless on (route) rule_requests > 11",
    "on": "rule_errors > 4 and on (instance) rule_hits > 0.1",
    "bool": "rule_hits > bool 0.5 == 1",
    "negative": "-rule_hits > -0.3",
}


def history(seed: int) -> MemoryScan:
    """Three hours of two routes with gaps, NaN and levels that meet thresholds exactly."""
    draw = np.random.default_rng(seed)
    times = np.arange(int(START.timestamp() * 1000) - 600_000, int(END.timestamp() * 1000), STEP)
    scan = MemoryScan()
    for route in ("/a", "/b"):
        slow = np.repeat(draw.random(len(times) // 8 + 1), 8)[: len(times)]
        hits = np.round(0.7 * slow + 0.3 * draw.random(len(times)), 1)
        for name, values in (
            ("rule_hits", hits),
            ("rule_errors", np.round(9 * slow)),
            ("rule_requests", 8.0 + np.round(4 * draw.random(len(times)))),
        ):
            keep = draw.random(len(times)) > 0.1
            away = int(draw.integers(0, len(times) - 60))
            keep[away : away + 60] = False
            values = np.where(draw.random(len(times)) < 0.01, np.nan, values)
            scan.add({"__name__": name, "route": route, "instance": "i"}, times[keep], values[keep])
    return scan


INCIDENTS = (
    Incident("1", "all", START + timedelta(minutes=20), START + timedelta(minutes=31)),
    Incident("2", "only b", START + timedelta(minutes=90, seconds=7), START + timedelta(minutes=93), ("/b",)),
    Incident("3", "lasts", END - timedelta(minutes=9)),
    Incident("4", "only a", START + timedelta(minutes=92), START + timedelta(minutes=140), ("/a", "/c")),
    Incident("5", "before", START - timedelta(minutes=5), START + timedelta(minutes=3)),
    Incident("6", "not here", START - timedelta(minutes=50), START - timedelta(minutes=10)),
)


def group(text: str, extra: str = "") -> tuple[RuleGroup, Rule]:
    found = parse_rules(f"groups: [{{name: g, rules: [{{alert: A, expr: {text!r}, for: 1m{extra}}}]}}]")
    return found[0], found[0].rules[0]


def idle(firings: list[Firing], grace: timedelta) -> float:
    """Seconds fired outside incidents, second by second."""
    found = 0
    for firing in firings:
        assert firing.fired_at is not None
        ticks = set(range(int(firing.fired_at.timestamp()), int((firing.resolved_at or END).timestamp())))
        for incident in INCIDENTS:
            if incident.concerns(firing.labels):
                over = END if incident.ended_at is None else incident.ended_at + grace
                ticks -= set(range(int(incident.started_at.timestamp()), int(over.timestamp())))
        found += len(ticks)
    return found


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("extra", ["", ", keep_firing_for: 2m"])
def test_each_pair_agrees_with_a_backtest_of_the_rule_written_so(name: str, extra: str) -> None:
    made, rule = group(RULES[name], extra)
    scan = history(len(name))
    tuning = tune(rule, scan, START, END, INCIDENTS, fors=[0, 45, 100, 600], grace_seconds=60)
    draw = np.random.default_rng(7)
    points = list(tuning.points())
    chosen = [tuning.current, *(points[i] for i in draw.choice(len(points), 9))]
    for point in chosen:
        written = tuning.proposed(point)
        history_ = backtest([replace(made, rules=(written,))], scan, START, END).rules[0]
        found, grace = history_.fired, timedelta(seconds=60)
        slow = score(history_, INCIDENTS, START, END, grace=grace)
        assert (point.fired, point.false) == (len(found), len(slow.false_firings)), (point, written.expr)
        assert (point.incidents, point.caught) == (slow.incidents, len(slow.caught)), (point, written.expr)
        assert list(tuning.missed(point)) == list(slow.missed)
        late = {c.incident.id: c.detect_seconds for c in slow.caught}
        told = {i.id: s for i, s in zip(tuning.incidents, tuning.late(point), strict=True) if not math.isnan(s)}
        assert told == pytest.approx(late, abs=0.01)
        median = math.nan if slow.detect_seconds is None else slow.detect_seconds
        assert point.detect_seconds == pytest.approx(median, nan_ok=True, abs=0.01)
        assert point.idle_seconds == pytest.approx(idle(list(found), grace), abs=0.01 * max(1, len(found)))
        assert [(f.labels, f.fired_at, f.resolved_at) for f in tuning.firings(point)] == [
            (f.labels, f.fired_at, f.resolved_at) for f in found
        ]


def test_something_fires_in_all_of_them() -> None:
    for name, text in RULES.items():
        _, rule = group(text)
        tuning = tune(rule, history(len(name)), START, END, INCIDENTS)
        assert tuning.current.fired > 3, name
        assert tuning.current.caught > 0, name


def test_a_rule_without_a_number_is_tuned_by_its_for() -> None:
    _, rule = group("rule_errors == 9")
    tuning = tune(rule, history(1), START, END, INCIDENTS)
    assert tuning.knob.current is None
    assert tuning.current.threshold is None
    assert {p.for_seconds for p in tuning.points()} >= {0, 60, 120, 600}
    assert tuning.at(for_=0).fired >= tuning.at(for_=120).fired > 0


def test_what_is_at_a_point_is_found_at_once() -> None:
    import timeit

    _, rule = group(RULES["ratio"])
    tuning = tune(rule, history(5), START, END, INCIDENTS)
    for point in tuning.points():
        assert tuning.at(point.threshold, point.for_seconds).place == point.place
    assert tuning.at().place == tuning.current.place
    assert timeit.timeit(lambda: tuning.at(0.31, 100), number=200) / 200 < 0.002


def windows(tuning: Tuning) -> list[str | None]:
    return [turn.window for turn in tuning.turns]


def test_windows_are_turned_where_there_is_one() -> None:
    from pitchey_slo.errors import QueryError

    _, rule = group("avg_over_time(rule_hits[5m]) > 0.5")
    tuning = tune(rule, history(3), START, END, INCIDENTS, windows=["2m", "5m", "10m"])
    assert windows(tuning) == [None, "2m", "10m"]
    other = tuning.at(0.5, 60, "10m")
    assert tuning.proposed(other).expr == "avg_over_time(rule_hits[10m]) > " + f"{other.threshold:g}"
    _, rule = group("rate(rule_hits[5m]) / rate(rule_hits[1h]) > 2")
    with pytest.raises(QueryError, match="ranges 1h, 5m"):
        tune(rule, history(3), START, END, INCIDENTS, windows=["2m"])
