"""Messages that the outbox itself writes: digests and dead letters told elsewhere; and its events. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pitchey_slo.alert.clean import clean
from pitchey_slo.alert.model import SEVERITIES, Alert, AlertEvent, Message, Notification, highest
from pitchey_slo.alert.text import title_of

#: Messages a digest names one by one; its count is of all.
NAMED: Final = 30
#: Alerts a digest carries for channels that show them.
CARRIED: Final = 100


def digest_of(merged: Sequence[Notification], now: datetime) -> Notification:
    """One message instead of `merged`, all of one channel: `14 more: 9 warning, 5 info` and a line for each."""
    ids = "\n".join(sorted(n.id for n in merged))
    key = _hash("digest", ids)
    severities = Counter(n.message.severity or "other" for n in merged)
    order = [*reversed(SEVERITIES), *sorted(s for s in severities if s not in SEVERITIES)]
    counted = ", ".join(f"{severities[s]} {clean(s, 20)}" for s in order if severities[s])
    lines = [title_of(n.message) for n in merged[:NAMED]]
    if len(merged) > NAMED:
        lines.append(f"... and {len(merged) - NAMED} more; `pitchey-slo alerts list` shows all")
    alerts = {a.id: a for n in merged for a in n.message.alerts}  # the newest state of each wins
    message = Message(
        action="digest",
        receiver=merged[0].receiver,
        title=f"{len(merged)} more: {counted}",
        alerts=tuple(sorted(alerts.values(), key=lambda a: not a.firing))[:CARRIED],
        lines=tuple(lines),
        severity=highest([n.message.severity for n in merged]),
    )
    return Notification(
        id=key,
        dedup_key=key,
        group_key="",
        receiver=merged[0].receiver,
        channel=merged[0].channel,
        message=message,
        created_at=now,
        due_at=now,
        next_attempt_at=now,
        updated_at=now,
    )


def fallbacks_of(
    dead: Notification, why: str, channels: Sequence[tuple[str, str]], now: datetime
) -> list[Notification]:
    """`dead` again, for each of `channels` (receiver, channel) but its own, with a line that says why it comes there.

    A fallback that dies is not told to its own fallback: it would go round for ever.
    """
    if dead.fallback_of is not None:
        return []
    line = f"Sent here because {dead.channel} of receiver {dead.receiver} did not take it: {clean(why, 300)}"
    found = []
    for receiver, channel in channels:
        if (receiver, channel) == (dead.receiver, dead.channel):
            continue
        message = Message(
            action=dead.message.action,
            receiver=receiver,
            title=dead.message.title,
            alerts=dead.message.alerts,
            group_labels=dead.message.group_labels,
            lines=(line, *dead.message.lines),
            links=dead.message.links,
            severity=dead.message.severity,
            level=dead.message.level,
        )
        found.append(
            Notification(
                id=_hash("fallback", dead.id, receiver, channel),
                dedup_key=_hash("fallback", dead.dedup_key, receiver),
                group_key=dead.group_key,
                receiver=receiver,
                channel=channel,
                message=message,
                created_at=now,
                due_at=now,
                next_attempt_at=now,
                updated_at=now,
                fallback_of=dead.id,
            )
        )
    return found


def events_of(notification: Notification, now: datetime, kind: str, text: str, **detail: Any) -> list[AlertEvent]:
    """What happened to a message, as an event of each of its alerts."""
    facts = {"notification": notification.id, "receiver": notification.receiver, "channel": notification.channel}
    if notification.message.level:
        facts["level"] = str(notification.message.level)
    return [_event(alert, now, kind, text, {**facts, **detail}) for alert in notification.message.alerts]


def _event(alert: Alert, now: datetime, kind: str, text: str, detail: dict[str, Any]) -> AlertEvent:
    return AlertEvent(now, alert.id, alert.fingerprint, kind, clean(text, 2_000), detail)


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=12).hexdigest()
