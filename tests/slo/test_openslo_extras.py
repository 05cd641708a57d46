"""Annotations, alert policies and PromQL sources: what they become, and what each mistake is told as."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pitchey_slo.errors import ConfigError
from pitchey_slo.slo.model import BurnPair, Correction, Duration, Ratio, Threshold
from pitchey_slo.slo.spec.openslo import parse

from .made import spec_text

#: The annotations begin in line 7.
SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: x
  annotations:
    example.com/other: "kept"
{annotations}
spec:
  service: s
  indicator:
    metadata: {{name: x}}
    spec: {{thresholdMetric: {{metricSource: {{type: pitchey, spec: {{table: requests, value: duration_ms}}}}}}}}
  budgetingMethod: Occurrences
  objectives: [{{target: 0.9, op: lte, value: 5}}]
"""


def annotated(text: str) -> str:
    return SLO.format(annotations="\n".join("    " + line for line in text.splitlines()))


def problems(text: str) -> list[dict[str, Any]]:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="x.yaml")
    found: list[dict[str, Any]] = caught.value.detail
    return found


def told(text: str, says: str) -> tuple[int, str]:
    """Line and key of the one problem that says so."""
    found = [p for p in problems(text) if says in f"{p['message']} {p['hint']}"]
    assert len(found) == 1, problems(text)
    return found[0]["line"], found[0]["key"]


# ---- annotations ---------------------------------------------------------------------------------------------------

ALL = """\
pitchey.com/windows: "7d, 1M Europe/London"
pitchey.com/noun: payments
pitchey.com/verb: were declined
pitchey.com/runbook: https://wiki.example.com/payments
pitchey.com/minimum-bad-events: "5"
pitchey.com/late-data: bad after 10m
pitchey.com/burn-alerts: |
  - {long: 1h, short: 5m, factor: 14.4, severity: page}
  - long: 3d
    short: 6h
    factor: 1
    severity: ticket
    for: 15m
pitchey.com/corrections: |
  - id: db-move
    category: scheduled_maintenance
    reason: the database moved
    approver: ana
    start: 2026-03-01T02:00:00+01:00
    duration: 2h
  - {id: sundays, category: outside_business_hours, reason: nobody works, approver: ben, start: "2026-03-01T00:00",
     duration: 1d, rrule: FREQ=WEEKLY;BYDAY=SU, zone: Europe/London}
"""


def test_every_annotation_becomes_a_value() -> None:
    (slo,) = parse(annotated(ALL)).slos
    assert [w.text for w in slo.windows] == ["28d", "7d", "1M Europe/London"]
    assert slo.burn_pairs == (
        BurnPair(Duration(1, "h"), Duration(5, "m"), 14.4, "page"),
        BurnPair(Duration(3, "d"), Duration(6, "h"), 1.0, "ticket", Duration(15, "m")),
    )
    assert (slo.minimum_bad, slo.late_data, slo.late_after) == (5.0, "bad", Duration(10, "m"))
    at = datetime(2026, 3, 1, 1, tzinfo=UTC)
    one, two = slo.corrections
    assert one == Correction(
        "db-move", "scheduled_maintenance", "the database moved", "ana", at, 7200.0, ("x",), source="spec"
    )
    assert (two.starts_at, two.seconds, two.rrule, two.zone) == (
        at - timedelta(hours=1),
        86_400.0,
        "FREQ=WEEKLY;BYDAY=SU",
        "Europe/London",
    )
    # those that are no fields stay annotations
    assert set(slo.annotations) == {
        "example.com/other",
        "pitchey.com/noun",
        "pitchey.com/verb",
        "pitchey.com/runbook",
    }


def test_without_annotations_it_is_as_before() -> None:
    (slo,) = parse(annotated("")).slos
    assert (slo.burn_pairs, slo.minimum_bad, slo.corrections) == (None, 0.0, ())
    assert (slo.late_data, slo.late_after) == ("ignore", Duration(5, "m"))
    assert parse(annotated("pitchey.com/burn-alerts: none")).slos[0].burn_pairs == ()
    assert parse(annotated("pitchey.com/late-data: good")).slos[0].late_after == Duration(5, "m")


PAIRS, FIXES = "metadata.annotations.pitchey.com/burn-alerts", "metadata.annotations.pitchey.com/corrections"


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("com/windows", "com/widows", 7, "metadata.annotations.pitchey.com/widows", '"pitchey.com/windows"'),
        ("pitchey.com/noun", "pitchey.com/xyz", 8, "metadata.annotations.pitchey.com/xyz", "known here"),
        ('"5"', '"-1"', 11, "metadata.annotations.pitchey.com/minimum-bad-events", "from 0 on"),
        ('"5"', '"many"', 11, "metadata.annotations.pitchey.com/minimum-bad-events", "no number of events"),
        ('"5"', '"nan"', 11, "metadata.annotations.pitchey.com/minimum-bad-events", "no number of events"),
        ('"5"', "5", 11, "metadata.annotations.pitchey.com/minimum-bad-events", 'quote it: "5"'),
        ("bad after 10m", "bed after 10m", 12, "metadata.annotations.pitchey.com/late-data", 'did you mean "bad"'),
        ("bad after 10m", "bad after 10", 12, "metadata.annotations.pitchey.com/late-data", "not a duration"),
        ("bad after 10m", "bad after 1M", 12, "metadata.annotations.pitchey.com/late-data", "fixed length"),
        ("bad after 10m", "bad later", 12, "metadata.annotations.pitchey.com/late-data", "bad after 10m"),
        ("bad after 10m", '""', 12, "metadata.annotations.pitchey.com/late-data", "empty text"),
        ("short: 5m", "short: 1h", 14, f"{PAIRS}[0].short", "not shorter than 1h"),
        ("short: 5m", "shrt: 5m", 14, f"{PAIRS}[0].shrt", 'did you mean "short"'),
        ("factor: 14.4", "factor: 0", 14, f"{PAIRS}[0].factor", "outside"),
        ("severity: ticket", "severity: email", 18, f"{PAIRS}[1].severity", "page, ticket"),
        ("long: 3d", "long: 1M", 15, f"{PAIRS}[1].long", "fixed length"),
        ("    for: 15m", "    for: soon", 19, f"{PAIRS}[1].for", "not a duration"),
        ("  - {long: 1h", "  - [long: 1h", 14, PAIRS, "not YAML"),
        ("approver: ana", "aprover: ana", 24, f"{FIXES}[0].aprover", 'did you mean "approver"'),
        ("category: scheduled_", "category: unscheduled_", 22, f"{FIXES}[0].category", "scheduled_maintenance"),
        ("02:00:00+01:00", "02:00:00", 25, f"{FIXES}[0].start", "has no time zone"),
        ("start: 2026-03-01T02:00:00+01:00", "start: tomorrow", 25, f"{FIXES}[0].start", "not a date and time"),
        ("duration: 2h", "duration: 2M", 26, f"{FIXES}[0].duration", "fixed length"),
        ("duration: 2h", "duration: 367d", 26, f"{FIXES}[0].duration", "366 days"),
        ("id: sundays", "id: db-move", 27, f"{FIXES}[1].id", "given twice"),
        ("FREQ=WEEKLY", "FREQ=MINUTELY", 28, f"{FIXES}[1].rrule", "HOURLY at most"),
        ("FREQ=WEEKLY", "FREQ=WEAKLY", 28, f"{FIXES}[1].rrule", "WEEKLY"),
        ("BYDAY=SU", "BYDAY=MO", 27, f"{FIXES}[1].start", "is not a time of"),
        ("zone: Europe/London}", "zone: Europe/Londn}", 28, f"{FIXES}[1].zone", 'did you mean "Europe/London"'),
    ],
)  # fmt: skip
def test_mistakes_in_annotations_are_told_where_they_stand(old: str, new: str, line: int, key: str, says: str) -> None:
    assert old in ALL
    assert told(annotated(ALL.replace(old, new, 1)), says) == (line, key)


def test_lines_of_a_quoted_list_are_those_of_its_annotation() -> None:
    text = annotated('pitchey.com/burn-alerts: "- {long: 1h, short: 5m,\\n factor: 1, severity: pag}"')
    assert told(text, 'did you mean "page"') == (7, f"{PAIRS}[0].severity")
    assert told(annotated("pitchey.com/burn-alerts: None"), "a list is needed") == (7, PAIRS)
    assert told(annotated('pitchey.com/corrections: "{id: a}"'), "a list is needed") == (7, FIXES)


def test_annotations_of_ours_are_read_on_slos_only() -> None:
    text = SLO.format(annotations="").replace(
        "metadata: {name: x}", 'metadata: {name: x, annotations: {pitchey.com/noun: "a"}}'
    )
    assert told(text, "move it to the metadata of the SLO")[1] == "spec.indicator.metadata.annotations.pitchey.com/noun"
    service = 'apiVersion: openslo/v1\nkind: Service\nmetadata: {name: s, annotations: {pitchey.com/wat: "1"}}\n'
    assert told(service, "unknown annotation") == (3, "metadata.annotations.pitchey.com/wat")


# ---- alert policies ------------------------------------------------------------------------------------------------

ALERTS = """\
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast, displayName: Fast burn}
spec: {severity: page, condition: {op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: OnCallMail, labels: {team: [a, b]}}
spec: {target: email}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: policy}
spec:
  alertWhenNoData: true
  alertWhenBreaching: false
  conditions: [{conditionRef: fast}]
  notificationTargets:
    - targetRef: OnCallMail
    - {kind: AlertNotificationTarget, metadata: {name: chat}, spec: {target: c}}
---
"""
INLINE = """\
  alertPolicies:
    - alertPolicyRef: policy
    - kind: AlertPolicy
      metadata: {name: own}
      spec:
        conditions:
          - kind: AlertCondition
            metadata: {name: slow}
            spec: {severity: t, condition: {op: gt, threshold: 1, lookbackWindow: 1d}}
        notificationTargets: [{targetRef: OnCallMail}]
"""
POLICIES = ALERTS + annotated("") + INLINE


def test_policies_are_resolved_down_to_their_targets() -> None:
    specs = parse(POLICIES)
    given, own = specs.slos[0].alert_policies
    (fast,) = given.conditions
    assert (fast.severity, fast.op, fast.threshold, fast.lookback, fast.after) == (
        "page",
        "gte",
        14.4,
        Duration(1, "h"),
        Duration(5, "m"),
    )
    assert fast.display_name == "Fast burn" and (given.by_ref, own.by_ref, fast.by_ref) == (True, False, True)
    assert [t.target for t in given.targets] == ["email", "c"] and given.targets[0].labels == {"team": ("a", "b")}
    assert (given.when_breaching, given.when_no_data, given.when_resolved) == (False, True, False)
    assert (own.when_breaching, own.when_no_data, own.when_resolved) == (True, False, False)
    assert own.conditions[0].after is None and own.targets == given.targets[:1]
    assert specs.policies == (given,)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("PolicyRef: policy", "PolicyRef: polcy", 37, "spec.alertPolicies[0].alertPolicyRef", 'did you mean "policy"'),
        ("conditionRef: fast", "conditionRef: slow", 17, "spec.conditions[0].conditionRef", "there are: fast"),
        ("- targetRef: On", "- targetRef: Om", 19, "spec.notificationTargets[0].targetRef", '"OnCallMail"'),
        (
            "notificationTargets: [{targetRef: OnCallMail}]",
            "notificationTargets: [{targetRef: x}]",
            45,
            "spec.alertPolicies[1].spec.notificationTargets[0].targetRef",
            "no AlertNotificationTarget named 'x'",
        ),
        ("metadata: {name: own}", "metadata: {name: ön}", 39, "spec.alertPolicies[1].metadata.name", "letters, digits"),
    ],
)  # fmt: skip
def test_references_that_lead_nowhere(old: str, new: str, line: int, key: str, says: str) -> None:
    assert old in POLICIES
    assert told(POLICIES.replace(old, new, 1), says) == (line, key)


def test_a_broken_object_is_told_once_not_again_by_who_refers_to_it() -> None:
    (found,) = problems(POLICIES.replace("threshold: 14.4", "threshold: much"))
    assert found["key"] == "spec.condition.threshold"


# ---- PromQL --------------------------------------------------------------------------------------------------------


def promql(spec: str, kind: str = "prometheus", *, counter: str = "counter: true, ") -> str:
    total = f"total: {{metricSource: {{type: {kind}, spec: {{query: all_total}}}}}}"
    return spec_text(metric=f"ratioMetric: {{{counter}bad: {{metricSource: {{type: {kind}, spec: {spec}}}}}, {total}}}")


@pytest.mark.parametrize("kind", ["prometheus", "Prometheus", "promql", "PromQL"])
@pytest.mark.parametrize("key", ["query", "promql"])
def test_promql_under_each_name(kind: str, key: str) -> None:
    text = 'sum(rate(a{code=~"5.."}[{{ .window }}]))'
    (slo,) = parse(promql(f"{{{key}: '{text}'}}", kind)).slos
    metric = slo.indicator and slo.indicator.metric
    assert isinstance(metric, Ratio) and metric.counter and metric.bad
    assert (metric.bad.type, metric.bad.query) == ("prometheus", text)


def test_a_counter_is_told_apart() -> None:
    for text, counter in (("", False), ("counter: false, ", False), ("counter: true, ", True)):
        metric = parse(promql("{query: a}", counter=text)).slos[0].indicator
        assert metric and isinstance(metric.metric, Ratio) and metric.metric.counter is counter


@pytest.mark.parametrize(
    ("spec", "key", "says"),
    [
        ("{query: 'sum(rate(a[5m])'}", ".query", "no PromQL"),
        ("{query: 'sum(a[5m]'}", ".query", "no PromQL"),
        ("{query: 'rate(a[{{.widow}}])'}", ".query", "no PromQL"),
        ("{query: 5}", ".query", 'quote it: "5"'),
        ("{query: ''}", ".query", "empty text"),
        ("{qurey: a}", ".query", 'did you mean "query"'),
        ("{}", ".query", "missing: the PromQL expression"),
        ("a", ".query", "missing: the PromQL expression"),
        ("{query: a, promql: b}", ".query", "exclude each other"),
    ],
)
def test_what_is_no_promql_names_its_line(spec: str, key: str, says: str) -> None:
    line, found = told(promql(spec), says)
    assert (line, found) == (11, f"spec.indicator.spec.ratioMetric.bad.metricSource.spec{key}")


def test_the_type_of_a_data_source_is_the_type_of_its_metrics() -> None:
    source = "\n---\napiVersion: openslo/v1\nkind: DataSource\nmetadata: {name: prom}\nspec: {type: Prometheus}\n"
    metric = "thresholdMetric: {metricSource: {metricSourceRef: prom, spec: {query: QUERY}}}"
    text = spec_text(metric=metric, objectives="[{target: 0.9, op: lte, value: 1}]") + source
    (slo,) = parse(text.replace("QUERY", "up")).slos
    assert isinstance(slo.indicator and slo.indicator.metric, Threshold)
    assert slo.indicator and isinstance(slo.indicator.metric, Threshold) and slo.indicator.metric.source.query == "up"
    assert told(text.replace("QUERY", "'up('"), "no PromQL")[0] == 11
    other = text.replace("metricSourceRef: prom", "metricSourceRef: prom, type: Datadog").replace("QUERY", "up")
    assert told(other, "is of type 'Prometheus'")[1].endswith("metricSource.type")
    assert parse(other.replace("Datadog", "promql")).slos


def test_weights_belong_to_composites() -> None:
    found = told(spec_text(objectives="[{target: 0.9, compositeWeight: 2}]"), "parts of a composite SLO")
    assert found == (14, "spec.objectives[0].compositeWeight")
