"""The strict reader: what the specification shows is read, what it forbids is refused with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import ConfigError, SloError
from pitchey_slo.settings import shipped
from pitchey_slo.slo import evaluate, load, read
from pitchey_slo.slo.model import Duration, TimeWindow
from pitchey_slo.slo.spec.openslo import parse

from .made import T0, MemoryReader, spec_text

EXAMPLES = Path("/work/shared/conformance/openslo/spec/examples")
GOOD = spec_text()


def problems(text: str) -> list[dict[str, object]]:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="x.yaml")
    assert "x.yaml" in str(caught.value)
    detail: list[dict[str, object]] = caught.value.detail
    return detail


def only(text: str) -> dict[str, object]:
    (found,) = problems(text)
    return found


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the OpenSLO examples are not beside this checkout")
def test_every_example_of_the_specification_is_read() -> None:
    files = sorted(EXAMPLES.rglob("*.yaml"))
    assert len(files) == 4
    for file in files:
        (slo,) = read(file).slos
        assert slo.objectives and slo.indicator
        with pytest.raises(SloError, match="type 'Any' was read, but only type 'pitchey'"):
            evaluate([slo], MemoryReader(), now=T0)
    # two of the examples carry the same name, which is refused when they are read as one folder
    with pytest.raises(ConfigError, match="exists already"):
        read(EXAMPLES)


def test_shipped_specs_are_read_and_evaluated() -> None:
    slos = load(shipped("config") / "slos")
    assert {s.name for s in slos} >= {"api-availability", "api-latency", "signup", "login", "payment", "nda-signing"}
    reports = evaluate(slos, MemoryReader(), now=T0)
    assert len(reports) == sum(len(s.windows) for s in slos)
    assert {r.state for r in reports} == {"no_data"}


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("service: test", "servce: test", 8, "spec.servce", 'did you mean "service"'),
        ("kind: SLO", "kind: Slo", 3, "kind", 'did you mean "SLO"'),
        ("openslo/v1", "openslo/v2", 2, "apiVersion", "openslo/v1"),
        ("  service: test", "  service: 5", 8, "spec.service", 'quote it: "5"'),
        ("name: x\n  ann", "name: My_Slo\n  ann", 5, "metadata.name", 'did you mean "my-slo"'),
        ("name: x\n  ann", f"name: {'x' * 64}\n  ann", 5, "metadata.name", "at most 63"),
        ("Occurrences", "Occurences", 13, "spec.budgetingMethod", 'did you mean "Occurrences"'),
        ("budgetingMethod: Occurrences", "", 7, "spec.budgetingMethod", "missing"),
        ("duration: 28d", "duration: 28 days", 12, "spec.timeWindow[0].duration", 'did you mean "28d"'),
        ("duration: 28d", "duration: 0d", 12, "spec.timeWindow[0].duration", "positive"),
        ("isRolling: true", "isRolling: yes", 12, "spec.timeWindow[0].isRolling", "true and false"),
        ("isRolling: true", "isRolling: false", 12, "spec.timeWindow[0]", "isRolling: true or a calendar"),
        ("{target: 0.9}", "{target: 1.0}", 14, "spec.objectives[0].target", "no budget"),
        ("{target: 0.9}", "{target: 99.9}", 14, "spec.objectives[0].target", "targetPercent: 99.9"),
        ("{target: 0.9}", "{target: .nan}", 14, "spec.objectives[0].target", "nan is outside [0, 1)"),
        ("{target: 0.9}", "{targetPercent: 100}", 14, "spec.objectives[0].targetPercent", "no budget"),
        ("{target: 0.9}", "{target: 0.9, targetPercent: 90}", 14, "spec.objectives[0]", "exclude each other"),
        ("{target: 0.9}", "{displayName: a}", 14, "spec.objectives[0]", "needs target or targetPercent"),
        ("[{target: 0.9}]", "[]", 14, "spec.objectives", "at least 1"),
        ("status >= 500", "status", None, None, None),  # a filter is judged by the store, not here
        ("table: requests, filter", "table: request, filter", 11, None, 'did you mean "requests"'),
        ("table: requests, filter", "tabel: requests, filter", 11, None, 'did you mean "table"'),
        ("table: requests, filter", "table: incidents, filter", 11, None, "no table of events"),
        ("table: requests, filter", "value: status, table: requests, filter", 11, None, "only a thresholdMetric"),
        ("type: pitchey, spec: {table: requests, f", "spec: {table: requests, f", 11, None, "type or metricSourceRef"),
        ("bad: {", "wrong: {", 11, None, "unknown key"),
        ("service: test", "service: test\n  indicatorRef: y", 7, "spec", "exclude each other"),
        ("service: test", "service: test\n  service: again", 9, "spec.service", "given twice (first in line 8)"),
        ('note: "none"', "note: 5", 6, "metadata.annotations.note", "text is needed"),
        (
            'note: "none"',
            'pitchey.com/windows: "7d, 1M Europe/Londn"',
            6,
            "metadata.annotations.pitchey.com/windows",
            'did you mean "Europe/London"',
        ),
        ("duration: 28d", "duration: 999999Y", 12, "spec.timeWindow[0].duration", "longer than 10 years"),
    ],
)
def test_each_mistake_names_its_place(old: str, new: str, line: int | None, key: str | None, says: str | None) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if says is None:
        assert parse(text).slos
        return
    found = problems(text)
    told = [p for p in found if says in f"{p['message']} {p['hint']}"]
    assert told, found
    assert told[0]["line"] == line
    assert key is None or told[0]["key"] == key


def test_all_problems_come_at_once_and_in_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("service", "servce").replace("0.9", "2"))
    (tmp_path / "b.yml").write_text("kind: SLO\n")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path)
    assert {(Path(str(p["file"])).name, p["line"]) for p in caught.value.detail} >= {("a.yaml", 8), ("a.yaml", 14)}
    assert any(Path(str(p["file"])).name == "b.yml" for p in caught.value.detail)
    assert str(caught.value).startswith(f"{len(caught.value.detail)} problems:\n  {tmp_path}/a.yaml:8: ")


def test_calendar_window() -> None:
    calendar = "{duration: 1M, calendar: {startTime: 2026-01-31 08:00:00, timeZone: Europe/Berlin}}"
    (window,) = parse(spec_text(window=calendar)).slos[0].windows
    assert (window.zone, window.duration) == ("Europe/Berlin", Duration(1, "M"))
    assert window.anchor is not None and window.anchor.isoformat() == "2026-01-31T08:00:00"
    both = calendar.replace("1M,", "1M, isRolling: true,")
    assert "exclude" in str(only(spec_text(window=both))["message"])
    zoned = calendar.replace("08:00:00", "08:00:00+02:00")
    assert "carries a time zone" in str(only(spec_text(window=zoned))["message"])


def test_more_windows_by_annotation() -> None:
    text = GOOD.replace('note: "none"', 'pitchey.com/windows: "7d, 28d, 1M Europe/Berlin"')
    assert [w.text for w in parse(text).slos[0].windows] == ["28d", "7d", "1M Europe/Berlin"]


def test_without_time_window_it_is_28_days() -> None:
    text = GOOD.replace("  timeWindow: [{duration: 28d, isRolling: true}]\n", "")
    assert parse(text).slos[0].windows == (TimeWindow(Duration(28, "d")),)


@pytest.mark.parametrize("percent", ["99.95", "99.9", "99.99", "33.3", "0", "99.999"])
def test_target_percent_equals_target(percent: str) -> None:
    from decimal import Decimal

    ratio = str(Decimal(percent) / 100)
    one = parse(spec_text(objectives=f"[{{targetPercent: {percent}}}]")).slos[0].objectives[0]
    other = parse(spec_text(objectives=f"[{{target: {ratio}}}]")).slos[0].objectives[0]
    assert one.target == other.target == float(ratio)


def test_time_slices_need_their_keys() -> None:
    found = problems(spec_text(method="Timeslices"))
    assert {p["key"] for p in found} == {"spec.objectives[0].timeSliceTarget", "spec.objectives[0].timeSliceWindow"}
    month = "[{target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: 1M}]"
    assert "fixed length" in str(only(spec_text(method="Timeslices", objectives=month))["message"])
    bare = "[{target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: 5}]"
    assert parse(spec_text(method="Timeslices", objectives=bare)).slos[0].objectives[0].slice_window == Duration(5, "m")


def test_threshold_needs_op_value_and_one_objective() -> None:
    metric = "thresholdMetric: {metricSource: {type: pitchey, spec: {table: requests, value: duration_ms}}}"
    assert {p["key"] for p in problems(spec_text(metric=metric))} == {
        "spec.objectives[0].op",
        "spec.objectives[0].value",
    }
    two = "[{target: 0.9, op: lt, value: 1}, {target: 0.8, op: lt, value: 2}]"
    assert "allows one" in str(only(spec_text(metric=metric, objectives=two))["message"])
    text = spec_text(metric=metric.replace("duration_ms", "duration"), objectives="[{target: 0.9, op: lt, value: 1}]")
    assert only(text)["hint"] == 'did you mean "duration_ms"?'


def test_references_are_resolved_across_documents_and_files(tmp_path: Path) -> None:
    sli = """
apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec:
  ratioMetric:
    bad: {metricSource: {metricSourceRef: store, spec: {table: requests, filter: "status >= 500"}}}
    total: {metricSource: {metricSourceRef: store, spec: {table: requests}}}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: store}
spec: {type: pitchey}
"""
    slo = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: x}
spec: {service: s, indicatorRef: errors, budgetingMethod: Occurrences, objectives: [{target: 0.9}]}
"""
    (tmp_path / "a.yaml").write_text(slo)
    (tmp_path / "b.yaml").write_text(sli)
    specs = read(tmp_path)
    assert evaluate(specs.slos, MemoryReader(), now=T0)[0].state == "no_data"
    assert [t.kind for t in specs.things] == ["DataSource"]
    found = only(slo.replace("indicatorRef: errors", "indicatorRef: error") + "---" + sli)
    assert (found["line"], found["hint"]) == (5, 'did you mean "errors"?')


def test_all_seven_kinds_have_a_shape() -> None:
    text = """
apiVersion: openslo/v1
kind: Service
metadata: {name: web, labels: {team: [a, b]}, annotations: {example.com/x: "1"}}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec: {severity: page, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 0m}}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: mail}
spec: {target: email}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: p}
spec: {alertWhenNoData: true, conditions: [{conditionRef: fast}], notificationTargets: [{targetRef: mail}]}
"""
    assert [t.kind for t in parse(text).things] == [
        "Service",
        "AlertCondition",
        "AlertNotificationTarget",
        "AlertPolicy",
    ]
    assert "exactly 1" in str(
        only(text.replace("[{conditionRef: fast}]", "[{conditionRef: fast}, {conditionRef: fast}]"))
    )
    assert "burnrate" in str(only(text.replace("burnrate", "burn-rate")))


def test_two_of_one_name_are_refused() -> None:
    found = only(GOOD + "---" + GOOD)
    assert found["message"] == "SLO 'x' exists already"
    assert found["hint"] == "first in x.yaml:5"


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2",
        "a: &a [*a]",
        "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n"
        + "\n".join(f"{chr(c)}: &{chr(c)} [{','.join([f'*{chr(c - 1)}'] * 8)}]" for c in range(99, 112)),
        "- 1\n- 2",
        "just text",
        "\tkey: 1",
        "!!python/object/apply:os.system [ls]",
    ],
)
def test_broken_or_hostile_yaml_is_one_clear_error(text: str) -> None:
    assert problems(text)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mangled_specs_never_raise_anything_else(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD)))
    cut = data.draw(st.integers(0, 12))
    more = data.draw(st.text(alphabet="abc:{}[]&*!-\n \"'#5.", max_size=6))
    try:
        parse(GOOD[:at] + more + GOOD[at + cut :])
    except ConfigError as error:
        assert error.detail


def test_a_filter_that_does_not_fit_names_its_line() -> None:
    slos = parse(GOOD.replace("status >= 500", "stauts >= 500"), file="x.yaml").slos
    with pytest.raises(ConfigError, match=r"x\.yaml:11: spec\.indicator\.spec\.ratioMetric\.bad\S+filter: .*stauts"):
        evaluate(slos, MemoryReader(), now=T0)


def test_what_is_read_but_not_evaluated_says_so() -> None:
    source = "metricSource: {type: pitchey, spec: {table: requests}}"
    raw = parse(spec_text(metric=f"ratioMetric: {{rawType: success, raw: {{{source}}}}}")).slos
    with pytest.raises(SloError, match="raw ratio"):
        evaluate(raw, MemoryReader(), now=T0)
    good = "metricSource: {type: prometheus, spec: {query: up}}"
    mixed = parse(spec_text(metric=f"ratioMetric: {{good: {{{good}}}, total: {{{source}}}}}")).slos
    with pytest.raises(SloError, match="events and PromQL in one ratio"):
        evaluate(mixed, MemoryReader(), now=T0)


def test_specs_are_picked_by_name_and_service() -> None:
    specs = parse(GOOD)
    assert [s.name for s in specs.pick(["x"], service="test")] == ["x"]
    with pytest.raises(SloError, match="no SLO named 'y'"):
        specs.pick(["y"])
    with pytest.raises(SloError, match='did you mean "test"'):
        specs.pick(service="tset")
