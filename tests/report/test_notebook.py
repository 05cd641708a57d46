"""The SLO report itself: clean as it is committed, run as it ships, looked at in a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.report import find
from pitchey_slo.settings import Settings
from tests.shell import Done, shell

from .conftest import HOSTILE
from .made import opened


def places(demo: Settings) -> dict[str, str]:
    return {"PITCHEY_HOME": str(demo.home), "PITCHEY_REPORTS": str(demo.reports), "COLUMNS": "160"}


def command(*words: str, demo: Settings, cwd: Path) -> Done:
    return shell("report", *words, cwd=cwd, env=places(demo))


@pytest.fixture(scope="module")
def run(demo: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """`pitchey-slo report run slo` from an empty folder, as a stranger would."""
    done = subprocess.run(
        [sys.executable, "-m", "pitchey_slo", "report", "run", "slo", "-p", "window=28d", "--json"],
        cwd=tmp_path_factory.mktemp("cwd"),
        env=os.environ | places(demo),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_committed_notebook_has_no_outputs(shipped_notebook: Path) -> None:
    cells = json.loads(shipped_notebook.read_text())["cells"]
    code = [c for c in cells if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    assert max(len("".join(c["source"]).splitlines()) for c in code) <= 8, "logic lives in the package"


def test_it_declares_its_parameters_with_help(shipped_notebook: Path) -> None:
    found = find(str(shipped_notebook))
    assert [(p.name, p.type) for p in found.parameters] == [("service", "str"), ("window", "str"), ("end", "datetime")]
    assert all(p.help for p in found.parameters)
    assert found.short == "slo"
    assert found.description


def test_the_page_opens_with_words_and_draws_all_charts_without_network(run: dict[str, Any]) -> None:
    notebook = json.loads(Path(run["output"]).read_text())
    figures = sum(
        "application/vnd.plotly.v1+json" in o.get("data", {}) for c in notebook["cells"] for o in c.get("outputs", [])
    )
    assert figures >= 10
    with opened(Path(run["html"])) as seen:
        page = seen.page
        assert seen.tried == []
        assert seen.messages == []
        assert page.locator(".js-plotly-plot").count() == figures
        assert page.locator(".js-plotly-plot svg.main-svg:first-child").count() == figures
        assert "kept their error budget" in page.locator(".lead").inner_text()
        assert page.locator("details.code").first.is_hidden()
        page.get_by_role("button", name="Show code").click()
        assert page.locator("details.code").first.is_visible()
        assert page.get_by_text(HOSTILE).count() >= 1
        assert page.locator("img").count() == 0


def test_the_page_is_readable_on_a_phone_and_in_the_dark(run: dict[str, Any]) -> None:
    with opened(Path(run["html"]), viewport={"width": 390, "height": 844}, color_scheme="dark") as seen:
        page = seen.page
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        ink, paper = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.documentElement).backgroundColor]"
        )
        assert sum(map(int, ink[4:-1].split(","))) > 600 > 150 > sum(map(int, paper[4:-1].split(",")))
        axis = page.locator(".js-plotly-plot .xtick text").first.evaluate("e => getComputedStyle(e).fill")
        assert sum(map(int, axis[4:-1].split(","))) > 450


def test_a_wrong_parameter_is_an_error_before_anything_runs(
    demo: Settings, tmp_path: Path, run: dict[str, Any]
) -> None:
    before = sorted(demo.reports.rglob("*"))
    done = command("run", "slo", "-p", "widnow=7d", demo=demo, cwd=tmp_path)
    assert done.returncode == 1
    assert 'no parameter "widnow"; did you mean "window"?' in done.stderr
    done = command("run", "slo", "-p", "end=yesterday", demo=demo, cwd=tmp_path)
    assert done.returncode == 1
    assert "ISO 8601" in done.stderr
    assert sorted(demo.reports.rglob("*")) == before


def test_the_list_shows_names_and_parameters(demo: Settings, tmp_path: Path) -> None:
    done = command("list", "--json", demo=demo, cwd=tmp_path)
    [found] = [n for n in json.loads(done.stdout) if n["short"] == "slo"]
    assert [p["name"] for p in found["parameters"]] == ["service", "window", "end"]
    table = command("list", demo=demo, cwd=tmp_path).stdout
    assert "30_slo_report" in table
    assert "window: str = ''" in table
