"""The types of widgets: what each shows and what it may be made of. A registry; `shapes.py` makes their data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """`shape` is what its data looks like (a named question must have the same), `queries` whether PromQL can be asked
    for it, `grafana` the panel that shows it there."""

    doc: str
    shape: str
    queries: bool = True
    grafana: str = "text"


KINDS: Final[dict[str, Kind]] = {
    "line": Kind("lines over time", "series", grafana="timeseries"),
    "area": Kind("lines over time, filled; with `stack` on top of each other", "series", grafana="timeseries"),
    "bar": Kind("one bar for each label set, the longest first", "bars", grafana="bargauge"),
    "gauge": Kind("one number on a scale from `min` to `max`", "number", grafana="gauge"),
    "number": Kind("one number, what it was before, and a small line", "number", grafana="stat"),
    "table": Kind("rows and columns; a column for each query", "table", grafana="table"),
    "heatmap": Kind("colour by bucket and time", "heatmap", grafana="heatmap"),
    "funnel": Kind("what is left from stage to stage; a stage for each query", "funnel", grafana="bargauge"),
    "map": Kind("a dot for each place, by the label `location`", "map", grafana="table"),
    "health": Kind("state of each component by check and location", "health", queries=False),
    "slo_list": Kind("error budgets, the least left first", "slo_list", queries=False, grafana="table"),
    "burn_down": Kind("an error budget over its window, spent and projected", "burn_down", queries=False),
    "calendar": Kind("a day for each day: how much of the budget it spent", "calendar", queries=False),
    "alerts": Kind("alerts with what became of them", "alerts", queries=False, grafana="table"),
    "logs": Kind("log lines, the newest first", "logs", queries=False),
    "review": Kind("the weekly review of alert rules, to decide on", "review", queries=False),
    "markdown": Kind("text", "markdown", queries=False),
}
