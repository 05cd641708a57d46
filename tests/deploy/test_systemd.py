"""The systemd units: systemd itself finds nothing wrong with them, they are hardened, and what they start exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pitchey_slo.cli import build
from pitchey_slo.report.schedule import load
from pitchey_slo.report.schedule.timers import write
from pitchey_slo.settings import Settings, shipped

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = ("pitchey-slo.service", "pitchey-synthetic.service", "pitchey-report@.service")
INSTALLED = "/opt/pitchey-slo/bin/pitchey-slo"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as installed on this machine: the command they start is ours."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze (Debian package systemd) is not here")
    command = Path(sys.executable).with_name("pitchey-slo")
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, str(command)))
    return tmp_path


def analyze(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], cwd=where, capture_output=True, text=True, timeout=60)


def test_systemd_finds_nothing_wrong(units: Path) -> None:
    timers = sorted(p.name for p in units.glob("*.timer"))
    assert len(timers) >= 3
    asked = [f"./{name}" for name in ("pitchey-slo.service", "pitchey-synthetic.service", *timers)]
    done = analyze("verify", "--man=no", *asked, "./pitchey-report@slo_review.service", where=units)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_a_mistake_would_be_found(units: Path) -> None:
    unit = units / "pitchey-slo.service"
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=allways"))
    done = analyze("verify", "--man=no", "./pitchey-slo.service", where=units)
    assert "allways" in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_hardened_as_the_manual_says(units: Path, name: str) -> None:
    done = analyze("security", "--offline=true", "--no-pager", f"./{name}", where=units)
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= 1.5
    told = re.search(rf"`{re.escape(name)}` \| ([\d.]+)", (ROOT / "docs" / "operate.md").read_text())
    assert told and float(told[1]) == float(found[1])


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_started_is_a_command_with_these_options(name: str) -> None:
    line = re.search(rf"^ExecStart={INSTALLED} (.+)$", (UNITS / name).read_text(), re.M)
    assert line
    words = shlex.split(line[1].replace("%i", "slo"))
    commands = [w for w in words[:3] if re.fullmatch("[a-z]+", w)]
    group = commands[:1] if commands[0] == "serve" else commands[:2]
    shown = CliRunner().invoke(build(group), [*group, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert {w for w in words if w.startswith("--")} <= set(re.findall(r"--[a-z-]+", shown.output))


def test_the_timers_are_those_of_the_schedules(tmp_path: Path) -> None:
    """`pitchey-slo report schedule timers` writes them anew."""
    written = write(list(load(shipped("config") / "schedules.yml").all.values()), tmp_path)
    assert {t.name for t in UNITS.glob("*.timer")} == {t.name for t in written}
    assert all((UNITS / t.name).read_text() == t.read_text() for t in written)


def test_every_setting_of_a_unit_is_one() -> None:
    known = {field.alias for field in Settings.model_fields.values()} | {"PITCHEY_API"}
    for unit in UNITS.iterdir():
        assert set(re.findall(r"PITCHEY_[A-Z_]+", unit.read_text())) <= known
