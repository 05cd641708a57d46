"""Values of `model.py` to rows of the store and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pitchey_slo.alert.model import Alert, AlertEvent, Escalation, Group, Message, Notification
from pitchey_slo.tables import ALERT_EVENTS, ALERT_GROUPS, ALERTS, ESCALATIONS, NOTIFICATIONS

_ALERT_TIMES = ("active_at", "updated_at", "fired_at", "cleared_at", "resolved_at", "ends_at", "acked_at")


def alert_rows(alerts: Iterable[Alert]) -> pa.Table:
    return ALERTS.of([_alert_row(a) for a in alerts])


def alert_from(row: Mapping[str, Any]) -> Alert:
    """The alert of a row of `alerts`."""
    return Alert(
        labels=json.loads(row["labels"]),
        annotations=json.loads(row["annotations"] or "{}"),
        rule=json.loads(row["rule"] or "{}"),
        generator_url=row["generator_url"] or "",
        paused_seconds=row["paused_seconds"] or 0.0,
        **{name: row[name] for name in ("state", "value", "acked_by", "rule_group", "source", *_ALERT_TIMES)},
    )


def event_rows(events: Iterable[AlertEvent]) -> pa.Table:
    return ALERT_EVENTS.of([{**_fields(e), "detail": text_of(e.detail)} for e in events])


def event_from(row: Mapping[str, Any]) -> AlertEvent:
    known = {f.name: row[f.name] for f in dataclasses.fields(AlertEvent)}
    return AlertEvent(**known | {"detail": json.loads(row["detail"] or "{}")})


def group_rows(groups: Iterable[Group]) -> pa.Table:
    return ALERT_GROUPS.of(
        [
            {**_fields(g), "labels": text_of(g.labels), "told": text_of(g.told), "detail": text_of(g.detail)}
            for g in groups
        ]
    )


def group_from(row: Mapping[str, Any]) -> Group:
    texts = {name: json.loads(row[name] or "{}") for name in ("labels", "told", "detail")}
    return Group(**{f.name: row[f.name] for f in dataclasses.fields(Group)} | texts)


def escalation_rows(escalations: Iterable[Escalation]) -> pa.Table:
    return ESCALATIONS.of([{**_fields(e), "alerts": text_of(list(e.alerts))} for e in escalations])


def escalation_from(row: Mapping[str, Any]) -> Escalation:
    known = {f.name: row[f.name] for f in dataclasses.fields(Escalation)}
    return Escalation(**known | {"alerts": tuple(json.loads(row["alerts"]))})


def notification_rows(notifications: Iterable[Notification]) -> pa.Table:
    return NOTIFICATIONS.of(
        [
            {**_fields(n), "action": n.action, "severity": n.message.severity, "payload": message_text(n.message)}
            for n in notifications
        ]
    )


def notification_from(row: Mapping[str, Any]) -> Notification:
    known = {f.name: row[f.name] for f in dataclasses.fields(Notification) if f.name != "message"}
    return Notification(message=message_from(row["payload"]), **known)


def message_text(message: Message) -> str:
    """JSON of a message."""
    shown = _fields(message) | {"alerts": [_plain(_fields(a)) for a in message.alerts]}
    return text_of(shown | {"lines": list(message.lines), "files": list(message.files)})


def message_from(text: str) -> Message:
    found = json.loads(text)
    alerts = tuple(Alert(**{k: _time(k, v) for k, v in a.items()}) for a in found["alerts"])
    texts = {"lines": tuple(found["lines"]), "files": tuple(found.get("files", ()))}  # older rows have no files
    return Message(**found | {"alerts": alerts, **texts})


def text_of(value: Any) -> str:
    """Compact JSON with sorted keys."""
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def _alert_row(alert: Alert) -> dict[str, Any]:
    texts = {name: text_of(getattr(alert, name)) for name in ("labels", "annotations", "rule")}
    given = {"id": alert.id, "fingerprint": alert.fingerprint, "name": alert.name, "severity": alert.severity}
    return _fields(alert) | texts | given


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        return str(value)
    return value


def _time(name: str, value: Any) -> Any:
    if name in _ALERT_TIMES and value is not None:
        return datetime.fromisoformat(value)
    return float(value) if name == "value" and isinstance(value, str) else value
