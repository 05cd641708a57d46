"""What the parts of alerting hand to each other: frozen values that mirror the rows of `tables/house.py`.

Times are aware, UTC. A fingerprint is the hash of a label set, so the same alert has the same one for ever; an alert's
`id` adds the moment it became active, so each of its episodes is a row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

State = Literal["pending", "firing", "resolved"]
#: Severities in order; any other text counts as the lowest.
SEVERITIES = ("info", "warning", "critical")


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits, the same for the same labels in any order.

    >>> fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    True
    """
    text = json.dumps(sorted(labels.items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Alert:
    """One episode of one alert: pending, then firing, then resolved.

    value         of the expression when it was last evaluated; None for pushed alerts
    active_at     since when the condition holds
    cleared_at    since when it no longer holds, while `keep_firing_for` keeps it firing
    paused_seconds  of its pending time nothing was evaluated (outage, clock set); they do not count towards `for`
    ends_at       pushed alerts only: when it ends unless it is sent again
    rule          the rule as it was evaluated (name, expr, for, ...), for the trace
    """

    labels: Mapping[str, str]
    state: State
    active_at: datetime
    updated_at: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    fired_at: datetime | None = None
    cleared_at: datetime | None = None
    resolved_at: datetime | None = None
    ends_at: datetime | None = None
    acked_at: datetime | None = None
    acked_by: str | None = None
    rule_group: str | None = None
    rule: Mapping[str, Any] = field(default_factory=dict)
    generator_url: str = ""
    source: str = "rules"
    paused_seconds: float = 0.0

    @cached_property  # asked for several times a step for each alert
    def fingerprint(self) -> str:
        return fingerprint(self.labels)

    @cached_property
    def id(self) -> str:
        return f"{self.fingerprint}-{int(self.active_at.timestamp() * 1000)}"

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        return self.labels.get("severity", "")

    @property
    def firing(self) -> bool:
        return self.state == "firing"


@dataclass(frozen=True)
class AlertEvent:
    """One decision about one alert, in a plain sentence (`text`) and as facts (`detail`)."""

    ts: datetime
    alert_id: str
    fingerprint: str
    kind: str
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """What is known of one group of alerts for one receiver; a row of `alert_groups`.

    labels       what it is grouped by
    next_at      when it is looked at next (group_wait, group_interval, repeat_interval, end of a hold)
    sent_at      when a message about it was queued last
    told         fingerprint -> "firing" or "resolved", as told last
    detail       whatever else dispatch remembers (cooldowns, holds, counters); JSON-safe
    """

    id: str
    group_key: str
    receiver: str
    labels: Mapping[str, str]
    created_at: datetime
    next_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Escalation:
    """The timer of one escalation policy for one group; a row of `escalations`."""

    id: str
    policy: str
    group_key: str
    alerts: tuple[str, ...]
    level: int
    loop: int
    next_at: datetime | None
    state: Literal["running", "held", "acked", "resolved", "exhausted"]
    created_at: datetime
    updated_at: datetime
    held_until: datetime | None = None


Action = Literal["firing", "resolved", "escalation", "reminder", "digest", "test", "message"]


@dataclass(frozen=True)
class Message:
    """What a channel renders: the facts of one notification, JSON-safe by `as_dict`.

    alerts       as they were when the message was decided, firing ones first
    group_labels what they are grouped by
    lines        plain sentences to show under the title (escalation level, hold, reminder, digest ...)
    links        text -> address (runbook, dashboard, investigation, silence, acknowledge)
    files        paths of pages that e-mail carries along; other channels have the links
    """

    action: Action
    receiver: str
    title: str
    alerts: tuple[Alert, ...] = ()
    group_labels: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    severity: str = ""
    level: int = 0
    files: tuple[str, ...] = ()

    @property
    def firing(self) -> tuple[Alert, ...]:
        return tuple(a for a in self.alerts if a.firing)

    @property
    def resolved(self) -> tuple[Alert, ...]:
        return tuple(a for a in self.alerts if a.state == "resolved")


@dataclass(frozen=True)
class Notification:
    """One message on its way to one channel; a row of `notifications`, the outbox.

    id          the same for all attempts, so that a receiver can drop a repeat
    dedup_key   one per group and receiver over its whole life: trigger and resolve of PagerDuty share it. It holds
                neither value nor time
    channel     kind and number within the receiver, such as "slack/0"
    """

    id: str
    dedup_key: str
    group_key: str
    receiver: str
    channel: str
    message: Message
    created_at: datetime
    due_at: datetime
    next_attempt_at: datetime
    updated_at: datetime
    state: Literal["waiting", "sent", "merged", "dead", "dropped"] = "waiting"
    attempts: int = 0
    sent_at: datetime | None = None
    answer: str | None = None
    fallback_of: str | None = None

    @property
    def action(self) -> Action:
        return self.message.action


def highest(severities: list[str]) -> str:
    """The highest of these severities; "" when there is none.

    >>> highest(["info", "critical", "odd"])
    'critical'
    """
    order = {name: i for i, name in enumerate(SEVERITIES)}
    return max(severities, key=lambda s: order.get(s, -1), default="")


def utc(time: datetime) -> datetime:
    return time.astimezone(UTC)
