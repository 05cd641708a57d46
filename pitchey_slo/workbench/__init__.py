"""The workbench: what `pitchey_slo.connect()` gives a notebook.

    import pitchey_slo as ps
    wb = ps.connect()
    wb.sql("SELECT route, count(*) FROM requests GROUP BY ALL")
    wb.slo("api-availability").report("28d")
    wb.percentiles(bucket="1h")
    wb.promql("sum by (route) (rate(pitchey_http_requests_total[5m]))", start="2026-03-01")

It reads the lake, live, from any process, and holds no lock. Writing (labels) goes through the server when one runs.
Times are UTC; `end` "" or None means the minute after the newest row, so that a report on old data speaks of that data.
"""

from __future__ import annotations

from pathlib import Path

from pitchey_slo.settings import Settings
from pitchey_slo.workbench.asking import SloView
from pitchey_slo.workbench.logs import Logs
from pitchey_slo.workbench.looking_back import LookingBack
from pitchey_slo.workbench.moments import Moment, milliseconds, parse_time, step_ms
from pitchey_slo.workbench.synthetics import Synthetics
from pitchey_slo.workbench.writing import Writing

__all__ = ["Moment", "SloView", "Workbench", "connect", "milliseconds", "parse_time", "step_ms"]


def connect(home: str | Path | None = None, *, settings: Settings | None = None) -> Workbench:
    """Open the workbench on `home` (default: PITCHEY_HOME, else ./data). Raises ConfigError for a wrong setting."""
    return Workbench(settings or Settings.load(home=home or None))


class Workbench(LookingBack, Synthetics, Logs, Writing):
    """Live, read-only view of one home's lake, with the house's own questions as methods.

    Where they stand: rows and times in `lake.py`, SLOs, percentiles and PromQL in `asking.py`, backtests, tuning and
    anomalies in `looking_back.py`, synthetic tests in `synthetics.py`, log lines in `logs.py`, what people write down
    in `writing.py`.
    """
