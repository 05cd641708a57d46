"""The workbench as a destination: `POST /api/monitoring/events/logs`; a line is a row already."""

from __future__ import annotations

from pitchey_slo.instrument.pace import Pace
from pitchey_slo.instrument.workbench import Workbench
from pitchey_slo.logs.destinations import Shipped


def workbench(url: str, token: str | None = None, *, pace: Pace | None = None, timeout: float = 10.0) -> Shipped:
    """`url`: the workbench's address; `token`: one with the scope `ingest`. Raises ConfigError for an address that is
    none."""
    return Shipped("workbench", Workbench(url, token, "logs", timeout=timeout), pace)
