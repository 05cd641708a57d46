"""What the live incidents do to the platform, and what a server is told of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from pitchey_slo.analyse.watch import load_watched
from pitchey_slo.cli import build
from pitchey_slo.cli.demo_platform import environment, live_config, platform_of
from pitchey_slo.client import HttpDoor
from pitchey_slo.demo import upcoming
from pitchey_slo.demo.agents import Agents
from pitchey_slo.demo.plan import moment
from pitchey_slo.demo.platform import Faults, Platform
from pitchey_slo.demo.platform.app import ROUTES
from pitchey_slo.demo.unrest import Unrest, faults_of
from pitchey_slo.probe.health import load
from pitchey_slo.probe.synthetic.reader import read_file
from pitchey_slo.settings import Settings
from tests.web.conftest import running

START = datetime(2026, 11, 23, 12, 0, 3, tzinfo=UTC)
TROUBLES = list(islice(upcoming(7, START), 40))


def test_faults_come_and_go_with_the_incidents() -> None:
    faults = Faults()
    unrest = Unrest(faults, iter(TROUBLES))
    for trouble in TROUBLES[:12]:
        expected = {name for name, _ in faults_of(trouble)}
        unrest.at(moment(trouble.start) - timedelta(seconds=1))
        assert faults.all() == ()
        unrest.at(moment(trouble.start) + timedelta(seconds=1))
        assert {f.name for f in faults.all()} == expected
        unrest.at(moment(trouble.end))
        assert faults.all() == ()


def test_each_kind_is_felt_where_the_platform_has_its_routes() -> None:
    kinds = {t.kind: t for t in TROUBLES}
    patterns = {pattern for _, pattern, _ in ROUTES}
    for kind, fault in (("error_burst", "errors"), ("bad_deployment", "errors"), ("slow_database", "slow")):
        ((name, options),) = faults_of(kinds[kind])
        assert name == fault
        assert any(p.startswith(tuple(options["routes"])) for p in patterns), options
    assert faults_of(kinds["silent_drop"]) == []
    assert {faults_of(t) == [] for t in TROUBLES if t.kind == "regional_outage"} == {True}  # felt at one place only


def test_an_outage_cuts_off_the_location_that_is_served_there() -> None:
    out: set[str] = set()
    unrest = Unrest(Faults(), iter(TROUBLES), out)
    near = {"LHR": "fra", "IAD": "iad", "SJC": "iad"}
    seen = set()
    for trouble in TROUBLES:
        unrest.at(moment(trouble.start) + timedelta(seconds=1))
        assert out == ({near[trouble.location]} if trouble.location else set())
        seen |= out
        unrest.at(moment(trouble.end))
        assert out == set()
    assert seen


def test_agents_look_from_the_locations_of_the_history(tmp_path: Path) -> None:
    """Against a real server and the real platform: everywhere it passes, and where a location is out it cannot
    connect."""
    config = tmp_path / "config"
    (config / "synthetics").mkdir(parents=True)
    text = (Path(__file__).parents[2] / "config" / "synthetics" / "api-health.yaml").read_text()
    (config / "synthetics" / "api-health.yaml").write_text(text.replace("interval: 1m", "interval: 10s"))
    with Platform(tmp_path / "platform") as platform, running(
        tmp_path / "home", config=config, location="", api_base_url=platform.url
    ) as server:  # fmt: skip
        agents = Agents(server.info, tmp_path / "spool", platform.url)
        agents.out.add("iad")
        with agents, HttpDoor(server.info) as door:
            deadline = time.monotonic() + 60
            while True:
                (test,) = door.ask("GET", "/api/monitoring/synthetic")["tests"]
                if set(test["quorum"]["counting"]) == {"fra", "iad", "sin"}:
                    break
                assert time.monotonic() < deadline, test
                time.sleep(0.1)
        assert test["quorum"]["failing"] == ["iad"]
        assert test["up"] is True


def test_the_server_is_told_to_look_at_the_platform(tmp_path: Path) -> None:
    source = tmp_path / "config"
    (source / "rules").mkdir(parents=True)
    (source / "health.yml").write_text("checks: {}")
    (source / "synthetics").mkdir()
    shipped = Path(__file__).parents[2] / "config" / "synthetics"
    for file in shipped.glob("*.yaml"):
        (source / "synthetics" / file.name).write_text(file.read_text())
    settings = Settings.load(env_file=None, home=tmp_path / "home", config=source)
    with platform_of(settings, 0) as platform:
        told = environment(platform)
        for _ in range(2):  # again, over the one that is there
            folder = live_config(settings)
        checks = load(folder / "health.yml", told)
        assert {c.component for c in checks.checks} == {"api", "worker", "database", "websocket", "workbench"}
        assert set(checks.left_out) == {"database", "cache"}  # neither PostgreSQL nor Redis here
        tests = [read_file(f) for f in sorted((folder / "synthetics").iterdir())]
        assert {t.name for t in tests} >= {"reading", "login", "investment"}
        assert {t.interval for t in tests} == {30.0}
        watched = load_watched(folder / "anomalies.yml")
        assert "views-per-request" in {w.name for w in watched}
        (folder / "rules" / "new.yml").write_text("groups: []")
        assert (source / "rules" / "new.yml").exists()  # editing there is editing here


def test_it_runs_until_it_is_told_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def tell(console, platform) -> None:
        seen.append(httpx.get(f"{platform.url}/api/health", trust_env=False).json()["status"])

    monkeypatch.setattr("pitchey_slo.cli.demo_platform.tell", tell)
    arguments = ["demo", "--platform", "--port", "0", "--home", str(tmp_path), "--seconds", "0.2"]
    result = CliRunner().invoke(build(["demo"]), arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert seen == ["healthy"]
