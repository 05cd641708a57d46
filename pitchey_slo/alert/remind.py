"""Reminders of silences that end soon while they hide something: what comes back is no surprise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.group import digest_of
from pitchey_slo.alert.matchers import text_of
from pitchey_slo.alert.model import Alert, Message, Notification, highest
from pitchey_slo.alert.silences import Silence, to_remind
from pitchey_slo.alert.words import moment

if TYPE_CHECKING:
    from pitchey_slo.alert.turn import Turn


def run(turn: Turn) -> None:
    """Queue a message for each silence that ends soon and hides what fires."""
    settings = turn.config.silence_reminders
    if settings is None:
        return
    receiver = turn.config.receivers.get(settings.receiver or turn.config.route.receiver)
    for silence in to_remind(turn.silences, turn.now, settings.before):
        hidden = [a for a in turn.alerts if a.firing and silence.matches(a.labels)]
        if not hidden:
            continue
        turn.put_silence(replace(silence, reminded_at=turn.now, updated_at=turn.now))
        for channel in receiver.channels if receiver is not None else ():
            shown = [a for a in hidden if turn.config.permitted(channel.kind, a.severity)]
            if receiver is not None and shown:
                turn.notifications.append(_note(silence, shown, receiver.name, channel.name, turn.now))


def _note(silence: Silence, hidden: list[Alert], receiver: str, channel: str, now: datetime) -> Notification:
    lines = (
        f"The silence of {silence.created_by} ({silence.comment}) ends at {moment(silence.end)}.",
        f"It hides {len(hidden)} that fire now; they are told when it ends. It matches {text_of(silence.matchers)}.",
    )
    message = Message(
        "message", receiver, "A silence ends soon", tuple(hidden), {}, lines,
        severity=highest([a.severity for a in hidden]),
    )  # fmt: skip
    key = digest_of("silence", silence.id, receiver)
    number = digest_of(key, channel, silence.end.isoformat())
    return Notification(number, key, "", receiver, channel, message, now, now, now, now)


def next_at(config: RoutesConfig, silences: Iterable[Silence], now: datetime) -> datetime | None:
    """When the next reminder may be due."""
    if config.silence_reminders is None:
        return None
    before = timedelta(seconds=config.silence_reminders.before)
    ahead = (s.end - before for s in silences if s.reminded_at is None and s.rrule is None and not s.until_resolved)
    return min((t for t in ahead if t > now), default=None)
