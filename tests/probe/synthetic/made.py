"""Weeks of synthetic tests, made: three locations, four tests, outages and trouble whose times are known."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pitchey_slo.probe.result import Result, rows_of

END = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TESTS = {"login": ("journey", "auth", 420.0), "signup": ("journey", "auth", 610.0), "api-health": ("http", "api", 90.0),
         "front": ("http", "web", 160.0)}  # fmt: skip
LOCATIONS = {"frankfurt": 1.0, "virginia": 1.6, "singapore": 3.2}
HOSTILE = "<img src=x onerror=alert(1)>"


def weeks(days: float = 14, minutes: float = 10, seed: int = 3) -> pa.Table:
    """From the end back: 6 days before it everything is down for 50 minutes (503); 4 days before it singapore is cut
    off for 3 hours; 2 days before it the TLS handshake of front is 300 ms slower for a day; frankfurt is silent for 12
    hours 9 days before it; one location of signup passes often only by a retry; login has our own fault twice."""
    random_ = random.Random(seed)
    found = []
    for test, (kind, component, ms) in TESTS.items():
        for place, factor in LOCATIONS.items():
            at = END - timedelta(days=days, seconds=random_.uniform(0, 60 * minutes))
            while at < END:
                ago = (END - at).total_seconds() / 86_400
                if not (place == "frankfurt" and 8.5 < ago <= 9):
                    found.append(_look(test, kind, component, ms * factor, place, at, ago, random_))
                at += timedelta(minutes=minutes)
    return rows_of(found)


def _look(
    test: str, kind: str, component: str, ms: float, place: str, at: datetime, ago: float, random_: random.Random
) -> Result:
    given = {"kind": kind, "component": component, "location": place, "run_id": f"{test}{place}{at}", "attempt": 1,
             "event_id": f"{test}{place}{at}", "details": {"speaks_s": 1_800}, "cert_days": 20 + ago}  # fmt: skip
    share = {"dns": 0.05, "connect": 0.15, "tls": 0.3, "first_byte": 0.4, "transfer": 0.1}
    phases = {p: ms * s * random_.lognormvariate(0, 0.15) for p, s in share.items()}
    if test == "front" and 1 < ago <= 2:
        phases["tls"] += 300.0
    if 6 - 50 / 1_440 < ago <= 6:
        return Result(test, "unhealthy", at, failure="http_status", phase="first_byte", reason=f"HTTP 503 {HOSTILE}",
                      status=503, duration_ms=80.0, **given)  # fmt: skip
    if place == "singapore" and 4 - 3 / 24 < ago <= 4:
        return Result(test, "unhealthy", at, failure="timeout", phase="connect", reason="no connection in 10 s",
                      duration_ms=10_000.0, **given)  # fmt: skip
    if test == "login" and 3 < ago <= 3 + 20 / 1_440:
        return Result(test, "unknown", at, failure="probe_error", reason="the secret PASSWORD is not there", **given)
    if test == "signup" and place == "virginia" and random_.random() < 0.1:
        given["attempt"] = 2
    return Result(test, "healthy", at, phases=phases, duration_ms=sum(phases.values()), status=200, **given)
