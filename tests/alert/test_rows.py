"""What alerting remembers comes back from the store as it was."""

from __future__ import annotations

import math
from datetime import timedelta

from pitchey_slo.alert import rows
from pitchey_slo.alert.model import Alert, AlertEvent, Escalation, Group, Message, Notification, fingerprint
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON

ALERT = Alert(
    labels={"alertname": "Errors", "severity": "critical", "route": 'a "quoted" \\ route é'},
    state="firing",
    active_at=NOON,
    updated_at=NOON + timedelta(minutes=3, microseconds=7),
    annotations={"summary": "it fails"},
    value=0.25,
    fired_at=NOON + timedelta(minutes=2),
    rule={"expr": "x > 1", "for": "2m"},
    rule_group="rules.yml;errors",
)


def back(store: Store, table: str) -> list[dict[str, object]]:
    return [dict(row) for row in store.query(f"SELECT * FROM {table}").to_pylist()]


def test_alerts_come_back(store: Store) -> None:
    store.append_all({"alerts": rows.alert_rows([ALERT])})
    row = back(store, "alerts")[0]
    assert rows.alert_from(row) == ALERT
    assert (row["id"], row["severity"], row["name"]) == (ALERT.id, "critical", "Errors")


def test_groups_escalations_and_events_come_back(store: Store) -> None:
    group = Group("k/slack", "k", "slack", {"a": "b"}, NOON, NOON, NOON, told={"f": "firing"}, detail={"n": 1})
    escalation = Escalation("p/k", "p", "k", ("a", "b"), 1, 0, NOON, "running", NOON, NOON)
    event = AlertEvent(NOON, ALERT.id, ALERT.fingerprint, "state", "began to fire", {"value": math.inf, "at": NOON})
    store.append_all(
        {
            "alert_groups": rows.group_rows([group]),
            "escalations": rows.escalation_rows([escalation]),
            "alert_events": rows.event_rows([event]),
        }
    )
    assert rows.group_from(back(store, "alert_groups")[0]) == group
    assert rows.escalation_from(back(store, "escalations")[0]) == escalation
    assert back(store, "alert_events")[0]["text"] == "began to fire"


def test_notifications_come_back_with_their_alerts(store: Store) -> None:
    message = Message("firing", "slack", "2 alerts", (ALERT,), {"a": "b"}, ("one", "two"), {"Runbook": "x"}, "critical")
    sent = Notification("n-1", "d-1", "k", "slack", "slack/0", message, NOON, NOON, NOON, NOON)
    store.append_all({"notifications": rows.notification_rows([sent])})
    assert rows.notification_from(back(store, "notifications")[0]) == sent


def test_a_fingerprint_tells_labels_apart() -> None:
    assert fingerprint({"a": "b", "c": "d"}) != fingerprint({"a": "b,c", "": "d"})
    assert fingerprint({"a": "1"}) == fingerprint({"a": "1"})
