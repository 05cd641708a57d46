"""One SLO explained: clean as committed, its words from its numbers, run as it ships."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.explain import Explained, explain
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.workbench import Workbench

NOTEBOOK = shipped("notebooks") / "31_slo_explain.ipynb"


@pytest.fixture(scope="module")
def found(demo: Settings) -> Explained:
    return explain(Workbench(demo), "payment")


def words(html: object) -> str:
    return re.sub(r"<[^>]+>", " ", str(html)).replace("&nbsp;", " ").replace("&#x27;", "'").replace("&gt;", ">")


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    assert [p.name for p in find(str(NOTEBOOK)).parameters] == ["slo", "end"]


def test_the_words_come_from_the_numbers(found: Explained) -> None:
    r = found.report
    assert "of 1,000 payments, 995 are good" in words(found.summary())
    assert f"{r.valid:,.0f}" in words(found.budget()) and f"{r.allowed:,.0f} may go wrong" in words(found.budget())
    assert "method = 'POST' AND route = '/api/payments'" in words(found.counted())
    for recent in found.recent.values():
        assert f"{recent.bad:,.0f} of {recent.valid:,.0f}" in words(found.burn()) or recent.sli is None
    assert words(found.alerts()).count("somebody is paged") == 2
    assert "if suddenly so many fail" in words(found.speed()) and "100 of 100" in words(found.speed())
    assert f"{r.sli * 100:.3f} %" in words(found.sure())  # type: ignore[operator]  # there are data
    assert str(found.findings()).count("<tr>") == 1 + len(found.lint.findings) > 1


def test_a_promise_that_is_no_round_number_is_said_with_more_of_them(found: Explained) -> None:
    for target, said in ((0.9995, "of 10,000 payments, 9,995"), (0.9, "of 1,000 payments, 900")):
        made = dataclasses.replace(found, report=dataclasses.replace(found.report, target=target))
        assert said in words(made.summary())


def test_nothing_counted_says_so(found: Explained) -> None:
    nothing = dataclasses.replace(found.report, allowed=None, spent=None, sli=None, sli_low=None, sli_high=None)
    made = dataclasses.replace(found, report=nothing)
    assert "Nothing was counted" in words(made.budget())
    assert "Without data" in words(made.sure()) and words(made.burn()) == ""


def test_it_runs_as_it_ships(demo: Settings) -> None:
    outcome = run_notebook(find(str(NOTEBOOK)), {"slo": "api-latency"}, settings=demo)
    assert outcome.run.status == "succeeded"
    assert "too slow" in Path(str(outcome.run.html)).read_text(encoding="utf-8")
