"""Health checks: each component asked in its own protocol, every half minute, from where this process runs.

`config/health.yml` says what is looked at; each kind of check is a file here (`http`, `postgres`, `redis`, `storage`,
`websocket`, `workbench`) that measures and judges nothing. `look` judges by the limits of the file: beyond a limit the
component is degraded or unhealthy, with a reason that holds the numbers. No answer in time is `unknown`, since a look
that hangs does not say who is at fault; so many of them in a row count as down. Our own fault (a wrong password, a
typing error) is `unknown` too, and never counts against the component.

`Runner` keeps all checks going side by side and hands on results and their time series; it stores nothing and pages
nobody. Synthetic tests, which do what users do, are in `probe.synthetic`.
"""

from __future__ import annotations

from pitchey_slo.probe.health.config import FILE, HealthConfig, Watched, load, read
from pitchey_slo.probe.health.kinds import KINDS
from pitchey_slo.probe.health.look import Planned, look
from pitchey_slo.probe.health.model import Check, Context, Seen, Trouble, Workbench
from pitchey_slo.probe.health.runner import Runner, Status, down

__all__ = [
    "FILE", "KINDS", "Check", "Context", "HealthConfig", "Planned", "Runner", "Seen", "Status", "Trouble", "Watched",
    "Workbench", "down", "load", "look", "read",
]  # fmt: skip
