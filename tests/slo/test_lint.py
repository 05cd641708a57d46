"""The linter: what each finding is about, on real rows; and how often a condition held, counted the slow way."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitchey_slo.slo.alerts.lint import LintReport, lint
from pitchey_slo.slo.alerts.lint_checks import CHECKS
from pitchey_slo.slo.alerts.lint_subject import Finding
from pitchey_slo.slo.model import AlertCondition, AlertPolicy, BurnPair, Duration, Slo
from pitchey_slo.slo.spec.openslo import parse as read
from tests.slo.made import T0, MemoryReader, request, spec_text


def slo(**given: Any) -> Slo:
    return read(spec_text(**given)).slos[0]


def pair(long: str, short: str, factor: float, hold: str | None = None) -> BurnPair:
    return BurnPair(Duration.parse(long), Duration.parse(short), factor, "page", Duration.parse(hold) if hold else None)


def reader_of(per_minute: Sequence[tuple[int, int]], start: datetime = T0) -> MemoryReader:
    """(good, bad) requests of each minute."""
    reader = MemoryReader()
    reader.add(
        "requests",
        [
            request(start + timedelta(minutes=i, seconds=20), status=500 if k < bad else 200)
            for i, (good, bad) in enumerate(per_minute)
            for k in range(good + bad)
        ],
    )
    return reader


def one(made: Slo, reader: MemoryReader | None = None) -> LintReport:
    return lint([made], reader, now=T0 + timedelta(days=60))[0]


def kinds(report: LintReport, level: str | None = None) -> list[str]:
    return [f.kind for f in report.findings if level in (None, f.level)]


def the(report: LintReport, kind: str) -> Finding:
    return next(f for f in report.findings if f.kind == kind)


def test_a_90_percent_target_can_never_page_by_the_book() -> None:
    """slok/sloth#341, and chapter 5 of the workbook: a total outage burns only ten times."""
    found = one(slo(objectives="[{target: 0.9}]"))
    assert [(f.windows, f.level) for f in found.findings if f.kind == "cannot_fire"] == [("1h/5m", "error")]
    said = the(found, "cannot_fire")
    assert "13.4" in said.text and "everything fails it is 10 " in said.text and "below 10" in said.hint
    assert found.conditions[0].highest == 10.0 and all(d.minutes is None for d in found.conditions[0].detections)
    assert found.level == "error"
    # what it says would work does
    better = dataclasses.replace(slo(objectives="[{target: 0.9}]"), burn_pairs=(pair("1h", "5m", 5.0),))
    assert "cannot_fire" not in kinds(one(better)) and one(better).conditions[0].detections[-1].minutes == 30.0


def test_a_99_9_percent_target_is_fine() -> None:
    found = one(slo(objectives="[{target: 0.999}]"))
    assert found.level == "info" and kinds(found) == ["no_data"]
    page = found.conditions[0]
    assert [d.minutes for d in page.detections] == pytest.approx([None, 16.128, 8.064, 1.6128, 0.8064])
    assert page.lost == pytest.approx(0.02) and page.limit == pytest.approx(0.01344)
    assert page.detections[-1].reset_minutes == pytest.approx(5 * (1 - 0.01344))


def test_a_target_of_0_promises_nothing() -> None:
    assert kinds(one(slo(objectives="[{target: 0}]")), "error")[0] == "target_zero"


def test_99_999_percent_is_gone_before_anybody_looks() -> None:
    said = the(one(slo(objectives="[{target: 0.99999}]")), "spent_at_once")
    assert "24 s" in said.text


@pytest.mark.parametrize(
    ("pairs", "kind", "level", "says"),
    [
        ((pair("1h", "1h", 5.0),), "short_window", "error", "not shorter"),
        ((pair("1d", "1h", 40.0),), "too_late", "error", "143 % of the budget is gone"),
        ((pair("60d", "5d", 2.0),), "longer_than_window", "warning", "longer than the SLO window (28d)"),
        ((pair("3d", "6h", 0.3),), "inside_promise", "warning", "burn rate of 0.3"),
        ((pair("1h", "5m", -1.0),), "always_fires", "error", "always fires"),
        ((), "no_burn_alerts", "warning", "No burn alert"),
    ],
)
def test_pairs_of_the_spec(pairs: tuple[BurnPair, ...], kind: str, level: str, says: str) -> None:
    found = one(dataclasses.replace(slo(objectives="[{target: 0.999}]"), burn_pairs=pairs))
    said = the(found, kind)
    assert said.level == level and says in said.text


def policy(op: str, threshold: float) -> AlertPolicy:
    condition = AlertCondition("fast", "page", op, threshold, Duration(1, "h"))  # type: ignore[arg-type]
    return AlertPolicy("p", (condition,), ())


def test_a_condition_of_openslo_has_no_short_window() -> None:
    found = one(dataclasses.replace(slo(objectives="[{target: 0.999}]"), alert_policies=(policy("gte", 2.0),)))
    assert [c.source for c in found.conditions] == ["alert policy p"]
    said = the(found, "short_window")
    assert said.level == "warning" and "stays for 60 min" in said.text and "short 5.0 min" not in said.hint


def test_a_condition_that_compares_the_wrong_way() -> None:
    found = one(dataclasses.replace(slo(), alert_policies=(policy("lt", 2.0),)))
    assert the(found, "always_fires").hint == "op: gt"


def test_slices_shorter_windows_than_a_slice() -> None:
    objective = "[{target: 0.999, timeSliceTarget: 0.95, timeSliceWindow: 10m}]"
    found = one(slo(method="Timeslices", objectives=objective))
    assert "taken as 10m" in the(found, "short_window").text
    assert found.unit == "slices" and found.conditions[0].needed.tolist() == [1.0] * 168


def test_data_that_always_burn() -> None:
    found = one(slo(objectives="[{target: 0.99}]"), reader_of([(3, 1)] * 600))
    said = the(found, "always_fires")
    assert said.windows == "1h/5m" and "100 % of the time" in said.text and "25 % are bad" in said.text
    assert found.conditions[0].held == 1.0 and found.conditions[0].fired == 1


def test_a_floor_that_this_traffic_never_reaches() -> None:
    reader = reader_of([(1, 0)] * 1440 * 2)
    made = dataclasses.replace(slo(objectives="[{target: 0.99}]"), minimum_bad=100.0)
    found = one(made, reader)
    first = the(found, "floor")
    assert (first.level, first.windows) == ("error", "1h/5m") and "has 60 in all" in first.text
    # over six hours there are 360: fine
    assert [f.windows for f in found.findings if f.kind == "floor"] == ["1h/5m"]
    assert np.isnan(found.conditions[0].needed).all() and np.nanmin(found.conditions[1].needed) == 100


def test_a_single_failure_at_night() -> None:
    """4 requests an hour by night, 600 by day: at night one failure is a quarter of all."""
    minutes = [((10 if 8 <= i // 60 % 24 < 20 else int(i % 15 == 0)), 0) for i in range(8 * 1440)]
    found = one(slo(objectives="[{target: 0.99}]"), reader_of(minutes, T0.replace(hour=0)))
    said = the(found, "few_events")
    assert said.windows == "1h/5m" and said.text.startswith("At 84 of 168 hours") and "minimum-bad-events" in said.hint
    assert sorted(set(found.conditions[0].needed.tolist())) == [1.0, 81.0]
    assert found.traffic is not None and found.traffic.valid[3] == 4 and found.traffic.valid[12] == 600


def test_windows_longer_than_the_data() -> None:
    found = one(slo(objectives="[{target: 0.99}]"), reader_of([(5, 0)] * 600))
    assert [f.windows for f in found.findings if f.kind == "longer_than_data"] == ["1d/2h", "3d/6h"]
    assert "the data only 10 h" in the(found, "longer_than_data").text


def test_how_often_it_held_is_what_a_minute_by_minute_walk_finds() -> None:
    rng = np.random.default_rng(5)
    valid = rng.integers(0, 4, 900)
    bad = rng.binomial(valid, np.where((np.arange(900) // 100) % 3 == 1, 0.6, 0.05))
    pairs = (pair("1h", "5m", 2.0), pair("30m", "10m", 3.0, "3m"))
    made = dataclasses.replace(slo(objectives="[{target: 0.9}]"), burn_pairs=pairs, minimum_bad=4.0)
    counts = [(int(v - b), int(b)) for v, b in zip(valid, bad, strict=True)]
    report = one(made, reader_of(counts))
    seen = [i for i, (good, b) in enumerate(counts) if good + b]
    first, last = seen[0], seen[-1] + 1
    for found, each in zip(report.conditions, pairs, strict=True):
        held = []
        for now in range(first + 1, last + 1):
            shares = []
            for window in (each.long, each.short):
                part = counts[max(first, now - (window.minutes or 0)) : now]
                total = sum(g + b for g, b in part)
                shares.append(total > 0 and sum(b for _, b in part) / total > each.factor * 0.1)
            enough = sum(b for _, b in counts[max(first, now - (each.long.minutes or 0)) : now]) >= 4
            held.append(all(shares) and enough)
        runs, length = 0, 0
        for h in [*held, False]:
            runs += (not h) and length > (each.hold.minutes or 0 if each.hold else 0)
            length = length + 1 if h else 0
        assert found.held == pytest.approx(np.mean(held)) and found.fired == runs > 0


def test_findings_are_json_and_every_kind_is_documented() -> None:
    report = one(slo(objectives="[{target: 0.9}]"), reader_of([(3, 1)] * 60))
    text = json.dumps(report.as_dict(), allow_nan=False)
    assert json.loads(text)["conditions"][0]["needed"][0] is None
    page = Path("docs/slos.md").read_text()
    for kind in (*CHECKS, "target_zero", "no_burn_alerts", "spent_at_once", "no_data", "little_data"):
        assert f"`{kind}`" in page, kind


@pytest.mark.parametrize("method", ["Occurrences", "Timeslices"])
def test_how_often_it_held_is_what_the_rules_say_on_the_series_of_a_real_store(method: str, tmp_path: Path) -> None:
    """The linter counts minutes; the rules ask increase() of our counters. Slices are the same to the last minute."""
    import pitchey_slo as ps
    from pitchey_slo.settings import Settings
    from pitchey_slo.slo.alerts.burn_rules import rules
    from pitchey_slo.testing import fresh_store, rows

    minutes = 6 * 60
    rng = np.random.default_rng(11)
    at = np.sort(rng.choice(minutes * 60, 3000, replace=False))
    at = at[at % 15 != 0]  # a request at the very tick belongs to the minute before by PromQL's windows
    trouble = (at // 3600) % 3 == 1
    status = np.where(rng.random(len(at)) < np.where(trouble, 0.5, 0.02), 500, 200).tolist()
    objective = "[{displayName: it, target: 0.95, timeSliceTarget: 0.8, timeSliceWindow: 2m}]"
    text = spec_text(
        method=method, objectives=objective if method == "Timeslices" else "[{displayName: it, target: 0.95}]"
    )
    made = text.replace(
        'note: "none"', 'pitchey.com/burn-alerts: "[{long: 40m, short: 10m, factor: 3, severity: page}]"'
    )
    (tmp_path / "config" / "slos").mkdir(parents=True)
    (tmp_path / "config" / "slos" / "x.yaml").write_text(made)
    with fresh_store(tmp_path / "data") as store:
        ts = [T0 + timedelta(seconds=int(s)) for s in at]
        store.append("requests", rows(count=len(ts), ts=ts, status=status))
    wb = ps.connect(settings=Settings.load(env_file=None, home=tmp_path / "data", config=tmp_path / "config"))
    end = T0 + timedelta(minutes=minutes)
    (found,) = wb.lint(end=end)[0].conditions
    asked = wb.promql_result(rules(wb.slo("x").spec).rules[0].expr, T0 + timedelta(minutes=1), end, 60)
    held = int(asked.present.sum()) / minutes
    assert found.held is not None and 0.1 < found.held < 0.6
    assert found.held == (held if method == "Timeslices" else pytest.approx(held, abs=5 / minutes))
