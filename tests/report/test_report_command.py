"""`pitchey-slo report`: runs listed, one resumed, schedules checked, listed and written as timers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pitchey_slo.cli import build
from pitchey_slo.errors import ReportError, RunFailed
from pitchey_slo.report import find, run_notebook, runs
from pitchey_slo.settings import Settings
from pitchey_slo.testing import FixedClock, fresh_store, rows

from .made import broken, notebook, quick, unkept

SCHEDULES = 'schedules: [{name: mine, notebook: 10_try, cron: "5 12 * * *", parameters: {window: "of ${yesterday}"}}]\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project folder with a store, a notebook that works and one that does not, and a run of each."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("notebooks", "config"):
        (tmp_path / name).mkdir()
    (tmp_path / "config" / "schedules.yml").write_text(SCHEDULES)
    notebook(tmp_path / "notebooks", "10_try", cells=["print(window)"])
    notebook(tmp_path / "notebooks", "20_once", cells=["1"])
    with fresh_store(tmp_path / "data", clock=FixedClock()) as store:
        store.append("requests", rows(count=3))
    settings = Settings.load(env_file=None)
    run_notebook(find("10_try"), {"window": "7d"}, settings, work=quick, keep=unkept)
    with pytest.raises(RunFailed):
        run_notebook(find("20_once"), {"window": "1d"}, settings, work=broken, keep=unkept)
    return settings


def ask(*words: str) -> Result:
    return CliRunner().invoke(build(["report"]), ["report", *words])


def test_runs_are_listed_and_one_that_failed_is_resumed(here: Settings) -> None:
    told = ask("runs").output
    failed, good = sorted(runs(here.reports), key=lambda r: r.status)
    assert failed.id in told and good.id in told and "stale" in told
    assert [r["id"] for r in json.loads(ask("runs", "try", "--json").output)] == [good.id]

    resumed = ask("resume", failed.id, "--json")
    assert resumed.exit_code == 0, resumed.output
    assert "its kernel is gone" in resumed.stderr and "every cell runs again" in resumed.stderr
    run = json.loads(resumed.stdout)
    assert (run["status"], run["attempts"], run["rerun_of"]) == ("succeeded", 2, failed.id)
    assert run["parameters"]["window"] == "1d"
    refused = ask("resume", good.id)
    assert isinstance(refused.exception, ReportError) and "nothing to resume" in str(refused.exception)
    unknown = ask("rerun", "20260101-000000-abcd")
    assert isinstance(unknown.exception, ReportError) and "no run" in str(unknown.exception)


def test_schedules_are_checked_listed_and_written_as_timers(here: Settings, tmp_path: Path) -> None:
    assert "1 schedules, nothing wrong" in ask("schedule", "check").output
    [standing] = json.loads(ask("schedule", "list", "--json").output)
    assert (standing["name"], standing["dead"], standing["last"]) == ("mine", False, None)
    assert ask("schedule", "timers", "--output", str(tmp_path / "units")).exit_code == 0
    assert "OnCalendar=*-*-* 12:05:00 UTC" in (tmp_path / "units" / "pitchey-report@mine.timer").read_text()

    file = tmp_path / "config" / "schedules.yml"
    file.write_text(SCHEDULES.replace("10_try", "10_tri").replace("parameters", "deliver: {to: [nobody]}, parameters"))
    wrong = ask("schedule", "check")
    assert wrong.exit_code == 1
    assert 'did you mean "10_try"' in wrong.output and "no receiver 'nobody'" in wrong.output
    file.write_text(SCHEDULES.replace("window:", "widow:"))
    assert 'did you mean "window"' in ask("schedule", "check").output
