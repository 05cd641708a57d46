"""Go's text/template, as far as Prometheus and Alertmanager use it, for annotations, labels and messages.

    text -> parse (nodes; misspelt functions and variables are refused here) -> run (bounded) -> text

Pipelines, variables, if/else, range, with, define/template/block, break/continue, comments, white space trimming,
methods of the values we pass, Go's built-in functions and printf; values are written as Go writes them (`%v`). Two
things are kinder than Go: numbers of different kinds compare, and a missing key of a map is empty.

A template is somebody else's program, so it is bounded in steps, depth and output, and reaches nothing: fields are keys
of maps and the few methods that `values.py` lists. A name of ours never leads to a Python attribute.
"""

from __future__ import annotations

from pitchey_slo.alert.templates.expand import expand, render
from pitchey_slo.alert.templates.functions import ALERTMANAGER, PROMETHEUS, prometheus_functions
from pitchey_slo.alert.templates.parse import TemplateError, parse
from pitchey_slo.alert.templates.values import Alerts, Pairs, Struct

__all__ = [
    "ALERTMANAGER",
    "PROMETHEUS",
    "Alerts",
    "Pairs",
    "Struct",
    "TemplateError",
    "expand",
    "parse",
    "prometheus_functions",
    "render",
]
