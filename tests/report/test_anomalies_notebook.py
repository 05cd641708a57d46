"""The anomaly notebook: clean as committed, its words from its numbers, run as it ships."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pitchey_slo.errors import QueryError
from pitchey_slo.plots import anomalies as plots
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.anomalies import Anomalies, anomalies, nines
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.workbench import Workbench

NOTEBOOK = shipped("notebooks") / "50_anomalies.ipynb"


@pytest.fixture(scope="module")
def found(demo: Settings) -> Anomalies:
    return anomalies(Workbench(demo), window="14d", detectors=["mad", "threshold"], together=False)


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    notebook = find(str(NOTEBOOK))
    assert notebook.short == "anomalies"
    assert [p.name for p in notebook.parameters] == ["series", "window", "detectors", "false_per_week", "end"]
    assert all(p.help for p in notebook.parameters)


def test_the_words_come_from_the_numbers(found: Anomalies) -> None:
    assert {each.name for each in found.judged} == {"mad", "threshold"}
    best = found.best
    assert all(best.caught >= each.caught for each in found.judged if each.within)
    words = str(found.summary())
    assert f"{best.name} on error-ratio finds {best.caught} of {len(found.known)} labelled incidents" in words
    assert f"&gt; {nines(best.threshold)}" in str(found.advice())
    assert str(found.matrix()).count("<tr>") == 1 + len(found.known)
    row = str(found.matrix()).split("<tr>")[2:]
    assert sum(r.count("✓") for r in row) >= sum(each.caught for each in found.judged)


def test_a_found_incident_is_one_during_which_the_score_was_high(found: Anomalies) -> None:
    best = found.best
    times, scores = found.scores_by(best.name)
    for incident in found.known:
        if incident.id in best.caught_ids:
            start = incident.started_at.timestamp() * 1000
            end = (incident.ended_at or found.end).timestamp() * 1000 + 300_000
            inside = (times >= start - 300_000) & (times <= end)
            assert np.nanmax(scores[inside]) > best.threshold, incident.title


def test_the_chart_has_a_row_per_detector_and_loses_no_peak(found: Anomalies) -> None:
    scores = {each.name: found.scores_by(each.name) for each in found.judged}
    fig = plots.side_by_side(found.values, scores, {"mad": 0.999}, found.incidents, found.deployments)
    lines = [trace for trace in fig.data if trace.mode == "lines"]
    assert len(lines) == 3
    assert all(len(line.x) <= 2 * plots.POINTS + 2 for line in lines)
    assert max(lines[0].y) == pytest.approx(found.values.max())
    assert plots.side_by_side(pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC")), {}, {}).layout.annotations


def test_without_labels_nothing_is_advised(found: Anomalies) -> None:
    alone = replace(
        found, incidents=found.incidents.head(0), judged=tuple(replace(j, caught=0, incidents=0) for j in found.judged)
    )
    assert "No incident is labelled" in str(alone.summary())
    assert "Nothing to advise" in str(alone.advice())


def test_what_has_no_data_says_so(demo: Settings) -> None:
    with pytest.raises(QueryError, match="nothing_here has no data"):
        anomalies(Workbench(demo), "nothing_here", window="7d", detectors=["mad"], together=False)


def test_it_runs_as_it_ships(demo: Settings) -> None:
    given = {"window": "7d", "detectors": ["mad"]}
    outcome = run_notebook(find(str(NOTEBOOK)), given, settings=demo)
    assert outcome.run.status == "succeeded", outcome.run.error
    assert "Side by side" in Path(str(outcome.run.html)).read_text(encoding="utf-8")
