# ruff: noqa: E501
"""Prometheus' own promtool agrees: our rule files are good, our templates and states give what its own give."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.alert.evaluate import Place, TickScan
from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.rules import RuleGroup, parse_rules
from pitchey_slo.alert.running import run_group
from pitchey_slo.alert.schedule import Due
from pitchey_slo.alert.state import step
from pitchey_slo.promql import MemoryScan

ROOT = Path(__file__).resolve().parents[2]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TEXTS = [
    "{{ $value }} {{ $labels.job }} {{ $labels.nothing }}|",
    "{{ $labels }}",
    "{{ $value | humanize }} {{ $value | humanize1024 }} {{ $value | humanizePercentage }}",
    "{{ $value | humanizeDuration }} {{ humanizeDuration 0.0042 }} {{ humanizeTimestamp 1435065584.128 }}",
    '{{ printf "%.2f|%5.1f|%e|%g|%v" $value $value $value $value $value }}',
    '{{ printf "%s %q %-6s| %6s|" $labels.job $labels.job $labels.job $labels.job }}',
    '{{ printf "%d %t %v %x %5d|%-5d|%05d" 42 true 42 255 7 7 7 }}',
    '{{ query "up" | sortByLabel "instance" | first | value }} {{ len (query "up") }}',
    '{{ range query "up" | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }};{{ end }}',
    '{{ with query "nothing" }}some{{ else }}none{{ end }} {{ with $x := 5 }}{{ $x }}{{ end }}',
    '{{ if eq $labels.job "api" }}yes{{ else if eq 1 1 }}no{{ end }} {{ if and true (gt $value 1.0) }}big{{ end }}',
    '{{ title "ab cd" }} {{ toUpper "ab" }} {{ toLower "AB" }} {{ match "a.*" "xabc" }}',
    '{{ reReplaceAll "([a-z])(\\\\d+)" "$2-$1" "a12 b7" }} {{ stripPort "h:80" }} {{ stripDomain "a.b:80" }}',
    '{{ parseDuration "1h30m" }} {{ tableLink "up > 1" }} {{ graphLink "up" }}',
    '{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" $value }} {{ range $i, $e := query "up" }}{{ $i }}{{ end }}',
    "a {{- 1 -}} b {{/* gone */}} {{ $y := 1 }}{{ range query `up` | sortByLabel `instance` }}{{ $y = .Value }}{{ end }}{{ $y }}",
    '{{ index $labels "job" }} {{ slice "abcd" 1 3 }} {{ len "äb" }} {{ print 1 2 "a" 3 }} {{ or "" "z" }} {{ not 0 }}',
    '{{ (query "up" | first).Labels.job }} {{ 1e6 }} {{ 1000000.0 }} {{ 0.00001 }} {{ -1.5 }} {{ 0x10 }}',
    "{{ html `<a&b>` }} {{ urlquery `a b&c` }}",
    '{{ toTime 1435065584 }} {{ humanize "1e9" }} {{ humanize 0.000001 }} {{ humanize1024 1e12 }}',
]


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    return found


def test_the_shipped_rules_are_good(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", *map(str, (ROOT / "config" / "rules").glob("*.yml"))],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("value", [1234567.0, 0.0712, 3.0])
def test_templates_and_states_are_prometheus_own(promtool: str, tmp_path: Path, value: float) -> None:
    rules = [
        {"alert": f"T{i}", "expr": 'x{job="api"}', "labels": {"n": "{{ $value }}"}, "annotations": {"text": text}}
        for i, text in enumerate(TEXTS)
    ]
    rules += [
        {"alert": f"F{hold}K{keep}", "expr": "wave > 5", "for": f"{hold}s", "keep_firing_for": f"{keep}s"}
        for hold in (0, 60, 150)
        for keep in (0, 120)
    ]
    text = json.dumps({"groups": [{"name": "g", "interval": "30s", "rules": rules}]})
    (tmp_path / "rules.yml").write_text(text)
    wave = [1, 9, 9, 9, 9, 1, 1, 9, 1, 1, 1, 9, 9, 9, 9, 9, 9, 9, 1, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9]
    series = {
        'x{job="api",instance="a:80"}': [value] * 31,
        'up{job="api",instance="b"}': [1] * 31,
        'up{job="api",instance="a"}': [0] * 31,
        "wave": wave,
    }
    scan, group = MemoryScan(), replace(parse_rules(text)[0], query_offset=0.0)
    ts = np.arange(31) * 30_000
    for name, values in series.items():
        metric, _, rest = name.partition("{")
        pairs = dict(p.split("=", 1) for p in rest.rstrip("}").split(",") if p)
        scan.add({"__name__": metric, **{k: v.strip('"') for k, v in pairs.items()}}, ts, values)
    tests = [
        {"eval_time": f"{seconds}s", "alertname": name, "exp_alerts": [_expected(a) for a in alerts if a.firing]}
        for seconds, states in _states(group, scan).items()
        for name, alerts in states.items()
    ]  # fmt: skip
    told = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "30s",
                "input_series": [{"series": k, "values": " ".join(map(repr, v))} for k, v in series.items()],
                "alert_rule_test": tests,
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(told))
    done = subprocess.run([promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[:6_000]
    assert sum(bool(t["exp_alerts"]) for t in tests) > 300


def _expected(alert: Alert) -> dict[str, dict[str, str]]:
    labels = {name: text for name, text in alert.labels.items() if name != "alertname"}
    return {"exp_labels": labels, "exp_annotations": dict(alert.annotations)}


def _states(group: RuleGroup, scan: MemoryScan) -> dict[int, dict[str, list[Alert]]]:
    """Active alerts by rule after each evaluation."""
    found: dict[int, dict[str, list[Alert]]] = {}
    before: dict[str, dict[str, Alert]] = {}
    for seconds in range(0, 901, 30):
        now = EPOCH + timedelta(seconds=seconds)
        run = run_group(Due(group, now, None, 0.0, 0), TickScan(scan), Place(), lambda *_: None)
        for each in run.rules:
            assert each.error is None, each.error
            before[each.rule.name], _ = step(each.rule, before.get(each.rule.name, {}), each.samples, now)
        found[seconds] = {name: list(alerts.values()) for name, alerts in before.items()}
    return found
