"""What the demo shows first: five things with addresses, whose configuration is the home's own, and ports in use."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pitchey_slo.cli.demo import History, usual_rate, write_config
from pitchey_slo.cli.demo_live import check_port
from pitchey_slo.cli.demo_platform import config_of
from pitchey_slo.cli.demo_tour import admin_link, steps_of, told_of
from pitchey_slo.client import ServerInfo
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings

INFO = ServerInfo("http://127.0.0.1:1", 1, "t", datetime(2026, 11, 23, tzinfo=UTC), "http://127.0.0.1:2")
SIGN_IN = "http://127.0.0.1:2/signin?once=abc-_1"


def test_five_things_with_addresses(tmp_path: Path) -> None:
    (log := tmp_path / "log").write_text(f"  as admin      {SIGN_IN} (works once, for 10 minutes)\n  all paths ...")
    settings = Settings.load(env_file=None, home=tmp_path)
    steps = steps_of(INFO, settings, write_config(settings), log)
    assert len(steps) == 5
    text = "\n".join(told_of(steps))
    assert [line.split(".")[0].strip() for line in text.splitlines() if line.strip()[0].isdigit()] == list("12345")
    assert "http://127.0.0.1:2/show/system" in text
    assert "DatabaseConnectionsHigh" in text
    assert f"pitchey-slo alerts why ID --home {tmp_path}" in text
    assert SIGN_IN in text


def test_without_dashboards_there_is_no_link(tmp_path: Path) -> None:
    (log := tmp_path / "log").write_text("  all paths     http://127.0.0.1:1/docs")
    assert admin_link(log) == ""


def test_decisions_change_the_homes_copy_unless_a_configuration_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load(env_file=None, home=tmp_path / "home")
    own = write_config(settings)
    assert config_of(settings) == own
    (given := tmp_path / "given").mkdir()
    assert config_of(Settings.load(env_file=None, home=tmp_path / "home", config=given)) == given


def test_a_port_in_use_is_told_with_the_setting_that_chooses_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}.*in use") as told:
            check_port("127.0.0.1", port, "PITCHEY_PORT")
    assert "PITCHEY_PORT=0 make demo" in str(told.value)
    check_port("127.0.0.1", port, "PITCHEY_PORT")
    check_port("127.0.0.1", 0, "PITCHEY_PORT")


def test_the_live_rate_is_that_of_the_home(tmp_path: Path) -> None:
    settings = Settings.load(env_file=None, home=tmp_path)
    usual = usual_rate(settings, 30, 3_000_000)
    History(seed=7, days=30, requests=30_000_000, end="2026-11-23T00:00:00+00:00", done=True).write(tmp_path)
    assert usual_rate(settings, 30, 3_000_000) == pytest.approx(10 * usual, rel=0.05)
    assert 0.2 < usual < 4
