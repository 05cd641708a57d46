"""pitchey_slo: events in, judgements out; the rule that pages you is the rule you reviewed.

    collect -> store -> promql, slo, analyse -> alert -> web, show, report
    (rows in)  (once)   (numbers)               (pages)  (what people see)

A notebook needs one name: `wb = pitchey_slo.connect()`; `pitchey_slo.plots` draws what it finds. A service needs two:
`pitchey_slo.add_monitoring(app)` and `pitchey_slo.logs.configure(service=...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitchey_slo import logs, plots
    from pitchey_slo.instrument import add_monitoring, monitored
    from pitchey_slo.workbench import Workbench, connect

__all__ = ["Workbench", "add_monitoring", "connect", "logs", "monitored", "plots"]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line and small tools start without pandas, plotly and the database."""
    import importlib

    if name in ("connect", "Workbench"):
        return getattr(importlib.import_module("pitchey_slo.workbench"), name)
    if name in ("add_monitoring", "monitored"):
        return getattr(importlib.import_module("pitchey_slo.instrument"), name)
    if name in ("logs", "plots"):
        return importlib.import_module(f"pitchey_slo.{name}")
    raise AttributeError(f"module 'pitchey_slo' has no attribute {name!r}")
