"""SLOs as a Grafana dashboard: what is left of each budget, the least first, and a row per objective.

    all budgets | firing alerts            then per objective, folded:
    SLI · budget left · burn 1h · target   budget left over time | burn rates with the factors that alert | SLI per hour

It is the classic JSON model. Its data source is a variable, `${datasource}`, so that it can be imported by hand and
provisioned from a file: an `__inputs` entry would be filled by the import page only (grafana/grafana#10786). Queries
are on the series this server answers and exposes, so its data source may be this server or a Prometheus that scrapes
it; SLIs that are PromQL are asked by their own queries.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pitchey_slo.slo.alerts.burn import conditions, minutes_of, period_minutes
from pitchey_slo.slo.alerts.burn_rules import BURN_ALERT, plain_number
from pitchey_slo.slo.alerts.in_promql import burn_share, promql_duration, quoted
from pitchey_slo.slo.budget import budget_part
from pitchey_slo.slo.model import Objective, Slo

UID: Final = "pitchey-slo"
SCHEMA: Final = 39
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
#: Objectives asked by one query: its text stays below what a server takes.
_TOGETHER: Final = 15
_RED, _ORANGE, _GREEN = "red", "orange", "green"


def export_grafana(slos: Iterable[Slo], title: str = "SLOs") -> str:
    """The dashboard's JSON text. SloError for an SLI that cannot be said in PromQL."""
    return json.dumps(dashboard(list(slos), title), indent=2) + "\n"


def dashboard(slos: Sequence[Slo], title: str = "SLOs") -> dict[str, Any]:
    """The dashboard as plain data."""
    objectives = [(slo, objective) for slo in slos for objective in slo.objectives]
    numbers = iter(range(1, 1_000_000))
    height = max(6, 2 + len(objectives))
    panels = [_budgets(next(numbers), objectives, height), _firing(next(numbers), height)]
    for place, (slo, objective) in enumerate(objectives):
        panels.append(_row(numbers, slo, objective, height + place))
    return {
        "id": None,
        "uid": UID,
        "title": title,
        "description": "Made by `pitchey-slo slo export grafana`; change the SLOs, not this dashboard.",
        "tags": ["slo", "pitchey-slo"],
        "timezone": "utc",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA,
        "version": 1,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "timepicker": {},
        "links": [],
        "annotations": {"list": [BUILT_IN]},
        "templating": {"list": [SOURCE_VARIABLE]},
        "panels": panels,
    }


#: The annotations that Grafana itself writes into every dashboard, and which Prometheus is asked; for all exports.
BUILT_IN: Final = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}
SOURCE_VARIABLE: Final = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "options": [],
    "refresh": 1,
    "regex": "",
}


def budget_left(slo: Slo, objective: Objective) -> str:
    """PromQL of the part of the budget that is left over the SLO's first window."""
    share = burn_share(slo, objective, period_minutes(slo.windows[0]))
    return f"1 - ({share}) / {plain_number(budget_part(objective.target))}"


def burn_rate(slo: Slo, objective: Objective, minutes: int) -> str:
    """PromQL of the burn rate over so many minutes."""
    return f"({burn_share(slo, objective, minutes)}) / {plain_number(budget_part(objective.target))}"


def _budgets(number: int, objectives: Sequence[tuple[Slo, Objective]], height: int) -> dict[str, Any]:
    named = [f'label_replace({budget_left(s, o)}, "name", {quoted(_name(s, o))}, "", "")' for s, o in objectives]
    chunks = [named[i : i + _TOGETHER] for i in range(0, len(named), _TOGETHER)]
    targets = [
        _target(chr(ord("A") + i), f"sort({' or '.join(chunk)})", "{{name}}", instant=True)
        for i, chunk in enumerate(chunks)
    ]
    options = {
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "showUnfilled": True,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    steps = [(_RED, None), (_ORANGE, 0.0001), (_GREEN, 0.25)]
    field = _field("percentunit", steps, minimum=0, maximum=1)
    return _panel(number, "bargauge", "Budget left, the least first", (0, 0, 16, height), targets, field, options)


def _firing(number: int, height: int) -> dict[str, Any]:
    expr = f'max by (slo, objective, windows, severity) (ALERTS{{alertname="{BURN_ALERT}", alertstate="firing"}})'
    target = _target("A", expr, "{{slo}} {{windows}} {{severity}}")
    options = {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "legend": {"showLegend": False}}
    field = _field("none", [(_RED, None)])
    return _panel(number, "state-timeline", "Burn alerts that fire", (16, 0, 8, height), [target], field, options)


def _row(numbers: Iterator[int], slo: Slo, objective: Objective, y: int) -> dict[str, Any]:
    number = next(numbers)
    return {
        "id": number,
        "type": "row",
        "title": f"{_name(slo, objective)}: {objective.target * 100:.10g} % over {slo.windows[0].text}",
        "collapsed": True,
        "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
        "panels": [*_stats(numbers, slo, objective, y + 1), *_graphs(numbers, slo, objective, y + 5)],
    }


def _stats(numbers: Iterator[int], slo: Slo, objective: Objective, y: int) -> list[dict[str, Any]]:
    period, target = period_minutes(slo.windows[0]), objective.target
    share = burn_share(slo, objective, period)
    shown: list[tuple[str, str, str, list[tuple[str, float | None]]]] = [
        (f"Good over {slo.windows[0].text}", f"1 - ({share})", "percentunit", [(_RED, None), (_GREEN, target)]),
        ("Budget left", budget_left(slo, objective), "percentunit", [(_RED, None), (_ORANGE, 0.0001), (_GREEN, 0.25)]),
        ("Burn rate, last hour", burn_rate(slo, objective, 60), "none", [(_GREEN, None), (_ORANGE, 1), (_RED, 6)]),
        ("Target", f"vector({plain_number(target)})", "percentunit", [("text", None)]),
    ]
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return [
        _panel(
            next(numbers),
            "stat",
            title,
            (6 * i, y, 6, 4),
            [_target("A", expr, title, instant=True)],
            _field(unit, steps, decimals=3 if unit == "percentunit" else 1),
            options,
        )
        for i, (title, expr, unit, steps) in enumerate(shown)
    ]


def _graphs(numbers: Iterator[int], slo: Slo, objective: Objective, y: int) -> list[dict[str, Any]]:
    factors = sorted({c.factor for c in conditions(slo)})
    windows = sorted({minutes_of(c.long) for c in conditions(slo)} or {60})
    letters = [chr(ord("A") + i) for i in range(len(windows))]
    burns = [
        _target(letter, burn_rate(slo, objective, m), promql_duration(m))
        for letter, m in zip(letters, windows, strict=True)
    ]
    left = [_target("A", budget_left(slo, objective), "budget left")]
    hourly = [_target("A", f"1 - ({burn_share(slo, objective, 60)})", "good")]
    colours = (_GREEN, _ORANGE, _RED)
    steps: list[tuple[str, float | None]] = [(_GREEN, None)]
    steps += [(colours[min(i + 1, 2)], f) for i, f in enumerate(factors)]
    reached: list[tuple[str, float | None]] = [(_RED, None), (_GREEN, objective.target)]
    shown = [
        ("Budget left over time", left, _line("percentunit", [(_RED, None), (_GREEN, 0.0)])),
        ("Burn rates; lines are where alerts begin", burns, _line("none", steps)),
        ("Good per hour; the line is the target", hourly, _line("percentunit", reached)),
    ]
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    options = {"legend": legend, "tooltip": {"mode": "multi"}}
    return [
        _panel(next(numbers), "timeseries", title, (8 * i, y, 8, 8), targets, field, options)
        for i, (title, targets, field) in enumerate(shown)
    ]


def _panel(
    number: int,
    kind: str,
    title: str,
    place: tuple[int, int, int, int],
    targets: list[dict[str, Any]],
    field: dict[str, Any],
    options: dict[str, Any],
) -> dict[str, Any]:
    x, y, w, h = place
    return {
        "id": number,
        "type": kind,
        "title": title,
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "datasource": _SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": field, "overrides": []},
        "options": options,
    }


def _target(letter: str, expr: str, legend: str, *, instant: bool = False) -> dict[str, Any]:
    return {
        "refId": letter,
        "datasource": _SOURCE,
        "expr": expr,
        "legendFormat": legend,
        "instant": instant,
        "range": not instant,
    }


def _field(
    unit: str,
    steps: list[tuple[str, float | None]],
    *,
    decimals: int | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> dict[str, Any]:
    thresholds = [{"color": colour, "value": value} for colour, value in steps]
    given = {"decimals": decimals, "min": minimum, "max": maximum}
    return {
        "unit": unit,
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": thresholds},
        **{name: value for name, value in given.items() if value is not None},
    }


def _line(unit: str, steps: list[tuple[str, float | None]]) -> dict[str, Any]:
    """Fields of a line chart: thin lines, thresholds drawn as lines."""
    custom = {"lineWidth": 1, "fillOpacity": 0, "spanNulls": False, "thresholdsStyle": {"mode": "line"}}
    return _field(unit, steps) | {"color": {"mode": "palette-classic"}, "custom": custom}


def _name(slo: Slo, objective: Objective) -> str:
    return f"{slo.name} ({objective.title})" if len(slo.objectives) > 1 else slo.name
