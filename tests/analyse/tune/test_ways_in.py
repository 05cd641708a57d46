"""From files to a proposal: ingest, label, tune, by the command line and in the notebook."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import pitchey_slo as ps
from pitchey_slo.cli import build

START = datetime(2026, 3, 2, tzinfo=UTC)
RULES = """
groups:
  - name: g
    interval: 1m
    rules:
      - alert: Hot
        expr: load{pod=~".+"} > 5   # far too high
        for: 2m
"""


def run(*args: object) -> Result:
    told = [str(a) for a in args]
    return CliRunner().invoke(build(told), told)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    incidents = [START + timedelta(hours=8 + 11 * k) for k in range(6)]
    lines = ["time,pod,load"]
    for minute in range(72 * 60):
        at = START + timedelta(minutes=minute)
        hot = any(i <= at < i + timedelta(minutes=20) for i in incidents)
        lines.append(f"{at.isoformat()},a,{4 if hot else 1 + (minute * 7919 % 13) / 10}")
    (folder / "load.csv").write_text("\n".join(lines))
    (folder / "load.yml").write_text("time: time\nlabels: {pod: pod}\n")
    rows = [f"i{k},hot {k},{i.isoformat()},{(i + timedelta(minutes=20)).isoformat()}" for k, i in enumerate(incidents)]
    (folder / "incidents.csv").write_text("\n".join(["id,title,started_at,ended_at", *rows]))
    (folder / "rules.yml").write_text(RULES)
    done = run("ingest", folder / "load.csv", "--metrics", folder / "load.yml", "--home", folder / "home")
    assert done.exit_code == 0, done.output
    done = run("incidents", "import", folder / "incidents.csv", "--home", folder / "home")
    assert done.exit_code == 0, done.output
    return folder


def test_the_command_line_proposes_and_says_why(home: Path) -> None:
    asked = ("rules", "tune", "Hot", "--last", "3d", "--home", home / "home", "--rules", home / "rules.yml")
    told = run(*asked)
    assert told.exit_code == 0, told.output
    assert "proposed" in told.output
    assert "6 of 6 incidents caught, 0 of 6 firings false" in " ".join(told.output.split())
    found = json.loads(run(*asked, "--json").stdout)
    assert found["changes"]
    assert 2.2 < found["recommended"]["threshold"] < 4
    assert found["current"]["missed"] == 6
    assert found["firings"]["newly_caught"] == [f"i{k}" for k in range(6)]
    given = json.loads(run(*asked, "--json", "--thresholds", "3,3.5", "--for", "1m").stdout)
    assert given["tried"] == 3 * 2
    assert {p["threshold"] for p in given["front"]} <= {3.0, 3.5, 5.0}


def test_a_name_that_is_none_is_refused_with_what_there_is(home: Path) -> None:
    told = run("rules", "tune", "Hat", "--home", home / "home", "--rules", home / "rules.yml")
    assert told.exit_code == 1
    assert 'did you mean "Hot"' in str(told.exception)


def test_the_workbench_does_the_same(home: Path) -> None:
    wb = ps.connect(home / "home")
    tuning = wb.tune("g/Hot", START, START + timedelta(days=3), rules=home / "rules.yml", fors=["0s", "5m", 600])
    assert tuning.fors == (0, 120, 300, 600)
    assert tuning.recommended.caught == 6
    assert tuning.proposed().expr.startswith("load{pod=~")
    assert "# far too high" not in tuning.proposed().expr
    changes = wb.changes(tuning, rules=home / "rules.yml")
    assert len(changes.gained) == 6
    assert all(c.incident is not None for c in changes.gained)
