"""`pitchey-slo slo ...` on a real store."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pitchey_slo.testing import fresh_store, rows
from tests.shell import Done, shell

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def run(*words: str, cwd: Path) -> Done:
    return shell("slo", *words, cwd=cwd)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    status = [500 if i % 100 == 0 else 200 for i in range(600)]
    with fresh_store(folder / "data") as store:
        store.append("requests", rows(count=600, start=START - timedelta(hours=1), status=status, route="/api/pitches"))
    return folder


def test_report_is_sorted_by_budget_left_with_no_data_last(place: Path) -> None:
    command = [sys.executable, "-m", "pitchey_slo", "slo", "report", "--json"]  # a process once, as people start it
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    left = [r["budget_left"] for r in found]
    assert left == sorted([x for x in left if x is not None]) + [None] * left.count(None)
    assert found[-1]["state"] == "no_data"
    site = next(r for r in found if r["slo"] == "site-availability")
    assert (site["bad"], site["valid"], site["end"]) == (6.0, 600.0, "2026-03-02T11:10:00Z")


def test_the_table_shows_the_numbers(place: Path) -> None:
    done = run("report", "site-availability", "--window", "1h", "--end", "2026-03-02T12:00", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "site-availability" in done.stdout and "99 %" in done.stdout and "exhausted" in done.stdout
    assert "6 of 600 requests failed in the last hour" in done.stdout


def test_list(place: Path) -> None:
    done = run("list", "--service", "deals", cwd=place)
    assert done.returncode == 0 and "nda-signing" in done.stdout and "2 SLOs" in done.stdout
    names = [s["name"] for s in json.loads(run("list", "--json", cwd=place).stdout)]
    assert "api-availability" in names


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("report", "api-availabilty"), 'did you mean "api-availability"'),
        (("report", "--window", "28 d"), "not a window"),
        (("report", "--window", "1M Europe/Pariss"), 'did you mean "Europe/Paris"'),
        (("report", "--end", "yesterday"), "--end"),
        (("list", "--service", "deal"), 'did you mean "deals"'),
    ],
)
def test_mistakes_are_one_clear_line(place: Path, words: tuple[str, ...], says: str) -> None:
    done = run(*words, cwd=place)
    assert done.returncode == 1
    assert says in done.stderr and "Traceback" not in done.stderr
