"""The threshold review: clean as committed, its words from its numbers, run as it ships, decided about as it says."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.plots import threshold_review as plots
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.threshold_review import Sheet, threshold_review, told
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench

NOTEBOOK = shipped("notebooks") / "40_threshold_review.ipynb"
RULES = """\
groups:
  - name: shop
    interval: 5m
    rules:
      - alert: PoolFull
        expr: pool_used > 0.5  # <b>half</b>
        annotations: {summary: over 50 % of the pool}
      - alert: Blind
        expr: no_such_metric > 3
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Four weeks of a pool that is half full each day, and quite full during one incident a week."""
    folder = tmp_path_factory.mktemp("review")
    (folder / "config" / "rules").mkdir(parents=True)
    (folder / "config" / "slos").mkdir()
    (folder / "config" / "rules" / "shop.yml").write_text(RULES)
    start = NOON - timedelta(days=28)
    seconds = np.arange(round(start.timestamp()) - 600, round(NOON.timestamp()), 240)
    pool = 0.4 + 0.2 * np.sin(seconds / 86_400 * 2 * np.pi)
    begins = [start + timedelta(days=7 * week, hours=51) for week in range(4)]
    for begin in begins:
        pool[(seconds >= begin.timestamp()) & (seconds < begin.timestamp() + 7_200)] = 0.95
    batch = SampleBatch([labels_of({"__name__": "pool_used"})], np.zeros(len(seconds), np.int64), seconds * 1000, pool)
    with fresh_store(folder / "home", clock=FixedClock(NOON), config=folder / "config") as store:
        store.append("requests", rows(count=100, start=NOON - timedelta(minutes=10), step=5))
        store.append(
            "incidents",
            rows("incidents", 4, title="the pool is <full>", started_at=begins,
                 ended_at=[b + timedelta(hours=2) for b in begins]),
        )  # fmt: skip
        store.samples(batch, backfill=True).result(60)
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "config")


@pytest.fixture(scope="module")
def sheet(home: Settings) -> Sheet:
    return threshold_review(Workbench(home))


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    notebook = find("threshold_review", NOTEBOOK.parent)
    assert [p.name for p in notebook.parameters] == ["window", "end"]
    assert all(p.help for p in notebook.parameters)


def test_the_words_come_from_the_numbers(sheet: Sheet) -> None:
    (looked,) = sheet.review.noisy
    words = str(sheet.summary())
    assert "1 change to decide about. 1 rule fires for nothing, most of all PoolFull: " in words
    assert f"{looked.fired} times in 4 weeks, {len(looked.false)} of them without an incident" in words
    assert "1 rule has no data at all." in words
    (proposal,) = sheet.proposals
    assert proposal.threshold is not None and 0.6 <= proposal.threshold < 0.95
    assert f"Proposal 1: {proposal.threshold:g}" in str(sheet.noisy())
    assert "Its summary still says the old number" in str(sheet.heading(proposal))
    assert "+        expr: pool_used &gt; " in str(sheet.diff(proposal)) and "<b>" not in str(sheet.diff(proposal))
    assert "never had data: no_such_metric" in str(sheet.unheard())
    assert "pool is &lt;full&gt;" in str(sheet.missed()) or "Some rule fired" in str(sheet.missed())
    text = "\n".join(told(sheet.review))
    assert "proposal 1" in text and "pitchey-slo rules decide shop/PoolFull accept --threshold" in text


def test_the_charts_draw_what_fired(sheet: Sheet) -> None:
    (proposal,) = sheet.proposals
    fig = plots.before_after(proposal)
    bars = [trace for trace in fig.data if trace.type == "bar"]
    drawn = {level: sum(len(t.y) for t in bars if t.y[0] == level) for level in (1.0, 0.0)}
    assert drawn == {1.0: proposal.tuning.current.fired, 0.0: proposal.point.fired}
    assert len(fig.layout.shapes) == 4, "a band for each incident"
    noise = plots.noise(sheet.review)
    assert sum(sum(t.customdata) for t in noise.data) == sum(r.fired for r in sheet.review.rules)


def test_it_runs_as_it_ships_and_what_it_says_to_paste_works(home: Settings) -> None:
    outcome = run_notebook(find("threshold_review", NOTEBOOK.parent), {}, settings=home)
    assert outcome.run.status == "succeeded"
    page = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    assert "1 change to decide about" in page and "<full>" not in page
    called = re.search(r'made = wb\.decide\(sheet\.proposals\[0\], "accept", by="..."', page.replace("&quot;", '"'))
    assert called, "the call that decides it stands on the page"
    wb = Workbench(home)
    sheet = threshold_review(wb)
    made = wb.decide(sheet.proposals[0], "accept", by="Ann", reason="it cries wolf")
    assert "pool_used > 0.5 " in (home.config / "rules" / "shop.yml").read_text()
    wb.apply(made, by="Bea")
    assert "pool_used > 0.5 " not in (home.config / "rules" / "shop.yml").read_text()
    after = threshold_review(wb)
    assert after.review.noisy == () and after.proposals == ()
    assert "Nothing to decide" in str(after.summary())
    assert wb.decisions().iloc[0]["evidence"]["incidents"] == 4
    wb.revert(made, by="Bea")
    assert (home.config / "rules" / "shop.yml").read_text() == RULES
