"""Looking at the platform from outside: health checks of each component, and synthetic tests that act as a user does.

A look ends in a `Result`: a state (healthy, degraded, unhealthy, or unknown when nothing can be said), a reason in
plain words with its numbers, and how long each part took. Results become rows of the table `probes` and time series,
which rules, reports and the status page read. Failing classes and phases are closed lists (`pitchey_slo.names`), so
that machines can count them.

`health` asks components with their own protocols; `synthetic` walks through what users do. Nothing here stores,
alerts or decides whom to tell: whoever runs the looks is handed their results.
"""

from __future__ import annotations

from pitchey_slo.probe.result import ORDER, Result, State, rows_of, worst

__all__ = ["ORDER", "Result", "State", "rows_of", "worst"]
