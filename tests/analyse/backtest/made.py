"""Histories made by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from pitchey_slo.alert.rules import Rule
from pitchey_slo.analyse.backtest import Firing, RuleHistory
from pitchey_slo.testing import NOON


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def firing(start: float, end: float | None, *, name: str = "High", pending: float = 0.0, **labels: str) -> Firing:
    """Fires from minute `start` to minute `end` after noon."""
    given = {"alertname": name, **labels}
    resolved = None if end is None else at(end)
    return Firing(f"k-{name}", name, given, at(start - pending), at(start), resolved, 1.0)


def history(*firings: Firing, name: str = "High", evaluated: float | None = 1.0, **labels: str) -> RuleHistory:
    rule = Rule("alert", name, "x > 1", labels=labels)
    own = tuple(
        Firing(rule.key, name, f.labels, f.pending_at, f.fired_at, f.resolved_at, f.peak_value) for f in firings
    )
    return RuleHistory(rule, own, evaluated, 100)


def incident(id_: str, start: float, end: float | None, **more: str) -> dict[str, object]:
    ended = None if end is None else at(end)
    return {"id": id_, "title": f"incident {id_}", "started_at": at(start), "ended_at": ended, **more}
