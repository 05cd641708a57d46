"""The dashboard has the shape Grafana reads, imports and provisions, and shows the numbers of plain counting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pitchey_slo.promql import MemoryScan, instant, parse
from pitchey_slo.slo import load
from pitchey_slo.slo.export.grafana import SCHEMA, budget_left, dashboard, export_grafana
from pitchey_slo.slo.spec.openslo import parse as read
from tests.slo.made import spec_text

TICK, HOUR = 15_000, 3_600_000
T0 = 1_770_000_000_000 // HOUR * HOUR


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(export_grafana(load("config/slos")))
    return found


def panels_of(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def walk(value: Any) -> Iterator[Any]:
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from walk(child)


def test_it_has_what_the_classic_model_needs(made: dict[str, Any]) -> None:
    assert made["id"] is None and 0 < len(made["uid"]) <= 40 and made["title"] == "SLOs"
    assert 36 <= made["schemaVersion"] == SCHEMA <= 42
    for key in ("tags", "timezone", "editable", "graphTooltip", "time", "timepicker", "refresh", "version", "links"):
        assert key in made
    assert made["annotations"]["list"][0]["builtIn"] == 1
    assert {"from", "to"} == set(made["time"])


def test_it_imports_and_provisions(made: dict[str, Any]) -> None:
    """`${DS_...}` is filled by the import page alone; a variable works there and in files (grafana/grafana#10786)."""
    text = json.dumps(made)
    assert "__inputs" not in made and "${DS_" not in text
    variable = made["templating"]["list"][0]
    assert (variable["type"], variable["name"], variable["query"]) == ("datasource", "datasource", "prometheus")
    sources = [v["datasource"] for v in walk(made) if isinstance(v, dict) and "datasource" in v]
    assert len(sources) > 50
    assert {s["uid"] for s in sources} == {"${datasource}", "-- Grafana --"}


def test_panels_have_places_of_their_own(made: dict[str, Any]) -> None:
    ids = [p["id"] for p in panels_of(made)]
    assert len(ids) == len(set(ids)) and all(isinstance(i, int) and i > 0 for i in ids)
    for group in (made["panels"], *(p["panels"] for p in made["panels"] if p["type"] == "row")):
        taken: set[tuple[int, int]] = set()
        for panel in group:
            place = panel["gridPos"]
            assert set(place) == {"x", "y", "w", "h"} and place["x"] >= 0 and place["x"] + place["w"] <= 24
            cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
            assert not cells & taken, panel["title"]
            taken |= cells


def test_every_query_is_promql_and_every_panel_complete(made: dict[str, Any]) -> None:
    kinds = {p["type"] for p in panels_of(made)}
    assert kinds == {"row", "bargauge", "state-timeline", "stat", "timeseries"}
    for panel in panels_of(made):
        if panel["type"] == "row":
            assert panel["collapsed"] and panel["panels"]
            continue
        letters = [t["refId"] for t in panel["targets"]]
        assert letters and len(letters) == len(set(letters))
        for target in panel["targets"]:
            parse(target["expr"])
            assert len(target["expr"]) < 20_000 and target["instant"] is not target["range"]
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
        values = [s["value"] for s in steps[1:]]
        assert values == sorted(values)


def test_no_wall_of_panels(made: dict[str, Any]) -> None:
    assert len([p for p in made["panels"] if p["type"] != "row"]) == 2


def test_the_budget_it_shows_is_the_one_that_was_counted() -> None:
    slos = [read(spec_text(name=n, objectives="[{displayName: it, target: 0.99}]")).slos[0] for n in ("a", "b")]
    scan = MemoryScan()
    counts = {"a": (30, 10_000), "b": (160, 10_000)}
    for name, totals in counts.items():
        for what, total in zip(("bad", "valid"), totals, strict=True):
            labels = {"__name__": f"pitchey_slo_{what}_total", "slo": name, "service": "test", "objective": "it"}
            scan.add(labels, T0 + np.arange(241) * TICK, 1e6 + np.linspace(0, total, 241))
    at = T0 + 240 * TICK
    for slo in slos:
        bad, valid = counts[slo.name]
        (found,) = instant(budget_left(slo, slo.objectives[0]), scan, at).series()
        assert found[2][0] == pytest.approx(1 - bad / valid / 0.01)
    bars = dashboard(slos)["panels"][0]["targets"][0]["expr"]
    shown = [(labels["name"], float(values[0])) for labels, _, values in instant(bars, scan, at).series()]
    assert [name for name, _ in shown] == ["b", "a"]  # the least first
    assert [left for _, left in shown] == pytest.approx([-0.6, 0.7])
