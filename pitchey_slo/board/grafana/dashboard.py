"""One definition as one dashboard: rows and panels on Grafana's grid of 24 columns, variables, annotations, links."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pitchey_slo.board.grafana.panels import panel
from pitchey_slo.board.grafana.words import SOURCE, uid
from pitchey_slo.board.model import Definition, Row, Variable, Widget
from pitchey_slo.slo.export.grafana import BUILT_IN, SOURCE_VARIABLE

#: Version of Grafana's dashboard schema (11.6 and later migrate it to theirs).
SCHEMA_VERSION: Final = 41
TAG: Final = "pitchey-slo"
COLUMNS: Final = 24
#: Columns of ours in one of Grafana's.
_WIDER: Final = 2
#: Where the workbench is, unless somebody types another address.
WORKBENCH: Final = "http://localhost:8001"


def text(definition: Definition) -> str:
    """The JSON text; the same definition gives the same bytes."""
    return json.dumps(dashboard(definition), indent=2, ensure_ascii=False) + "\n"


def file_name(definition: Definition) -> str:
    return f"{uid(definition.name)}.json"


def dashboard(definition: Definition) -> dict[str, Any]:
    """The dashboard as plain data."""
    d = definition
    return {
        "id": None,
        "uid": uid(d.name),
        "title": f"Pitchey: {d.title}",
        "description": f"{d.description}\n\nMade by `pitchey-slo export grafana {d.name}`; change that one.".strip(),
        "tags": [TAG],
        "timezone": "utc",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "refresh": d.refresh,
        "time": {"from": f"now-{d.range}", "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m"]},
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "links": [_MENU],
        "annotations": {"list": [BUILT_IN, _ALERTS]},
        "templating": {"list": [_SOURCE_VARIABLE, *map(_variable, d.variables), _WORKBENCH_VARIABLE]},
        "panels": _panels(d),
    }


def _panels(definition: Definition) -> list[dict[str, Any]]:
    numbers = iter(range(1, 100_000))
    made: list[dict[str, Any]] = []
    y = 0
    for row in definition.rows:
        head = {"id": next(numbers), "type": "row", "title": row.title, "collapsed": row.collapsed,
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}, "panels": []}  # fmt: skip
        inside = [panel(next(numbers), w, place, definition.name) for w, place in _placed(row, y + 1)]
        made.append(head | {"panels": inside if row.collapsed else []})
        made += [] if row.collapsed else inside
        y = max([y + 1, *(p["gridPos"]["y"] + p["gridPos"]["h"] for p in inside)])
    return made


def _placed(row: Row, top: int) -> Iterator[tuple[Widget, dict[str, int]]]:
    """Each widget at the first free place at or after the last one's, as a browser's grid places what follows: line by
    line, from the left."""
    taken: set[tuple[int, int]] = set()
    x, y = 0, top
    for widget in row.widgets:
        width, height = widget.width * _WIDER, widget.height
        while x + width > COLUMNS or any((x + i, y + j) in taken for i in range(width) for j in range(height)):
            x, y = (x + 1, y) if x + width < COLUMNS else (0, y + 1)
        taken |= {(x + i, y + j) for i in range(width) for j in range(height)}
        yield widget, {"x": x, "y": y, "w": width, "h": height}


def _variable(variable: Variable) -> dict[str, Any]:
    common = {"name": variable.name, "label": variable.label, "hide": 0, "skipUrlSync": False}
    if variable.text:
        nothing = {"text": "", "value": ""}
        return common | {"type": "textbox", "query": "", "current": nothing, "options": [nothing | {"selected": True}]}
    several = {"includeAll": variable.all, "multi": variable.all, "allValue": ".*" if variable.all else None}
    current: dict[str, Any] = {"text": ["All"], "value": ["$__all"]} if variable.all else {}
    if variable.values:
        return (
            common | several | {"type": "custom", "query": _listed(variable.values), "current": current, "options": []}
        )
    query = f"label_values({variable.metric}, {variable.of_label})"
    return (
        common
        | several
        | {
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "current": current,
            "options": [],
            "refresh": 2,
            "regex": "",
            "sort": 1,
        }
    )


def _listed(values: Sequence[str]) -> str:
    return ",".join(value.replace(",", "\\,") for value in values)


_ALERTS: Final = {
    "name": "Critical alerts",
    "datasource": SOURCE,
    "enable": True,
    "hide": False,
    "iconColor": "red",
    "expr": 'max by (alertname, service) (ALERTS{alertstate="firing", severity="critical"})',
    "step": "60s",
    "titleFormat": "{{alertname}}",
    "textFormat": "{{service}}",
    "tagKeys": "service",
    "useValueForTime": False,
}
_SOURCE_VARIABLE: Final = {**SOURCE_VARIABLE, "skipUrlSync": False}
_WORKBENCH_VARIABLE: Final = {
    "name": "workbench",
    "label": "Workbench",
    "type": "textbox",
    "query": WORKBENCH,
    "current": {"text": WORKBENCH, "value": WORKBENCH},
    "hide": 2,
    "options": [{"selected": True, "text": WORKBENCH, "value": WORKBENCH}],
    "skipUrlSync": False,
}
_MENU: Final = {
    "title": "Pitchey",
    "type": "dashboards",
    "icon": "external link",
    "tooltip": "",
    "url": "",
    "tags": [TAG],
    "asDropdown": True,
    "targetBlank": False,
    "includeVars": False,
    "keepTime": True,
}
