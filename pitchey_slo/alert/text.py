"""What a message says, in words for people; channels only lay it out.

`tell` turns the facts of a `Message` into a `Told`: a short title, sentences, one paragraph per alert with its number
and its time, links. Everything in it is clean (`clean.py`) and bounded, and nothing in it depends on when it is sent:
two attempts of one message read the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pitchey_slo.alert.clean import clean, clean_lines, cut
from pitchey_slo.alert.links import FROM_ANNOTATIONS, address_of, links_of, runbooks
from pitchey_slo.alert.model import SEVERITIES, Alert, Message, highest, utc

#: Alerts told one by one; the others are counted.
SHOWN: Final = 20
TITLE: Final = 120
_SPOKEN = ("summary", "description", "message")
_LINKED = {name for names in FROM_ANNOTATIONS.values() for name in names}
_WORD: Final = {
    "firing": "FIRING", "resolved": "RESOLVED", "escalation": "ESCALATION", "reminder": "STILL FIRING",
    "digest": "DIGEST", "test": "TEST", "message": "NOTE",
}  # fmt: skip


@dataclass(frozen=True)
class AlertText:
    """One alert: `head` names it, `lines` are sentences, `labels` those that tell it from the others."""

    head: str
    lines: tuple[str, ...]
    labels: Mapping[str, str]
    timing: str
    state: str
    severity: str
    links: Mapping[str, str]


@dataclass(frozen=True)
class Told:
    """A message in words. `mood` is critical, warning, info or resolved, and decides the colour; `more` counts alerts
    that are not in `alerts`. `custom` holds the texts that the routing file gives itself, by key."""

    title: str
    lines: tuple[str, ...]
    alerts: tuple[AlertText, ...]
    more: int
    labels: Mapping[str, str]
    links: Mapping[str, str]
    mood: str
    custom: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> str:
        """All of it as plain text, without the title."""
        blocks = ["\n".join(self.lines)] if self.lines else []
        blocks += [paragraph(alert) for alert in self.alerts]
        if self.more:
            blocks.append(f"... and {self.more} more.")
        if self.labels:
            blocks.append(f"All of them: {pairs(self.labels)}" if len(self.alerts) > 1 else pairs(self.labels))
        if self.links:
            blocks.append("\n".join(f"{text}: {address}" for text, address in self.links.items()))
        return "\n\n".join(blocks)


def tell(message: Message, at: datetime, base: str, *, late: str = "") -> Told:
    """`message` as it was at `at`; links begin with `base`. `late` is a sentence about a delay, shown first."""
    common = common_labels(message.alerts)
    many = len(runbooks(message.alerts, base)) > 1
    shown = tuple(_alert_text(a, common, at, base if many else "") for a in message.alerts[:SHOWN])
    lines = [clean_lines(line, 1_000) for line in message.lines]
    return Told(
        title=title_of(message),
        lines=tuple(line for line in [late, *lines] if line),
        alerts=shown,
        more=len(message.alerts) - len(shown),
        labels=_shown_labels(common),
        links=links_of(message, base),
        mood=mood_of(message),
    )


def title_of(message: Message) -> str:
    """Short enough for a lock screen: `[FIRING:2] critical HighErrorRate (route=/api/pitches)`."""
    alerts = message.alerts
    if not alerts or message.action in ("digest", "message", "test"):
        word = _WORD[message.action]
        said = clean(message.title, TITLE) or word.capitalize()
        return said if said.startswith("[") else cut(f"[{word}] {said}", TITLE)
    firing = message.firing
    word = _WORD[message.action if firing or message.action != "firing" else "resolved"]
    count = (
        f" level {message.level}" if message.action == "escalation" and message.level else f":{len(firing or alerts)}"
    )
    told = firing or alerts
    names = Counter(clean(a.name, 60) or "alert" for a in told)
    name = ", ".join(f"{n} ×{count}" if count > 1 and len(names) > 1 else n for n, count in names.most_common(2))
    name += f" and {len(names) - 2} more" if len(names) > 2 else ""
    severity = clean(message.severity or highest([a.severity for a in told]), 20)
    where = {k: v for k, v in message.group_labels.items() if k not in ("alertname", "severity")}
    around = f" ({pairs(_shown_labels(where))})" if where else ""
    return cut(f"[{word}{count}] {severity + ' ' if severity else ''}{name}{around}", TITLE)


def mood_of(message: Message) -> str:
    """critical, warning, info or resolved."""
    if message.action == "resolved" or (message.alerts and not message.firing and message.action != "digest"):
        return "resolved"
    severity = message.severity or highest([a.severity for a in message.firing])
    return severity if severity in SEVERITIES else "info" if message.action in ("message", "test") else "warning"


def common_labels(alerts: Sequence[Alert]) -> dict[str, str]:
    """Labels that all of them have with the same value."""
    return _common([a.labels for a in alerts])


def common_annotations(alerts: Sequence[Alert]) -> dict[str, str]:
    return _common([a.annotations for a in alerts])


def paragraph(alert: AlertText) -> str:
    """One alert as lines of plain text."""
    lines = [alert.head, *alert.lines]
    if alert.labels:
        lines.append(pairs(alert.labels))
    lines.append(alert.timing)
    lines += [f"{text}: {address}" for text, address in alert.links.items()]
    return "\n".join(lines)


def pairs(labels: Mapping[str, str]) -> str:
    """`a=1, b=2`.

    >>> pairs({"route": "/api", "method": "GET"})
    'route=/api, method=GET'
    """
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def lasting(duration: timedelta) -> str:
    """A duration in words of two units at most.

    >>> lasting(timedelta(hours=3, minutes=5, seconds=7))
    '3 h 5 min'
    """
    seconds = max(0, round(duration.total_seconds()))
    units = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((i for i, (count, _) in enumerate(units) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count) or "0 s"


def clock_time(time: datetime, beside: datetime) -> str:
    """`12:03 UTC`, with its day when that is another one than `beside`'s."""
    time, beside = utc(time), utc(beside)
    return f"{time:%H:%M} UTC" if time.date() == beside.date() else f"{time:%d %b %H:%M} UTC"


def _alert_text(alert: Alert, common: Mapping[str, str], at: datetime, base: str) -> AlertText:
    own = {k: v for k, v in alert.labels.items() if k not in common}
    spoken = [clean_lines(alert.annotations[name], 1_000) for name in _SPOKEN if alert.annotations.get(name)]
    others = [
        f"{clean(name, 40)}: {clean(text, 200)}"
        for name, text in alert.annotations.items()
        if name not in _SPOKEN and name not in _LINKED and text
    ]
    unlinked = [
        f"{text}: {clean(alert.annotations[name], 200)}"
        for text, names in FROM_ANNOTATIONS.items()
        for name in names
        if alert.annotations.get(name) and not address_of(alert.annotations[name], "http://here")
    ]
    runbook = runbooks([alert], base) if base else []
    return AlertText(
        head=" ".join(part for part in (clean(alert.severity, 20), clean(alert.name, 100) or "alert") if part),
        lines=tuple(dict.fromkeys(spoken + others[:5] + unlinked)),
        labels=_shown_labels(own),
        timing=timing(alert, at),
        state=alert.state,
        severity=alert.severity,
        links={"Runbook": runbook[0]} if runbook else {},
    )


def timing(alert: Alert, at: datetime) -> str:
    """The number and the time: `value 0.0731, since 12:03 UTC (12 min)` or `over after 12 min: 12:03 to 12:15 UTC`."""
    begin = alert.fired_at or alert.active_at
    number = f"value {alert.value:.4g}" if alert.value is not None else ""
    if alert.state == "resolved":
        end = alert.resolved_at or at
        when = f"over after {lasting(end - begin)}: {clock_time(begin, at)} to {clock_time(end, at)}"
        number = f"last {number}" if number else ""
    else:
        when = f"since {clock_time(alert.active_at, at)} ({lasting(at - alert.active_at)})"
    taken = f"taken on by {clean(alert.acked_by or 'somebody', 60)}" if alert.acked_at else ""
    return ", ".join(part for part in (number, when, taken) if part)


def _shown_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels worth showing, clean; the name and severity are told elsewhere."""
    kept = [(k, v) for k, v in labels.items() if k not in ("alertname", "severity")][:20]
    return {clean(name, 60): clean(value, 200) for name, value in kept}


def _common(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    first, *others = list(mappings) or [{}]
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}
