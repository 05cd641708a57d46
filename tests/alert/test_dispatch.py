"""Dispatch: who is told what, and when. As in Alertmanager's acceptance tests every message and its time counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.testing import NOON

from .steps import World, routes, silence

BASE = """
route: {receiver: a, group_by: [alertname], group_wait: 10s, group_interval: 60s, repeat_interval: 10m}
receivers: [{name: a, webhook_configs: [{url: 'http://127.0.0.1/'}]}]
"""


@pytest.fixture
def config(tmp_path: Path) -> RoutesConfig:
    return routes(BASE, tmp_path)


def test_an_alert_is_told_after_group_wait_repeated_and_resolved(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down")
    world.run(700)
    world.resolve("Down")
    world.run(2_000)
    assert world.told() == [(10, "firing", "+Down"), (610, "reminder", "+Down"), (730, "resolved", "-Down")]
    assert world.memory.groups == {}
    assert world.memory.wanted() == frozenset()
    assert len({n.dedup_key for n in world.sent}) == 1
    assert len({n.id for n in world.sent}) == 3


def test_alerts_of_a_group_are_merged(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down", n="1")
    world.run(5)
    world.fire("Down", n="2")
    world.fire("Up")
    world.run(30)
    world.fire("Down", n="3")
    world.run(200)
    assert world.told() == [
        (10, "firing", "+Down1 +Down2"),
        (15, "firing", "+Up"),
        (70, "firing", "+Down1 +Down2 +Down3"),
    ]


def test_an_alert_resolved_before_group_wait_is_never_told(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down")
    world.run(5)
    world.resolve("Down")
    world.run(900)
    assert world.told() == []
    assert world.said("ended") == ['Resolved before "a" was told.']
    assert world.memory.groups == {}


def test_one_that_came_and_went_between_looks_is_not_told(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down", n="1")
    world.run(20)
    world.fire("Down", n="2")
    world.run(30)
    world.resolve("Down", n="2")
    world.run(300)
    assert world.told() == [(10, "firing", "+Down1")]


def test_some_resolved_is_told_with_what_still_fires(config: RoutesConfig) -> None:
    world = World(config)
    for n in "12":
        world.fire("Down", n=n)
    world.run(20)
    world.resolve("Down", n="1")
    world.run(300)
    assert world.told() == [(10, "firing", "+Down1 +Down2"), (70, "firing", "+Down2 -Down1")]


def test_an_alert_that_comes_back_between_looks_is_no_news(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down")
    world.run(20)
    world.resolve("Down")
    world.run(30)
    world.fire("Down")
    world.run(300)
    assert world.told() == [(10, "firing", "+Down")]


def test_a_new_episode_is_told_anew(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down")
    world.run(20)
    world.resolve("Down")
    world.run(100)
    world.fire("Down")
    world.run(200)
    assert world.told() == [(10, "firing", "+Down"), (70, "resolved", "-Down"), (110, "firing", "+Down")]
    assert len({n.id for n in world.sent}) == 3


def test_channels_that_do_not_send_resolved_are_not_told(tmp_path: Path) -> None:
    text = BASE.replace("'http://127.0.0.1/'", "'http://127.0.0.1/', send_resolved: false").replace(
        "webhook_configs:", "console_configs: [{}], webhook_configs:"
    )
    world = World(routes(text, tmp_path))
    for n in "12":
        world.fire("Down", n=n)
    world.run(20)
    world.resolve("Down", n="1")
    world.run(100)
    world.resolve("Down", n="2")
    world.run(300)
    assert world.told("webhook/0") == [(10, "firing", "+Down1 +Down2")]
    assert world.told("console/0") == [
        (10, "firing", "+Down1 +Down2"), (70, "firing", "+Down2 -Down1"), (130, "resolved", "-Down2"),
    ]  # fmt: skip


def test_repeat_interval_is_rounded_up_to_looks(tmp_path: Path) -> None:
    world = World(routes(BASE.replace("repeat_interval: 10m", "repeat_interval: 90s"), tmp_path))
    world.fire("Down")
    world.run(400)
    assert [t for t, _, _ in world.told()] == [10, 130, 250, 370]


def test_uneven_steps_do_not_lose_a_repeat(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down")
    world.run(1_300, step=7)
    assert len(world.sent) == 3
    for (told, _, _), planned in zip(world.told(), (10, 610, 1_210), strict=True):
        assert planned <= told < planned + 7


def test_alerts_go_to_all_routes_that_keep_them(tmp_path: Path) -> None:
    text = """
route:
  receiver: a
  group_wait: 0s
  routes:
    - {matchers: [severity=critical], receiver: b, continue: true}
    - {matchers: [severity=~".+"], receiver: a, group_by: ['...']}
receivers: [{name: a, console_configs: [{}]}, {name: b, console_configs: [{}, {}]}]
"""
    world = World(routes(text, tmp_path))
    world.fire("Down", severity="critical")
    world.run(30)
    found = sorted((n.receiver, n.channel) for n in world.sent)
    assert found == [("a", "console/0"), ("b", "console/0"), ("b", "console/1")]
    assert world.said("routed") == ['Goes to "b" by {}/{severity="critical"} and "a" by {}/{severity=~".+"}.']
    assert len({n.dedup_key for n in world.sent}) == 2


def test_inhibited_alerts_are_not_told(tmp_path: Path) -> None:
    text = (
        BASE
        + "inhibit_rules: [{source_matchers: [alertname=JobDown], target_matchers: [alertname=Slow], equal: [job]}]"
    )
    world = World(routes(text, tmp_path))
    world.fire("Slow", job="x", n="1")
    world.fire("Slow", job="y", n="2")
    world.fire("JobDown", job="x")
    world.run(100)
    world.resolve("JobDown")
    world.run(300)
    assert world.told() == [
        (10, "firing", "+JobDown"), (10, "firing", "+Slow2"), (130, "resolved", "-JobDown"),
        (130, "firing", "+Slow1 +Slow2"),
    ]  # fmt: skip
    assert len(world.said("inhibited")) == 1
    assert "Inhibited by JobDown, which fires" in world.said("inhibited")[0]


def test_a_silence_hides_and_its_end_tells(config: RoutesConfig) -> None:
    world = World(config, silences=[silence("alertname=Down", 0, 200)])
    world.fire("Down")
    world.run(400)
    assert world.told() == [(250, "firing", "+Down")]
    assert world.said("silenced") == ["Silenced by s-1 of anna (because) until 2026-03-02 12:03:20 UTC."]


def test_a_silence_that_ends_while_it_fires_tells_again_what_was_told_before(config: RoutesConfig) -> None:
    world = World(config, silences=[silence("alertname=Down", 20, 200)])
    world.fire("Down")
    world.run(400)
    assert world.told() == [(10, "firing", "+Down"), (250, "firing", "+Down")]
    assert "no longer silenced" in world.sent[1].message.lines[0]


def test_a_resolve_of_what_was_told_passes_a_silence_and_one_of_what_was_not_does_not(config: RoutesConfig) -> None:
    world = World(config, silences=[silence("alertname=~Down|Never", 20, 900)])
    world.fire("Down")
    world.run(30)
    world.fire("Never")
    world.run(100)
    world.resolve("Down")
    world.resolve("Never")
    world.run(400)
    assert world.told() == [(10, "firing", "+Down"), (130, "resolved", "-Down")]


def test_a_silence_until_resolved_ends_with_the_alert(config: RoutesConfig) -> None:
    world = World(config, silences=[silence("alertname=Down", 0, 90_000, until_resolved=True)])
    world.fire("Down")
    world.run(100)
    world.resolve("Down")
    world.run(105)
    assert world.silences[0].expired_at == NOON + timedelta(seconds=100)
    world.fire("Down")
    world.run(300)
    assert world.told() == [(130, "firing", "+Down")]


NIGHT = """
route:
  receiver: a
  routes:
    - {matchers: [team=x], receiver: a, group_wait: 10s, group_interval: 60s, mute_time_intervals: [quarter]}
    - {matchers: [team=y], receiver: a, group_wait: 10s, group_interval: 60s, active_time_intervals: [quarter]}
receivers: [{name: a, console_configs: [{}]}]
time_intervals: [{name: quarter, time_intervals: [{times: [{start_time: '12:00', end_time: '12:15'}]}]}]
"""


def test_a_muted_route_tells_when_the_mute_ends_if_it_still_fires(tmp_path: Path) -> None:
    world = World(routes(NIGHT, tmp_path))
    world.fire("Gone", team="x")
    world.fire("Stays", team="x")
    world.run(300)
    world.resolve("Gone")
    world.run(1_200)
    assert world.told() == [(910, "firing", "+Stays")]
    assert world.said("muted") == ["Muted by the time interval quarter."] * 2


def test_a_resolve_waits_for_the_mute_to_end(tmp_path: Path) -> None:
    world = World(routes(NIGHT, tmp_path))
    world.fire("Down", team="y")
    world.run(850)
    world.now = NOON + timedelta(seconds=920)
    world.resolve("Down")
    world.run(86_460, step=30)
    first, second = world.told()
    assert first == (10, "firing", "+Down")
    assert second[1:] == ("resolved", "-Down")
    assert 86_400 <= second[0] <= 86_460


def test_cooldown_holds_back_new_groups_of_a_rule_and_a_higher_severity_breaks_through(tmp_path: Path) -> None:
    text = BASE.replace("group_by: [alertname]", "group_by: [alertname, n], cooldown: 10m")
    world = World(routes(text, tmp_path))
    world.fire("Slow", n="1", severity="warning")
    world.run(30)
    world.resolve("Slow", n="1")
    world.run(100)
    world.fire("Slow", n="2", severity="warning")
    world.fire("Slow", n="3", severity="critical")
    world.fire("Other", n="4", severity="warning")
    world.run(400)
    world.resolve("Slow", n="3")
    world.run(900)
    # what the critical one told at 110 begins the ten minutes anew
    assert world.told() == [
        (10, "firing", "+Slow1"), (70, "resolved", "-Slow1"), (110, "firing", "+Other4"), (110, "firing", "+Slow3"),
        (410, "resolved", "-Slow3"), (710, "reminder", "+Other4"), (710, "firing", "+Slow2"),
    ]  # fmt: skip
    assert any("cooldown until 2026-03-02 12:11:50 UTC" in t for t in world.said("cooldown"))


def test_what_comes_and_goes_is_told_once_in_a_cooldown(tmp_path: Path) -> None:
    text = BASE.replace("group_by: [alertname]", "group_by: [alertname], cooldown: 30m")
    world = World(routes(text, tmp_path))
    for minute in range(0, 29, 4):
        world.run(minute * 60)
        world.fire("Flaps")
        world.run(minute * 60 + 90)
        world.resolve("Flaps")
    world.run(4_000)
    assert [a for _, a, _ in world.told()] == ["firing", "resolved"]
    assert world.memory.groups == {}


def test_a_channel_is_told_only_severities_it_may(tmp_path: Path) -> None:
    text = BASE.replace("webhook_configs:", "pagerduty_configs: [{routing_key: k}], webhook_configs:")
    world = World(routes(text + "channel_permissions: {pagerduty: [critical]}", tmp_path))
    world.fire("Down", severity="warning", n="1")
    world.run(20)
    world.fire("Down", severity="critical", n="2")
    world.run(100)
    world.resolve("Down", n="2")
    world.run(200)
    world.resolve("Down", n="1")
    world.run(400)
    assert world.told("pagerduty/0") == [(70, "firing", "+Down2"), (130, "resolved", "-Down2")]
    assert len(world.told("webhook/0")) == 4
    assert world.said("not_permitted") == [
        "Not told to pagerduty/0 of \"a\": pagerduty may not be told severity 'warning'."
    ]


def test_an_alert_that_reaches_nobody_says_so(tmp_path: Path) -> None:
    text = BASE.replace(
        "webhook_configs: [{url: 'http://127.0.0.1/'}]", "slack_configs: [{api_url: '${NOT_SET_HERE}'}]"
    )
    world = World(routes(text, tmp_path))
    world.fire("Down")
    world.run(100)
    assert world.told() == []
    assert world.said("unreachable") == [
        'Nobody is told by "a" (first message of the group): slack/0 is switched off (NOT_SET_HERE is not set).'
    ]


def test_a_digest_tells_everything_of_its_time_at_once(tmp_path: Path) -> None:
    text = BASE.replace("group_by: [alertname], group_wait: 10s, group_interval: 60s,", "digest: 10m,")
    world = World(routes(text, tmp_path))
    for n in range(4):
        world.run(n * 100)
        world.fire(f"Deployed{n}")
        world.run(n * 100 + 30)
        world.resolve(f"Deployed{n}")
    world.fire("Stays")
    world.run(1_100)
    assert world.told() == [(600, "digest", "+Stays -Deployed0 -Deployed1 -Deployed2 -Deployed3")]
    assert world.sent[0].message.lines == ("Everything of the last 10m: 1 firing, 4 resolved.",)


def test_every_decision_is_an_event_once(config: RoutesConfig) -> None:
    world = World(config)
    alert = world.fire("Down", severity="critical")
    world.run(100)
    kinds = [e.kind for e in world.events]
    assert kinds == ["routed", "grouped", "queued"]
    assert world.events[1].text == (
        'In group {alertname="Down"} of "a"; told first at 2026-03-02 12:00:10 UTC (group_wait 10s).'
    )
    assert world.events[2].text == 'Queued for webhook/0 of "a": first message of the group.'
    assert world.events[2].detail["notifications"] == [world.sent[0].id]
    assert {e.alert_id for e in world.events} == {alert.id}


def test_a_step_in_which_nothing_changes_writes_nothing(config: RoutesConfig) -> None:
    world = World(config, silences=[silence("alertname=Quiet", 0, 9_000)])
    world.fire("Down")
    world.fire("Quiet")
    world.run(30)
    before = world.memory
    again = world.step()
    assert (again.groups, again.escalations, again.notifications, again.events, again.silences) == ((), (), (), (), ())
    assert again.memory is before
    world.run(69)
    later = [world.step()]
    for _ in range(60):
        world.now += timedelta(seconds=5)
        later.append(world.step())
    assert [p.groups for p in later if p.groups] == []
    assert [p.events for p in later if p.events] == []


def test_replays_are_identical(config: RoutesConfig) -> None:
    def once() -> World:
        world = World(config)
        for second in range(0, 600, 50):
            world.run(second)
            world.fire(f"A{second % 3}", n=str(second))
            if second % 100:
                world.resolve(f"A{(second - 50) % 3}", n=str(second - 50))
        return world.run(2_000)

    first, second = once(), once()
    assert first.sent == second.sent
    assert first.events == second.events


def test_next_at_says_when_something_is_due(config: RoutesConfig) -> None:
    world = World(config)
    world.fire("Down")
    assert world.step().next_at == NOON + timedelta(seconds=10)
    world.run(10)
    assert world.last is not None
    assert world.last.next_at == NOON + timedelta(seconds=70)
