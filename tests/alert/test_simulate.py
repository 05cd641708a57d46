"""Simulation: the path of given labels at a time, and a history told again, agree with the live steps."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.simulate import replay, route_of
from pitchey_slo.testing import NOON

from .steps import World, routes, silence
from .test_dispatch import NIGHT
from .test_escalation import OFFICE, TEXT, at


def test_the_full_path_of_labels_at_a_time(tmp_path: Path) -> None:
    config = routes(TEXT, tmp_path)
    trace = route_of(config, {"alertname": "Down", "severity": "critical"}, NOON, hours=1)
    (way,) = trace.ways
    assert (way.receiver, way.group_key, way.escalation, way.hidden) == ("a", '{}:{alertname="Down"}', "p", "")
    told = [((n.created_at - NOON).total_seconds(), n.action, n.receiver, n.message.level) for n in trace.messages]
    assert told[:2] == [(10, "firing", "a", 0), (310, "escalation", "lead", 1)]
    assert {(t, r) for t, a, r, level in told if level == 2} == {
        (910, "lead"),
        (910, "head"),
        (2_710, "lead"),
        (2_710, "head"),
    }
    assert any(line.endswith("+5m10s: escalation level 1 to lead console/0") for line in trace.lines())
    assert [e.kind for e in trace.decisions][:3] == ["routed", "grouped", "queued"]
    assert json.loads(json.dumps(trace.as_dict()))["messages"][0]["after_seconds"] == 10


def test_mutes_silences_and_holds_at_that_time(tmp_path: Path) -> None:
    night = routes(NIGHT, tmp_path)
    muted = route_of(night, {"alertname": "Down", "team": "x"}, NOON)
    assert muted.ways[0].hidden == "muted by quarter"
    assert muted.messages[0].created_at == NOON + timedelta(seconds=910)
    outside = route_of(night, {"alertname": "Down", "team": "y"}, NOON + timedelta(hours=1))
    assert outside.ways[0].hidden == "outside of quarter"
    quiet = route_of(night, {"alertname": "Down"}, NOON, [silence("alertname=Down", 0, 900)])
    assert quiet.ways[0].hidden == "silenced by s-1 of anna"
    held = route_of(
        routes(OFFICE, tmp_path), {"alertname": "Slow", "severity": "warning"}, at("2026-03-07T22:00"), hours=48
    )
    assert [n.created_at for n in held.messages if n.message.level == 1] == [at("2026-03-09T09:00")]
    assert any(e.kind == "held" for e in held.decisions)


def test_another_alert_that_fires_inhibits(tmp_path: Path) -> None:
    text = TEXT + "inhibit_rules: [{source_matchers: [alertname=Dead], target_matchers: [alertname=Slow]}]"
    dead = Alert({"alertname": "Dead"}, "firing", NOON, NOON, fired_at=NOON)
    trace = route_of(routes(text, tmp_path), {"alertname": "Slow"}, NOON, firing=[dead])
    assert trace.messages == ()
    assert "Inhibited by Dead" in next(e for e in trace.decisions if e.kind == "inhibited").text


def test_a_history_told_again_is_what_was_told_live(tmp_path: Path) -> None:
    config = routes(TEXT.replace("repeat_interval: 4h", "repeat_interval: 10m"), tmp_path)
    rng = random.Random(7)
    changes = sorted((rng.randrange(0, 7_000, 5), rng.choice("AB"), rng.choice("12")) for _ in range(40))
    world = World(config, silences=[silence("n=2", 1_000, 2_000)])
    history: dict[str, Alert] = {}
    for second in range(0, 9_000, 5):
        world.now = NOON + timedelta(seconds=second)
        for when, name, n in changes:
            if when == second:
                firing = [a for a in world.alerts.values() if a.name == name and a.labels["n"] == n and a.firing]
                if firing:
                    world.resolve(name, n=n)
                    history[firing[0].id] = replace(firing[0], state="resolved", resolved_at=world.now)
                else:
                    alert = world.fire(name, n=n, severity="critical")
                    history[alert.id] = alert
        world.step()
    again = replay(config, history.values(), [silence("n=2", 1_000, 2_000)], NOON, NOON + timedelta(seconds=9_000))
    assert len(world.sent) > 20
    assert [(n.id, n.created_at) for n in again.notifications] == [(n.id, n.created_at) for n in world.sent]


def test_acknowledgements_count_from_their_time(tmp_path: Path) -> None:
    config = routes(TEXT, tmp_path)
    alert = Alert({"alertname": "Down", "severity": "critical"}, "firing", NOON, NOON, fired_at=NOON)
    taken = replace(alert, acked_at=NOON + timedelta(seconds=400), acked_by="ben")
    until = NOON + timedelta(seconds=2_000)
    assert len([n for n in replay(config, [alert], [], NOON, until).notifications if n.message.level == 2]) == 3
    assert [n.message.level for n in replay(config, [taken], [], NOON, until).notifications] == [0, 1]
