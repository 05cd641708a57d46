"""Dashboards as data: definitions from YAML, and the numbers of every widget at one moment.

A definition (`config/dashboards/NAME.yml`, or a version that somebody saved) has rows of widgets, each with PromQL or a
named question, a unit, thresholds and links. `data` answers for a span of time: lines, numbers, tables and so on as
plain values, times in ms since 1970, a missing number as None (never 0). A widget that fails says so in its own place.
Values keep their units and are never rounded; a hash beside each widget changes when its data do.

This room draws nothing and knows no HTTP: `web/dashboards.py` serves what it makes, the app in `show/` draws it, and
`grafana/` writes the same definitions as Grafana reads them. Every number comes from PromQL or from a question in
`named/`, so there is no second way to count.
"""

from pitchey_slo.board.data import Board, data
from pitchey_slo.board.kept import Kept
from pitchey_slo.board.model import ALL, ROLES, Definition, Widget
from pitchey_slo.board.read import load, read
from pitchey_slo.board.source import Source, of_workbench
from pitchey_slo.board.view import View, view_of

__all__ = [
    "ALL",
    "ROLES",
    "Board",
    "Definition",
    "Kept",
    "Source",
    "View",
    "Widget",
    "data",
    "load",
    "of_workbench",
    "read",
    "view_of",
]
