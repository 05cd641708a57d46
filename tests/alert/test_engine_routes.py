"""Engine and routes together: from a rule that holds to a row in the outbox, through restarts, silences and jumps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.matchers import from_api
from pitchey_slo.alert.pushed import Pushed
from pitchey_slo.alert.routing import Routes
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.alert.schedule import Schedule
from pitchey_slo.alert.silences import Silence, silence_rows
from pitchey_slo.errors import DiskFull
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.store import Store
from pitchey_slo.testing import FixedClock, fresh_store

ROUTES = """
route:
  receiver: ops
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
receivers:
  - name: ops
    console_configs: [{}]
"""
DISK = {"alertname": "Disk", "severity": "critical"}


class Bench:
    def __init__(self, store: Store, clock: FixedClock, folder: Path) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.woken = 0
        self.write(ROUTES)
        self.engine = self.restarted()

    def write(self, text: str) -> None:
        path = self.folder / "routes" / "routes.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def restarted(self) -> Engine:
        self.engine = Engine(
            self.store,
            StoreScan(self.store),
            self.store.settings,
            clock=self.clock,
            book=RuleBook(self.folder / "rules"),
            router=Routes(self.store.settings),
            wake=self.wake,
        )
        self.engine._schedule = Schedule(self.clock(), 0.0)
        return self.engine

    def wake(self) -> None:
        self.woken += 1

    def go(self, **duration: float) -> list[str]:
        """Turn the clock, do what is due; all messages so far."""
        self.clock.forward(**duration)
        self.engine.run_due()
        return self.sent()

    def sent(self) -> list[str]:
        found = self.store.query("SELECT action FROM notifications ORDER BY created_at, commit_seq")
        return [str(action) for action in found["action"].to_pylist()]

    def push(self, **more: object) -> None:
        self.engine.push([Pushed(DISK, ends_at=self.clock() + timedelta(hours=9), **more)])  # type: ignore[arg-type]

    def over(self) -> None:
        self.engine.push([Pushed(DISK, ends_at=self.clock())])


@pytest.fixture
def bench(tmp_path: Path, clock: FixedClock) -> Iterator[Bench]:
    with fresh_store(tmp_path / "home", clock=clock, config=tmp_path / "config") as store:
        made = Bench(store, clock, tmp_path / "config")
        yield made
        made.engine.close()


def test_fires_waits_for_its_group_is_told_and_its_end_too(bench: Bench) -> None:
    bench.push()
    assert bench.go(seconds=29) == []
    assert bench.go(seconds=1) == ["firing"] and bench.woken == 1
    assert bench.go(minutes=5) == ["firing"]
    bench.over()
    assert bench.go(seconds=1) == ["firing"]  # the group's interval is not over
    assert bench.go(minutes=5) == ["firing", "resolved"]
    assert bench.go(hours=9) == ["firing", "resolved"]
    assert bench.engine.alerts() == []


def test_a_restart_at_any_moment_changes_nothing(bench: Bench) -> None:
    """Before the wait is over, after it was told, and after it ended: the same two messages."""
    bench.push()
    for _ in range(4):
        bench.clock.forward(seconds=10)
        bench.restarted().run_due()
    assert bench.sent() == ["firing"]
    bench.restarted()
    assert bench.go(minutes=5) == ["firing"]
    bench.over()
    bench.restarted()
    assert bench.go(minutes=5) == ["firing", "resolved"]
    bench.restarted()
    assert bench.go(hours=5) == ["firing", "resolved"]


def test_what_cannot_be_written_is_not_told_and_told_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.push()
    write = bench.store.append_all

    def full(_: object) -> None:
        raise DiskFull("no space")

    monkeypatch.setattr(bench.store, "append_all", full)
    with pytest.raises(DiskFull):
        bench.go(seconds=30)
    assert bench.sent() == [] and bench.woken == 0
    monkeypatch.setattr(bench.store, "append_all", write)
    assert bench.go(seconds=1) == ["firing"]


def test_a_silence_is_heard_whoever_wrote_it(bench: Bench) -> None:
    bench.go()
    now = bench.clock()
    silence = Silence(
        "s1",
        (from_api({"name": "alertname", "value": "Disk", "isRegex": False, "isEqual": True}),),
        now,
        now + timedelta(minutes=20),
        "ada",
        "known",
        now,
    )
    bench.store.append("silences", silence_rows([silence]))
    bench.push()
    for _ in range(19):
        assert bench.go(minutes=1) == []
    for _ in range(6):
        bench.go(minutes=1)
    assert bench.sent() == ["firing"]


def test_routes_that_became_wrong_are_refused_and_the_old_ones_hold(bench: Bench) -> None:
    bench.go()
    bench.write(ROUTES.replace("receiver: ops", "receiver: opps"))
    bench.push()
    assert bench.go(seconds=30) == ["firing"]
    (problem,) = bench.engine.status().problems.values()
    assert "opps" in problem
    bench.write(ROUTES)
    bench.go(seconds=10)
    assert bench.engine.status().problems == {}


def test_without_routes_alerts_are_kept(bench: Bench) -> None:
    (bench.folder / "routes" / "routes.yml").unlink()
    bench.restarted()
    bench.push()
    assert bench.go(minutes=5) == []
    assert [a.state for a in bench.engine.alerts()] == ["firing"]
    bench.write(ROUTES)
    bench.go(seconds=10)
    assert bench.go(seconds=30) == ["firing"]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_sends_nothing_twice(bench: Bench, hours: int) -> None:
    bench.push()
    assert bench.go(seconds=30) == ["firing"]
    bench.clock.forward(hours=hours)
    for _ in range(40):
        bench.go(seconds=15)
    assert bench.sent() == ["firing"]


def test_an_acknowledgement_is_kept_and_told_of(bench: Bench) -> None:
    bench.push()
    bench.go(seconds=30)
    (alert,) = bench.engine.alerts()
    bench.engine.acknowledge(alert.id, "ada")
    bench.restarted()
    bench.go(seconds=1)
    assert bench.engine.alerts()[0].acked_by == "ada"
    kinds = bench.store.query("SELECT DISTINCT kind FROM alert_events")["kind"].to_pylist()
    assert {"state", "acked"} <= set(kinds)
