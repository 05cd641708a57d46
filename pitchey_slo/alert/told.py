"""What the engine tells of itself: groups, rules and alerts, as data and in the exact JSON of Prometheus' API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.rules import Rule, RuleGroup
from pitchey_slo.alert.running import GroupRun
from pitchey_slo.alert.schedule import Turn
from pitchey_slo.alert.table import Table
from pitchey_slo.alert.templates.go_format import go_exponential

#: What Go writes for a time that never was.
NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class Health:
    """Of one rule: the last error (None: it went well), when it was evaluated, and how long that took."""

    error: str | None
    at: datetime
    seconds: float


@dataclass(frozen=True)
class Status:
    """problems  why the newest content of a rule or routes file does not run, by file
    lateness  seconds from the moment an evaluation was due until its result was written, newest last
    refused   samples of rules that the store did not take, by reason
    error     why the loop could not work at its last turn
    """

    groups: tuple[RuleGroup, ...]
    table: Table
    health: Mapping[str, Health] = field(default_factory=dict)
    runs: Mapping[str, GroupRun] = field(default_factory=dict)
    turns: Mapping[str, Turn] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    lateness: Sequence[float] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None

    @property
    def missed(self) -> int:
        """Evaluations that did not take place in time."""
        return sum(turn.missed for turn in self.turns.values())

    def alerts_of(self, rule: Rule) -> list[Alert]:
        return sorted(self.table.rules.get(rule.key, {}).values(), key=lambda a: sorted(a.labels.items()))

    def state_of(self, rule: Rule) -> str:
        """firing, pending, inactive; unknown before the first evaluation."""
        states = {alert.state for alert in self.alerts_of(rule)}
        if states:
            return "firing" if "firing" in states else "pending"
        return "inactive" if rule.key in self.health else "unknown"

    def health_of(self, rule: Rule) -> str:
        """ok, err, unknown."""
        known = self.health.get(rule.key)
        return "unknown" if known is None else "ok" if known.error is None else "err"


def prometheus_groups(status: Status, wanted: Wanted) -> list[dict[str, Any]]:
    """`groups` of /api/v1/rules (web/api/v1/api.go)."""
    found = []
    for group in status.groups:
        rules = [r for r in group.rules if wanted.takes(group, r)]
        if not rules and (group.rules or wanted.some):
            continue
        run, turn = status.runs.get(group.key), status.turns.get(group.key)
        found.append(
            {
                "name": group.name,
                "file": group.file,
                "rules": [_rule(status, rule, with_alerts=not wanted.exclude_alerts) for rule in rules],
                "interval": group.interval_seconds,
                "limit": group.limit,
                "evaluationTime": run.seconds if run else 0,
                "lastEvaluation": rfc3339(turn.last) if run and turn and turn.last else NEVER,
            }
        )
    return found


@dataclass(frozen=True)
class Wanted:
    """The filters of /api/v1/rules; nothing is everything."""

    kind: str = ""
    rule_names: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    exclude_alerts: bool = False

    @property
    def some(self) -> bool:
        return bool(self.kind or self.rule_names or self.groups or self.files)

    def takes(self, group: RuleGroup, rule: Rule) -> bool:
        return (
            self.kind in ("", rule.kind)
            and (not self.rule_names or rule.name in self.rule_names)
            and (not self.groups or group.name in self.groups)
            and (not self.files or group.file in self.files)
        )


def _rule(status: Status, rule: Rule, *, with_alerts: bool) -> dict[str, Any]:
    health = status.health.get(rule.key)
    common: dict[str, Any] = {
        "name": rule.name,
        "query": rule.expr,
        "health": status.health_of(rule),
        "evaluationTime": health.seconds if health else 0,
        "lastEvaluation": rfc3339(health.at) if health else NEVER,
    }
    if health and health.error:
        common["lastError"] = health.error
    if rule.kind == "record":
        return common | ({"labels": dict(rule.labels)} if rule.labels else {}) | {"type": "recording"}
    return {
        "state": status.state_of(rule),
        **common,
        "duration": rule.for_seconds,
        "keepFiringFor": rule.keep_firing_seconds,
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
        "alerts": prometheus_alerts(status.alerts_of(rule)) if with_alerts else [],
        "type": "alerting",
    }


def prometheus_alerts(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    """`alerts` of /api/v1/alerts: pending and firing ones of rules."""
    found = []
    for alert in alerts:
        told: dict[str, Any] = {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "state": alert.state,
            "activeAt": rfc3339(alert.active_at),
            "value": "NaN" if alert.value is None else go_exponential(alert.value),
        }
        if alert.cleared_at is not None:
            told["keepFiringSince"] = rfc3339(alert.cleared_at)
        found.append(told)
    return found


def rfc3339(time: datetime) -> str:
    """
    >>> rfc3339(datetime(2026, 3, 2, 12, 0, 0, 500000, tzinfo=UTC))
    '2026-03-02T12:00:00.5Z'
    """
    fraction = f".{time.microsecond:06d}".rstrip("0") if time.microsecond else ""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
