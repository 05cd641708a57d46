"""When groups are evaluated, and which rules there are."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from pitchey_slo.alert.evaluate import TickScan, ask, reach_of
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.alert.rules import RuleGroup, parse_rules
from pitchey_slo.alert.schedule import Schedule
from pitchey_slo.promql import MemoryScan, SeriesBlock
from pitchey_slo.testing import NOON


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


GROUP = RuleGroup("g", key="a;g")


def times(schedule: Schedule, group: RuleGroup, moments: list[datetime]) -> list[tuple[float, float, int]]:
    """(time on the grid, gap, missed) of every evaluation, in seconds after noon."""
    found = []
    for now in moments:
        for due in schedule.due([group], now):
            schedule.done(group)
            gap = -1.0 if due.gap is None else due.gap.total_seconds()
            found.append(((due.at - NOON).total_seconds(), gap, due.missed))
    return found


def test_once_per_interval_on_the_grid() -> None:
    moments = [NOON + seconds(s) for s in range(0, 61)]
    found = times(Schedule(NOON), GROUP, moments)
    assert [at for at, _, _ in found] == [0, 15, 30, 45]
    assert [(gap, missed) for _, gap, missed in found] == [(-1, 0), (0, 0), (0, 0), (0, 0)]


def test_groups_are_spread_and_always_alike() -> None:
    schedule = Schedule(NOON)
    delays = [schedule.delay(RuleGroup("g", key=f"a;{i}")) for i in range(500)]
    assert delays == [Schedule(NOON).delay(RuleGroup("g", key=f"a;{i}")) for i in range(500)]
    assert min(delays) >= 0 and max(delays) < 5
    assert max(np.histogram(delays, bins=5, range=(0, 5))[0]) < 140
    assert schedule.delay(RuleGroup("g", interval_seconds=2, key="x")) < 1


def test_what_runs_is_not_started_again() -> None:
    schedule = Schedule(NOON, spread=0)
    assert len(schedule.due([GROUP], NOON)) == 1
    assert schedule.due([GROUP], NOON + seconds(15)) == []
    schedule.done(GROUP)
    (due,) = schedule.due([GROUP], NOON + seconds(47))
    assert (due.at, due.missed, due.gap) == (NOON + seconds(45), 2, timedelta())


def test_a_long_gap_is_an_outage_and_so_is_a_clock_set_back() -> None:
    found = times(Schedule(NOON, spread=0), GROUP, [NOON, NOON + seconds(3_600), NOON + seconds(15)])
    assert found == [(0, -1, 0), (3_600, 3_585, 239), (15, -3_600, 0)]


def test_the_grid_before_the_start_is_not_caught_up_with() -> None:
    schedule = Schedule(NOON + seconds(7), spread=0)
    assert schedule.due([GROUP], NOON + seconds(8)) == []
    assert [d.at for d in schedule.due([GROUP], NOON + seconds(16))] == [NOON + seconds(15)]


def test_next_at_is_when_something_is_due() -> None:
    """Compared with looking every tenth of a second."""
    rng = random.Random(4)
    for _ in range(50):
        groups = [RuleGroup("g", interval_seconds=rng.choice([1, 5, 15, 60]), key=f"k{rng.random()}") for _ in range(3)]
        schedule = Schedule(NOON - timedelta(hours=1))
        now = NOON + seconds(rng.uniform(0, 100))
        for due in schedule.due(groups, now):
            schedule.done(due.group)
        expected = schedule.next_at(groups, now)
        assert expected is not None
        assert schedule.due(groups, expected - seconds(0.002)) == []
        assert schedule.due(groups, expected + seconds(0.002))


def test_the_book_takes_content_not_dates(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    book = RuleBook(folder)
    assert not book.refresh()
    folder.mkdir()
    text = "groups: [{name: g, rules: [{alert: A, expr: x}]}]"
    (folder / "a.yml").write_text(text)
    assert book.refresh() and len(book.groups) == 1
    (folder / "a.yml").write_text(text)
    assert not book.refresh()
    (folder / "a.yml").write_text(text.replace("A", "B"))
    assert book.refresh() and book.groups[0].rules[0].name == "B"
    (folder / "a.yml").write_text("groups: 5")
    assert not book.refresh()
    assert "a list of groups" in book.problems["a.yml"] and book.groups[0].rules[0].name == "B"
    (folder / "a.yml").unlink()
    assert book.refresh() and book.groups == () and book.problems == {}


def test_burn_alerts_come_from_the_slos(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    book = RuleBook(tmp_path, root / "config" / "slos")
    assert book.refresh()
    names = {rule.name for group in book.groups for rule in group.rules}
    assert {"SloErrorBudgetBurn", "SloDataMissing"} <= names
    assert all(group.file == "slos" for group in book.groups)


def test_joined_reads_give_the_same_answers() -> None:
    """Rules over several windows, read once, and each by itself."""
    scan = MemoryScan()
    rng = np.random.default_rng(1)
    ts = np.arange(0, 7_200_000, 15_000)
    for i in range(5):
        scan.add({"__name__": "x", "i": str(i)}, ts + i * 1_000, rng.uniform(0, 9, len(ts)).cumsum())
    exprs = ["x", "x > 5", "rate(x[5m])", "sum(rate(x[1h]))", "sum by (i) (rate(x[30m]))", "sum(rate(x[5m]))",
             "x offset 10m", "max_over_time(rate(x[5m])[30m:1m])", "x @ 3600", "rate(x[90m])"]  # fmt: skip
    text = (
        "groups: [{name: g, rules: [" + ", ".join(f'{{alert: A{i}, expr: "{e}"}}' for i, e in enumerate(exprs)) + "]}]"
    )
    asked = []

    class Counting:
        def select(self, matchers, start_ms, end_ms, *, needs=None) -> SeriesBlock:  # type: ignore[no-untyped-def]
            asked.append((start_ms, end_ms))
            return scan.select(matchers, start_ms, end_ms, needs=needs)

    at = 7_000_000
    tick = TickScan(Counting(), at, reach_of(parse_rules(text)))
    for expr in exprs:
        assert sorted(map(str, ask(expr, tick, at))) == sorted(map(str, ask(expr, scan, at))), expr
    assert len(asked) < len(exprs) - 2
