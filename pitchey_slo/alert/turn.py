"""The working table of one step of `dispatch.plan`: what was, what is found, what is decided.

It is made at the start of a step and thrown away at its end; whatever it was given it leaves as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.dispatch import Memory
from pitchey_slo.alert.group import Place, begin, dedup_key, digest_of, first_look, too_far, with_detail
from pitchey_slo.alert.inhibit import Inhibitor
from pitchey_slo.alert.matchers import Matcher, prepare
from pitchey_slo.alert.model import Alert, AlertEvent, Escalation, Group, Message, Notification
from pitchey_slo.alert.route import Route, group_id
from pitchey_slo.alert.silences import Silence, finished, silencing
from pitchey_slo.alert.time_intervals import holding
from pitchey_slo.alert.words import length, listed, moment

#: Label sets whose places are remembered.
_KNOWN: Final = 200_000
#: Alerts from which on matchers are asked about all in one go.
_MANY: Final = 100
#: kind of event, its sentence, its facts
Reason = tuple[str, str, dict[str, Any]]


class Turn:
    """One step. `members` are the alerts of each group by fingerprint, `routes` the node each group hangs on."""

    def __init__(self, config: RoutesConfig, memory: Memory, silences: Sequence[Silence], now: datetime) -> None:
        self.config, self.before, self.now = config, memory, now
        self.silences = list(silences)
        self.alerts: list[Alert] = []
        self.members: dict[str, dict[str, Alert]] = {}
        self.routes: dict[str, Route] = {}
        self.groups: dict[str, Group] = dict(memory.groups)
        self.escalations: dict[str, Escalation] = dict(memory.escalations)
        self.decisions: Mapping[str, str] = memory.decisions
        self.changed_groups: dict[str, Group] = {}
        self.changed_escalations: dict[str, Escalation] = {}
        self.changed_silences: dict[str, Silence] = {}
        self.notifications: list[Notification] = []
        self.events: list[AlertEvent] = []
        self._moved = False
        self._ended: set[str] = set()
        self._over: set[tuple[str, str]] = set()

    def memory(self) -> Memory:
        """What the next step begins with; the very memory it began with when nothing changed."""
        if self._ended or self._over:
            parts = ((key, key.split("\n"), text) for key, text in self.decisions.items())
            self.decisions = {
                key: text for key, (a, g, *_), text in parts if g not in self._ended and (a, g) not in self._over
            }
        same = not (self._moved or self.changed_groups or self.changed_escalations)
        if same and self.decisions is self.before.decisions:
            return self.before
        return Memory(self.groups, self.escalations, self.decisions)

    # alerts into groups

    def place(self, alerts: Iterable[Alert]) -> None:
        self.alerts = [a for a in alerts if a.state != "pending"]
        if len(self.alerts) >= _MANY:
            unknown = [a.labels for a in self.alerts if a.fingerprint not in self.config.known]
            prepare((m for route in self.config.route.walk() for m in route.matchers), unknown)
        for alert in self.alerts:
            places = self._places(alert)
            new = [p for p in places if f"{alert.id}\n{p.id}" not in self.decisions]
            if alert.firing and len(new) == len(places):
                self._routed(alert, places)
            for place in places:
                self._enter(place, alert, place in new)
        for silence in finished(self.silences, [a for a in self.alerts if a.firing], self.now):
            self.put_silence(replace(silence, expired_at=self.now, updated_at=self.now))

    def _places(self, alert: Alert) -> tuple[Place, ...]:
        known = self.config.known.get(alert.fingerprint)
        if known is None:
            found: dict[str, Place] = {}
            for route in self.config.route.match(alert.labels):
                key = route.group_key(alert.labels)
                where = group_id(key, route.receiver)
                found.setdefault(where, Place(route, key, where, route.group_labels(alert.labels)))
            known = tuple(found.values())
            if len(self.config.known) >= _KNOWN:
                self.config.known.clear()
            self.config.known[alert.fingerprint] = known
        places: tuple[Place, ...] = known
        return places

    def _enter(self, place: Place, alert: Alert, new: bool) -> None:
        group = self.groups.get(place.id)
        if alert.firing:
            if group is None or group.detail.get("asleep"):
                group = begin(place, alert, group, self.now)
                self.put(group)
            elif new and not group.detail.get("looked"):
                sooner = min(group.next_at, first_look(place.route, alert, self.now))
                group = replace(group, next_at=sooner)
                self.put(group, row=False)
            if new:
                self._grouped(place, group, alert)
        elif group is None or (new and group.told.get(alert.fingerprint) != "firing"):
            return  # it ended before anybody was to be told
        members = self.members.setdefault(place.id, {})
        other = members.get(alert.fingerprint)
        if other is None or (alert.firing, alert.active_at) > (other.firing, other.active_at):
            members[alert.fingerprint] = alert
        self.routes[place.id] = place.route

    def _routed(self, alert: Alert, places: Sequence[Place]) -> None:
        ways = [f'"{p.route.receiver}" by {p.route.key}' for p in places]
        facts = [{"receiver": p.route.receiver, "route": p.route.key, "line": p.route.line} for p in places]
        self.say(alert, "routed", f"Goes to {listed(ways)}.", routes=facts)

    def _grouped(self, place: Place, group: Group, alert: Alert) -> None:
        looked, route = group.detail.get("looked"), place.route
        why = f"group_interval {length(route.group_interval)}" if looked else f"group_wait {length(route.group_wait)}"
        name = place.key.rpartition(":{")[2]
        text = (
            f'In group {{{name} of "{route.receiver}"; told {"next" if looked else "first"} at '
            f"{moment(group.next_at)} ({why})."
        )
        self.decide(alert, place.id, "grouped", text, receiver=route.receiver, until=group.next_at)

    # what may not be told

    @cached_property
    def inhibitor(self) -> Inhibitor:
        self._prepare(m for rule in self.config.inhibit_rules for m in (*rule.source, *rule.target))
        return Inhibitor(self.config.inhibit_rules, self.alerts)

    @cached_property
    def active_silences(self) -> list[Silence]:
        found = [s for s in self.silences if s.span(self.now) is not None]
        self._prepare(m for silence in found for m in silence.matchers)
        return found

    def _prepare(self, found: Iterable[Matcher]) -> None:
        if len(self.alerts) >= _MANY:
            prepare(found, [a.labels for a in self.alerts])

    def muted(self, route: Route) -> Reason | None:
        """Why nothing of this route is told now, whatever it is."""
        inside = holding(route.mute, self.now)
        if inside:
            return "muted", f"Muted by the time interval {listed(list(inside))}.", {"intervals": list(inside)}
        if route.active and not holding(route.active, self.now):
            names = [i.name for i in route.active]
            return "muted", f"Muted outside of the time interval {listed(names)}.", {"intervals": names}
        return None

    def hides(self, alert: Alert, muted: Reason | None = None) -> Reason | None:
        """Why this alert is not told now; in the order of Alertmanager's stages."""
        found = self.inhibitor.inhibited(alert.labels)
        if found is not None:
            rule, source = found
            text = f"Inhibited by {source.name or source.fingerprint}, which fires ({rule})."
            return "inhibited", text, {"rule": str(rule), "by": source.id}
        if muted is not None:
            return muted
        hiding = silencing(self.active_silences, alert.labels, self.now)
        if hiding:
            ends = max((s.span(self.now) or (s.starts_at, s.end))[1] for s in hiding)
            by = listed([f"{s.id} of {s.created_by} ({s.comment})" for s in hiding])
            until = "it is resolved" if any(s.until_resolved for s in hiding) else moment(ends)
            return "silenced", f"Silenced by {by} until {until}.", {"silences": [s.id for s in hiding], "until": ends}
        return None

    # decisions and messages

    def decide(self, alert: Alert, group: str, kind: str, text: str, *, about: str = "", **facts: Any) -> None:
        """Write the decision about an alert in a group, unless it is the same as the last."""
        key = f"{alert.id}\n{group}" + (f"\n{about}" if about else "")
        if self.decisions.get(key) == text:
            return
        if self.decisions is self.before.decisions:
            self.decisions = dict(self.decisions)
        assert isinstance(self.decisions, dict)
        self.decisions[key] = text
        self.say(alert, kind, text, decision=key, **facts)

    def over(self, alert: Alert, group: str, kind: str, text: str, **facts: Any) -> None:
        """The last decision about an alert in a group."""
        key = f"{alert.id}\n{group}"
        self.say(alert, kind, text, decision=key, over=True, **facts)
        self._over.add((alert.id, group))

    def say(self, alert: Alert, kind: str, text: str, **facts: Any) -> None:
        self.events.append(AlertEvent(self.now, alert.id, alert.fingerprint, kind, text, facts))

    def queue(self, group: Group, receiver: str, channel: str, message: Message) -> Group:
        """A message for one channel; its id is the same in every replay."""
        number = int(group.detail.get("n", 0)) + 1
        self.notifications.append(
            Notification(
                id=digest_of(group.id, receiver, channel, group.created_at.isoformat(), str(number)),
                dedup_key=dedup_key(group.group_key, receiver),
                group_key=group.group_key,
                receiver=receiver,
                channel=channel,
                message=message,
                created_at=self.now,
                due_at=self.now,
                next_attempt_at=self.now,
                updated_at=self.now,
            )
        )
        return with_detail(group, n=number)

    # what changed

    def due(self) -> list[Group]:
        """Groups to look at now, those that wait longest first."""
        for group in list(self.groups.values()):
            route = self.routes.get(group.id)
            nearer = too_far(group, route, self.now) if route is not None else None
            if nearer is not None:
                self.put(replace(group, next_at=nearer), row=False)
        return sorted((g for g in self.groups.values() if g.next_at <= self.now), key=lambda g: (g.next_at, g.id))

    def put(self, group: Group, *, row: bool = True) -> None:
        """Keep a group; `row`: and write it. A new time of the next look alone is not worth a row."""
        self._moved = True
        if row or group.id in self.changed_groups:
            group = replace(group, updated_at=self.now)
            self.changed_groups[group.id] = group
        self.groups[group.id] = group

    def end(self, group: Group) -> None:
        """The group is over; a cooldown keeps it asleep."""
        self._moved = True
        self._ended.add(group.id)
        self.escalations.pop(group.id, None)
        until = self.cools_until(group)
        kept = with_detail(
            group, escalation=None, hidden=None, looked=None, asleep=until is not None, ended=until is None
        )
        kept = replace(kept, told={}, next_at=until or self.now, updated_at=self.now)
        self.changed_groups[group.id] = kept
        if until is not None:
            self.groups[group.id] = kept
        else:
            self.groups.pop(group.id, None)

    def cools_until(self, group: Group) -> datetime | None:
        """When the last of the group's cooldowns ends; None when none runs."""
        return max(
            (u for e in group.detail.get("cool", {}).values() if (u := self._cool_end(e)) > self.now), default=None
        )

    def _cool_end(self, entry: Sequence[Any]) -> datetime:
        return datetime.fromisoformat(entry[2])

    def put_escalation(self, group: str, escalation: Escalation) -> None:
        escalation = replace(escalation, updated_at=self.now)
        self.escalations[group] = escalation
        self.changed_escalations[escalation.id] = escalation

    def put_silence(self, silence: Silence) -> None:
        self.silences = [silence if s.id == silence.id else s for s in self.silences]
        self.changed_silences[silence.id] = silence
