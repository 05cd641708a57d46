"""Small pieces of HTML that read well in a report's page and in JupyterLab alike. Every value is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any, Final

#: Media type of the findings behind a piece, for programs that read an executed notebook. It is our own, since
#: JupyterLab would show plain application/json instead of the table.
DATA: Final = "application/vnd.pitchey.findings+json"

#: Looks where there is no page around (JupyterLab); `:where` gives way to the page's own rules. JupyterLab puts every
#: cell of a table to the right, so that one rule is stronger.
_STYLE: Final = """<style>
:where(.told) { font-variant-numeric: tabular-nums; }
:where(.told .lead) { font-size: 1.12em; line-height: 1.6; max-width: 48rem; }
:where(.told table) { border-collapse: collapse; }
:where(.told th, .told td) { padding: .35em .7em; vertical-align: top; }
.told.told th, .told.told td { text-align: left; }
.told.told td.number, .told.told th.number { text-align: right; white-space: nowrap; }
:where(.told .state) { border-radius: 1em; padding: .1em .6em; font-weight: 600; white-space: nowrap; }
:where(.told .healthy) { color: #0b7a5c; background: #e3f4ee; }
:where(.told .at_risk) { color: #8f5a00; background: #fdf0d5; }
:where(.told .exhausted) { color: #b3361b; background: #fde8e2; }
:where(.told .no_data) { color: #5b6573; background: #edf0f3; }
:where(.told .short) { white-space: nowrap; }
:where(.told .facts) { display: flex; flex-wrap: wrap; gap: .5em 1.75em; margin: 0; }
:where(.told .facts dt) { opacity: .7; font-size: .82em; font-weight: 400; }
:where(.told .facts dd) { margin: 0; overflow-wrap: anywhere; }
:where(.told) .facts + table { margin-top: 1.2em; }
:where(.told .quiet) { opacity: .7; font-size: .88em; }
</style>"""


@dataclass(frozen=True)
class Html:
    """Markup that is known to be safe; Jupyter shows it as such."""

    markup: str

    def _repr_html_(self) -> str:
        return f'<div class="told">{_STYLE}{self.markup}</div>'

    def __str__(self) -> str:
        return self.markup

    def __add__(self, other: Html) -> Html:
        return Html(self.markup + other.markup)


@dataclass(frozen=True)
class WithData(Html):
    """A piece that also carries what it was told from, unrounded."""

    data: Any = None

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"text/html": self._repr_html_(), DATA: self.data}


@dataclass(frozen=True)
class Column:
    """Heading of a table's column; a `number` stands to the right, a `short` is kept in one line, a `wide` has room
    even on a phone; `hint` explains it on hover."""

    name: str
    number: bool = False
    short: bool = False
    wide: bool = False
    hint: str = ""


def text(value: object) -> Html:
    """Any value as text."""
    return Html(escape(str(value)))


def paragraph(*sentences: str, kind: str = "") -> Html:
    """One paragraph of plain sentences."""
    words = " ".join(s for s in sentences if s)
    if not words:
        return Html("")
    return Html(f'<p class="{escape(kind)}">{escape(words).replace(" %", "&nbsp;%")}</p>')


def two_lines(above: str, below: str) -> Html:
    """A value, and in small what belongs to it."""
    return Html(f'{escape(above)}<br><span class="quiet">{escape(below)}</span>')


def heading(words: str, state: str | None = None, note: str = "") -> Html:
    """A third-level heading, with the state of an SLO beside it."""
    pill = f" {pill_of(state)}" if state else ""
    quiet = f' <span class="quiet">{escape(note)}</span>' if note else ""
    return Html(f"<h3>{escape(words)}{pill}{quiet}</h3>")


def pill_of(state: str) -> Html:
    """A state in a mark, in words and in colour."""
    from pitchey_slo.plots.theme import STATES  # here, since it brings pandas and plotly

    _, mark, words = STATES[state]
    return Html(f'<span class="state {escape(state)}">{mark} {words}</span>')


def mark(state: str, words: str) -> Html:
    """Any short words in a mark, coloured as a state of an SLO is: the words say what the colour does."""
    return Html(f'<span class="state {escape(state)}">{escape(words)}</span>')


def plain(piece: Html) -> str:
    """The text of a piece, without its markup."""
    return unescape(re.sub(r"<[^>]*>", " ", piece.markup)).replace("\u00a0", " ").strip()


def table(columns: Sequence[Column], rows: Iterable[Sequence[str | Html]], *, empty: str = "nothing") -> Html:
    """A table; texts are escaped, Html goes in as it is."""
    head = "".join(f"<th{_kind(c)}{_hint(c)}>{escape(c.name)}</th>" for c in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{_kind(c)}>{_cell(v)}</td>" for c, v in zip(columns, row, strict=True)) + "</tr>"
        for row in rows
    )
    if not body:
        return paragraph(empty, kind="quiet")
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def folded(summary: str, body: str) -> Html:
    """Long text behind a line one can open."""
    return Html(f"<details><summary>{escape(summary)}</summary><pre>{escape(body)}</pre></details>")


def facts(pairs: Mapping[str, str]) -> Html:
    """A few names with their values in one line."""
    items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in pairs.items())
    return Html(f'<dl class="facts">{items}</dl>')


def _kind(column: Column) -> str:
    kinds = [name for name in ("number", "short", "wide") if getattr(column, name)]
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _hint(column: Column) -> str:
    return f' title="{escape(column.hint)}"' if column.hint else ""


def _cell(value: str | Html) -> str:
    return value.markup if isinstance(value, Html) else escape(value)
