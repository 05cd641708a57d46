"""From alerts that fire to messages that are due: one pure step.

    plan(config, memory, alerts, silences, now) -> Plan

Alerts are placed in groups (route tree); a group that is due is looked at: what is inhibited, muted, silenced or
cooling down is taken out, and if the rest is news to the receiver there is a message per channel. Escalations run
beside it. The order of the stages and what counts as news are Alertmanager's (dispatch.go, notify.go: DedupStage);
docs/routing.md lists where we differ on purpose.

Nothing here knows the clock, the store or a channel: the same steps over the same history give the same messages with
the same ids. A step in which nothing changes gives the memory it got. All that must survive is in the rows of the plan:
`memory_of` makes the memory from them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.model import Alert, AlertEvent, Escalation, Group, Notification
from pitchey_slo.alert.silences import Silence


@dataclass(frozen=True)
class Memory:
    """What one step leaves for the next.

    groups       id -> group
    escalations  id of the group -> its escalation
    decisions    lines "alert id", "group id" and perhaps what it is about -> the last decision, so that an event is
                 written when it changes
    """

    groups: Mapping[str, Group] = field(default_factory=dict)
    escalations: Mapping[str, Escalation] = field(default_factory=dict)
    decisions: Mapping[str, str] = field(default_factory=dict)

    def wanted(self) -> frozenset[str]:
        """Ids of the alerts that some group still has something to say about: resolved ones among them must be given
        to `plan` again; others that are resolved need not be."""
        return frozenset(key.partition("\n")[0] for key in self.decisions)


@dataclass(frozen=True)
class Plan:
    """What one step decided; all of it is to be written in one transaction.

    groups, escalations, silences   those that changed
    notifications, events           new ones
    next_at                         when the next step has something to do, if no alert changes before
    """

    memory: Memory
    groups: tuple[Group, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    notifications: tuple[Notification, ...] = ()
    events: tuple[AlertEvent, ...] = ()
    next_at: datetime | None = None
    silences: tuple[Silence, ...] = ()


def plan(
    config: RoutesConfig, memory: Memory, alerts: Sequence[Alert], silences: Sequence[Silence], now: datetime
) -> Plan:
    """One step at `now`.

    alerts    those that fire, and resolved ones until they were told (`Memory.wanted`); pending ones are passed over
    """
    from pitchey_slo.alert import escalation, look, remind
    from pitchey_slo.alert.turn import Turn

    turn = Turn(config, memory, silences, now)
    turn.place(alerts)
    for group in turn.due():
        look.look(turn, group)
    escalation.run(turn)
    remind.run(turn)
    changed = turn.memory()
    return Plan(
        memory=changed,
        groups=tuple(turn.changed_groups.values()),
        escalations=tuple(turn.changed_escalations.values()),
        notifications=tuple(turn.notifications),
        events=tuple(turn.events),
        next_at=_next_at(changed, remind.next_at(config, turn.silences, now)),
        silences=tuple(turn.changed_silences.values()),
    )


def memory_of(groups: Iterable[Group], escalations: Iterable[Escalation], events: Iterable[AlertEvent] = ()) -> Memory:
    """The memory after a restart, from the rows of the store; `events` are those of alerts that are not over, in any
    order. Without them some decisions are written a second time, nothing else differs."""
    alive = {g.id: g for g in groups if not g.detail.get("ended")}
    running = {e.id: e for e in escalations if e.state != "resolved"}
    by_group = {g.id: running[g.detail["escalation"]] for g in alive.values() if g.detail.get("escalation") in running}
    decisions: dict[str, str] = {}
    for event in sorted(events, key=lambda e: e.ts):
        key = str(event.detail.get("decision") or "")
        if event.detail.get("over"):
            decisions = {k: t for k, t in decisions.items() if k != key and not k.startswith(f"{key}\n")}
        elif key and key.split("\n")[1] in alive:
            decisions[key] = event.text
    return Memory(alive, by_group, decisions)


def _next_at(memory: Memory, reminder: datetime | None) -> datetime | None:
    times = [g.next_at for g in memory.groups.values()]
    times += [e.next_at for e in memory.escalations.values() if e.next_at is not None]
    return min([*times, reminder] if reminder is not None else times, default=None)
