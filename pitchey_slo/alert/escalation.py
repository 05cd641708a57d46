"""Escalations: who is told next while nobody takes an alert on. Every timer is a row, so a restart resumes it.

    running -> (level after level) -> exhausted
    running -> held (outside business hours) -> running, if it still fires
    running -> acked (everything that fires was acknowledged) -> running, when that times out or something new fires
    any     -> resolved, when the group was told that all is over; whoever was told of a level is told that, too

An escalation begins when its group is told of an alert that the policy is for. `after` of the levels counts from there
(or from the end of a hold). Nothing is told while nothing fires, or while everything is silenced or inhibited: that is
looked at again when the group is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.group import rank, with_detail
from pitchey_slo.alert.model import Alert, AlertEvent, Escalation, Group, Message, highest
from pitchey_slo.alert.policy import Policy
from pitchey_slo.alert.receivers import Receiver
from pitchey_slo.alert.route import Route
from pitchey_slo.alert.words import length, listed, moment

if TYPE_CHECKING:
    from pitchey_slo.alert.dispatch import Memory
    from pitchey_slo.alert.turn import Turn

#: A step that comes later than this after its time is counted from then on: the clock jumped, or nothing ran.
_LATE = timedelta(minutes=1)


def start(turn: Turn, group: Group, name: str, new: Sequence[Alert]) -> Group:
    """Begin the policy for a group that was just told of `new`, unless it runs already."""
    policy = turn.config.policies[name]
    concerned = [a for a in new if policy.applies(a.severity)]
    if group.id in turn.escalations or not concerned:
        return group
    due = turn.now + timedelta(seconds=policy.levels[0].after)
    begun = Escalation(
        id=f"{name} for {group.id} at {turn.now.isoformat()}",
        policy=name,
        group_key=group.group_key,
        alerts=tuple(a.id for a in concerned),
        level=0,
        loop=0,
        next_at=due,
        state="running",
        created_at=turn.now,
        updated_at=turn.now,
    )
    turn.put_escalation(group.id, begun)
    text = f'Escalation "{name}" began; level 1 ({_names(policy, 0)}) is told at {moment(due)} if nobody acknowledges.'
    for alert in concerned:
        turn.say(alert, "escalation", text, policy=name, level=0, until=due)
    return with_detail(group, escalation=begun.id)


def end(turn: Turn, group: Group, resolved: Sequence[Alert]) -> Group:
    """All is over: finish the group's escalation, and tell those who were told of a level."""
    found = turn.escalations.get(group.id)
    if found is None:
        return group
    policy = turn.config.policies.get(found.policy)
    told = _told(found, policy) if policy is not None else []
    for name in told:
        receiver = turn.config.receivers.get(name)
        if receiver is None or name == group.receiver:
            continue  # the group's own message says it
        group = _resolve(turn, group, receiver, resolved)
    turn.put_escalation(group.id, replace(found, state="resolved", next_at=None, held_until=None))
    turn.escalations.pop(group.id)
    for alert in resolved:
        turn.say(alert, "escalation", f'Escalation "{found.policy}" ended: all is resolved.', policy=found.policy)
    return with_detail(group, escalation=None)


def _resolve(turn: Turn, group: Group, receiver: Receiver, resolved: Sequence[Alert]) -> Group:
    for channel in receiver.channels:
        shown = tuple(a for a in resolved if turn.config.permitted(channel.kind, a.severity))
        if not channel.send_resolved or (resolved and not shown):
            continue
        severity = highest([a.severity for a in shown])
        lines = ("What you were told of by escalation is over.",)
        message = Message("resolved", receiver.name, "[RESOLVED]", shown, group.labels, lines, severity=severity)
        group = turn.queue(group, receiver.name, channel.name, message)
    return group


def run(turn: Turn) -> None:
    """Every escalation's step at `turn.now`."""
    for group_id, found in sorted(turn.escalations.items()):
        group = turn.groups.get(group_id)
        if group is None:
            continue
        policy = turn.config.policies.get(found.policy)
        if policy is None:  # taken out of the routes file
            turn.put(end(turn, group, []))
            continue
        firing = [a for a in turn.members.get(group_id, {}).values() if a.firing and policy.applies(a.severity)]
        _step(turn, group, policy, found, sorted(firing, key=lambda a: (a.active_at, a.id)))


def _step(turn: Turn, group: Group, policy: Policy, found: Escalation, firing: list[Alert]) -> None:
    now = turn.now
    unacked = [a for a in firing if not _holds_ack(policy, a, now)]
    if found.state in ("running", "held"):
        if firing and not unacked:
            _acked(turn, group, policy, found, firing)
            return
        found = _nearer(turn, group, policy, found, unacked)
        if found.next_at is not None and found.next_at <= now:
            _due(turn, group, policy, found, unacked)
    elif found.state == "acked" and unacked:
        _resume(turn, group, policy, found, unacked)


def _nearer(turn: Turn, group: Group, policy: Policy, found: Escalation, unacked: list[Alert]) -> Escalation:
    """The same with a nearer time where the planned one can no longer be meant: the clock was turned back, working
    hours or the severity changed."""
    if found.next_at is None or found.next_at <= turn.now:
        return found
    if found.state == "held":
        severity = _severity(unacked)
        if unacked and (not policy.holds(severity) or (policy.calendar is not None and policy.calendar.open(turn.now))):
            return replace(found, next_at=turn.now)
        return found
    longest = timedelta(seconds=_gap(policy, found) if found.level < len(policy.levels) else 0.0)
    if found.next_at > max(turn.now + longest, group.next_at):
        found = replace(found, next_at=turn.now + longest)
        turn.put_escalation(group.id, found)
    return found


def _due(turn: Turn, group: Group, policy: Policy, found: Escalation, unacked: list[Alert]) -> None:
    visible = [a for a in unacked if turn.hides(a) is None]
    if not visible:  # nothing fires, or nothing may be told: look again with the group
        later = max(group.next_at, turn.now + timedelta(seconds=1))
        turn.put_escalation(group.id, replace(found, next_at=later))
        return
    severity = _severity(visible)
    if policy.holds(severity) and policy.calendar is not None and not policy.calendar.open(turn.now):
        until = policy.calendar.next_open(turn.now)
        turn.put_escalation(group.id, replace(found, state="held", held_until=until, next_at=until))
        text = (
            f'Escalation "{found.policy}" is held until {moment(until) if until else "the calendar has working hours"}'
        )
        for alert in visible:
            turn.decide(
                alert, group.id, "held", f"{text}: outside of {policy.calendar.name}.", about="hold", until=until
            )
        return
    if found.state == "held":
        for alert in visible:
            text = f'Escalation "{found.policy}" goes on: it still fires, and {_opens(policy)}.'
            turn.decide(alert, group.id, "released", text, about="hold")
    _tell(turn, group, policy, found, visible)


def _opens(policy: Policy) -> str:
    return (
        f"it is {policy.calendar.name} again or its severity does not wait" if policy.calendar else "nothing holds it"
    )


def _tell(turn: Turn, group: Group, policy: Policy, found: Escalation, visible: list[Alert]) -> None:
    """Tell the next level, and plan the one after it."""
    level, now = policy.levels[found.level], turn.now
    number, reached = found.level + 1, []
    since = length(round((now - found.created_at).total_seconds()))
    line = f"Level {number} of {len(policy.levels)}: nobody acknowledged for {since}."
    line += f" Round {found.loop + 1}." if found.loop else ""
    for name in level.receivers:
        receiver = turn.config.receivers.get(name)
        for channel in receiver.channels if receiver is not None else ():
            shown = tuple(a for a in visible if turn.config.permitted(channel.kind, a.severity))
            if not shown:
                continue
            title = f"[LEVEL {number}] {' '.join(group.labels.values())}".strip()
            message = Message(
                "escalation", name, title, shown, group.labels, (line,), severity=_severity(list(shown)), level=number
            )
            group = turn.queue(group, name, channel.name, message)
            reached.append(f"{channel.name} of {name}")
    turn.put(group)
    after = _after(policy, found, now)
    turn.put_escalation(group.id, replace(after, alerts=tuple(a.id for a in visible)))
    then = f"next at {moment(after.next_at)}" if after.next_at is not None else "that was the last"
    who = listed(reached) if reached else f"nobody: no channel of {listed(list(level.receivers))} takes it"
    for alert in visible:
        turn.say(
            alert, "escalation", f'Level {number} of "{found.policy}": queued for {who}; {then}.',
            policy=found.policy, level=number, loop=found.loop, channels=reached,
        )  # fmt: skip


def _after(policy: Policy, found: Escalation, now: datetime) -> Escalation:
    """The escalation after its level was told."""
    planned = found.next_at or now
    base = planned if found.state == "running" and now - planned <= _LATE else now
    running = replace(found, state="running", held_until=None)
    if found.level + 1 < len(policy.levels):
        gap = policy.levels[found.level + 1].after - policy.levels[found.level].after
        return replace(running, level=found.level + 1, next_at=base + timedelta(seconds=gap))
    if found.loop < policy.repeat:
        due = base + timedelta(seconds=policy.repeat_after)
        return replace(running, level=0, loop=found.loop + 1, next_at=due)
    return replace(running, level=len(policy.levels), next_at=None, state="exhausted")


def _gap(policy: Policy, found: Escalation) -> float:
    """Seconds from what came before to the level that is next."""
    if found.level == 0:
        return policy.repeat_after if found.loop else policy.levels[0].after
    return policy.levels[found.level].after - policy.levels[found.level - 1].after


def _acked(turn: Turn, group: Group, policy: Policy, found: Escalation, firing: list[Alert]) -> None:
    ends = [a.acked_at + timedelta(seconds=policy.ack_timeout) for a in firing if a.acked_at and policy.ack_timeout]
    until = min(ends, default=None)
    turn.put_escalation(group.id, replace(found, state="acked", next_at=until, held_until=None))
    by = listed(sorted({a.acked_by or "somebody" for a in firing}))
    tail = f"; it goes on at {moment(until)} if it still fires" if until is not None else ""
    for alert in firing:
        turn.say(alert, "acked", f'Escalation "{found.policy}" stops: {by} took it on{tail}.', policy=found.policy)


def _resume(turn: Turn, group: Group, policy: Policy, found: Escalation, unacked: list[Alert]) -> None:
    """An acknowledgement timed out: the next level is due. Or something new fires: it begins with the first."""
    timed_out = any(a.acked_at is not None for a in unacked)
    if timed_out:
        level = min(found.level, len(policy.levels) - 1)
        due, why = turn.now, f"the acknowledgement is older than {length(policy.ack_timeout or 0)}"
    else:
        level, due = 0, turn.now + timedelta(seconds=policy.levels[0].after)
        why = "something new fires that nobody acknowledged"
    again = replace(found, state="running", level=level, loop=found.loop if timed_out else 0, next_at=due)
    turn.put_escalation(group.id, again)
    for alert in unacked:
        turn.say(alert, "escalation", f'Escalation "{found.policy}" goes on: {why}.', policy=found.policy, until=due)
    if due <= turn.now:
        _due(turn, group, policy, again, unacked)


def _told(found: Escalation, policy: Policy) -> list[str]:
    """Receivers that were told of some level."""
    reached = len(policy.levels) if found.loop else found.level
    return list(dict.fromkeys(name for level in policy.levels[:reached] for name in level.receivers))


def _names(policy: Policy, level: int) -> str:
    return listed(list(policy.levels[level].receivers))


def _severity(alerts: Iterable[Alert]) -> str:
    return max((a.severity for a in alerts), key=rank, default="")


# acknowledgements


def _holds_ack(policy: Policy, alert: Alert, now: datetime) -> bool:
    if alert.acked_at is None:
        return False
    # an acknowledgement of the future was written before the clock was turned back
    return policy.ack_timeout is None or now - alert.acked_at < timedelta(seconds=policy.ack_timeout)


def acked(config: RoutesConfig, route: Route, alert: Alert, now: datetime) -> bool:
    """True while somebody's acknowledgement of this alert holds, for what is told by this route."""
    policy = config.policies.get(route.escalation or "")
    return alert.acked_at is not None if policy is None else _holds_ack(policy, alert, now)


@dataclass(frozen=True)
class Acknowledged:
    """What `acknowledge` changed: rows of `alerts`, and what is written about it."""

    alerts: tuple[Alert, ...]
    events: tuple[AlertEvent, ...]


def acknowledge(memory: Memory, alerts: Iterable[Alert], by: str, now: datetime) -> Acknowledged:
    """Take these alerts on. The next step of `dispatch.plan`, given them so, stops their escalations.

    Alerts that no longer fire are left as they are; taking one on again renews the acknowledgement.
    """
    taken = [replace(a, acked_at=now, acked_by=by, updated_at=now) for a in alerts if a.state != "resolved"]
    events = []
    for alert in taken:
        running = [e for e in memory.escalations.values() if alert.id in e.alerts and e.state != "resolved"]
        stops = f"; stops escalation {listed([e.policy for e in running])}" if running else ""
        text = f"{by} took it on{stops}."
        events.append(AlertEvent(now, alert.id, alert.fingerprint, "acked", text, {"by": by}))
    return Acknowledged(tuple(taken), tuple(events))
