"""The review of synthetic tests: clean as committed, its words from its numbers, run as it ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitchey_slo.plots import synthetic as plots
from pitchey_slo.plots.theme import percent
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.synthetic_review import Sheet, synthetic_review
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.testing import FixedClock, fresh_store
from pitchey_slo.workbench import Workbench
from tests.probe.synthetic.made import END, HOSTILE, weeks

NOTEBOOK = shipped("notebooks") / "60_synthetic_review.ipynb"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("looks")
    with fresh_store(folder / "home", clock=FixedClock(END)) as store:
        store.append("probes", weeks(days=10, minutes=20))
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "none")


@pytest.fixture(scope="module")
def sheet(settings: Settings) -> Iterator[Sheet]:
    yield synthetic_review(Workbench(settings), window="10d")


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    notebook = find(str(NOTEBOOK))
    assert notebook.short == "synthetic_review"
    assert [(p.name, p.type) for p in notebook.parameters] == [("window", "str"), ("end", "datetime")]
    assert all(p.help for p in notebook.parameters)


def test_the_words_come_from_the_numbers(sheet: Sheet) -> None:
    """What `made.weeks` put in: one outage of everything; singapore, cut off, is no outage of anybody."""
    worst = sheet.found.tests[0]
    words = str(sheet.summary()).replace("&nbsp;", " ")
    assert "4 of 4 tests were down" in words and percent(worst.uptime, 2) in words
    assert all(len(u.outages) == 1 and 40 <= u.outages[0].seconds / 60 <= 60 for u in sheet.found.tests)
    assert {u.outages[0].failure for u in sheet.found.tests} == {"http_status"}
    assert str(sheet.outages()).count("<tr>") == 1 + 4
    alone = next(line for line in str(sheet.locations()).split("<tr>") if "singapore" in line)
    assert "h" in alone.rsplit("<td", 1)[1]  # hours failed alone
    assert HOSTILE not in str(sheet.outages()) + str(sheet.failures())


def test_the_same_numbers_as_a_frame(settings: Settings, sheet: Sheet) -> None:
    frame = Workbench(settings).uptime(sheet.found.start, sheet.found.end)
    together = frame[frame["location"] == "quorum"].set_index("test")
    assert {u.test: u.uptime for u in sheet.found.tests} == together["uptime"].to_dict()
    assert len(frame) == 4 * (1 + 3)
    singapore = frame[frame["location"] == "singapore"]
    assert (singapore["outages"] >= 2).all() and (together["outages"] == 1).all()  # cut off, and nobody's outage
    alone = Workbench(settings).uptime(sheet.found.start, sheet.found.end, test="front")
    assert set(alone["test"]) == {"front"}


def test_what_to_change_is_what_was_wrong(sheet: Sheet) -> None:
    advice = {(a.subject, a.what): a.why for a in sheet.found.advice()}
    assert ("login", "mend the test itself") in advice
    assert any(a.startswith("look at what its retries hide") for s, a in advice if s == "signup")
    assert "http_status" in advice["login", "find the cause of http_status"]
    assert not [s for s, _ in advice if s == "location virginia"]
    assert [f.test for f in sheet.found.flaky] == ["signup"]


def test_the_charts_draw_what_was_found(sheet: Sheet) -> None:
    bars = {t.name: t for t in plots.over_time(sheet.found).data}
    assert len(bars["down"].y) == 4
    assert set(bars) == {"up", "down"}
    front = plots.phases(sheet.found, "front")
    tls = next(t for t in front.data if t.name == "TLS")
    assert max(tls.y) > 3 * sorted(tls.y)[len(tls.y) // 4]  # the day of the slow handshake
    assert {t.name for t in plots.failures(sheet.found).data} == {"timeout", "http_status", "probe_error"}
    assert len(plots.locations(sheet.found).data) == 3


def test_nothing_looked_says_so(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home", clock=FixedClock(END)):
        pass
    empty = synthetic_review(Workbench(Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path)), end=END)
    assert "nobody looked" in str(empty.summary())
    assert "No synthetic test had a result" in str(empty.uptimes())
    for draw in (plots.over_time, plots.failures, plots.locations):
        assert draw(empty.found).layout.annotations[0].text


def test_it_runs_as_it_ships(settings: Settings) -> None:
    outcome = run_notebook(find(str(NOTEBOOK)), {"window": "10d"}, settings=settings)
    assert outcome.run.status == "succeeded"
    page = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    assert "What to change" in page and HOSTILE not in page
