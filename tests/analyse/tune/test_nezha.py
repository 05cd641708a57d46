"""The case study's figures, from the files themselves: what docs/case-study-nezha.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.rules import RuleGroup, load_rules
from pitchey_slo.analyse.backtest import backtest
from pitchey_slo.analyse.backtest.incidents import Incident
from pitchey_slo.analyse.backtest.score import score
from pitchey_slo.analyse.tune import tune
from pitchey_slo.collect.wide_csv import read_mapping, read_wide
from pitchey_slo.promql import MemoryScan
from pitchey_slo.settings import shipped

START, END = datetime(2022, 8, 22, 3, 51, tzinfo=UTC), datetime(2022, 8, 23, tzinfo=UTC)
GRACE = timedelta(minutes=2)
FILES = {"*_metric.csv": "pods", "front_service.csv": "front", "source_50.csv": "calls"}


@pytest.fixture(scope="module")
def day() -> Path:
    folder = Path(__file__).parents[4] / "shared/conformance/traffic/nezha/2022-08-22"
    if not folder.is_dir():
        pytest.skip(f"no data of Nezha in {folder}")
    return folder


@pytest.fixture(scope="module")
def group() -> RuleGroup:
    (found,) = load_rules(shipped("notebooks") / "nezha" / "rules.yml")
    return found


@pytest.fixture(scope="module")
def shop(day: Path) -> MemoryScan:
    scan = MemoryScan()
    for pattern, name in FILES.items():
        mapping = read_mapping(shipped("notebooks") / "nezha" / f"{name}.yml")
        for path in (day / "metric").glob(pattern):
            for part in read_wide(path, mapping):
                assert not part.problems
                for i, labels in enumerate(part.batch.labels):
                    mine = part.batch.series == i
                    scan.add(labels, part.batch.ts[mine], part.batch.value[mine])
    return scan


def faults(day: Path) -> Iterator[Incident]:
    (listed,) = day.glob("*fault_list.json")
    for hour in json.loads(listed.read_text()).values():
        for fault in hour:
            at = datetime.fromtimestamp(int(fault["inject_timestamp"]), UTC)
            pod, kind = fault["inject_pod"], fault["inject_type"]
            yield Incident(str(at), kind, at, at + timedelta(minutes=4), location=pod, kind=kind)


def test_the_figures_of_the_case_study(day: Path, shop: MemoryScan, group: RuleGroup) -> None:
    known = tuple(faults(day))
    assert len(known) == 24
    grace = GRACE.total_seconds()
    proposed = []
    for rule in group.rules:
        found = tune(rule, shop, START, END, known, interval_seconds=60, query_offset=0, grace_seconds=grace)
        assert sum(f.cost for f in found.held_out) < sum(f.current_cost for f in found.held_out)
        proposed.append(found.proposed())
    tested = backtest([replace(group, rules=tuple(proposed))], shop, START, END)
    together = score(tested.rules, known, START, END, grace=GRACE)
    assert len(together.caught) >= 20
    assert (together.precision or 0) >= 0.75
    assert (together.detect_seconds or 999) < 150
    by_cpu = score(tested.rule("PodOutOfCpu"), known, START, END, grace=GRACE)
    assert sum(c.incident.kind.startswith("cpu") for c in by_cpu.caught) == 11
    quiet = datetime(2022, 8, 22, 8, 10, tzinfo=UTC)
    assert not [f for f in together.false_firings if f.fired_at and f.fired_at > quiet]
