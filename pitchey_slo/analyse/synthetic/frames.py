"""Uptimes as rows for frames, tables and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pitchey_slo.probe.synthetic.uptime import Outage, Uptime


def uptime_rows(found: Iterable[Uptime]) -> list[dict[str, Any]]:
    """One row per test and location (`quorum`: all of them together). Shares are None when nothing is known."""
    return [
        {
            "test": u.test,
            "location": u.location,
            "uptime": u.uptime,
            "reachability": u.reachability,
            "covered": u.covered,
            "at_least": u.at_least,
            "looks": u.looks,
            "failed": u.failed,
            "outages": len(u.outages),
            "down_seconds": u.down_seconds,
            "mttr_seconds": u.mttr_seconds,
            "maintenance_seconds": u.maintenance_seconds,
            "outage_times": [outage_row(o) for o in u.outages],
        }
        for u in found
    ]


def outage_rows(found: Iterable[Uptime]) -> list[dict[str, Any]]:
    """One row per outage, oldest first."""
    rows = [{"test": u.test, "location": u.location} | outage_row(o) for u in found for o in u.outages]
    return sorted(rows, key=lambda row: (row["start"], row["test"], row["location"]))


def outage_row(outage: Outage) -> dict[str, Any]:
    """`open`: it lasts, or nothing was known after it."""
    return {
        "start": outage.start,
        "end": outage.end,
        "seconds": outage.seconds,
        "failure": outage.failure,
        "reason": outage.reason,
        "open": outage.open,
    }
