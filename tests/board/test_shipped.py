"""What is shipped, on a small demo: every widget of every dashboard has data, in a notebook and over HTTP; Grafana's
files say the same, fit its model and have queries that this server answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

from pitchey_slo import board
from pitchey_slo.board import grafana
from pitchey_slo.board.data import LIMITS, Board
from pitchey_slo.cli import build
from pitchey_slo.promql import evaluate, instant
from pitchey_slo.workbench import Workbench, connect
from tests.web.conftest import Running, running

ROOT = Path(__file__).parents[2]
BOARDS = {path.stem: board.load(path) for path in sorted((ROOT / "config" / "dashboards").glob("*.yml"))}
DEPLOYED = ROOT / "deploy" / "grafana"
SCHEMA = json.loads(Path(__file__).with_name("grafana.schema.json").read_text())
#: What people find first: data of the last day.
LENGTH = "24h"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of the demo, which end now."""
    folder = tmp_path_factory.mktemp("demo") / "home"
    given = ["demo", "--home", str(folder), "--days", "2", "--requests", "20000"]
    result = CliRunner().invoke(build(["demo"]), given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def workbench(home: Path) -> Workbench:
    return connect(home)


@pytest.fixture(scope="module")
def told(workbench: Workbench) -> dict[str, dict[str, Any]]:
    """The data of every dashboard, as a notebook gets it."""
    now = workbench.watermark()
    assert now is not None
    source = board.of_workbench(workbench)
    return {name: board.data(d, source, board.view_of(d, now, length=LENGTH)) for name, d in BOARDS.items()}


def nothing(data: dict[str, Any]) -> bool:
    """Whether a widget has no value at all."""
    for key in ("rows", "places", "labels", "days", "times", "series", "buckets"):
        if key in data and not data[key] and not data.get("columns" if key == "times" else "-"):
            return True
    lines = [line["values"] for line in data.get("series", ())] + list(data["values"] if "buckets" in data else ())
    if lines and all(value is None for line in lines for value in line):
        return True
    return ("value" in data and data["value"] is None) or not data.get("stages", [1])


def same(one: Any, other: Any) -> bool:
    """Equal numbers, and missing ones at the same places."""
    return np.allclose(np.array(one, np.float64), np.array(other, np.float64), rtol=1e-9, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", BOARDS)
def test_every_widget_has_data(told: dict[str, dict[str, Any]], name: str) -> None:
    definition, widgets = BOARDS[name], told[name]["widgets"]
    assert set(widgets) == {widget.id for widget in definition.widgets()}
    for widget in definition.widgets():
        data = widgets[widget.id]
        assert "error" not in data, f"{name}/{widget.id}: {data['error']}"
        assert widget.empty or not nothing(data), f"{name}/{widget.id} shows nothing, and does not say why"


def test_only_what_the_demo_has_not_is_empty(told: dict[str, dict[str, Any]]) -> None:
    empty = {
        f"{name}/{widget.id}"
        for name, definition in BOARDS.items()
        for widget in definition.widgets()
        if nothing(told[name]["widgets"][widget.id])
    }
    # no rule runs in a notebook, nobody decided, no report ran, nothing is watched: all of it comes with the server;
    # requests of a trace are shown when one is chosen
    expected = {"system/alerts", "alerts/inbox", "alerts/firing", "alerts/loudest", "alerts/history"}
    expected |= {"performance/anomalies", "review/decisions", "reports/runs", "review/review"}
    # the workbench's own series begin when a server runs; test_overhead.py sees them
    empty = {name for name in empty if not name.startswith("workbench/")}
    assert empty <= expected | {"logs/requests", "logs/new"}


@pytest.mark.parametrize("name", ["system", "performance", "business"])
def test_sharing_one_read_changes_no_number(workbench: Workbench, told: dict[str, dict[str, Any]], name: str) -> None:
    """Each expression by itself, straight from the scan, gives what the dashboard shows."""
    now = workbench.watermark()
    assert now is not None
    source, compared = board.of_workbench(workbench), 0
    made = Board(BOARDS[name], source, board.view_of(BOARDS[name], now, length=LENGTH))
    for widget in BOARDS[name].widgets():
        data = told[name]["widgets"][widget.id]
        span = made._span(widget)
        for query in widget.queries:
            if widget.type in ("line", "area"):
                alone = evaluate(made._filled(query, span), source.scan, span.start, span.end, span.step, limits=LIMITS)
                shown = [line["values"] for line in data["series"]]
                for values, present in zip(alone.values, alone.present, strict=True):
                    line = np.where(np.isfinite(values) & present, values, np.nan)
                    assert any(same(line, each) for each in shown), widget.id
                compared += len(alone)
            elif widget.type in ("number", "gauge"):
                alone = instant(made._filled(query, span), source.scan, made._moment(span), limits=LIMITS)
                assert data["value"] == pytest.approx(float(alone.values[0, 0]), rel=1e-9)
                compared += 1
    assert compared > 5


@pytest.fixture(scope="module")
def served(home: Path, workbench: Workbench) -> Iterator[Running]:
    with running(home) as it:
        yield it


@pytest.fixture(scope="module")
def client(served: Running) -> Iterator[httpx.Client]:
    with served.client(served.token("read")) as it:
        yield it


def test_the_server_tells_the_same_as_the_notebook(client: httpx.Client, told: dict[str, dict[str, Any]]) -> None:
    listed = client.get("/api/monitoring/dashboards").json()["dashboards"]
    assert [each["id"] for each in listed] == sorted(BOARDS, key=lambda name: BOARDS[name].order)
    start, end = (datetime.fromtimestamp(told["business"]["range"][k] / 1_000, UTC) for k in ("start", "end"))
    for name in BOARDS:
        answer = client.get(f"/api/monitoring/dashboards/{name}", params={"start": start, "end": end})
        assert answer.status_code == 200, answer.text
        found, compared = answer.json()["widgets"], 0
        for widget in BOARDS[name].widgets():
            late = found[widget.id].get("error", {}).get("reason") == "store_unavailable"
            assert "error" not in found[widget.id] or late, (name, widget.id, found[widget.id])
            if widget.type in ("line", "area") and not widget.span and widget.queries:
                mine = told[name]["widgets"][widget.id]
                assert found[widget.id]["times"] == mine["times"]
                for line, other in zip(found[widget.id]["series"], mine["series"], strict=True):
                    assert line["name"] == other["name"]
                    assert same(line["values"], other["values"])
                compared += 1
        assert compared or name in ("slos", "alerts", "review", "logs", "reports"), name


# Grafana


def test_the_deployed_files_are_what_the_definitions_make(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        build(["export"]), ["export", "grafana", "--to", str(tmp_path), "--home", str(tmp_path / "none")],
        env={"PITCHEY_CONFIG": str(ROOT / "config")}, catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    made = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.*") if path.is_file()}
    there = {str(path.relative_to(DEPLOYED)): path.read_text() for path in DEPLOYED.rglob("*.*") if path.is_file()}
    assert made == there, "write them anew: pitchey-slo export grafana --to deploy/grafana"
    assert "pitchey-overview.json" in made


@pytest.mark.parametrize("name", BOARDS)
def test_it_fits_grafanas_model(name: str) -> None:
    made = grafana.dashboard(BOARDS[name])
    jsonschema.validate(made, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert "__inputs" not in made and "${DS_" not in json.dumps(made)
    assert made["schemaVersion"] == 41 and made["templating"]["list"][0]["type"] == "datasource"
    every = panels(made)
    numbers = [p["id"] for p in every]
    assert len(set(numbers)) == len(numbers)
    for i, p in enumerate(every):
        a = p["gridPos"]
        assert a["x"] + a["w"] <= 24, p["title"]
        for q in every[i + 1 :]:
            b = q["gridPos"]
            apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
            assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], (p["title"], q["title"])
    known = {v["name"] for v in made["templating"]["list"]} | {"__range", "__interval", "__rate_interval"}
    known |= {"__url_time_range", "__field", "__data", "__all"}
    for used in re.findall(r"\$\{?(\w+)", json.dumps(made)):
        assert used in known, f"{name}: ${used} is no variable of Grafana"
    for link in re.findall(r"/d/([\w-]+)", json.dumps(made)):
        assert link in {grafana.uid(other) for other in BOARDS}


def panels(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [p for top in made["panels"] for p in (top, *top.get("panels", ()))]


def as_grafana(expr: str, made: dict[str, Any]) -> str:
    """The expression as Grafana sends it when everything is chosen."""
    durations = {"__range": "86400s", "__interval": "75s", "__rate_interval": "300s"}
    for name, value in durations.items():
        expr = expr.replace(f"${name}", value)
    for variable in made["templating"]["list"]:
        value = ".*" if variable.get("includeAll") else "api-availability"
        expr = re.sub(rf"\$\{{?{variable['name']}\b\}}?", value, expr)
    return expr


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_is_answered_by_this_server(
    client: httpx.Client, told: dict[str, dict[str, Any]], name: str
) -> None:
    made = grafana.dashboard(BOARDS[name])
    by_title = {widget.title: widget for widget in BOARDS[name].widgets()}
    end = datetime.fromtimestamp(told[name]["widgets"] and told["business"]["range"]["end"] / 1_000, UTC)
    for p in panels(made):
        for target in p.get("targets", ()):
            expr = as_grafana(target["expr"], made)
            assert "$" not in expr
            if target["instant"]:
                answer = client.post("/api/v1/query", data={"query": expr, "time": end.isoformat()})
            else:
                given = {"query": expr, "start": (end - timedelta(hours=24)).isoformat(), "end": end.isoformat()}
                answer = client.post("/api/v1/query_range", data=given | {"step": "600"})
            assert answer.json()["status"] == "success", (p["title"], answer.text)
            widget = by_title[p["title"]]
            alerts = "ALERTS" in expr or "evicted" in expr
            assert answer.json()["data"]["result"] or widget.empty or alerts, f"{p['title']}: {expr} finds nothing"
    for variable in made["templating"]["list"]:
        if variable["type"] == "query":
            metric, _, label = variable["definition"].removeprefix("label_values(").rstrip(")").rpartition(", ")
            assert client.get(f"/api/v1/label/{label}/values", params={"match[]": metric}).json()["data"]
    for annotation in made["annotations"]["list"]:
        if "expr" in annotation:
            assert client.post("/api/v1/query", data={"query": annotation["expr"]}).json()["status"] == "success"


def test_thresholds_begin_below_everything() -> None:
    gauge = next(p for p in panels(grafana.dashboard(BOARDS["system"])) if p["title"] == "Error rate")
    assert gauge["fieldConfig"]["defaults"]["thresholds"]["steps"] == [
        {"color": "green", "value": None}, {"color": "orange", "value": 0.02}, {"color": "red", "value": 0.05},
    ]  # fmt: skip
    hits = next(p for p in panels(grafana.dashboard(BOARDS["performance"])) if p["title"] == "Hit rate")
    assert [s["color"] for s in hits["fieldConfig"]["defaults"]["thresholds"]["steps"]] == ["orange", "green"]
    line = next(p for p in panels(grafana.dashboard(BOARDS["system"])) if p["title"] == "Errors per second by route")
    assert line["fieldConfig"]["defaults"]["links"][0]["url"] == (
        "/d/pitchey-performance?${__url_time_range}&var-route=${__field.labels.route:percentencode}"
    )
