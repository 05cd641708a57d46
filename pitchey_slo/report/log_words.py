"""How reports print patterns of log lines: what they say, how often, how much more than expected."""

from __future__ import annotations

import re
from typing import Final

from pitchey_slo.analyse.logs import Pattern, Patterns
from pitchey_slo.plots.theme import count
from pitchey_slo.report import told
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import said

WORDS: Final = {"new": "new", "more": "more", "less": "less", "gone": "gone", "same": "", "unknown": ""}
LOOKS: Final = {"new": "at_risk", "more": "exhausted", "less": "healthy", "gone": "healthy"}


def saying(pattern: Pattern) -> Html:
    """A pattern in short, and in small who says it."""
    who = " · ".join(w for w in (pattern.error_type, pattern.logger) if w)
    return told.two_lines(short(pattern, 140), who) if who else told.text(short(pattern, 140))


def level(pattern: Pattern) -> Html:
    """Its level in a mark."""
    look = {"critical": "exhausted", "error": "exhausted", "warning": "at_risk"}.get(pattern.level, "no_data")
    return told.mark(look, pattern.level)


def short(pattern: Pattern, most: int = 90) -> str:
    """Its text with … for parameters: `<*>` is for machines."""
    text = re.sub(r"…(?: …)+", "…", pattern.text.replace("<*>", "…"))
    return text if len(text) <= most else text[: most - 1] + "…"


def lines(number: float) -> str:
    """
    >>> lines(1.0), lines(1200)
    ('one line', '1,200 lines')
    """
    return "one line" if number == 1 else f"{count(number)} lines"


def times(pattern: Pattern) -> str:
    """How many times as often as expected."""
    ratio = pattern.ratio
    if ratio is None:
        return "–"
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:,.0f}×"


def share(part: float) -> str:
    """
    >>> share(0.5), share(0.9995), share(1.0), share(0.0004)
    ('50 %', '99.9 %', '100 %', 'under 0.1 %')
    """
    if 0 < part < 0.001:
        return "under 0.1 %"
    if 0.99 < part < 1:
        return f"{min(part, 0.999) * 100:.1f} %"
    return f"{part * 100:.0f} %" if part >= 0.1 or not part else f"{part * 100:.1f} %"


def amount(number: float | None) -> str:
    return "–" if number is None else count(number) if number >= 10 or not number else f"{number:.1f}"


def left(there: int, most: int) -> Html:
    return told.paragraph(f"{there - most} more are not shown.", kind="quiet") if there > most else Html("")


def told_shortly(found: Patterns, most: int = 10) -> Html:
    """Patterns for other reports: what is new first, then what is said more, then the others, the most said first."""
    order = {"new": 0, "more": 1}
    said_now = sorted((p for p in found.patterns if p.count), key=lambda p: (order.get(p.change, 2), -p.count))
    rows = [
        (level(p), saying(p), count(p.count), amount(p.expected), WORDS[p.change], said(p.first_seen))
        for p in said_now[:most]
    ]
    columns = (Column("level", short=True), Column("what it says", wide=True), Column("lines", number=True),
               Column("expected", number=True, hint="at the rate of the week before"), Column(""),
               Column("first", short=True, hint="in this window or the week before"))  # fmt: skip
    empty = "no warning and no error was written in this window"
    return told.table(columns, rows, empty=empty) + left(len(said_now), most)
