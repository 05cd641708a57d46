"""Every PromQL function that is neither experimental nor for native histograms: one file per family.

A function gets the running `Evaluation`, its call and the grid of steps, and returns a value for all steps. It asks
the evaluation for its arguments: `vector`, `scalar`, `text`, `windows`, or `over` for a function of a range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pitchey_slo.promql.functions import histogram, labels, math, over_time, presence, rates, regression, time
from pitchey_slo.promql.values import Value

FUNCTIONS: dict[str, Callable[[Any, Any, Any], Value]] = {
    **rates.FUNCTIONS,
    **over_time.FUNCTIONS,
    **regression.FUNCTIONS,
    **histogram.FUNCTIONS,
    **math.FUNCTIONS,
    **time.FUNCTIONS,
    **labels.FUNCTIONS,
    **presence.FUNCTIONS,
}

__all__ = ["FUNCTIONS"]
