"""Alerts, messages and rows of the outbox, in one line each."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

from pitchey_slo.alert import rows
from pitchey_slo.alert.model import Alert, Message, Notification
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON


def alert(name: str = "HighErrorRate", *, state: str = "firing", severity: str = "critical", **given: Any) -> Alert:
    """Fires since 12 minutes before noon; `labels` are added, everything else replaces."""
    labels = {"alertname": name, "severity": severity, **given.pop("labels", {})}
    values: dict[str, Any] = {
        "active_at": NOON - timedelta(minutes=12),
        "fired_at": NOON - timedelta(minutes=10),
        "updated_at": NOON,
        "annotations": {"summary": "312 of 4,100 requests failed in the last 5 minutes."},
        "value": 0.0761,
    }
    if state == "resolved":
        values["resolved_at"] = NOON
    return Alert(labels=labels, state=state, **{**values, **given})  # type: ignore[arg-type]


def message(*alerts: Alert, action: str = "firing", **given: Any) -> Message:
    severity = given.pop("severity", alerts[0].severity if alerts else "")
    return Message(action, "oncall", given.pop("title", "a title"), alerts, severity=severity, **given)  # type: ignore[arg-type]


def note(
    key: str = "n-1",
    said: Message | None = None,
    *,
    channel: str = "webhook/0",
    at: datetime = NOON,
    dedup: str | None = None,
    **given: Any,
) -> Notification:
    """A notification that waits, decided at noon (or before) and due at `at`."""
    made = min(at, NOON)
    said = said or message(alert())
    receiver = given.pop("receiver", said.receiver)
    said = dataclasses.replace(said, receiver=receiver)
    return Notification(
        key, dedup or f"group of {key}", f"{{}}:{key}", receiver, channel, said, made, at, at, made, **given
    )


def put(store: Store, *notes: Notification) -> None:
    store.append_all({"notifications": rows.notification_rows(notes)})


def row(store: Store, key: str) -> dict[str, Any]:
    return dict(store.query("SELECT * FROM notifications WHERE id = ?", [key]).to_pylist()[0])


def states(store: Store) -> dict[str, str]:
    found = store.query("SELECT id, state FROM notifications ORDER BY created_at, id").to_pylist()
    return {r["id"]: r["state"] for r in found}


def events(store: Store) -> list[tuple[str, str]]:
    return [(r["kind"], r["text"]) for r in store.query("SELECT * FROM alert_events ORDER BY commit_seq").to_pylist()]
