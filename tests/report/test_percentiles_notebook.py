"""The percentiles report: clean as committed, its words from its numbers, run as it ships."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pitchey_slo.plots import percentile_methods as plots
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.quantiles import Quantiles, quantiles
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.workbench import Workbench

NOTEBOOK = shipped("notebooks") / "20_percentiles.ipynb"


@pytest.fixture(scope="module")
def found(demo: Settings) -> Quantiles:
    return quantiles(Workbench(demo), window="7d", where="route LIKE '/api/%'")


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    notebook = find(str(NOTEBOOK))
    assert notebook.short == "percentiles"
    types = [(p.name, p.type) for p in notebook.parameters]
    assert types == [("quantile", "float"), ("window", "str"), ("where", "str"), ("end", "datetime")]
    assert all(p.help for p in notebook.parameters)


def test_the_words_come_from_the_numbers(found: Quantiles) -> None:
    row = found.overall[found.overall["quantile"] == 0.95].iloc[0]
    words = str(found.summary())
    assert f"{row['exact']:,.0f} ms" in words
    assert f"{row['histogram']:,.0f} ms" in words
    assert (found.over_time["sketch_error"].abs() < 0.01).all()
    assert str(found.table()).count("<tr>") == 1 + 4
    worst = found.by_route.loc[found.by_route["histogram_error"].abs().idxmax(), "route"]
    assert str(found.misled(1)).count(str(worst)) == 1


def test_the_charts_draw_what_the_frames_hold(found: Quantiles) -> None:
    fig = plots.quantile_methods(found.over_time)
    assert {t.name for t in fig.data} >= {"exact", "sketch", "interpolated"}
    assert list(next(t for t in fig.data if t.name == "exact").y) == found.over_time["exact"].tolist()
    errors = {t.name: t for t in plots.quantile_errors(found.over_time).data}
    assert list(errors["sketch"].y) == [100 * e for e in found.over_time["sketch_error"]]
    shown = next(t for t in plots.quantile_by_group(found.by_route).data if t.name == "exact")
    assert sorted(shown.x) == sorted(found.by_route["exact"])


def test_nothing_measured_says_so(found: Quantiles) -> None:
    empty = found.over_time.head(0)
    for draw in (plots.quantile_methods, plots.quantile_errors):
        assert draw(empty).layout.annotations[0].text
    gone = found.over_time.assign(exact=float("nan"), sketch_error=float("nan"), histogram_error=float("nan"))
    assert "gone" in plots.quantile_errors(gone).layout.annotations[0].text
    nobody = Quantiles(**{**vars(found), "overall": pd.DataFrame(found.overall.head(0))})
    assert "No duration was measured" in str(nobody.summary())


def test_it_runs_as_it_ships(demo: Settings) -> None:
    outcome = run_notebook(find(str(NOTEBOOK)), {"window": "7d"}, settings=demo)
    assert outcome.run.status == "succeeded"
    page = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    assert page.count("js-plotly-plot") or page.count("plotly") > 3
