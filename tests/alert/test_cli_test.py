"""`pitchey-slo alerts test` shows the path of labels at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pitchey_slo.alert.silences import silence_rows
from pitchey_slo.cli.alerts import app
from pitchey_slo.testing import fresh_store

from .steps import silence
from .test_escalation import OFFICE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with fresh_store(tmp_path / "home") as store:
        store.append_all({"silences": silence_rows([silence("team=quiet", 0, 7_200)])})
    (tmp_path / "routes.yml").write_text(OFFICE)
    return tmp_path / "home"


def run(home: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["test", f"--home={home}", f"--file={home.parent / 'routes.yml'}", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_path_is_told_in_lines(home: Path) -> None:
    told = run(home, "--at=2026-03-07T22:00", "--hours=48", "alertname=Slow", "severity=warning")
    assert 'receiver "a" by {}' in told
    assert "escalation p" in told
    assert "Mon 2026-03-09 09:00:00 +1d11h: escalation level 1 to lead console/0" in told


def test_silences_of_the_store_count(home: Path) -> None:
    told = json.loads(run(home, "--json", "--at=2026-03-02T12:30", "alertname=Slow", "team=quiet"))
    assert told["ways"][0]["hidden"] == "silenced by s-1 of anna"
    assert told["messages"][0]["at"] > "2026-03-02T14:00"
    free = json.loads(run(home, "--json", "--no-silences", "--at=2026-03-02T12:30", "alertname=Slow", "team=quiet"))
    assert free["messages"][0]["at"] == "2026-03-02T12:30:10+00:00"


def test_what_is_no_time_is_refused(home: Path) -> None:
    done = CliRunner().invoke(app, ["test", f"--home={home}", "--at=noon", "a=b"])
    assert "is no time" in str(done.exception)
