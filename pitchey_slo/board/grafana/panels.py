"""One widget as one panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pitchey_slo.board.grafana.words import SOURCE, UNITS, address, of_click, steps
from pitchey_slo.board.kinds import KINDS
from pitchey_slo.board.model import Query, Widget

Panel = dict[str, Any]

#: Grafana takes the rate over four of these at least: five minutes, as alert rules do (its own default is a minute,
#: too short for what is sampled once a minute).
_LEAST_STEP: Final = "75s"
_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND: Final = {"displayMode": "list", "placement": "bottom", "showLegend": True}


def panel(number: int, widget: Widget, place: Mapping[str, int], board: str) -> Panel:
    """`board` is the dashboard's name, for the way back to the workbench."""
    queries = widget.queries or widget.grafana
    if not queries:
        return _common(number, "text", widget, place) | _text(widget, board)
    kind = _kind(widget)
    made = _common(number, kind, widget, place)
    made |= {
        "datasource": SOURCE,
        "targets": [_target(i, query, kind) for i, query in enumerate(queries)],
        "fieldConfig": {"defaults": _field(widget, kind), "overrides": _overrides(widget, kind)},
    }
    return made | _OPTIONS[kind](widget)


def _kind(widget: Widget) -> str:
    """The panel's type: that of the widget, where Grafana has its like; for a named question what shows its queries."""
    shown = KINDS[widget.type].grafana
    if shown == "heatmap" and not (widget.queries and "{{le}}" in widget.queries[0].legend):
        return "status-history" if widget.queries else "timeseries"
    if widget.type == "health":
        return "status-history"
    if widget.grafana and shown in ("text", "table"):
        return "table" if all(query.instant for query in widget.grafana) else "timeseries"
    return shown


def _common(number: int, kind: str, widget: Widget, place: Mapping[str, int]) -> Panel:
    made: Panel = {
        "id": number,
        "type": kind,
        "title": widget.title,
        "description": widget.description,
        "gridPos": dict(place),
        "transparent": False,
        "links": [
            {"title": link.title, "url": address(link), "targetBlank": False}
            for link in widget.links
            if not of_click(link)
        ],
    }
    return made | ({"timeFrom": widget.span} if widget.span else {})


def _target(place: int, query: Query, kind: str) -> dict[str, Any]:
    over_all = kind in ("stat", "gauge") and "$__range" in query.expr  # one moment; others draw a small line
    instant = query.instant or over_all or kind == "table"
    form = "table" if kind == "table" else "heatmap" if kind == "heatmap" else "time_series"
    told = {
        "refId": chr(ord("A") + place),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": form,
        "instant": instant,
        "range": not instant,
    }
    return told | ({"interval": _LEAST_STEP} if "$__rate_interval" in query.expr else {})


def _field(widget: Widget, kind: str) -> dict[str, Any]:
    several = kind in ("timeseries", "bargauge")
    colour = "palette-classic" if kind == "timeseries" or (several and not widget.thresholds) else "thresholds"
    told: dict[str, Any] = {
        "unit": UNITS[widget.unit],
        "color": {"mode": colour},
        "thresholds": {"mode": "absolute", "steps": steps(widget.thresholds, widget.min)},
        "links": [
            {"title": link.title, "url": address(link, table=kind == "table"), "targetBlank": False}
            for link in widget.links
            if of_click(link)
        ],
    }
    given = {"decimals": widget.decimals, "min": widget.min, "max": widget.max}
    told |= {name: value for name, value in given.items() if value is not None}
    if widget.empty:
        told["noValue"] = widget.empty
    if kind == "status-history":
        told |= {"color": {"mode": "continuous-BlYlRd"}, "custom": {"fillOpacity": 80, "lineWidth": 0}}
    if widget.type == "health":
        told |= {"mappings": [_states()], "color": {"mode": "thresholds"}}
    if kind == "timeseries":
        told["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 25 if widget.type == "area" else 0,
            "spanNulls": False,
            "showPoints": "never",
            "stacking": {"mode": "normal" if widget.stack else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if widget.thresholds else "off"},
        }
    return told


def _states() -> dict[str, Any]:
    names = {"0": ("unhealthy", "red"), "1": ("degraded", "orange"), "2": ("healthy", "green")}
    options = {key: {"text": text, "color": colour, "index": int(key)} for key, (text, colour) in names.items()}
    return {"type": "value", "options": options}


def _overrides(widget: Widget, kind: str) -> list[dict[str, Any]]:
    """Columns of a table: the value of each query by its legend, with its unit; the time is no column of interest."""
    if kind != "table":
        return []
    queries = widget.queries or widget.grafana
    told = [_override("Time", ("custom.hidden", True))]
    for i, query in enumerate(queries):
        name = "Value" if len(queries) == 1 else f"Value #{chr(ord('A') + i)}"
        found: list[tuple[str, Any]] = [("displayName", query.legend)] if query.legend else []
        told.append(_override(name, *found, ("unit", UNITS[query.unit or widget.unit])))
    return told


def _override(name: str, *properties: tuple[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties],
    }


def _text(widget: Widget, board: str) -> Panel:
    if widget.type == "markdown":
        content = widget.text
    else:
        said = f"{widget.description}\n\n" if widget.description else ""
        content = f"{said}Not a question for PromQL: [{widget.title} in the workbench](${{workbench}}/show/{board})."
    return {
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {
            "mode": "markdown",
            "content": content,
            "code": {"language": "plaintext", "showLineNumbers": False},
        },
    }


def _timeseries(_: Widget) -> Panel:
    return {"options": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}}}


def _stat(_: Widget) -> Panel:
    return {"options": {"colorMode": "value", "graphMode": "area", "reduceOptions": _LAST, "textMode": "auto"}}


def _gauge(_: Widget) -> Panel:
    return {"options": {"reduceOptions": _LAST, "showThresholdLabels": False, "showThresholdMarkers": True}}


def _bargauge(_: Widget) -> Panel:
    return {
        "options": {"orientation": "horizontal", "displayMode": "basic", "valueMode": "color", "showUnfilled": True,
                    "reduceOptions": _LAST},
    }  # fmt: skip


def _table(widget: Widget) -> Panel:
    queries = widget.queries or widget.grafana
    made: Panel = {"options": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}}
    return made | ({"transformations": [{"id": "merge", "options": {}}]} if len(queries) > 1 else {})


def _heatmap(_: Widget) -> Panel:
    return {
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "exponent": 0.5, "fill": "dark-blue",
                      "reverse": False, "scale": "exponential"},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
            "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
        }
    }  # fmt: skip


def _status(_: Widget) -> Panel:
    return {"options": {"showValue": "never", "rowHeight": 0.9, "legend": _LEGEND, "tooltip": {"mode": "single"}}}


_OPTIONS: Final[Mapping[str, Callable[[Widget], Panel]]] = {
    "timeseries": _timeseries,
    "stat": _stat,
    "gauge": _gauge,
    "bargauge": _bargauge,
    "table": _table,
    "heatmap": _heatmap,
    "status-history": _status,
}
