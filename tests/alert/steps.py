"""A small world around `dispatch.plan`: alerts that begin and end at times, stepped through, its messages written down.

It does what the engine does: it keeps alerts, gives resolved ones until they were told, and carries the memory on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from pitchey_slo.alert.config import RoutesConfig, load_routes
from pitchey_slo.alert.dispatch import Memory, Plan, memory_of, plan
from pitchey_slo.alert.matchers import parse
from pitchey_slo.alert.model import Alert, AlertEvent, Escalation, Group, Notification
from pitchey_slo.alert.silences import Silence
from pitchey_slo.settings import Settings
from pitchey_slo.testing import NOON


def routes(text: str, folder: Path) -> RoutesConfig:
    file = folder / "routes.yml"
    file.write_text(text, encoding="utf-8")
    return load_routes(file, settings=Settings.load(env_file=None), environ={})


def silence(
    matchers: str,
    start: float,
    end: float,
    *,
    name: str = "s-1",
    created_by: str = "anna",
    **more: object,
) -> Silence:
    """Seconds since noon."""
    at = NOON + timedelta(seconds=start)
    return Silence(
        name,
        parse(matchers),
        at,
        NOON + timedelta(seconds=end),
        created_by,
        "because",
        at,
        **more,  # type: ignore[arg-type]
    )


@dataclass
class World:
    config: RoutesConfig
    now: datetime = NOON
    memory: Memory = field(default_factory=Memory)
    alerts: dict[str, Alert] = field(default_factory=dict)
    silences: list[Silence] = field(default_factory=list)
    sent: list[Notification] = field(default_factory=list)
    events: list[AlertEvent] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    escalations: dict[str, Escalation] = field(default_factory=dict)
    last: Plan | None = None

    def fire(self, name: str, **labels: str) -> Alert:
        alert = Alert({"alertname": name, **labels}, "firing", self.now, self.now, fired_at=self.now)
        self.alerts[alert.fingerprint] = alert
        return alert

    def resolve(self, name: str, **labels: str) -> None:
        for key, alert in self.alerts.items():
            if alert.name == name and all(alert.labels.get(k) == v for k, v in labels.items()) and alert.firing:
                self.alerts[key] = replace(alert, state="resolved", resolved_at=self.now, updated_at=self.now)

    def step(self) -> Plan:
        wanted = self.memory.wanted()
        self.alerts = {k: a for k, a in self.alerts.items() if a.firing or a.id in wanted}
        done = plan(self.config, self.memory, list(self.alerts.values()), self.silences, self.now)
        self.memory, self.last = done.memory, done
        self.sent += done.notifications
        self.events += done.events
        self.groups |= {g.id: g for g in done.groups}
        self.escalations |= {e.id: e for e in done.escalations}
        changed = {s.id: s for s in done.silences}
        self.silences = [changed.get(s.id, s) for s in self.silences]
        return done

    def run(self, seconds: float, step: float = 5.0) -> World:
        """Steps up to `seconds` after noon, that included."""
        end = NOON + timedelta(seconds=seconds)
        self.step()
        while self.now < end:
            self.now = min(self.now + timedelta(seconds=step), end)
            self.step()
        return self

    def restart(self, *, events: bool = True) -> None:
        """As after a crash: only rows are left."""
        self.memory = memory_of(self.groups.values(), self.escalations.values(), self.events if events else ())

    def told(self, channel: str | None = None, receiver: str | None = None) -> list[tuple[float, str, str]]:
        """(seconds since noon, action, `+firing -resolved`)."""
        return [
            ((n.created_at - NOON).total_seconds(), n.action, content(n))
            for n in self.sent
            if channel in (None, n.channel) and receiver in (None, n.receiver)
        ]

    def said(self, kind: str) -> list[str]:
        return [e.text for e in self.events if e.kind == kind]


def content(notification: Notification) -> str:
    message = notification.message
    return " ".join([*names("+", message.firing), *names("-", message.resolved)])


def names(mark: str, alerts: Iterable[Alert]) -> list[str]:
    return sorted(f"{mark}{a.name}{a.labels.get('n', '')}" for a in alerts)
