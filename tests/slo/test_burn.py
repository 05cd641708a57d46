"""Burn pairs come from the data file, scaled; rules say them in PromQL that Prometheus' own tool takes."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.errors import SloError
from pitchey_slo.promql import parse
from pitchey_slo.slo.alerts.burn import conditions, data, pairs, period_minutes, scaled
from pitchey_slo.slo.alerts.burn_rules import rule_file, rules
from pitchey_slo.slo.model import BurnPair, Duration, Slo, TimeWindow
from pitchey_slo.slo.spec.openslo import parse as read
from tests.slo.made import spec_text


def slo(**given_: str) -> Slo:
    return read(spec_text(**given_)).slos[0]


def short(found: tuple[BurnPair, ...]) -> list[tuple[str, str, float, str]]:
    return [(str(p.long), str(p.short), p.factor, p.severity) for p in found]


def test_the_numbers_of_the_workbook_for_30_days() -> None:
    assert short(pairs(slo(), "30d")) == [
        ("1h", "5m", 14.4, "page"),
        ("6h", "30m", 6.0, "page"),
        ("1d", "2h", 3.0, "ticket"),
        ("3d", "6h", 1.0, "ticket"),
    ]


def test_28_days_are_scaled_as_sloth_does_and_not_rounded() -> None:
    factors = [p.factor for p in pairs(slo())]
    assert factors == [13.44, 5.6, 2.8, 0.9333333333333333]


def test_a_week_has_a_set_of_its_own() -> None:
    assert short(pairs(slo(window="{duration: 7d, isRolling: true}"))) == [
        ("1h", "5m", 13.44, "page"),
        ("6h", "30m", 3.5, "page"),
        ("1d", "2h", 1.4, "ticket"),
        ("3d", "6h", 0.98, "ticket"),
    ]


def test_a_month_counts_as_30_days_whatever_month_it_is() -> None:
    window = TimeWindow.parse("1M Europe/London")
    assert period_minutes(window) == 30 * 1440
    assert pairs(slo(), window) == pairs(slo(), "30d")


def test_pyrra_scales_windows_and_keeps_factors() -> None:
    assert short(pairs(slo(), "28d", windows="pyrra"))[0] == ("1h", "5m", 14.0, "page")
    assert short(pairs(slo(), "56d", windows="pyrra"))[0] == ("2h", "10m", 14.0, "page")
    assert str(pairs(slo(), "28d", windows="pyrra")[0].hold) == "2m"


@given(st.integers(1, 400 * 1440), st.sampled_from(sorted(data()["sets"])))
def test_no_window_is_ever_zero(minutes: int, name: str) -> None:
    """pyrra-dev/pyrra#1028: windows of short SLOs became `0s`."""
    for pair in scaled(name, minutes):
        assert pair.long.minutes is not None and pair.short.minutes is not None
        assert 1 <= pair.short.minutes < pair.long.minutes
        assert pair.factor > 0


def test_the_annotation_wins() -> None:
    own = (BurnPair(Duration(2, "h"), Duration(10, "m"), 9.0, "page", Duration(3, "m")),)
    changed = dataclasses.replace(slo(), burn_pairs=own)
    assert pairs(changed) == own
    assert [c.source for c in conditions(changed)] == ["pitchey.com/burn-alerts"]
    rule = rules(changed).rules[0]
    assert rule.hold == "3m" and rule.labels["windows"] == "2h/10m" and "> 9.0 * 0.1" in rule.expr
    assert [r.alert for r in rules(dataclasses.replace(slo(), burn_pairs=())).rules] == ["SloDataMissing"]


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(SloError, match='did you mean "google"'):
        scaled("gogle", 1440)


def test_rules_are_plain_data_in_the_shape_of_a_rule_file() -> None:
    found = rules(slo(name="x", objectives="[{target: 0.999}]")).as_dict()
    assert found["name"] == "slo-x"
    page, *_, missing = found["rules"]
    assert page["alert"] == "SloErrorBudgetBurn"
    assert page["labels"] == {
        "slo": "x",
        "service": "test",
        "objective": "99.9%",
        "severity": "critical",
        "burn": "page",
        "windows": "1h/5m",
    }
    assert page["expr"].count("> 13.44 * 0.001") == 2 and ">=" not in page["expr"] and "for" not in page
    assert [r["labels"]["severity"] for r in found["rules"]] == [
        "critical",
        "critical",
        "warning",
        "warning",
        "warning",
    ]
    assert missing["expr"] == 'absent(pitchey_slo_valid_total{slo="x", objective="99.9%"})' and missing["for"] == "10m"
    for rule in found["rules"]:
        parse(rule["expr"])
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}


def test_the_floor_is_on_bad_events_of_the_long_window() -> None:
    expr = rules(dataclasses.replace(slo(), minimum_bad=5.0)).rules[0].expr
    assert expr.endswith('(increase(pitchey_slo_bad_total{slo="x", objective="90%"}[1h])) >= 5')


def test_text_of_a_spec_is_no_template() -> None:
    odd = dataclasses.replace(slo(), display_name="{{ evil }}", annotations={"pitchey.com/noun": "{{x}} things"})
    rule = rules(odd).rules[0]
    assert '{{ "{{" }}x}} things' in rule.annotations["description"]
    assert rule.annotations["summary"].startswith('{{ "{{" }} evil }}')


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is part of apt package prometheus")
def test_prometheus_own_tool_takes_them(tmp_path: Path) -> None:
    given_ = [
        slo(),
        dataclasses.replace(slo(name="floor"), minimum_bad=2.5),
        slo(
            name="slices",
            method="Timeslices",
            objectives="[{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m}]",
        ),
        slo(name="shortfall", method="RatioTimeslices", objectives="[{target: 0.99, timeSliceWindow: 1m}]"),
        dataclasses.replace(slo(name="odd"), display_name='{{ evil }} `" \n'),
    ]
    file = tmp_path / "rules.yml"
    file.write_text(rule_file([rules(s) for s in given_], "made by a test"))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "25 rules found" in done.stdout, done.stdout + done.stderr


def test_the_alert_room_takes_them_and_tells_in_words() -> None:
    """312 of 4,100 requests failed: the text people read, made by the same templates that the server uses."""
    from datetime import UTC, datetime

    import numpy as np

    from pitchey_slo.alert.rules import rules_of
    from pitchey_slo.alert.templates import expand, prometheus_functions
    from pitchey_slo.promql import MemoryScan, instant

    made = slo(objectives="[{displayName: it, target: 0.999}]", extra=', pitchey.com/noun: "API requests"')
    scan, at = MemoryScan(), 1_770_000_000_000
    for name, total in (("bad", 312), ("valid", 4_100)):
        labels = {"__name__": f"pitchey_slo_{name}_total", "slo": "x", "service": "test", "objective": "it"}
        scan.add(labels, at - np.arange(300, -1, -1) * 15_000, 1e6 + np.linspace(0, total * 300 / 240, 301))

    def ask(text: str) -> list[tuple[dict[str, str], float]]:
        return [(labels, float(values[0])) for labels, _, values in instant(text, scan, at).series()]

    (group,) = rules_of([rules(made).as_dict()], file="slos")
    page = group.rules[0]
    ((labels, value),) = ask(page.expr)
    assert labels == {"slo": "x", "service": "test", "objective": "it"} and value == pytest.approx(312 / 4100)
    functions = prometheus_functions(query=ask, now=datetime(2026, 3, 1, tzinfo=UTC))
    variables = {"$labels": labels, "$value": value, "$externalLabels": {}, "$externalURL": ""}
    told = expand(page.annotations["description"], {}, functions, variables=variables)
    assert told == (
        "312 of 4100 API requests failed in the last hour (7.61%), and still in the last 5 minutes. Allowed are 0.1 %, "
        "and this alert fires above 1.34 %. At this rate a whole budget of 28 days lasts 8h 49m 50s."
    )
