"""A definition as plain values, by the keys of its file: what `read` reads again as the same."""

from __future__ import annotations

from typing import Any

from pitchey_slo.board.model import Definition, Link, Query, Row, Threshold, Variable, Widget

_PLAIN = ("id", "type", "title", "description", "width", "height", "named", "text", "unit", "decimals", "stack", "min")


def plain(definition: Definition) -> dict[str, Any]:
    """What says nothing beyond the default is left out, but for size and unit of widgets."""
    d = definition
    told = {"name": d.name, "title": d.title, "description": d.description, "order": d.order, "role": d.role}
    told |= {"range": d.range, "refresh": d.refresh, "variables": [_variable(v) for v in d.variables]}
    return _without_empty(told) | {"rows": [_row(row) for row in d.rows]}


def _variable(v: Variable) -> dict[str, Any]:
    query = f"label_values({v.metric}, {v.of_label})" if v.metric else ""
    told = {"name": v.name, "label": v.label, "query": query, "values": list(v.values), "all": v.all, "text": v.text}
    return _without_empty(told)


def _row(row: Row) -> dict[str, Any]:
    return {"title": row.title, "collapsed": row.collapsed, "widgets": [_widget(w) for w in row.widgets]}


def _widget(w: Widget) -> dict[str, Any]:
    told = {name: getattr(w, name) for name in (*_PLAIN, "max", "empty")} | {"range": w.span, "with": dict(w.given)}
    told |= {"queries": [_query(q) for q in w.queries], "grafana": [_query(q) for q in w.grafana]}
    told |= {"thresholds": [_threshold(t) for t in w.thresholds], "links": [_link(k) for k in w.links]}
    return _without_empty(told) | {"title": w.title}


def _query(q: Query) -> dict[str, Any]:
    return _without_empty({"expr": q.expr, "legend": q.legend, "instant": q.instant, "unit": q.unit})


def _threshold(t: Threshold) -> dict[str, Any]:
    return {"value": t.value, "state": t.state} | _without_empty({"text": t.text})


def _link(k: Link) -> dict[str, Any]:
    return {"title": k.title, "to": k.to} | _without_empty({"with": dict(k.given)})


def _without_empty(told: dict[str, Any]) -> dict[str, Any]:
    """0 is a value, nothing is none."""
    return {key: value for key, value in told.items() if value or (value == 0 and not isinstance(value, bool))}
