"""`pitchey-slo slo correct | corrections | withdraw` on a real store, without a server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pitchey_slo.testing import fresh_store
from tests.shell import Done, shell

WEEKLY = (
    *("correct", "login", "signup", "--start", "2026-03-01T02:00", "--minutes", "60", "--zone", "Europe/London"),
    *("--rrule", "FREQ=WEEKLY;BYDAY=SU", "--category", "scheduled_maintenance", "--reason", "database upgrade"),
    *("--approver", "Ann"),
)


def run(*words: str, cwd: Path) -> Done:
    return shell("slo", *words, cwd=cwd)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with fresh_store(folder / "data"):
        pass
    return folder


def test_one_is_written_shown_and_withdrawn(place: Path) -> None:
    assert "no corrections" in run("corrections", cwd=place).stdout
    made = run(*WEEKLY, cwd=place)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert "login, signup: Sun 2026-03-01 02:00 Europe/London for 60 min, FREQ=WEEKLY;BYDAY=SU" in made.stderr
    shown = run("corrections", cwd=place).stdout
    assert key in shown and "database upgrade (scheduled maintenance;" in " ".join(shown.split())
    (row,) = json.loads(run("corrections", "--json", cwd=place).stdout)
    assert (row["slos"], row["source"], row["minutes"]) == (["login", "signup"], "cli", 60)
    assert run("withdraw", key, "--by", "Bea", cwd=place).returncode == 0
    assert "no corrections" in run("corrections", cwd=place).stdout
    assert "withdrawn by Bea" in run("corrections", "--all", cwd=place).stdout


def test_an_id_of_ones_own_may_be_sent_again(place: Path) -> None:
    for _ in range(2):
        made = run(*WEEKLY, "--id", "db-2026", "--json", cwd=place)
        assert made.returncode == 0 and json.loads(made.stdout)["id"] == "db-2026"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("correct", "--minutes", "3"), "or say --all"),
        (("correct", "login", "--all"), "or say --all"),
        (("correct", "logn", *WEEKLY[3:]), 'did you mean "login"'),
        (("correct", "login", "--minutes", "3"), "start: '' is no time"),
        ((*WEEKLY, "--category", "lunch"), "outside_business_hours"),
        ((*WEEKLY, "--end", "2026-03-01T03:00"), "either an end, or a length"),
        (("withdraw", "nothing"), "no correction 'nothing'"),
    ],
)
def test_mistakes_are_one_clear_line(place: Path, words: tuple[str, ...], says: str) -> None:
    done = run(*words, cwd=place)
    assert done.returncode == 1
    assert says in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_showing_them_costs_no_pandas(place: Path) -> None:
    run(*WEEKLY, cwd=place)
    look = (
        "import sys; from pitchey_slo.cli import build; build(['slo'])(['slo', 'corrections'], standalone_mode=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", look + "; print('pandas' in sys.modules)"],
        cwd=place, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "database upgrade" in " ".join(done.stdout.split()) and done.stdout.splitlines()[-1] == "False"
