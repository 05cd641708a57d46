"""What the specification and sloth show: each YAML block of the README is read, or refused for a stated reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitchey_slo.errors import ConfigError
from pitchey_slo.slo import read
from pitchey_slo.slo.model import Duration, Ratio, Threshold
from pitchey_slo.slo.spec.openslo import parse

#: Blocks that show the grammar, not a document: "kind: DataSource | SLO | ...", "value: numeric", empty required keys.
SKETCHES = {
    "General Schema": "kind lists all kinds and spec is empty",
    "SLO": "objectives and indicator are empty, two windows stand in one list",
    "Objectives": "values are the names of types: 'numeric', 'lte | gte | lt | gt'",
    "SLI": "shows both kinds of metric, and good beside bad",
    "AlertPolicy": "flags are the word 'boolean', references are empty",
    "AlertCondition": "op is the word 'enum', threshold the word 'number'",
    "AlertNotificationTarget": "target is empty",
}
#: Documents that name others, which the README shows elsewhere or not at all.
NAMED = """
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: on-call-devops-mail-notification}
spec: {target: email}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: cpu-usage-breach}
spec: {severity: page, condition: {kind: burnrate, op: lte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: redshift-datasource}
spec: {type: Redshift}
"""


def blocks(readme: Path) -> Iterator[tuple[str, str]]:
    """(heading, text) of each YAML block."""
    heading, inside, lines = "", False, list[str]()
    for line in readme.read_text().splitlines():
        if line.startswith("```"):
            if inside:
                yield heading, "\n".join(lines)
            inside, lines = line == "```yaml", []
        elif inside:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.strip("# ")


def test_every_block_of_the_readme_is_read_or_refused(conformance: Path) -> None:
    seen: list[str] = []
    for heading, text in blocks(conformance / "openslo" / "spec" / "README.md"):
        first = next((w for w in ("ratioMetric:", "thresholdMetric:", "objectives:") if text.startswith(w)), "")
        if heading in SKETCHES and heading not in seen:
            seen.append(heading)
            assert refused(text), f"the sketch under {heading} was read"
        elif first in ("ratioMetric:", "thresholdMetric:"):
            seen.append(first)
            inner = "\n".join("  " + line for line in text.splitlines())
            specs = parse(f"apiVersion: openslo/v1\nkind: SLI\nmetadata: {{name: x}}\nspec:\n{inner}\n{NAMED}")
            (indicator,) = specs.indicators
            assert isinstance(indicator.metric, Ratio if first == "ratioMetric:" else Threshold)
        elif first == "objectives:":
            seen.append(first)
            inner = "\n".join("  " + line for line in text.splitlines())
            (slo,) = parse(spec_around(inner)).slos
            assert [o.target for o in slo.objectives] == [0.98, 0.9999]
        elif "name: foo-slo" in text:
            seen.append("foo-slo")
            # the specification's own example lacks a key that it calls required
            with pytest.raises(ConfigError) as caught:
                parse(text, file="x.yaml")
            (problem,) = caught.value.detail
            assert (problem["line"], problem["key"]) == (6, "spec.budgetingMethod")
            assert "Occurrences" in problem["hint"]
            (slo,) = parse(text.replace("  objectives:", "  budgetingMethod: Occurrences\n  objectives:")).slos
            assert isinstance(slo.indicator and slo.indicator.metric, Ratio)
            assert slo.indicator and isinstance(slo.indicator.metric, Ratio) and slo.indicator.metric.counter
        else:
            seen.append(f"read {heading}")
            (thing, *_) = parse(without(text, NAMED)).things
            assert f"kind: {thing.kind}" in text
    assert {s for s in seen if not s.startswith("read ")} == {*SKETCHES, "ratioMetric:", "thresholdMetric:"} | {
        "objectives:",
        "foo-slo",
    }
    # a DataSource and its example, two policies, a condition, two targets and a service
    assert len([s for s in seen if s.startswith("read ")]) == 8


def without(text: str, more: str) -> str:
    """`text` and those documents of `more` that it does not hold itself."""
    own = set(re.findall(r"^  name: (\S+)", text, re.M))
    return text + "\n---\n".join(["", *(d for d in more.split("---\n") if d.strip() and not any(o in d for o in own))])


def refused(text: str) -> list[dict[str, object]]:
    """Its problems, each with a line."""
    try:
        parse(text, file="x.yaml")
    except ConfigError as error:
        assert all(p["file"] == "x.yaml" and p["line"] for p in error.detail)
        found: list[dict[str, object]] = error.detail
        return found
    return []


def spec_around(objectives: str) -> str:
    metric = "{metricSource: {type: Any, spec: {query: x}}}"
    return f"""
apiVersion: openslo/v1
kind: SLO
metadata: {{name: x}}
spec:
  service: s
  budgetingMethod: Occurrences
  indicator: {{metadata: {{name: x}}, spec: {{ratioMetric: {{good: {metric}, total: {metric}}}}}}}
{objectives}
"""


def test_sloths_openslo_files_are_read(conformance: Path) -> None:
    files = sorted((conformance / "sloth" / "examples").glob("openslo-*.yml"))
    slos = [s for f in files for s in read(f).slos]
    assert [(s.name, s.service, s.objectives[0].target, s.windows[0].text) for s in slos] == [
        ("sloth-slo-my-service", "my-service", 0.999, "30d"),
        ("requests-availability-openslo", "k8s-apiserver", 0.999, "30d"),
        # two objectives with queries of their own: two SLOs, named as sloth names them
        ("requests-latency-openslo-0", "k8s-apiserver", 0.99, "30d"),
        ("requests-latency-openslo-1", "k8s-apiserver", 0.999, "30d"),
    ]
    metric = slos[3].indicator and slos[3].indicator.metric
    assert isinstance(metric, Ratio) and metric.good and not metric.counter
    assert metric.good.type == "prometheus"
    assert (
        metric.good.query == 'sum(rate(apiserver_request_duration_seconds_bucket{le="5",verb!="WATCH"}[{{.window}}]))'
    )
    assert metric.good.place.line == 59


ALPHA = """\
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: x}
spec:
  service: s
  budgetingMethod: Occurrences
  objectives:
    - target: 0.9
      ratioMetrics:
        incremental: true
        good: {source: prometheus, queryType: promql, query: good_total}
        total: {source: prometheus, queryType: promql, query: all_total}
  timeWindows:
    - {count: 1, unit: Month, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}}
"""


def test_v1alpha_becomes_the_v1_that_it_means() -> None:
    (slo,) = parse(ALPHA).slos
    assert slo.windows[0].duration == Duration(1, "M") and slo.windows[0].zone == "Europe/Berlin"
    assert isinstance(slo.indicator and slo.indicator.metric, Ratio)
    assert slo.indicator and isinstance(slo.indicator.metric, Ratio) and slo.indicator.metric.counter
    slices = ALPHA.replace("Occurrences", "Timeslices")
    sliced = slices.replace("target: 0.9\n", "target: 0.9\n      timeSliceTarget: 0.8\n")
    assert parse(sliced).slos[0].objectives[0].slice_window == Duration(1, "m")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("good_total", "sum(good_total", 11, "spec.objectives[0].ratioMetrics.good.query", "no PromQL"),
        ("unit: Month", "unit: Months", 14, "spec.timeWindows[0].unit", 'did you mean "Month"'),
        ("count: 1,", "count: 1.5,", 14, "spec.timeWindows[0].count", "no whole number"),
        ("count: 1,", "count: 999,", 14, "spec.timeWindows[0].count", "longer than 10 years"),
        ("kind: SLO", "kind: SLI", 2, "kind", "no kind of openslo/v1alpha"),
        ("target: 0.9", "targetPercent: 90", 8, "spec.objectives[0].targetPercent", "unknown key"),
        ("  service: s", "  service: s\n  alertPolicies: []", 6, "spec.alertPolicies", "unknown key"),
        ("ratioMetrics:", "value: 5\n      ratioMetric:", 10, "spec.objectives[0].ratioMetric", '"ratioMetrics"'),
        ("openslo/v1alpha", "openslo/v1beta", 1, "apiVersion", "openslo/v1"),
    ],
)
def test_mistakes_in_v1alpha_name_its_own_keys(old: str, new: str, line: int, key: str, says: str) -> None:
    assert old in ALPHA
    found = refused(ALPHA.replace(old, new, 1))
    told = [p for p in found if says in f"{p['message']} {p['hint']}"]
    assert told, found
    assert (told[0]["line"], told[0]["key"]) == (line, key)
