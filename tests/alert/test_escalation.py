"""Escalation: levels while nobody acknowledges, holds until working hours, timers that survive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.escalation import acknowledge
from pitchey_slo.alert.model import Alert

from .steps import World, routes, silence

TEXT = """
route: {receiver: a, group_by: [alertname], group_wait: 10s, group_interval: 60s, repeat_interval: 4h, escalation: p}
receivers:
  - {name: a, console_configs: [{}]}
  - {name: lead, console_configs: [{}]}
  - {name: head, console_configs: [{}, {send_resolved: false}]}
escalation:
  - name: p
    severities: [critical, warning]
    ack_timeout: 30m
    repeat: 1
    repeat_after: 20m
    levels:
      - {after: 5m, receiver: lead}
      - {after: 15m, receivers: [lead, head]}
"""
OFFICE = (
    TEXT.replace(
        "    repeat: 1\n    repeat_after: 20m\n", "    business_hours: office\n    outside_hours: {warning: hold}\n"
    )
    + """
business_hours:
  - name: office
    location: Europe/London
    weekdays: ['monday:friday']
    times: [{start_time: '09:00', end_time: '17:00'}]
    holidays: [GB-ENG, 2026-03-06]
"""
)


@pytest.fixture
def config(tmp_path: Path) -> RoutesConfig:
    return routes(TEXT, tmp_path)


def levels(world: World) -> list[tuple[float, str, int]]:
    start = world.sent[0].created_at - timedelta(seconds=10)
    found = [
        ((n.created_at - start).total_seconds(), n.receiver, n.message.level)
        for n in world.sent
        if n.action == "escalation" and n.channel == "console/0"
    ]
    return sorted(found)


def test_levels_are_told_while_nobody_acknowledges_and_gone_through_again(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down", severity="critical")
    world.run(7_200)
    first = [(310, "lead", 1), (910, "head", 2), (910, "lead", 2)]
    assert levels(world) == [*first, (2_110, "lead", 1), (2_710, "head", 2), (2_710, "lead", 2)]
    (found,) = world.memory.escalations.values()
    assert (found.state, found.next_at, found.loop) == ("exhausted", None, 1)
    assert world.said("escalation")[0] == (
        'Escalation "p" began; level 1 (lead) is told at 2026-03-02 12:05:10 UTC if nobody acknowledges.'
    )
    assert "Level 2 of 2: nobody acknowledged for 45m. Round 2." in world.sent[-1].message.lines[0]


def test_who_was_told_of_a_level_is_told_of_the_end(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down", severity="critical")
    world.run(400)
    world.resolve("Down")
    world.run(900)
    assert world.told(receiver="lead") == [(310, "escalation", "+Down"), (430, "resolved", "-Down")]
    assert world.told(receiver="head") == []
    assert world.told(receiver="a") == [(10, "firing", "+Down"), (430, "resolved", "-Down")]
    assert world.memory.escalations == {}
    assert {e.state for e in world.escalations.values()} == {"resolved"}
    keys = {n.dedup_key for n in world.sent if n.receiver == "lead"}
    assert len(keys) == 1
    assert len({n.id for n in world.sent}) == 4


def test_a_channel_without_send_resolved_hears_of_levels_only(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down", severity="critical")
    world.run(1_000)
    world.resolve("Down")
    world.run(1_200)
    assert [a for _, a, _ in world.told("console/1")] == ["escalation"]
    assert [a for _, a, _ in world.told("console/0", "head")] == ["escalation", "resolved"]


def test_an_acknowledgement_stops_and_times_out(config: RoutesConfig) -> None:
    world = World(config)
    alert = world.fire("Down", severity="critical")
    world.run(400)
    done = acknowledge(world.memory, [alert], "ben", world.now)
    assert done.events[0].text == "ben took it on; stops escalation p."
    world.alerts[alert.fingerprint] = done.alerts[0]
    world.run(2_190)
    assert levels(world) == [(310, "lead", 1)]
    (found,) = world.memory.escalations.values()
    assert (found.state, found.next_at) == ("acked", world.alerts[alert.fingerprint].acked_at + timedelta(minutes=30))
    world.run(2_300)
    assert levels(world)[1:] == [(2_200, "head", 2), (2_200, "lead", 2)]
    assert any("the acknowledgement is older than 30m" in t for t in world.said("escalation"))


def test_nothing_is_repeated_while_all_is_acknowledged(tmp_path: Path) -> None:
    config = routes(
        TEXT.replace("repeat_interval: 4h", "repeat_interval: 10m").replace("ack_timeout: 30m", "ack_timeout: 2h"),
        tmp_path,
    )
    world = World(config)
    alert = world.fire("Down", severity="critical")
    world.run(100)
    world.alerts[alert.fingerprint] = acknowledge(world.memory, [alert], "ben", world.now).alerts[0]
    world.run(3_600, step=20)
    assert world.told() == [(10, "firing", "+Down")]


def test_a_new_alert_in_an_acknowledged_group_escalates_from_the_first_level(config: RoutesConfig) -> None:
    world = World(config)
    alert = world.fire("Down", severity="critical", n="1")
    world.run(400)
    world.alerts[alert.fingerprint] = acknowledge(world.memory, [alert], "ben", world.now).alerts[0]
    world.run(500)
    world.fire("Down", severity="critical", n="2")
    world.run(900)
    assert [(t, r) for t, r, _ in levels(world)] == [(310, "lead"), (800, "lead")]


def test_severities_that_a_policy_is_not_for_do_not_escalate(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down", severity="info")
    world.run(3_000, step=20)
    assert world.told() == [(20, "firing", "+Down")]
    assert world.memory.escalations == {}


def test_a_silence_keeps_levels_back(config: RoutesConfig) -> None:
    world = World(config, silences=[silence("alertname=Down", 100, 500)])
    world.fire("Down", severity="critical")
    world.run(700)
    assert [(t, r) for t, r, _ in levels(world)] == [(550, "lead")]


def test_it_resumes_after_a_restart(config: RoutesConfig) -> None:
    whole, broken = World(config), World(config)
    for world in (whole, broken):
        world.fire("Down", severity="critical")
        world.run(600)
        if world is broken:
            world.restart(events=False)
        world.run(2_000)
    assert [(n.id, n.created_at) for n in broken.sent] == [(n.id, n.created_at) for n in whole.sent]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def office(tmp_path: Path, begin: str) -> tuple[World, Alert]:
    world = World(routes(OFFICE, tmp_path), now=at(begin))
    return world, world.fire("Slow", severity="warning")


def walk(world: World, until: str, step: int = 60) -> None:
    world.step()
    while world.now < at(until):
        world.now += timedelta(seconds=step)
        world.step()


def test_a_warning_at_night_waits_for_working_hours_and_survives_restarts(tmp_path: Path) -> None:
    # a Thursday evening; Friday the 6th is a day off by the file, the weekend follows
    world, _ = office(tmp_path, "2026-03-05T22:00")
    for day in (6, 7, 8, 9):
        walk(world, f"2026-03-0{day}T05:00", step=300)
        world.restart()
    (held,) = world.memory.escalations.values()
    assert (held.state, held.held_until) == ("held", at("2026-03-09T09:00"))
    walk(world, "2026-03-09T12:00", step=300)
    told = [(n.created_at, n.receiver) for n in world.sent if n.action == "escalation" and n.channel == "console/0"]
    assert sorted(told) == [
        (at("2026-03-09T09:00"), "lead"), (at("2026-03-09T09:10"), "head"), (at("2026-03-09T09:10"), "lead"),
    ]  # fmt: skip
    assert world.said("held") == ['Escalation "p" is held until 2026-03-09 09:00:00 UTC: outside of office.']
    assert len(world.said("released")) == 1


def test_what_ended_over_night_is_not_told_in_the_morning(tmp_path: Path) -> None:
    world, _ = office(tmp_path, "2026-03-03T22:00")
    walk(world, "2026-03-04T03:00", step=300)
    world.resolve("Slow")
    walk(world, "2026-03-04T12:00", step=300)
    assert [n.action for n in world.sent] == ["firing", "reminder", "resolved"]


def test_working_hours_begin_on_the_clock_of_the_place_when_clocks_change(tmp_path: Path) -> None:
    world, _ = office(tmp_path, "2026-03-28T12:00")  # clocks go forward in the night to Sunday
    walk(world, "2026-03-30T12:00", step=300)
    told = [n.created_at for n in world.sent if n.action == "escalation"]
    assert min(told) == at("2026-03-30T08:00")


def test_a_critical_one_does_not_wait(tmp_path: Path) -> None:
    world, _ = office(tmp_path, "2026-03-03T22:00")
    walk(world, "2026-03-03T23:00")
    assert [n.action for n in world.sent] == ["firing"]
    world.alerts.clear()
    world.fire("Slow", severity="critical")
    walk(world, "2026-03-03T23:30")
    assert "escalation" in [n.action for n in world.sent]


def test_a_clock_that_jumps_does_not_tell_all_levels_at_once(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down", severity="critical")
    world.run(100)
    world.now += timedelta(hours=1)
    counts = []
    for _ in range(3):
        counts.append(len([n for n in world.step().notifications if n.action == "escalation"]))
        world.now += timedelta(seconds=5)
    assert counts == [1, 0, 0]
    world.now -= timedelta(hours=1)
    world.step()
    (found,) = world.memory.escalations.values()
    assert found.next_at is not None
    assert found.next_at - world.now <= timedelta(minutes=10)
