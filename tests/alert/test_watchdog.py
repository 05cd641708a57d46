"""The watchdog: each question alone, and a look at a real store and engine that ends in an alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.outbox import Outbox
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.alert.table import Table
from pitchey_slo.alert.told import Status
from pitchey_slo.alert.watchdog import LEAST_DELIVERIES, Facts, Scheduled, Source, Watchdog, judge
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.store import StoreStatus
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

WELL = StoreStatus(True, None, 9, 9, 0, 10 << 30, 1 << 30, (), 3.0, None)
RULES = Status((), Table())
FACTS = Facts(NOON, rules=RULES, store=WELL)


def names(facts: Facts) -> list[str]:
    return sorted(f"{finding.name} {finding.severity} {finding.about}" for finding in judge(facts))


def source(minutes: float, deliveries: int = 1_440) -> Source:
    newest = NOON - timedelta(minutes=minutes)
    return Source("requests", "worker", deliveries, newest - timedelta(minutes=1_440), newest)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (FACTS, []),
        (replace(FACTS, sources=[source(5)]), []),
        (replace(FACTS, sources=[source(31)]), ["WorkbenchNoData critical requests of worker"]),
        (replace(FACTS, sources=[source(31, 10)]), []),  # a file that was loaded has no rhythm
        (replace(FACTS, sources=[source(31, 100)]), []),  # every quarter of an hour: half an hour is no silence
        (replace(FACTS, targets={"node a": None, "node b": "refused"}), ["WorkbenchTargetDown warning node b"]),
        (replace(FACTS, rules=None), ["WorkbenchRulesStopped critical engine"]),
        (replace(FACTS, rules=replace(RULES, error="disk full")), ["WorkbenchRulesStopped critical engine"]),
        (
            replace(FACTS, rules=replace(RULES, problems={"a": "a:3: x"})),
            ["WorkbenchConfigRefused warning a"],
        ),
        (replace(FACTS, rules=replace(RULES, lateness=[0.1] * 90 + [9.0] * 10)), ["WorkbenchRulesLate warning engine"]),
        (replace(FACTS, rules=replace(RULES, lateness=[0.1] * 500 + [9.0])), []),
        (
            replace(FACTS, channels={"p slack/0": {"dead": 0}}, oldest={"p slack/0": NOON - timedelta(minutes=6)}),
            ["WorkbenchChannelFails critical p slack/0"],
        ),
        (replace(FACTS, channels={"p slack/0": {"dead": 2}}), ["WorkbenchChannelFails warning p slack/0"]),
        (replace(FACTS, channels={"p slack/0": {"dead": 0}}, oldest={"p slack/0": NOON}), []),
        (replace(FACTS, store=replace(WELL, free_bytes=1_900 << 20)), ["WorkbenchDiskLow warning disk"]),
        (replace(FACTS, store=replace(WELL, free_bytes=1_100 << 20)), ["WorkbenchDiskLow critical disk"]),
        (replace(FACTS, store=replace(WELL, ready=False, reason="x")), ["WorkbenchStoreDown critical store"]),
        (replace(FACTS, store=replace(WELL, lake_lag_seconds=500.0)), ["WorkbenchLakeLags warning lake"]),
        (replace(FACTS, store=replace(WELL, gaps=((3, 5),))), ["WorkbenchCommitsMissing critical commits 3 to 5"]),
        (replace(FACTS, drift=-3_600.0), ["WorkbenchClockOff warning clock"]),
        (replace(FACTS, ahead=60.0), ["WorkbenchClockOff warning clock"]),
        (
            replace(FACTS, schedules=[Scheduled("slo", NOON - timedelta(hours=25), 86_400.0)]),
            ["WorkbenchScheduleDead critical slo"],
        ),
        (
            replace(FACTS, schedules=[Scheduled("slo", NOON - timedelta(hours=23), 86_400.0, "it failed")]),
            ["WorkbenchScheduleFails warning slo"],
        ),
        (replace(FACTS, schedules=[Scheduled("slo", NOON - timedelta(hours=23), 86_400.0)]), []),
    ],
)
def test_each_question(facts: Facts, expected: list[str]) -> None:
    assert names(facts) == expected


def test_a_look_becomes_an_alert_and_ends_by_itself(tmp_path: Path) -> None:
    clock, passed = FixedClock(), [0.0]
    for folder in ("rules", "slos"):
        (tmp_path / folder).mkdir()
    with fresh_store(tmp_path / "home", clock=clock) as store:
        for i in range(LEAST_DELIVERIES + 5):
            store.append("requests", rows(start=NOON - timedelta(seconds=60 - i), source="worker", event_id=str(i)))
        engine = Engine(
            store, StoreScan(store), store.settings, clock=clock, book=RuleBook(tmp_path / "rules", tmp_path / "slos")
        )
        outbox = Outbox(store, {}, clock)
        dog = Watchdog(store, engine, outbox, clock, monotonic=lambda: passed[0])

        def forward(seconds: float) -> list[Any]:
            clock.forward(seconds=seconds)
            passed[0] += seconds
            return list(dog.look())

        assert forward(30) == []
        (finding,) = forward(1_200)
        assert (finding.name, finding.about) == ("WorkbenchNoData", "requests of worker")
        assert "usually something comes every 1" in finding.text
        (alert,) = engine.alerts()
        assert (alert.name, alert.state, alert.source) == ("WorkbenchNoData", "firing", "watchdog")
        store.append("requests", rows(start=clock(), source="worker"))
        assert forward(30) == []
        clock.forward(seconds=120)
        engine.run_due()
        assert [a.state for a in engine.alerts() if a.name == "WorkbenchNoData"] in ([], ["resolved"])
        clock.forward(hours=1)  # the clock is turned, no time has passed
        assert [f.name for f in dog.look()] == ["WorkbenchNoData", "WorkbenchClockOff"]
