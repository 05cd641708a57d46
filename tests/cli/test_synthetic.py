"""`pitchey-slo synthetic`: once by hand, as an agent, listed; exit codes that scripts can use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result as Invoked
from typer.testing import CliRunner

from pitchey_slo.cli import build
from pitchey_slo.errors import ConfigError, StoreUnavailable
from tests.probe.synthetic.target import Target, definition, target
from tests.web.conftest import Running, running


@pytest.fixture(scope="module")
def platform() -> Iterator[Target]:
    with target() as made:
        made.status["/bad"] = 503
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, platform: Target) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("cli")
    files = home / "config" / "synthetics"
    files.mkdir(parents=True)
    (files / "good.yaml").write_text(definition("good", interval="1h"))
    (files / "bad.yaml").write_text(definition("bad", "/bad", interval="1h"))
    with running(home, config=home / "config", api_base_url=platform.url, location="") as it:
        yield it


def call(*words: str, **env: str) -> Invoked:
    clean = {"API_BASE_URL": None, "PITCHEY_LOCATION": None, "PITCHEY_CONFIG": None, "PITCHEY_TOKEN": None}
    return CliRunner().invoke(build(["synthetic"]), ["synthetic", *words], env=clean | env)


def test_once_by_hand_tells_and_ends_with_one_when_a_test_failed(server: Running, platform: Target) -> None:
    env = {"PITCHEY_CONFIG": str(server.settings.config), "API_BASE_URL": platform.url}
    done = call("run", "--once", **env)
    assert done.exit_code == 1
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert "✓ good" in lines["good"] and "http_status: " in lines["bad"]
    done = call("run", "--once", "--test", "good", "--json", **env)
    assert done.exit_code == 0
    assert [(r["test"], r["state"], r["location"]) for r in json.loads(done.stdout)] == [("good", "healthy", "local")]
    done = call("run", "--once", "--test", "god", **env)
    assert isinstance(done.exception, ConfigError) and 'did you mean "good"' in str(done.exception)


def test_an_agent_once_delivers(server: Running, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(server.token("ingest") + "\n")
    words = ("run", "--location", "lima", "--api", server.url, "--token-file", str(token), "--home", str(tmp_path))
    assert call(*words, "--once").exit_code == 1
    assert call(*words, "--once", "--test", "good").exit_code == 0
    told = json.loads(call("list", "--json", "--home", str(server.settings.home)).stdout)
    tests: dict[str, Any] = {t["name"]: t for t in told["tests"]}
    assert [p["location"] for p in tests["good"]["locations"]] == ["lima"]
    assert (tests["good"]["up"], tests["bad"]["up"]) == (True, False)
    shown = call("list", "--home", str(server.settings.home)).stdout
    assert shown.index("✗ bad") < shown.index("✓ good")  # the worst first
    assert "1 of 1 location fails" in shown and "lima" in shown and "http_status" in shown


def test_what_is_not_delivered_is_said(tmp_path: Path, platform: Target) -> None:
    gone = ("run", "--once", "--location", "lima", "--api", "http://127.0.0.1:9", "--home", str(tmp_path))
    done = call(*gone)
    assert isinstance(done.exception, StoreUnavailable)  # knows no tests
    folder = tmp_path / "spool" / "lima"
    (folder / "tests.json").write_text(json.dumps({"tests": {"good": definition("good")}, "base": platform.url}))
    done = call(*gone)
    assert "✓ good" in done.stdout
    assert isinstance(done.exception, StoreUnavailable) and "wait on disk" in str(done.exception)


def test_without_an_api_it_says_what_would_work(tmp_path: Path) -> None:
    done = call("run", "--home", str(tmp_path))
    assert isinstance(done.exception, ConfigError)
    assert "--api" in str(done.exception) and "--once" in str(done.exception)


def test_a_list_without_a_server_is_of_the_files(server: Running, tmp_path: Path) -> None:
    done = call("list", "--home", str(tmp_path), PITCHEY_CONFIG=str(server.settings.config))
    assert done.exit_code == 0
    assert "good" in done.stdout and "no server runs here" in done.stdout
