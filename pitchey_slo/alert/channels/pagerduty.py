"""PagerDuty, Events API v2: trigger, acknowledge and resolve share one dedup key and one routing key.

Facts (developer.pagerduty.com/docs/events-api-v2): summary up to 1,024 characters, dedup_key up to 255, body up to
512 KB, 120 events a minute per key. 202 is taken; 400 will never be; 429 and 5xx may be later. Each event changes an
incident, so events are never merged.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from pitchey_slo.alert.budget import Rate
from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.http import Http
from pitchey_slo.alert.clean import clean, cut, cut_bytes
from pitchey_slo.alert.model import Notification, utc
from pitchey_slo.alert.text import Told, common_labels, paragraph

URL: Final = "https://events.pagerduty.com/v2/enqueue"
SUMMARY: Final = 1_024
DEDUP_KEY: Final = 255
BODY: Final = 512_000
SEVERITIES: Final = {"critical": "critical", "error": "error", "warning": "warning", "info": "info", "resolved": "info"}


class PagerDuty(Channel):
    kind = "pagerduty"
    default_rate = Rate(2.0, 20.0)
    templated = ("description", "severity", "source", "component", "group", "class", "client", "client_url")

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        self._key = "service_key" if given.has_secret("service_key") else "routing_key"
        given.check_secret(self._key)
        self.http = Http(given, self.deadline)

    def deliver(self, notification: Notification, told: Told) -> Answer:
        event = self.event(notification, told)
        body = json.dumps(event).encode()
        reply = self.http.post(self.given.text("url", URL), body, {"Content-Type": "application/json"})
        if not reply.ok:
            raise reply.error("PagerDuty")
        return Answer(f"{reply.status} {event['event_action']} accepted")

    def templates(self) -> dict[str, str]:
        details = {f"details.{key}": str(text) for key, text in (self.given.get("details") or {}).items()}
        return super().templates() | details

    def event(self, notification: Notification, told: Told) -> dict[str, Any]:
        """One event. Too large a one loses its details, then its links, never its summary."""
        event: dict[str, Any] = {
            "routing_key": self.given.secret(self._key),
            "event_action": action_of(notification, told),
            "dedup_key": dedup_key(notification),
        }
        if event["event_action"] != "trigger":
            return event  # the rest is ignored for acknowledge and resolve
        event |= {
            "client": told.custom.get("client") or "pitchey-slo",
            "client_url": told.custom.get("client_url") or told.links.get("Why") or self.house.url,
            "links": [{"href": address, "text": clean(text, 100)} for text, address in told.links.items()],
            "payload": self._payload(notification, told),
        }
        images = [image for image in self.given.get("images") or () if image.get("src")]
        if images:
            event["images"] = images
        for part, what in ((event["payload"], "custom_details"), (event, "links")):
            if len(json.dumps(event)) > BODY:
                part[what] = {"left out": "too large for PagerDuty"} if what == "custom_details" else []
        return event

    def _payload(self, notification: Notification, told: Told) -> dict[str, Any]:
        custom, common = told.custom, common_labels(notification.message.alerts)
        severity = custom.get("severity", "").lower()
        source = custom.get("source") or common.get("instance") or common.get("job") or self.house.url
        payload = {
            "summary": cut(clean(custom.get("description") or told.title, SUMMARY), SUMMARY),
            "source": clean(source, 255) or "pitchey-slo",
            "severity": SEVERITIES.get(severity) or SEVERITIES.get(told.mood, "warning"),
            "timestamp": utc(notification.created_at).isoformat(),
            "custom_details": self._details(told),
        }
        component = custom.get("component") or common.get("service") or common.get("component")
        rule = custom.get("class") or common.get("alertname")
        given = {"component": component, "group": custom.get("group"), "class": rule}
        return payload | {key: clean(text, 255) for key, text in given.items() if text}

    def _details(self, told: Told) -> dict[str, Any]:
        details: dict[str, Any] = {"said": list(told.lines)} if told.lines else {}
        details |= {"alerts": [cut_bytes(paragraph(alert), 8_000) for alert in told.alerts]} if told.alerts else {}
        details |= {"more": told.more} if told.more else {}
        details |= {"labels": dict(told.labels)} if told.labels else {}
        return details | {key.removeprefix("details."): text for key, text in told.custom.items() if "details." in key}


def action_of(notification: Notification, told: Told) -> str:
    """trigger, acknowledge (somebody took on all that fires) or resolve."""
    if told.mood == "resolved" and notification.action != "test":
        return "resolve"
    firing = notification.message.firing
    taken = bool(firing) and all(alert.acked_at for alert in firing)
    return "acknowledge" if taken and notification.action in ("firing", "reminder", "message") else "trigger"


def dedup_key(notification: Notification) -> str:
    """The notification's, shortened to a hash when PagerDuty would refuse it."""
    key = notification.dedup_key
    return key if len(key) <= DEDUP_KEY else "sha256:" + hashlib.sha256(key.encode()).hexdigest()
