"""Questions with a name, for what PromQL cannot say: one file each, a registry here.

A question gets the time asked for and its arguments and gives plain data of one shape (`board/kinds.py` lists them);
its docstring says what the numbers mean. Its SQL stands in `store/board_*.py`. What PromQL can say is PromQL in the
definition instead: then Grafana shows it too, and an alert rule can be written on it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

from pitchey_slo.board.named import (
    alerts,
    budget_calendar,
    burn_down,
    certificates,
    decisions,
    events,
    feature_use,
    health_matrix,
    investment_funnel,
    log_levels,
    log_new,
    log_patterns,
    logs,
    nda_latency,
    reports,
    review,
    slo_list,
    synthetic_failures,
    synthetic_phases,
    synthetic_tests,
    trace_requests,
    traffic_heatmap,
)
from pitchey_slo.board.named.registry import Argument, Asked, Named, arguments_problem, given_of

__all__ = ["NAMED", "Argument", "Asked", "Named", "arguments_problem", "given_of"]

_MODULES: Final[tuple[ModuleType, ...]] = (
    alerts,
    budget_calendar,
    burn_down,
    certificates,
    decisions,
    events,
    feature_use,
    health_matrix,
    investment_funnel,
    log_levels,
    log_new,
    log_patterns,
    logs,
    nda_latency,
    reports,
    review,
    slo_list,
    synthetic_failures,
    synthetic_phases,
    synthetic_tests,
    trace_requests,
    traffic_heatmap,
)

NAMED: Final[dict[str, Named]] = {module.QUESTION.name: module.QUESTION for module in _MODULES}
