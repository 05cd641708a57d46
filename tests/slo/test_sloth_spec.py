"""sloth's own examples: the same windows and factors as in the rules that sloth itself made of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pitchey_slo.errors import ConfigError
from pitchey_slo.slo.alerts.burn import conditions, pairs
from pitchey_slo.slo.alerts.burn_rules import rule_file, rules
from pitchey_slo.slo.export.prometheus import export_prometheus
from pitchey_slo.slo.model import Raw
from pitchey_slo.slo.spec.check import Problems
from pitchey_slo.slo.spec.openslo import read
from pitchey_slo.slo.spec.sloth_spec import parse_sloth, read_sloth, read_windows

#: Examples with plugins, which are Go code; sloth's own are refused here, by name.
PLUGINS = (
    *("contrib-denominator-corrected.yaml", "contrib-slo-plugins.yml", "plugin-getting-started.yml"),
    *("plugin-k8s-getting-started.yml", "slo-plugin-getting-started.yml", "slo-plugin-k8s-getting-started.yml"),
    "victoria-metrics.yml",
)
OPENSLO = ("openslo-getting-started.yml", "openslo-kubernetes-apiserver.yml")
PLAIN = (
    *("getting-started.yml", "home-wifi.yml", "k8s-getting-started.yml", "k8s-home-wifi.yml", "k8s-multifile.yml"),
    *("kubernetes-apiserver.yml", "multifile.yml", "no-alerts.yml", "raw-home-wifi.yml"),
)
_THRESHOLD = re.compile(r"ratio_rate(\w+)\{[^}]*\} > \(([\d.e-]+) \* ([\d.e-]+)\)")


@pytest.fixture(scope="module")
def examples() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "sloth" / "examples"
    if not folder.exists():
        pytest.skip("the conformance data do not lie beside this checkout")
    return folder


def generated(file: Path) -> dict[str, set[tuple[str, str, str, float, float]]]:
    """Per sloth_id what sloth's alerts compare: severity, long and short window, factor, budget."""
    found: dict[str, set[Any]] = {}
    for document in YAML(typ="safe").load_all(file.read_text()):
        groups = document.get("groups") or document["spec"]["groups"]
        for group in groups:
            for rule in group.get("rules") or []:
                if "sloth_id" in rule["labels"]:  # also SLOs without alerts
                    found.setdefault(rule["labels"]["sloth_id"], set())
                if "alert" not in rule:
                    continue
                name = re.search(r'sloth_id="([^"]+)"', rule["expr"])
                assert name
                told = _THRESHOLD.findall(rule["expr"])
                for (short, factor, budget), (long, again, _) in zip(told[::2], told[1::2], strict=True):
                    assert factor == again
                    severity = rule["labels"]["sloth_severity"]
                    found[name[1]].add((severity, long, short, float(factor), round(float(budget), 12)))
    return found


def test_every_example_is_read_or_named(examples: Path) -> None:
    assert {p.name for p in examples.iterdir() if p.is_file()} == {*PLUGINS, *OPENSLO, *PLAIN}


@pytest.mark.parametrize("name", PLAIN)
def test_the_same_windows_and_factors_come_out(examples: Path, name: str) -> None:
    theirs = generated(examples / "_gen" / name)
    slos = read_sloth(examples / name)
    ours = {}
    for slo in slos:
        own = slo.name if slo.name.startswith(slo.service) else f"{slo.service}-{slo.name}"
        budget = round(1 - slo.objectives[0].target, 12)
        ours[own] = {(c.severity, str(c.long), str(c.short), c.factor, budget) for c in conditions(slo)}
    assert ours == theirs and len(theirs) > 0
    assert any(theirs.values()) or name == "no-alerts.yml"


@pytest.mark.parametrize("name", OPENSLO)
def test_openslo_examples_have_the_windows_sloth_records(examples: Path, name: str) -> None:
    """sloth makes no alerts of OpenSLO specs, only records the windows that ours look at."""
    recorded = {
        rule["labels"]["sloth_window"]
        for document in YAML(typ="safe").load_all((examples / "_gen" / name).read_text())
        for group in document["groups"]
        for rule in group.get("rules") or []
        if "sloth_window" in rule["labels"]
    }
    for slo in read(examples / name).slos:
        looked = {str(w) for p in pairs(slo) for w in (p.long, p.short)}
        assert looked | {"30d"} == recorded


@pytest.mark.parametrize("name", PLUGINS)
def test_plugins_are_refused_by_name(examples: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"plugin") as caught:
        read_sloth(examples / name)
    assert name in str(caught.value) and re.search(r":\d+: ", str(caught.value))


def test_windows_of_ones_own(examples: Path) -> None:
    week = read_windows(examples / "windows" / "7d.yaml")
    slo = read_sloth(examples / "getting-started.yml", windows=week)[0]
    assert [(str(p.long), str(p.short), p.factor) for p in pairs(slo)] == [
        *(("1h", "5m", 13.44), ("6h", "30m", 3.5), ("1d", "2h", 1.4), ("3d", "6h", 0.98)),
    ]
    assert slo.windows[0].text == "7d"
    custom = read_windows(examples / "windows" / "custom-30d.yaml")
    assert [p.factor for p in custom.pairs] == [14.4, 4.8, 3.0, 1.0]
    # the data file holds both sets: read from the same place, the same numbers
    assert pairs(slo) == pairs(slo, "7d", windows="sloth-7d")
    from pitchey_slo.slo.alerts.burn import scaled

    assert [(p.long.minutes, p.short.minutes, p.factor) for p in custom.pairs] == [
        (p.long.minutes, p.short.minutes, p.factor) for p in scaled("sloth-custom-30d", 30 * 1440)
    ]


def test_what_is_read(examples: Path) -> None:
    slo = read_sloth(examples / "getting-started.yml")[0]
    assert (slo.name, slo.service, slo.objectives[0].target) == ("requests-availability", "myservice", 0.999)
    assert slo.labels["category"] == ("availability",) and slo.labels["owner"] == ("myteam",)
    assert slo.indicator is not None and slo.place.line == 9
    assert [s.name for s in read_sloth(examples / "multifile.yml")] == [
        "myservice-requests-availability",
        "myservice2-requests-availability",
    ]
    raw = read_sloth(examples / "raw-home-wifi.yml")[0]
    assert raw.indicator is not None and isinstance(raw.indicator.metric, Raw)
    assert read_sloth(examples / "no-alerts.yml")[0].burn_pairs == ()


def test_mistakes_have_a_line_and_a_suggestion() -> None:
    problems = Problems("x.yml")
    text = 'version: "prometheus/v1"\nservice: a\nslos:\n  - name: b\n    objectiv: 99\n    sli: {events: {}}\n'
    assert parse_sloth(text, problems) == []
    said = "\n".join(str(e) for e in problems.found)
    assert 'x.yml:5: slos[0].objectiv: unknown key (did you mean "objective"?)' in said
    assert "error_query" in said and "total_query" in said


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is part of apt package prometheus")
def test_our_rules_of_their_specs_pass_prometheus_own_check(examples: Path, tmp_path: Path) -> None:
    found = [slo for name in PLAIN for slo in read_sloth(examples / name)]
    slos = list({(slo.service, slo.name): slo for slo in found}.values())
    (tmp_path / "export.yml").write_text(export_prometheus(slos))
    (tmp_path / "own.yml").write_text(rule_file([rules(s) for s in {s.name: s for s in slos}.values()]))
    for file in ("export.yml", "own.yml"):
        command = ["promtool", "check", "rules", tmp_path / file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr
