"""Alerts that others push (the API, Alertmanager's clients, this house's own news): the same life without `for`.

The sender says that an alert holds, again and again; it ends when the sender says so, or when it is not heard of again
before `ends_at`. Who gives no end is given `resolve_timeout`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from pitchey_slo.alert.model import Alert, AlertEvent, fingerprint
from pitchey_slo.alert.state import clock, ended
from pitchey_slo.errors import RequestError
from pitchey_slo.scrub import Scrubber

#: Whose texts they are, in counts and in `sources:` of scrubbing.yml.
SOURCE: Final = "alerts"
#: Most labels and annotations of one alert, and characters of all of them.
MOST_LABELS: Final = 64
LONGEST: Final = 60_000


@dataclass(frozen=True)
class Pushed:
    """An alert as it was sent. `source` is who sent it: api, deployments, ..."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str = ""
    source: str = "api"


def check(alert: Pushed) -> Pushed:
    """The alert without empty labels. Raises RequestError when it is none."""
    labels = {name: text for name, text in alert.labels.items() if text}
    if not labels:
        raise RequestError("an alert needs at least one label, such as alertname")
    if len(labels) > MOST_LABELS or len(alert.annotations) > MOST_LABELS:
        raise RequestError(f"more than {MOST_LABELS} labels or annotations")
    size = sum(len(k) + len(v) for pairs in (labels, alert.annotations) for k, v in pairs.items())
    if size > LONGEST:
        raise RequestError(f"{size:,} characters of labels and annotations; at most {LONGEST:,}")
    if alert.starts_at and alert.ends_at and alert.ends_at < alert.starts_at:
        raise RequestError("the alert ends before it starts")
    return replace(alert, labels=labels)


def scrubbed(alert: Pushed, scrubber: Scrubber) -> Pushed:
    """The alert without personal data and secrets: it is stored, and sent to people."""
    return replace(
        alert,
        labels=scrubber.labels(alert.labels, source=SOURCE),
        annotations={
            scrubber.text(name, source=SOURCE): scrubber.text(text, source=SOURCE, where=name)
            for name, text in alert.annotations.items()
        },
        generator_url=scrubber.text(alert.generator_url, source=SOURCE),
        source=scrubber.text(alert.source, source=SOURCE),
    )


def take(
    before: Mapping[str, Alert], sent: Sequence[Pushed], now: datetime, resolve_timeout: timedelta
) -> tuple[dict[str, Alert], list[AlertEvent]]:
    """The alerts that changed, by fingerprint, and what happened."""
    after: dict[str, Alert] = {}
    events: list[AlertEvent] = []
    for each in sent:
        key = fingerprint(each.labels)
        known = after.get(key) or before.get(key)
        known = known if known is not None and known.state == "firing" else None
        ends_at = each.ends_at or now + resolve_timeout
        if ends_at <= now:
            if known is not None:
                after[key], told = ended(known, now, f"{each.source} says that it ended at {clock(ends_at)}")
                events += told
            continue
        if known is None:
            starts_at = min(each.starts_at or now, now)
            alert = Alert(
                labels=dict(each.labels),
                state="firing",
                active_at=starts_at,
                updated_at=now,
                annotations=dict(each.annotations),
                fired_at=now,
                ends_at=ends_at,
                generator_url=each.generator_url,
                source=each.source,
            )
            name = alert.name or "an alert"
            text = f"{name} fires: {each.source} says so; it ends at {clock(ends_at)} unless it is sent again"
            detail = {"state": "firing", "what": "firing", "active_at": starts_at, "source": each.source}
            events.append(AlertEvent(now, alert.id, key, "state", text, detail))
            after[key] = alert
        else:
            fresh = {"annotations": dict(each.annotations), "ends_at": ends_at, "generator_url": each.generator_url}
            after[key] = replace(known, **fresh, updated_at=now)  # type: ignore[arg-type]  # three fields of three types
    return after, events


def expire(before: Mapping[str, Alert], now: datetime) -> tuple[dict[str, Alert], list[AlertEvent]]:
    """Those of which nothing was heard in time, resolved."""
    after: dict[str, Alert] = {}
    events: list[AlertEvent] = []
    for key, alert in before.items():
        if alert.state == "firing" and alert.ends_at is not None and alert.ends_at <= now:
            why = f"{alert.source} gave {clock(alert.ends_at)} as its end and did not send it again"
            after[key], told = ended(alert, now, why)
            events += told
    return after, events


def after_outage(alerts: Mapping[str, Alert], now: datetime, resolve_timeout: timedelta) -> dict[str, Alert]:
    """While this house was down nobody could be heard: each sender gets the time to speak again."""
    least = now + resolve_timeout
    return {
        key: replace(alert, ends_at=least, updated_at=now)
        for key, alert in alerts.items()
        if alert.state == "firing" and alert.ends_at is not None and alert.ends_at < least
    }
