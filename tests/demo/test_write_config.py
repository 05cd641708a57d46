"""The configuration that the demo leaves in its home."""

from __future__ import annotations

from pathlib import Path

from pitchey_slo.alert.rules import load_rules
from pitchey_slo.cli.demo import write_config
from pitchey_slo.probe.health import load
from pitchey_slo.probe.synthetic.reader import read_file
from pitchey_slo.settings import Settings


def test_it_has_checks_and_tests_of_the_platform_and_two_rules_more(tmp_path: Path) -> None:
    folder = write_config(Settings.load(env_file=None, home=tmp_path))
    tests = {read_file(file).name for file in (folder / "synthetics").glob("*.yaml")}
    assert tests >= {"api-health", "login", "signup", "pitch-creation", "nda", "investment", "reading"}
    assert {c.name for c in load(folder / "health.yml", {}).checks} == {"workbench"}  # no platform is said to be there
    told = {"API_BASE_URL": "http://127.0.0.1:8787", "PITCHEY_DEMO_WEBSOCKET": "ws://127.0.0.1:8787/ws"}
    assert {c.name for c in load(folder / "health.yml", told).checks} == {"api", "front", "live-updates", "workbench"}
    names = {rule.name for group in load_rules(folder / "rules") for rule in group.rules}
    assert {"DatabaseConnectionsHigh", "SearchFails", "HighErrorRate"} <= names
