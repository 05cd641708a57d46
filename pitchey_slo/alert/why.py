"""Why somebody was paged, or not: everything that was decided about one alert, from the rows that were written when it
was decided. Nothing is worked out again afterwards, so the answer is what happened, not what would happen now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pitchey_slo.alert import rows
from pitchey_slo.alert.model import Alert, AlertEvent, Notification
from pitchey_slo.alert.words import iso, length, moment
from pitchey_slo.errors import NotFound

Query = Callable[[str, Sequence[Any]], pa.Table]
#: Decisions shown at most; a day of retries is thinned where it is written.
MOST = 2_000
#: Order of decisions of one moment: what comes first on the way.
_ORDER = {"state": 0, "acked": 0, "routed": 1, "grouped": 2, "queued": 4, "escalation": 5, "sent": 6, "failed": 6}
#: Kinds of events that keep an alert from being told.
KEPT = ("silenced", "inhibited", "muted", "held", "cooldown", "not_permitted", "unreachable")


@dataclass(frozen=True)
class Why:
    """alert          as it is now
    events         decisions, oldest first
    notifications  messages that held it, oldest first
    """

    alert: Alert
    events: tuple[AlertEvent, ...]
    notifications: tuple[Notification, ...]

    @property
    def sent(self) -> tuple[Notification, ...]:
        return tuple(n for n in self.notifications if n.state == "sent")

    def sentence(self) -> str:
        """The answer in one or two sentences."""
        alert = self.alert
        name = alert.name or "The alert"
        if alert.fired_at is None:
            waited = f"its condition held for {length((alert.updated_at - alert.active_at).total_seconds())}"
            over = "and then no more" if alert.state == "resolved" else "so far"
            return f"Nobody was told: {name} never fired; {waited} {over}."
        told = [n for n in self.sent if n.action in ("firing", "escalation")]
        if told:
            first = told[0]
            wait = length(max((first.sent_at or first.created_at).timestamp() - alert.fired_at.timestamp(), 0))
            who = ", ".join(dict.fromkeys(f"{n.receiver} by {n.channel.partition('/')[0]}" for n in told))
            return f"{name} fired at {moment(alert.fired_at)}; {who} was told first {wait} later."
        waiting = [n for n in self.notifications if n.state == "waiting"]
        if waiting:
            answer = waiting[-1].answer
            return f"{name} fired, and the message waits for {waiting[-1].channel}" + (
                f": {answer}." if answer else "."
            )
        dead = [n for n in self.notifications if n.state == "dead"]
        if dead:
            return f"{name} fired, but {dead[-1].channel} refused the message for good: {dead[-1].answer}."
        kept = [e for e in self.events if e.kind in KEPT]
        if kept:
            return f"{name} fired, and nobody was told: {kept[-1].text}"
        last = f" ({self.events[-1].text})" if self.events else ""
        return f"{name} fired, and nobody was told so far{last}."

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe; every decision with its time, kind, sentence and facts."""
        alert = self.alert
        return {
            "sentence": self.sentence(),
            "alert": alert_dict(alert),
            "value": None if alert.value is None else _number(alert.value),
            "rule": dict(alert.rule),
            "decisions": [
                {"at": iso(e.ts), "kind": e.kind, "text": e.text, "detail": json.loads(rows.text_of(e.detail))}
                for e in self.events
            ],
            "notifications": [notification_dict(n) for n in self.notifications],
        }


def why(alert_id: str, query: Query) -> Why:
    """What is known of an alert, by its id or (the newest one of) its fingerprint. `query` asks hot or the lake.

    Raises NotFound."""
    found = query(
        "SELECT * FROM alerts WHERE id = ? OR fingerprint = ? ORDER BY active_at DESC LIMIT 1", [alert_id, alert_id]
    ).to_pylist()
    if not found:
        raise NotFound(f"no alert {alert_id[:128]!r}; `pitchey-slo alerts list --all` shows those there are")
    alert = rows.alert_from(found[0])
    events = query(f"SELECT * FROM alert_events WHERE alert_id = ? ORDER BY ts LIMIT {MOST}", [alert.id]).to_pylist()
    decided = sorted((rows.event_from(row) for row in events), key=lambda e: (e.ts, _ORDER.get(e.kind, 3)))
    return Why(alert, tuple(decided), _messages(alert, events, query))


def _messages(alert: Alert, events: Sequence[Mapping[str, Any]], query: Query) -> tuple[Notification, ...]:
    """The messages of its groups that held it, and what stood in for them."""
    groups, ids = set(), set()
    for event in events:
        detail = json.loads(event["detail"] or "{}")
        ids |= {*detail.get("notifications", ()), *([detail["notification"]] if "notification" in detail else ())}
        if "decision" in detail:  # lines: alert id, "group key -> receiver", ...
            groups.add(str(detail["decision"]).split("\n")[1].rpartition(" -> ")[0])
    if not groups and not ids:
        return ()
    found = query(
        f"""
        SELECT * FROM notifications WHERE created_at >= ? AND (group_key IN ({_marks(groups)}) OR id IN ({_marks(ids)})
        OR fallback_of IN ({_marks(ids)})) ORDER BY created_at, id LIMIT {MOST}
        """,
        [alert.active_at, *(sorted(groups) or [""]), *(sorted(ids) or [""]), *(sorted(ids) or [""])],
    ).to_pylist()
    messages = [rows.notification_from(row) for row in found]
    return tuple(n for n in messages if any(a.id == alert.id for a in n.message.alerts))


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * max(1, len(values)))


def alert_dict(alert: Alert) -> dict[str, Any]:
    """An alert as the API gives it."""
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity,
        "state": alert.state,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "value": None if alert.value is None else _number(alert.value),
        "source": alert.source,
        "rule_group": alert.rule_group,
        "generator_url": alert.generator_url,
        "acked_by": alert.acked_by,
        **{name: iso(getattr(alert, name)) for name in _TIMES},
    }


def notification_dict(sent: Notification) -> dict[str, Any]:
    """A message on its way, as the API gives it."""
    return {
        "id": sent.id,
        "dedup_key": sent.dedup_key,
        "group_key": sent.group_key,
        "receiver": sent.receiver,
        "channel": sent.channel,
        "action": sent.action,
        "title": sent.message.title,
        "level": sent.message.level,
        "state": sent.state,
        "attempts": sent.attempts,
        "answer": sent.answer,
        "fallback_of": sent.fallback_of,
        **{name: iso(getattr(sent, name)) for name in ("created_at", "due_at", "next_attempt_at", "sent_at")},
    }


_TIMES = ("active_at", "fired_at", "cleared_at", "resolved_at", "ends_at", "acked_at", "updated_at")


def _number(value: float) -> float | str:
    return value if value == value and abs(value) != float("inf") else str(value)
