"""The collector's page: five things to look at, and what was sent, as a pager, a chat and a mailbox would show it.

All text is escaped here, on the server; the page's own script only puts what this server made into its place. Nothing
is loaded from anywhere else, and links lead to this machine alone.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

#: Who is shown how: receivers of the demo's routes.
LANES: Final = {
    "Pager": ("on-call", "second-on-call"),
    "Mail": ("head-of-engineering",),
    "Chat": ("team-chat",),
}
#: Milliseconds between looks of the page.
EVERY: Final = 2_000
_HERE: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Step:
    """One thing to look at: what, where (an address of this machine, or empty), and what to see there. `command` is
    for a terminal."""

    title: str
    text: str
    address: str = ""
    command: str = ""


class Shown(Protocol):
    """A message, as the page needs it."""

    @property
    def at(self) -> Any: ...
    @property
    def to(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def lines(self) -> tuple[str, ...]: ...
    @property
    def mood(self) -> str: ...
    @property
    def links(self) -> tuple[tuple[str, str], ...]: ...


def page(steps: Sequence[Step], messages: Sequence[Shown], nonce: str) -> str:
    """The whole page; `messages` newest first."""
    return _PAGE.format(steps=_steps(steps), lanes=lanes(messages), nonce=nonce, every=EVERY)


def lanes(messages: Sequence[Shown]) -> str:
    """What changes: the messages, in three columns."""
    known = {to for receivers in LANES.values() for to in receivers}
    columns = []
    for name, receivers in LANES.items():
        mine = [m for m in messages if m.to in receivers or (name == "Chat" and m.to not in known)]
        items = "".join(map(_item, mine)) or '<p class="none">Nothing has come yet.</p>'
        count = f" <small>{len(mine)}</small>" if mine else ""
        columns.append(f'<section class="{name.lower()}"><h2>{name}{count}</h2>{items}</section>')
    return "".join(columns)


def _item(m: Shown) -> str:
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in m.lines)
    found = "".join(f'<a href="{html.escape(to)}">{html.escape(text)}</a>' for text, to in m.links if here(to))
    foot = f"<nav>{found}</nav>" if found else ""
    return (
        f'<article class="{html.escape(m.mood)}"><header><b>{html.escape(m.to)}</b><time>{m.at:%H:%M:%S} UTC</time>'
        f"</header><h3>{html.escape(m.title)}</h3>{lines}{foot}</article>"
    )


def _steps(steps: Iterable[Step]) -> str:
    made = []
    for step in steps:
        title = html.escape(step.title)
        title = f'<a href="{html.escape(step.address)}">{title}</a>' if here(step.address) else title
        command = f"<code>{html.escape(step.command)}</code>" if step.command else ""
        made.append(f"<li><b>{title}</b> {html.escape(step.text)} {command}</li>")
    return f"<ol>{''.join(made)}</ol>" if made else ""


def here(address: str) -> bool:
    """Whether an address is http on this machine.

    >>> here("javascript:alert(1)"), here("http://127.0.0.1:8002/show/system")
    (False, True)
    """
    try:
        parts = urlsplit(address)
        return parts.scheme == "http" and parts.hostname in _HERE
    except ValueError:
        return False


_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Who was told</title>
<noscript><meta http-equiv="refresh" content="3"></noscript><style>
:root {{ color-scheme: light dark; --line: #8884; --soft: #8881; --red: #c62828; --amber: #ef8f00; --green: #2e7d32;
--blue: light-dark(#2459b3, #7fb0ff) }}
* {{ box-sizing: border-box }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 84rem; padding: 1.2rem }}
h1 {{ font-size: 1.35rem; margin: 0 }} h2 {{ font-size: 1rem; margin: 0 0 .5rem }} h2 small {{ opacity: .6 }}
h3 {{ font-size: .95rem; margin: .15rem 0; overflow-wrap: anywhere }} p {{ margin: .15rem 0; overflow-wrap: anywhere }}
.lead {{ opacity: .8; max-width: 60rem }} a {{ color: var(--blue) }}
ol {{ border: 1px solid var(--line); border-radius: .6rem; background: var(--soft); padding: .7rem 1rem .7rem 2.2rem;
margin: 1rem 0 }}
li {{ margin: .3rem 0 }} code {{ background: var(--soft); padding: .05rem .35rem; border-radius: .3rem;
overflow-wrap: anywhere }}
#lanes {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1rem; align-items: start }}
section {{ border: 1px solid var(--line); border-radius: .8rem; padding: .8rem; min-width: 0; max-height: 80vh;
overflow-y: auto }}
article {{ border: 1px solid var(--line); border-left: .35rem solid #888; border-radius: .5rem; padding: .45rem .7rem;
margin: 0 0 .6rem }}
article.critical {{ border-left-color: var(--red) }} article.warning {{ border-left-color: var(--amber) }}
article.resolved {{ border-left-color: var(--green) }}
header {{ display: flex; justify-content: space-between; gap: 1rem; font-size: .82rem; opacity: .75 }}
.pager {{ background: #11182712; border-radius: 1.6rem }} .pager article {{ border-radius: 1rem }}
.chat article {{ border-left-width: 0; border-radius: .9rem .9rem .9rem .2rem; background: var(--soft) }}
.chat article.critical h3 {{ color: var(--red) }} .chat article.warning h3::before {{ content: "▲ ";
color: var(--amber) }} .chat article.resolved h3::before {{ content: "✓ "; color: var(--green) }}
.mail article {{ border-radius: 0; border-width: 0 0 1px .35rem; margin: 0 }}
nav {{ display: flex; flex-wrap: wrap; gap: .8rem; font-size: .85rem; margin-top: .3rem }} .none {{ opacity: .6 }}
</style></head><body><h1>Who was told</h1>
<p class="lead">The pager, the mailbox and the chat of this demo are this page: no message leaves the machine. What is
different here: the rule that pages you is the rule you reviewed, and every page can be asked why.</p>
{steps}<div id="lanes" aria-live="polite">{lanes}</div>
<script nonce="{nonce}">
const lanes = document.getElementById("lanes");
let shown = null;
setInterval(async () => {{
  try {{
    const answer = await fetch("/lanes", {{ cache: "no-store" }});
    const text = await answer.text();
    if (answer.ok && text !== shown) {{ lanes.innerHTML = text; shown = text; }}
  }} catch (error) {{ document.title = "The demo has ended"; }}
}}, {every});
</script></body></html>
"""
