"""The life of an alert, pure: what was, what was found and the time -> what is, and what happened in words.

    inactive -> pending (the condition holds, `for` is not over) -> firing -> (keep_firing_for) -> resolved

`for: 0` fires at once. A pending alert whose condition goes away was never told; its row ends as resolved without
`fired_at`. An evaluation that fails is no step: nothing changes, and nothing is resolved, because somebody broke a
query. Time in which nothing was evaluated (the process was down, the clock jumped) is not time in which the condition
is known to have held: `paused` leaves it out of `for`, as Prometheus does after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from pitchey_slo.alert.model import Alert, AlertEvent
from pitchey_slo.alert.rules import Rule

#: After an outage longer than this a pending alert begins anew (Prometheus' --rules.alert.for-outage-tolerance).
OUTAGE_TOLERANCE: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Sample:
    """One series for which a rule's condition holds: the alert's final labels, the value, the filled in texts."""

    labels: Mapping[str, str]
    value: float
    annotations: Mapping[str, str] = field(default_factory=dict)
    generator_url: str = ""


def step(
    rule: Rule, before: Mapping[str, Alert], found: Mapping[str, Sample], now: datetime
) -> tuple[dict[str, Alert], list[AlertEvent]]:
    """One evaluation of one rule. `before` and `found` by fingerprint; resolved alerts in `before` are history.

    Returns every alert that is pending or firing now, and those that ended at this step (resolved), with what happened.
    An alert that did not change is the same object, apart from its value.
    """
    after: dict[str, Alert] = {}
    events: list[AlertEvent] = []
    for fingerprint, sample in found.items():
        known = before.get(fingerprint)
        if known is None or known.state == "resolved":
            alert, told = _begin(rule, sample, now)
        else:
            alert, told = _go_on(rule, known, sample, now)
        after[fingerprint] = alert
        events += told
    for fingerprint, known in before.items():
        if fingerprint not in found and known.state != "resolved":
            after[fingerprint], told = _without(rule, known, now)
            events += told
    return after, events


def changed(before: Alert | None, after: Alert) -> bool:
    """Whether a row has to be written: a new value alone is no change."""
    return before is None or replace(after, value=None, updated_at=before.updated_at) != replace(before, value=None)


def paused(alert: Alert, gap: timedelta, now: datetime) -> Alert:
    """The alert after `gap` in which nothing was evaluated, less than nothing when the clock was set back.

    What is pending has that much more to wait, what keeps firing is kept that much longer.
    """
    if alert.state == "pending":
        return replace(alert, paused_seconds=alert.paused_seconds + gap.total_seconds(), updated_at=now)
    if alert.state == "firing" and alert.cleared_at is not None:
        return replace(alert, cleared_at=alert.cleared_at + gap, updated_at=now)
    return alert


def fires_at(alert: Alert, rule: Rule) -> datetime:
    """When a pending alert fires if its condition goes on to hold."""
    return alert.active_at + timedelta(seconds=rule.for_seconds + alert.paused_seconds)


def ended(alert: Alert, now: datetime, why: str) -> tuple[Alert, list[AlertEvent]]:
    """The alert resolved, whatever it was; `why` is a clause such as "its rule was removed"."""
    done = replace(alert, state="resolved", resolved_at=now, cleared_at=None, updated_at=now)
    if alert.fired_at is None:
        text = f"{_name(alert)} never fired: {why}; it had been pending for {span(now - alert.active_at)}"
    else:
        text = f"{_name(alert)} resolved: {why}; it fired for {span(now - alert.fired_at)}"
    return done, [_event(done, now, "resolved" if alert.fired_at else "inactive", text)]


def _begin(rule: Rule, sample: Sample, now: datetime) -> tuple[Alert, list[AlertEvent]]:
    alert = Alert(
        labels=dict(sample.labels),
        state="pending",
        active_at=now,
        updated_at=now,
        annotations=dict(sample.annotations),
        value=sample.value,
        rule_group=rule.group,
        rule=rule.told(),
        generator_url=sample.generator_url,
    )
    if rule.for_seconds > 0:
        text = (
            f"{_name(alert)} is pending: its condition holds, value {number(sample.value)}; it fires at "
            f"{clock(fires_at(alert, rule))} if it still holds then (for {span(timedelta(seconds=rule.for_seconds))})"
        )
        return alert, [_event(alert, now, "pending", text)]
    return _fire(rule, alert, now)


def _go_on(rule: Rule, known: Alert, sample: Sample, now: datetime) -> tuple[Alert, list[AlertEvent]]:
    """The condition holds still, or again."""
    annotations = known.annotations if dict(known.annotations) == dict(sample.annotations) else dict(sample.annotations)
    told = rule.told()
    alert = replace(known, value=sample.value, annotations=annotations, rule_group=rule.group, rule=told)
    events: list[AlertEvent] = []
    if known.state == "pending" and now >= fires_at(known, rule):
        return _fire(rule, alert, now)
    if known.cleared_at is not None:
        alert = replace(alert, cleared_at=None)
        text = f"the condition of {_name(alert)} holds again, value {number(sample.value)}; it never stopped firing"
        events = [_event(alert, now, "returned", text)]
    return (replace(alert, updated_at=now) if changed(known, alert) else alert), events


def _fire(rule: Rule, alert: Alert, now: datetime) -> tuple[Alert, list[AlertEvent]]:
    alert = replace(alert, state="firing", fired_at=now, updated_at=now)
    held = f"its condition has held since {clock(alert.active_at)}" if rule.for_seconds > 0 else "its condition holds"
    text = f"{_name(alert)} fires: {held}, value {number(alert.value)} ({one_line(rule.expr)})"
    return alert, [_event(alert, now, "firing", text)]


def _without(rule: Rule, known: Alert, now: datetime) -> tuple[Alert, list[AlertEvent]]:
    """The condition holds no longer."""
    if known.state == "firing" and rule.keep_firing_seconds > 0:
        keep = timedelta(seconds=rule.keep_firing_seconds)
        if known.cleared_at is None:
            alert = replace(known, cleared_at=now, updated_at=now)
            text = (
                f"the condition of {_name(alert)} holds no longer; it goes on firing until "
                f"{clock(now + keep)} (keep_firing_for {span(keep)})"
            )
            return alert, [_event(alert, now, "cleared", text)]
        if now - known.cleared_at < keep:
            return known, []
    return ended(known, now, "its condition holds no longer")


def _event(alert: Alert, now: datetime, what: str, text: str) -> AlertEvent:
    detail = {"state": alert.state, "what": what, "value": alert.value, "active_at": alert.active_at}
    if alert.fired_at:
        detail["fired_at"] = alert.fired_at
    return AlertEvent(now, alert.id, alert.fingerprint, "state", text[:4_000], detail)


def _name(alert: Alert) -> str:
    return alert.name or "the alert"


# words


def number(value: float | None) -> str:
    """
    >>> number(0.071234), number(None), number(1250.0)
    ('0.07123', 'unknown', '1250')
    """
    return "unknown" if value is None else f"{value:.4g}"


def clock(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")


def span(length: timedelta) -> str:
    """
    >>> span(timedelta(seconds=90)), span(timedelta(hours=2)), span(timedelta(days=1, minutes=5)), span(timedelta())
    ('1m 30s', '2h', '1d 5m', '0s')
    """
    left = max(0, round(length.total_seconds()))
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def one_line(text: str) -> str:
    """An expression on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."
