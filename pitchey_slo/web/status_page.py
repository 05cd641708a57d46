"""The status page as HTML: plain, without script, small, readable in light and dark, on a phone and by a screen reader.

Days are bars; nothing is told by colour alone: a day with an outage is notched, one of which nothing is known is short,
and the days with trouble are listed as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from pitchey_slo.alert.words import iso
from pitchey_slo.web.status_told import OVERALL, Component, Day, Incident, Page, percent

FILE: Final = Path(__file__).parent / "pages" / "status.html"
#: Bytes of a page; incidents that do not fit are left to status.json.
MOST_BYTES: Final = 30_000
#: A share of the day that was down from which the bar is red rather than orange.
BAD: Final = 0.01
_MARK: Final = re.compile(r"\{\{(\w+)\}\}")
#: Days with trouble that are listed per component.
LISTED: Final = 5
MARKS: Final = {"operational": "✓", "degraded": "!", "outage": "✕", "maintenance": "⚒", "unknown": "?"}
WORDS: Final = {
    "operational": "works",
    "degraded": "slow",
    "outage": "down",
    "maintenance": "maintenance",
    "unknown": "not known",
}


def html(page: Page) -> bytes:
    """The whole page. Every text is escaped."""
    parts = {
        "title": escape(page.title),
        "state": page.state,
        "mark": MARKS[page.state],
        "summary": escape(OVERALL[page.state]),
        "at": _time(page.at),
        "components": "".join(_component(c) for c in page.components) or "<p class=q>Nothing is looked at yet.</p>",
        "contact": _contact(page),
    }
    room = MOST_BYTES - len(_filled({**parts, "incidents": ""}))
    return _filled({**parts, "incidents": _incidents(page.incidents, room)})


def _filled(parts: Mapping[str, str]) -> bytes:
    """The template in one pass: a text that looks like a mark stays a text."""
    return _MARK.sub(lambda found: parts[found.group(1)], _template()).encode()


def _component(component: Component) -> str:
    about = f"<p class=q>{escape(component.description)}</p>" if component.description else ""
    known, count = component.known_days, len(component.days)
    partly = f", known for {known} of {count} days" if known < count else ""
    return (
        f"<section><h3>{escape(component.name)}</h3>"
        f"<b class={component.state}>{MARKS[component.state]} {WORDS[component.state]}</b>{about}"
        f"{_bars(component)}<p class=f><span>{count} days ago</span>"
        f"<span>{percent(component.uptime)} up{partly}</span><span>today</span></p>{_trouble(component.days)}</section>"
    )


def _bars(component: Component) -> str:
    """A bar per day, as one path per kind of day."""
    kinds: dict[str, list[str]] = {}
    for i, day in enumerate(component.days):
        kind, shape = _bar(day)
        kinds.setdefault(kind, []).append(f"M{5 * i + 2} {shape}")
    paths = "".join(f'<path class={kind} d="{"".join(found)}"/>' for kind, found in sorted(kinds.items()))
    clean = sum(d.uptime is not None and not d.down for d in component.days)
    bad = sum(bool(d.down) for d in component.days)
    count = len(component.days)
    label = f"{count} days: {clean} without trouble, {bad} with, {count - clean - bad} not known"
    return f'<svg viewBox="0 0 {5 * count} 32" preserveAspectRatio=none role=img aria-label="{label}">{paths}</svg>'


def _bar(day: Day) -> tuple[str, str]:
    """(class, path): full height when it is known, short when not, with a notch when something was down."""
    if day.uptime is None:
        return "n", "24v8"
    if not day.down:
        return "g", "0v32"
    return ("r" if day.down >= BAD * (day.up + day.down) else "o"), "0v12m0 4v16"


def _trouble(days: Iterable[Day]) -> str:
    """The days with trouble as text, newest first."""
    bad = [day for day in days if day.down][::-1]
    if not bad:
        return ""
    lines = "".join(f"<li>{d.date:%d %B}: {_length(d.down)} down, {percent(d.uptime)} up" for d in bad[:LISTED])
    more = f"<li>and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
    return (
        f"<details><summary>{len(bad)} day{'s' * (len(bad) > 1)} with trouble</summary><ul>{lines}{more}</ul></details>"
    )


def _length(seconds: float) -> str:
    """
    >>> _length(20), _length(150), _length(7300)
    ('under a minute', '3 min', '2 h 2 min')
    """
    minutes = round(seconds / 60 + 0.499)
    if seconds < 60:
        return "under a minute"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _incidents(incidents: Iterable[Incident], room: int) -> str:
    """As many as fit, those that are not over first."""
    told = sorted(incidents, key=lambda i: (not i.open, -i.updates[0].at.timestamp()))
    if not told:
        return "<p class=q>No incidents.</p>"
    found: list[str] = []
    note = '<p class=q>More in <a href="/status.json">status.json</a>.</p>'
    for incident in told:
        text = _incident(incident)
        room -= len(text.encode())
        if room < len(note):
            return "".join(found) + note
        found.append(text)
    return "".join(found)


def _incident(incident: Incident) -> str:
    over = f" – {_time(incident.ended_at)}" if incident.ended_at is not None else ", not over yet"
    about = f" · {escape(', '.join(incident.components))}" if incident.components else ""
    updates = "".join(
        f"<li><b>{escape(u.status)}</b> {_time(u.at)}<p>{escape(u.message)}</p>" for u in incident.updates
    )
    return (
        f"<article class={'outage' if incident.open else 'over'}><h3>{escape(incident.title)}</h3>"
        f"<p class=q>{_time(incident.started_at)}{over}{about}</p><ol>{updates}</ol></article>"
    )


def _contact(page: Page) -> str:
    if page.contact is None:
        return ""
    text, url = page.contact
    return f'<a href="{escape(url)}" rel="noopener noreferrer">{escape(text)}</a> · '


def _time(moment: datetime) -> str:
    return f'<time datetime="{iso(moment)}">{moment.astimezone(UTC):%d %b %Y, %H:%M} UTC</time>'


@cache
def _template() -> str:
    return FILE.read_text(encoding="utf-8")
