"""Findings made by hand: what an evaluation could have found, without evaluating."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pitchey_slo.slo import SloReport
from pitchey_slo.slo.findings import BurnDown, Coverage, Exhaustion, Provenance, Series

END = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
START = END - timedelta(days=28)


def report(*, spent: float = 0.6, deepest: float = 0.97, **changes: Any) -> SloReport:
    """A rolling 28-day report; `spent` of its budget is gone, its worst bucket is `deepest`."""
    times = np.arange(np.datetime64("2026-10-26T12:00"), np.datetime64("2026-11-23T12:00"), np.timedelta64(2, "h"))
    sli = np.full(len(times), 0.9995)
    sli[100:103], sli[50] = deepest, np.nan
    curve = np.linspace(0.0, 1.0, len(times)) ** 2 * spent
    ahead = np.arange(np.datetime64("2026-11-23T12:00"), np.datetime64("2026-11-27T00:00"), np.timedelta64(6, "h"))
    grow = np.arange(len(ahead)) / len(ahead)
    fields: dict[str, Any] = {
        "slo": "api-availability",
        "display_name": "API availability",
        "service": "api",
        "description": "",
        "labels": {},
        "objective": "99.9%",
        "target": 0.999,
        "method": "Occurrences",
        "window": "28d",
        "kind": "rolling",
        "start": START,
        "end": END,
        "window_end": END,
        "unit": "events",
        "good": 999_400.0,
        "bad": 600.0,
        "valid": 1_000_000.0,
        "unmeasured": 0.0,
        "rows": 1_000_000,
        "sli": 0.9994,
        "sli_low": 0.9993,
        "sli_high": 0.9995,
        "allowed": 1_000.0,
        "spent": spent,
        "remaining": 1 - spent,
        "full_window": None,
        "budget_left": 1 - spent,
        "burn": {"1h": 0.5, "6h": 0.8, "1d": 1.2, "3d": None},
        "state": "exhausted" if spent > 1 else "healthy",
        "good_over_total": False,
        "slices": None,
        "exhaustion": Exhaustion("not_in_window", None, None, None, END + timedelta(days=4), "It lasts."),
        "burn_down": BurnDown(
            1_000.0,
            times.astype("datetime64[us]"),
            curve,
            ahead.astype("datetime64[us]"),
            spent + grow * 0.1,
            spent + grow * 0.6,
        ),
        "series": Series(7200, times.astype("datetime64[us]"), sli, np.full(len(times), 3e3), np.full(len(times), 2.0)),
        "coverage": Coverage(START, END, 40320, 40000, 40320, 1.0, False, "Data for all of it."),
        "provenance": Provenance("SELECT 1", 1_000_000, END, 0.5),
    }
    return SloReport(**fields | changes)


def empty(**changes: Any) -> SloReport:
    """A report without any data."""
    none = np.array([], dtype="datetime64[us]")
    nothing = np.array([], dtype=float)
    gone = dict.fromkeys(("sli", "sli_low", "sli_high", "allowed", "spent", "remaining", "budget_left"))
    return replace(
        report(),
        **gone
        | {"state": "no_data", "good": 0.0, "bad": 0.0, "valid": 0.0, "rows": 0}
        | {
            "burn_down": BurnDown(None, none, nothing, none, nothing, nothing),
            "series": Series(60, none, nothing, nothing, nothing),
        }
        | changes,
    )


def incidents(title: str = "Database slow") -> pd.DataFrame:
    """One incident of three hours and one that lasts."""
    starts = [datetime(2026, 11, 4, 9, tzinfo=UTC), datetime(2026, 11, 20, 1, tzinfo=UTC)]
    return pd.DataFrame(
        {
            "id": ["a", "b"],
            "title": [title, "Still open"],
            "severity": ["critical", "warning"],
            "started_at": pd.to_datetime(starts, utc=True),
            "ended_at": pd.to_datetime([starts[0] + timedelta(hours=3), None], utc=True),
        }
    )


def deployments() -> pd.DataFrame:
    """Two deployments."""
    times = [datetime(2026, 11, 3, 10, tzinfo=UTC), datetime(2026, 11, 17, 15, tzinfo=UTC)]
    return pd.DataFrame(
        {"id": ["1", "2"], "ts": pd.to_datetime(times, utc=True), "version": ["1.2", "1.3"], "description": [None, "x"]}
    )


def percentiles() -> pd.DataFrame:
    """Hourly percentiles of two days with a hole of four hours."""
    times = pd.date_range(START, periods=48, freq="h")
    wave = 1 + 0.3 * np.sin(np.arange(48) / 4)
    frame = pd.DataFrame({"time": times, "p50": 40 * wave, "p95": 180 * wave, "p99": 900 * wave, "requests": 1e3})
    return frame.drop(range(20, 24)).reset_index(drop=True)


def volume() -> pd.DataFrame:
    """Hourly requests and errors of ten days."""
    times = pd.date_range(START, periods=240, freq="h")
    errors = np.where(np.arange(240) == 77, 400.0, 1.0)
    return pd.DataFrame({"time": times, "requests": 1000.0, "errors": errors})


def routes(route: str = "/api/pitches") -> pd.DataFrame:
    """Three routes, one without errors."""
    return pd.DataFrame(
        {
            "method": ["GET", "POST", "GET"],
            "route": [route, "/api/payments", "/static"],
            "requests": [1e5, 2e3, 1e6],
            "errors": [120.0, 300.0, 0.0],
            "client_errors": [1.0, 2.0, 3.0],
            "error_ratio": [0.0012, 0.15, 0.0],
            "p95_ms": [220.0, 600.0, np.nan],
        }
    )
