"""One look at one group that is due: what may be told, what of it is news, and a message per channel.

What counts as news is Alertmanager's (notify.go, DedupStage.needsUpdate): an alert that was not told, alerts that
ended, or `repeat_interval`. On purpose different (docs/routing.md): an alert that was told and then silenced or muted
is told again when that ends and it still fires; a resolve of what was told passes silences and waits for mutes;
nothing is repeated while all that fires was acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pitchey_slo.alert import escalation
from pitchey_slo.alert.group import cooled, cooling, next_look, repeats, told_firing, with_detail
from pitchey_slo.alert.model import Action, Alert, Group, Message, highest
from pitchey_slo.alert.receivers import ChannelConfig, Receiver
from pitchey_slo.alert.route import Route
from pitchey_slo.alert.turn import Turn
from pitchey_slo.alert.words import length, listed, moment


@dataclass
class _View:
    """The alerts of the group, sorted: `firing` may be told, `new` of them are news, `hidden` may not be told."""

    firing: list[Alert] = field(default_factory=list)
    new: list[Alert] = field(default_factory=list)
    hidden: list[tuple[Alert, str]] = field(default_factory=list)
    resolved: list[Alert] = field(default_factory=list)
    waiting: list[Alert] = field(default_factory=list)  # resolved, told when the mute ends
    gone: set[str] = field(default_factory=set)  # told firing, and no longer known
    wakes: datetime | None = None


def look(turn: Turn, group: Group) -> None:
    """Decide about `group` and put down what follows."""
    route, receiver = turn.routes.get(group.id), turn.config.receivers.get(group.receiver)
    if route is None or receiver is None:
        _leave(turn, group, receiver)
        return
    view = _view(turn, group, route)
    why = _why(turn, group, route, view)
    after = _tell(turn, group, route, receiver, view, why) if why else group
    after = with_detail(after, looked=True, hidden=sorted(_told_hidden(group, view)))
    if why:
        after = replace(after, told=_told(group, view))
    if view.new and route.escalation:
        after = escalation.start(turn, after, route.escalation, view.new)
    if not told_firing(after):
        after = escalation.end(turn, after, view.resolved)
    if not view.firing and not view.hidden and not told_firing(after):
        turn.end(after)
        return
    planned = next_look(group, route, turn.now)
    after = replace(after, next_at=min(planned, view.wakes) if view.wakes is not None else planned)
    turn.put(after, row=replace(after, next_at=group.next_at) != group)


def _leave(turn: Turn, group: Group, receiver: Receiver | None) -> None:
    """End a group that has no alerts any more, or whose receiver is gone."""
    for alert in turn.members.get(group.id, {}).values():
        turn.over(alert, group.id, "ended", f'Receiver "{group.receiver}" is no longer in the routes file.')
    if receiver is not None and told_firing(group) and not group.detail.get("asleep"):
        line = "What was told here is no longer known, or is told elsewhere now: the rules or routes were changed."
        for channel in receiver.channels:
            if channel.send_resolved:
                message = Message("resolved", receiver.name, _title(group, 0), (), group.labels, (line,))
                group = turn.queue(group, receiver.name, channel.name, message)
        group = replace(group, sent_at=turn.now)
    turn.end(escalation.end(turn, group, []))


def _view(turn: Turn, group: Group, route: Route) -> _View:
    view, muted, told = _View(), turn.muted(route), told_firing(group)
    hidden_before = set(group.detail.get("hidden", ()))
    members = sorted(turn.members[group.id].values(), key=lambda a: (a.active_at, a.id))
    view.gone = told - turn.members[group.id].keys()
    told_names = {a.name for a in members if a.fingerprint in told}
    for alert in members:
        mark = alert.fingerprint
        if not alert.firing:
            if mark in told or (route.digest and muted is None):
                (view.waiting if muted is not None else view.resolved).append(alert)
            else:
                turn.over(alert, group.id, "ended", f'Resolved before "{group.receiver}" was told.')
            continue
        hides = turn.hides(alert, muted)
        if hides is None and mark not in told and alert.name not in told_names:
            last = _last_told(turn, group.receiver, alert.name) if route.cooldown else None
            until = cooling(last, route, alert, turn.now)
            if until is not None:
                view.wakes = min(until, view.wakes or until)
                text = f'"{group.receiver}" was told of {alert.name} lately; cooldown until {moment(until)}.'
                hides = "cooldown", text, {"until": until}
        if hides is not None:
            kind, text, facts = hides
            turn.decide(alert, group.id, kind, text, receiver=group.receiver, **facts)
            view.hidden.append((alert, kind))
            continue
        view.firing.append(alert)
        if mark not in told or mark in hidden_before:
            view.new.append(alert)
    return view


def _last_told(turn: Turn, receiver: str, name: str) -> Sequence[str] | None:
    """The latest entry about this rule among the groups of a receiver."""
    entries = [
        g.detail["cool"].get(name) for g in turn.groups.values() if g.receiver == receiver and g.detail.get("cool")
    ]
    return max((e for e in entries if e), key=lambda e: e[2], default=None)


def _why(turn: Turn, group: Group, route: Route, view: _View) -> str:
    """Why there is something to tell; "" when there is not."""
    told = told_firing(group)
    if view.new:
        if all(a.fingerprint in told for a in view.new):
            return "it still fires, and is no longer silenced or muted"
        return f"{len(view.new)} new in the group" if told else "first message of the group"
    if view.resolved or view.gone:
        return "some are resolved" if view.firing else "all are resolved"
    if view.firing and repeats(group, route, turn.now):
        if all(escalation.acked(turn.config, route, a, turn.now) for a in view.firing):
            return ""
        return f"still firing, told {length(round((turn.now - (group.sent_at or turn.now)).total_seconds()))} ago"
    return ""


def _tell(turn: Turn, group: Group, route: Route, receiver: Receiver, view: _View, why: str) -> Group:
    reached: list[str] = []
    for channel in receiver.channels:
        message = _message(turn, group, route, receiver, channel, view, why)
        if message is not None:
            group = turn.queue(group, receiver.name, channel.name, message)
            reached.append(channel.name)
    ids = [n.id for n in turn.notifications[len(turn.notifications) - len(reached) :]]
    if reached:
        text = f'Queued for {listed(reached)} of "{receiver.name}": {why}.'
    else:
        off = [f"{c.name} is switched off ({c.off})" for c in receiver.switched_off]
        text = f'Nobody is told by "{receiver.name}" ({why}): ' + (listed(off) if off else "no channel takes it") + "."
    kind = "queued" if reached else "unreachable"
    facts = {"receiver": receiver.name, "channels": reached, "notifications": ids, "reason": why}
    news = view.new if view.new else [] if view.resolved or view.gone else view.firing
    for alert in news:
        turn.say(alert, kind, text, **facts)
    for alert in view.resolved:
        turn.over(alert, group.id, kind, text, **facts)
    group = with_detail(group, cool=cooled(group, view.new, route, turn.now))
    return replace(group, sent_at=turn.now)


def _message(
    turn: Turn, group: Group, route: Route, receiver: Receiver, channel: ChannelConfig, view: _View, why: str
) -> Message | None:
    """What this channel is told; None when it is nothing."""
    firing, new, resolved = (_permitted(turn, channel, a) for a in (view.firing, view.new, view.resolved))
    for alert in view.new:
        if not turn.config.permitted(channel.kind, alert.severity):
            text = (
                f'Not told to {channel.name} of "{receiver.name}": '
                f"{channel.kind} may not be told severity {alert.severity!r}."
            )
            turn.decide(alert, group.id, "not_permitted", text, about=channel.name, channel=channel.name)
    if not channel.send_resolved:
        resolved = []
    news = bool(view.new or view.resolved or view.gone)
    closes = bool(view.gone) and channel.send_resolved and not firing
    if not (new or resolved or closes or (firing and not news)):
        return None
    action: Action = "firing" if firing else "resolved"
    if route.digest:
        action = "digest"
    elif not news:
        action = "reminder"
    shown = (*firing, *resolved)
    lines = [f"{why[0].upper()}{why[1:]}."] if action == "reminder" or why.startswith("it still") else []
    if route.digest:
        lines = [f"Everything of the last {length(route.digest)}: {len(firing)} firing, {len(resolved)} resolved."]
    if view.gone:
        lines.append(f"{len(view.gone)} that were told here are no longer known: the rules or routes were changed.")
    severity = highest([a.severity for a in firing or resolved])
    title = _title(group, len(firing))
    return Message(action, receiver.name, title, shown, group.labels, tuple(lines), severity=severity)


def _permitted(turn: Turn, channel: ChannelConfig, alerts: Sequence[Alert]) -> list[Alert]:
    return [a for a in alerts if turn.config.permitted(channel.kind, a.severity)]


def _told(group: Group, view: _View) -> dict[str, str]:
    """What the receiver believes after this look's messages."""
    told = told_firing(group)
    still = [a.fingerprint for a, _ in view.hidden if a.fingerprint in told]
    firing = [*_marks(view.firing), *still, *_marks(view.waiting)]
    return dict.fromkeys(firing, "firing") | dict.fromkeys(_marks(view.resolved), "resolved")


def _told_hidden(group: Group, view: _View) -> list[str]:
    told = told_firing(group)
    return [a.fingerprint for a, kind in view.hidden if a.fingerprint in told and kind in ("silenced", "muted")]


def _marks(alerts: Iterable[Alert]) -> list[str]:
    return [a.fingerprint for a in alerts]


def _title(group: Group, firing: int) -> str:
    """As Alertmanager's default title: `[FIRING:2] HighErrorRate api`."""
    state = f"FIRING:{firing}" if firing else "RESOLVED"
    return f"[{state}] {' '.join(group.labels.values())}".strip()
