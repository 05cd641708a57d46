"""What would be told: for given labels at a time, and for a whole history. Both run `dispatch.plan` itself.

    route_of(config, {"alertname": "Down", "severity": "critical"}, at)   one alert that nobody takes on
    replay(config, alerts, silences, start, end)                          every message of that time

Nothing is sent and nothing is stored. Steps are taken when an alert begins, ends or is acknowledged and when dispatch
asked for one, so times are exact, where the live loop is up to a tick later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.dispatch import Memory, plan
from pitchey_slo.alert.model import Alert, AlertEvent, Notification
from pitchey_slo.alert.route import Route
from pitchey_slo.alert.silences import Silence, silencing
from pitchey_slo.alert.time_intervals import holding
from pitchey_slo.alert.words import length

_SOON = timedelta(seconds=1)


@dataclass(frozen=True)
class Replay:
    """Everything that was decided, in order: messages (`created_at` is when each was due) and events."""

    notifications: tuple[Notification, ...]
    events: tuple[AlertEvent, ...]


def replay(
    config: RoutesConfig,
    history: Iterable[Alert],
    silences: Sequence[Silence],
    start: datetime,
    end: datetime,
) -> Replay:
    """Messages for `history` in start <= t < end.

    history   alerts with `fired_at` and, if they ended, `resolved_at`; `acked_at` counts from its time on. Those that
              never fired are passed over
    """
    begun = sorted((a for a in history if a.fired_at is not None), key=lambda a: (a.fired_at or start, a.id))
    begun = [a for a in begun if a.resolved_at is None or a.resolved_at > start]
    times = {t for a in begun for t in (a.fired_at, a.resolved_at, a.acked_at) if t is not None}
    changes = sorted(t for t in times if start < t < end)
    memory, now = Memory(), start
    known, ended = list(silences), dict[str, Alert]()
    active: dict[str, tuple[Alert, Alert]] = {}  # as history has it, as it is now
    told: list[Notification] = []
    events: list[AlertEvent] = []
    position, at = 0, 0
    while now < end:
        while position < len(begun) and (begun[position].fired_at or start) <= now:
            active[begun[position].id] = begun[position], _before_end(begun[position], now)
            position += 1
        for key, (whole, open_now) in list(active.items()):
            if whole.resolved_at is not None and whole.resolved_at <= now:
                ended[key] = replace(active.pop(key)[0], state="resolved")
            elif open_now.acked_at is None and whole.acked_at is not None and whole.acked_at <= now:
                active[key] = whole, _before_end(whole, now)
        done = plan(config, memory, [*(a for _, a in active.values()), *ended.values()], known, now)
        memory = done.memory
        told += done.notifications
        events += done.events
        changed = {s.id: s for s in done.silences}
        known = [changed.get(s.id, s) for s in known] if changed else known
        if ended:
            wanted = memory.wanted()
            ended = {k: a for k, a in ended.items() if k in wanted}
        while at < len(changes) and changes[at] <= now:
            at += 1
        due = [max(done.next_at, now + _SOON)] if done.next_at is not None else []
        following = [*due, *changes[at : at + 1]]
        if not following:
            break
        now = min(following)
    return Replay(tuple(told), tuple(events))


def _before_end(alert: Alert, now: datetime) -> Alert:
    """The alert as it was while it fired: its end not known, acknowledged only if it was by then."""
    acked = alert.acked_at is not None and alert.acked_at <= now
    at, by = (alert.acked_at, alert.acked_by) if acked else (None, None)
    return replace(alert, state="firing", resolved_at=None, acked_at=at, acked_by=by)


@dataclass(frozen=True)
class Way:
    """One place where an alert with these labels goes.

    hidden     why it would not be told at that time; "" when it would
    channels   (name, why it is not used or "")
    """

    receiver: str
    route: str
    line: int | None
    group_key: str
    group_labels: Mapping[str, str]
    group_wait: float
    group_interval: float
    repeat_interval: float
    cooldown: float
    escalation: str | None
    hidden: str
    channels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Trace:
    """The full path of an alert with `labels` that begins to fire at `at` and that nobody takes on.

    ways       where it goes
    messages   what is told from then on, up to `until`
    decisions  the sentences that `why` would show
    """

    labels: Mapping[str, str]
    at: datetime
    until: datetime
    ways: tuple[Way, ...]
    messages: tuple[Notification, ...]
    decisions: tuple[AlertEvent, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "labels": dict(self.labels),
            "at": self.at.isoformat(),
            "until": self.until.isoformat(),
            "ways": [
                {**w.__dict__, "group_labels": dict(w.group_labels), "channels": dict(w.channels)} for w in self.ways
            ],
            "messages": [
                {
                    "at": n.created_at.isoformat(),
                    "after_seconds": (n.created_at - self.at).total_seconds(),
                    "receiver": n.receiver,
                    "channel": n.channel,
                    "action": n.action,
                    "level": n.message.level,
                    "title": n.message.title,
                }
                for n in self.messages
            ],
            "decisions": [{"at": e.ts.isoformat(), "kind": e.kind, "text": e.text} for e in self.decisions],
        }

    def lines(self) -> list[str]:
        """For people."""
        found = []
        for way in self.ways:
            where = f" (line {way.line})" if way.line else ""
            found.append(f'receiver "{way.receiver}" by {way.route}{where}')
            found.append(
                f"  group {way.group_key}: waits {length(way.group_wait)}, looks every {length(way.group_interval)}, "
                f"repeats after {length(way.repeat_interval)}"
            )
            found += [f"  {name}: {off}" if off else f"  {name}" for name, off in way.channels]
            found += [f"  not told now: {way.hidden}"] if way.hidden else []
            found += [f"  cooldown {length(way.cooldown)}"] if way.cooldown else []
            found += [f"  escalation {way.escalation}"] if way.escalation else []
        for note in self.messages:
            after = length((note.created_at - self.at).total_seconds())
            level = f" level {note.message.level}" if note.message.level else ""
            when = note.created_at.astimezone(UTC)
            found.append(
                f"{when:%a %Y-%m-%d %H:%M:%S} +{after}: {note.action}{level} to {note.receiver} {note.channel}"
            )
        return found


def route_of(
    config: RoutesConfig,
    labels: Mapping[str, str],
    at: datetime,
    silences: Sequence[Silence] = (),
    *,
    firing: Sequence[Alert] = (),
    hours: float = 24.0,
) -> Trace:
    """What happens to an alert with `labels` that begins to fire at `at`.

    firing   other alerts that fire at that time, which may inhibit it
    hours    how far ahead to look
    """
    alert = Alert(dict(labels), "firing", at, at, fired_at=at, source="test")
    until = at + timedelta(hours=hours)
    found = replay(config, [alert, *firing], silences, at, until)
    mine = tuple(n for n in found.notifications if any(a.id == alert.id for a in n.message.alerts))
    decisions = tuple(e for e in found.events if e.alert_id == alert.id)
    ways = tuple(_way(config, route, alert, at, silences) for route in config.route.match(alert.labels))
    return Trace(dict(labels), at, until, ways, mine, decisions)


def _way(config: RoutesConfig, route: Route, alert: Alert, at: datetime, silences: Sequence[Silence]) -> Way:
    receiver = config.receivers[route.receiver]
    channels = [
        (c.name, "" if config.permitted(c.kind, alert.severity) else f"may not be told severity {alert.severity!r}")
        for c in receiver.channels
    ] + [(c.name, f"switched off: {c.off}") for c in receiver.switched_off]
    return Way(
        receiver=route.receiver,
        route=route.key,
        line=route.line,
        group_key=route.group_key(alert.labels),
        group_labels=route.group_labels(alert.labels),
        group_wait=route.group_wait,
        group_interval=route.group_interval,
        repeat_interval=route.repeat_interval,
        cooldown=route.cooldown,
        escalation=route.escalation,
        hidden=_hidden(route, alert, at, silences),
        channels=tuple(channels),
    )


def _hidden(route: Route, alert: Alert, at: datetime, silences: Sequence[Silence]) -> str:
    muted = holding(route.mute, at)
    if muted:
        return f"muted by {', '.join(muted)}"
    if route.active and not holding(route.active, at):
        return f"outside of {', '.join(i.name for i in route.active)}"
    return ", ".join(f"silenced by {s.id} of {s.created_by}" for s in silencing(silences, alert.labels, at))
