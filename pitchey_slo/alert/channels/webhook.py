"""Any address, with Alertmanager's JSON (version 4) and signed as Standard Webhooks asks (standardwebhooks.com).

`webhook-id` is the notification's id and the same for all attempts, so a receiver drops a repeat by it. The signature
covers id, time and body; with several secrets there is a signature of each, so that they can be rotated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.http import Http
from pitchey_slo.alert.model import Alert, Notification, utc
from pitchey_slo.alert.text import Told, common_annotations, common_labels
from pitchey_slo.errors import ChannelError, ConfigError

#: What Alertmanager and Go write for a time that is not known.
NEVER: Final = "0001-01-01T00:00:00Z"


class Webhook(Channel):
    kind = "webhook"

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        given.check_secret("url")
        self.http = Http(given, self.deadline)
        if given.text("format", "alertmanager") != "alertmanager":
            raise ConfigError(f"{given.text('format')!r} is unknown", key=f"{given.where}: format", hint="alertmanager")
        self.max_alerts = int(given.number("max_alerts", 0))
        try:
            for secret in self._secrets():
                key_of(secret)
        except (ValueError, ChannelError) as error:
            raise ConfigError(str(error), key=f"{given.where}: secret") from None

    def deliver(self, notification: Notification, told: Told) -> Answer:
        content = self.body(notification, told)
        body = json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        headers |= signed(notification.id, self.house.clock(), body, self._secrets())
        reply = self.http.post(self.given.secret("url"), body, headers)
        if not reply.ok:
            raise reply.error("the webhook")
        return Answer(f"{reply.status} {reply.text[:100]}".strip())

    def body(self, notification: Notification, told: Told) -> dict[str, Any]:
        """Alertmanager's webhook body, and below `pitchey` what it has no place for."""
        message = notification.message
        shown = message.alerts[: self.max_alerts] if self.max_alerts else message.alerts
        return {
            "version": "4",
            "groupKey": notification.group_key or notification.dedup_key,
            "truncatedAlerts": len(message.alerts) - len(shown),
            "status": "resolved" if told.mood == "resolved" else "firing",
            "receiver": notification.receiver,
            "groupLabels": dict(message.group_labels),
            "commonLabels": common_labels(message.alerts),
            "commonAnnotations": common_annotations(message.alerts),
            "externalURL": self.house.url,
            "alerts": [alert_json(alert) for alert in shown],
            "pitchey": {
                "id": notification.id,
                "dedupKey": notification.dedup_key,
                "action": notification.action,
                "severity": message.severity,
                "title": told.title,
                "lines": list(told.lines),
                "links": dict(told.links),
            },
        }

    def _secrets(self) -> list[str]:
        """The signing secrets, newest first: `secret`, `secret_file`, or a list `secrets` while they are rotated."""
        several = self.given.get("secrets") or []
        found = [str(s.get_secret_value() if hasattr(s, "get_secret_value") else s) for s in several]
        one = self.given.secret("secret")
        for secret in found:
            self.given.remember(secret)
        return list(dict.fromkeys(([one] if one else []) + found))


def signed(message_id: str, now: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of Standard Webhooks; without secrets there is no signature."""
    stamp = str(int(now.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": stamp}
    if secrets:
        content = f"{message_id}.{stamp}.".encode() + body
        headers["webhook-signature"] = " ".join(f"v1,{_signature(secret, content)}" for secret in secrets)
    return headers


def key_of(secret: str) -> bytes:
    """The key of `whsec_<base64>`. Raises ValueError that says what is wrong, without the secret."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a signing secret is whsec_ and base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a signing secret has 24 to 64 bytes, this one {len(key)}")
    return key


def alert_json(alert: Alert) -> dict[str, Any]:
    """One alert as Alertmanager's webhook has it."""
    return {
        "status": "resolved" if alert.state == "resolved" else "firing",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": _time(alert.fired_at or alert.active_at),
        "endsAt": _time(alert.resolved_at or alert.ends_at) if alert.state == "resolved" else NEVER,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def _time(time: datetime | None) -> str:
    return utc(time).isoformat().replace("+00:00", "Z") if time else NEVER


def _signature(secret: str, content: bytes) -> str:
    return base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode()
