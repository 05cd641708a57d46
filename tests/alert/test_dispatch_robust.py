"""Dispatch when the world is not kind: restarts, reloads, clocks that jump, crowds."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.dispatch import Memory, plan
from pitchey_slo.testing import NOON

from .steps import World, routes, silence
from .test_dispatch import BASE


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RoutesConfig:
    return routes(BASE, tmp_path_factory.mktemp("routes"))


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("second", [5, 10, 15, 65, 110, 640])
def test_a_restart_changes_no_message(config: RoutesConfig, second: int, events: bool) -> None:
    whole, broken = World(config), World(config)
    for world in (whole, broken):
        world.fire("Down", n="1")
        world.fire("Gone")
        world.run(min(second, 100))
        if world is broken and second <= 100:
            world.restart(events=events)
        world.run(100)
        world.resolve("Gone")
        world.run(second)
        if world is broken and second > 100:
            world.restart(events=events)
            if not events:  # the engine keeps what is told firing, whatever decisions are known
                world.memory = replace(world.memory, decisions=whole.memory.decisions)
        world.run(1_000)
    assert [n.id for n in broken.sent] == [n.id for n in whole.sent]
    early = [w.created_at - b.created_at for w, b in zip(whole.sent, broken.sent, strict=True)]
    assert all(timedelta(0) <= gap <= timedelta(seconds=60 if second == 110 else 0) for gap in early)
    if events and second != 110:
        assert broken.events == whole.events


def test_a_group_waits_no_longer_for_having_been_down(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down")
    world.now += timedelta(seconds=60)  # nothing ran for a minute
    world.step()
    assert [n.action for n in world.sent] == ["firing"]


def test_a_reload_keeps_groups_and_a_new_receiver_is_told(tmp_path: Path) -> None:
    world = World(routes(BASE, tmp_path))
    world.fire("Down")
    world.run(20)
    world.config = routes(BASE.replace("repeat_interval: 10m", "repeat_interval: 20m"), tmp_path)
    world.run(1_150)
    assert world.told() == [(10, "firing", "+Down")]
    world.config = routes(BASE.replace("name: a", "name: b").replace("receiver: a", "receiver: b"), tmp_path)
    world.run(1_300)
    assert world.told(receiver="b") == [(1_150, "firing", "+Down")]
    assert all(g.receiver == "b" for g in world.memory.groups.values())


def test_a_receiver_that_is_taken_out_ends_cleanly(tmp_path: Path) -> None:
    world = World(routes(BASE, tmp_path))
    world.fire("Down")
    world.run(20)
    world.config = routes(BASE.replace("name: a", "name: b").replace("receiver: a", "receiver: b"), tmp_path)
    world.resolve("Down")
    world.run(200)
    assert world.told() == [(10, "firing", "+Down")]
    assert world.memory.groups == {}


def test_who_is_no_longer_concerned_is_told_that_it_is_over_for_him(tmp_path: Path) -> None:
    text = BASE.replace("receivers: [", "receivers: [{name: b, console_configs: [{}]}, ")
    world = World(routes(text, tmp_path))
    world.fire("Down", team="x")
    world.run(20)
    more = "repeat_interval: 10m, routes: [{matchers: [team=x], receiver: b}]"
    world.config = routes(text.replace("repeat_interval: 10m", more), tmp_path)
    world.run(200)
    assert world.told(receiver="b") == [(20, "firing", "+Down")]
    assert world.told(receiver="a") == [(10, "firing", "+Down"), (70, "resolved", "")]
    assert "told elsewhere now" in world.sent[-1].message.lines[0]


def test_a_clock_set_forward_repeats_at_most_once(config: RoutesConfig) -> None:
    world = World(config)
    for n in range(20):
        world.fire(f"A{n}")
    world.run(200)
    assert len(world.sent) == 20
    world.now += timedelta(hours=1)
    for _ in range(60):
        world.step()
        world.now += timedelta(seconds=5)
    assert len(world.sent) == 40
    assert len({n.id for n in world.sent}) == 40


def test_a_clock_set_back_repeats_nothing_and_delays_nothing(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Old")
    world.run(200)
    world.now -= timedelta(hours=1)
    begin = world.now
    for _ in range(60):
        world.step()
        world.now += timedelta(seconds=5)
    assert len(world.sent) == 1
    world.fire("Old", n="2")
    world.fire("New")
    for _ in range(14):
        world.step()
        world.now += timedelta(seconds=5)
    assert len(world.sent) == 3
    assert max(n.created_at for n in world.sent[1:]) - begin <= timedelta(seconds=370)


def test_a_silence_that_ends_soon_is_told_to_the_owner_once(tmp_path: Path) -> None:
    text = BASE + "silence_reminders: {before: 10m}"
    world = World(
        routes(text, tmp_path), silences=[silence("alertname=Down", 0, 3_600), silence("x=y", 0, 3_600, name="s-2")]
    )
    world.fire("Down")
    world.run(3_500, step=20)
    (note,) = world.sent
    assert (note.action, note.created_at) == ("message", NOON + timedelta(seconds=3_000))
    assert note.message.lines[0] == "The silence of anna (because) ends at 2026-03-02 13:00:00 UTC."
    assert world.silences[0].reminded_at == note.created_at
    assert world.silences[1].reminded_at is None


def test_ten_thousand_alerts_in_one_step(config: RoutesConfig) -> None:
    world = World(config)
    alerts = [world.fire(f"A{n % 100}", n=str(n), severity="warning") for n in range(10_000)]
    begin = time.process_time()
    first = plan(config, Memory(), alerts, [], NOON)
    second = plan(config, first.memory, alerts, [silence('n=~"1.*7"', 0, 900)], NOON + timedelta(seconds=10))
    assert len(second.notifications) == 100
    assert len(first.events) == 20_000
    assert time.process_time() - begin < 20  # one or two; benchmarks say how many


def test_ten_thousand_steps_of_twenty_alerts(config: RoutesConfig) -> None:
    world = World(config)
    alerts = [world.fire(f"A{n % 5}", n=str(n)) for n in range(20)]
    memory, now, sent = Memory(), NOON, 0
    begin = time.process_time()
    for _ in range(10_000):
        done = plan(config, memory, alerts, [], now)
        memory, sent, now = done.memory, sent + len(done.notifications), now + timedelta(seconds=15)
    assert sent == 5 * (1 + (10_000 * 15 - 10) // 600)
    assert time.process_time() - begin < 30


# any history against a slow second way

EVENTS = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from(["fire", "resolve"]), st.sampled_from("ABC"), st.sampled_from("12")),
    max_size=12,
)


class Slow:
    """Alertmanager's dispatcher and deduplication by the book: one aggregation group per name, its timer, and a log of
    what was told last, as sets."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, object]] = {}
        self.sent: list[tuple[int, str, frozenset[str], frozenset[str]]] = []

    def step(self, now: int, firing: set[tuple[str, str]], resolved: set[tuple[str, str]]) -> None:
        for name in sorted({n for n, _ in firing}):
            self.groups.setdefault(name, {"next": now + 10, "told": None, "at": None, "back": set()})
        for name, group in sorted(self.groups.items()):
            if group["next"] != now:
                continue
            group["next"] = now + 60
            fires = frozenset(n for a, n in firing if a == name)
            told: frozenset[str] = group["told"] or frozenset()  # type: ignore[assignment]
            ended = told - fires
            repeat = group["at"] is not None and now - group["at"] >= 600 and fires  # type: ignore[operator]
            if fires - told or ended or repeat:
                self.sent.append((now, name, fires, ended))
                group["told"], group["at"] = fires, now
        self.groups = {
            n: g for n, g in self.groups.items() if not (g["next"] == now + 60 and not any(a == n for a, _ in firing))
        }


@given(EVENTS)
@settings(max_examples=60)
def test_any_history_is_told_as_the_slow_way_tells_it(
    config: RoutesConfig, history: list[tuple[int, str, str, str]]
) -> None:
    world, slow = World(config), Slow()
    at: dict[int, list[tuple[str, str, str]]] = {}
    when = 0
    for gap, what, name, n in history:
        when += gap
        at.setdefault(when, []).append((what, name, n))
    for second in range(0, when + 700, 1):
        world.now = NOON + timedelta(seconds=second)
        for what, name, n in at.get(second, []):
            current = [a for a in world.alerts.values() if a.name == name and a.labels["n"] == n and a.firing]
            if what == "fire" and not current:
                world.fire(name, n=n)
            elif what == "resolve":
                world.resolve(name, n=n)
        firing = {(a.name, a.labels["n"]) for a in world.alerts.values() if a.firing}
        world.step()
        slow.step(second, firing, set())
    ours = [
        (
            int((n.created_at - NOON).total_seconds()),
            n.message.group_labels["alertname"],
            frozenset(a.labels["n"] for a in n.message.firing),
            frozenset(a.labels["n"] for a in n.message.resolved),
        )
        for n in world.sent
    ]
    assert sorted(ours, key=str) == sorted(slow.sent, key=str)
