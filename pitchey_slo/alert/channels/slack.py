"""Slack, by an incoming webhook or a token: a title, then a block per alert beside a bar in the colour of its severity.

A webhook can neither edit nor delete, so a resolved message is a message of its own. Limits: 50 blocks, 3,000
characters a block, one message a second (docs.slack.dev/reference/block-kit/blocks, /apis/web-api/rate-limits).
With `app_token` the message goes to chat.postMessage, which answers 200 and `{"ok": false}` when it refuses.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pitchey_slo.alert.budget import Rate
from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.http import Http
from pitchey_slo.alert.clean import clean, clean_lines, cut
from pitchey_slo.alert.model import Notification
from pitchey_slo.alert.text import AlertText, Told

COLOURS: Final = {"critical": "#c0392b", "warning": "#e0a100", "info": "#2f6fb5", "resolved": "#2e8b57"}
#: Slack's own names of colours.
NAMED: Final = {"good": COLOURS["resolved"], "warning": COLOURS["warning"], "danger": COLOURS["critical"]}
_WHO: Final = ("channel", "username", "icon_emoji", "icon_url")
BLOCKS: Final = 50
SECTION: Final = 3_000
#: What a webhook answers when no later attempt will work; `rollup_error` (500) and 429 may.
FINAL: Final = frozenset(
    {
        "invalid_payload", "invalid_blocks", "invalid_attachments", "user_not_found", "action_prohibited",
        "channel_not_found", "no_service", "no_team", "no_active_hooks", "channel_is_archived", "invalid_token",
        "no_text", "too_many_attachments", "team_disabled", "posting_to_general_channel_denied", "not_in_channel",
        "is_archived", "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive",
        "missing_scope", "msg_too_long", "restricted_action",
    }
)  # fmt: skip


class Slack(Channel):
    kind = "slack"
    default_rate = Rate(1.0, 4.0)
    can_merge = True
    templated = ("title", "text", "pretext", "footer", "color", "channel", "username", "icon_emoji", "icon_url")

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        self.by_token = given.has_secret("app_token") and not given.has_secret("api_url")
        given.check_secret("app_token" if self.by_token else "api_url")
        if self.by_token:
            given.needed("channel")
        self.http = Http(given, self.deadline)

    def deliver(self, notification: Notification, told: Told) -> Answer:  # noqa: ARG002  # the words are all of it
        body = json.dumps(self.payload(told)).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if self.by_token:
            headers["Authorization"] = f"Bearer {self.given.secret('app_token')}"
            url = self.given.text("app_url", "https://slack.com/api/chat.postMessage")
        else:
            url = self.given.secret("api_url")
        reply = self.http.post(url, body, headers)
        said = _said(reply.text)
        if reply.ok and said == "ok":
            return Answer(f"{reply.status} ok")
        if reply.ok and said not in FINAL:  # a proxy or a login page, not Slack
            raise reply.error("Slack (if it is Slack)", permanent=False)
        raise reply.error("Slack", permanent=True if said in FINAL else None)

    def quote(self, text: str) -> str:
        return escape(text)

    def payload(self, told: Told) -> dict[str, Any]:
        """What is posted: `text` for lock screens and old clients, the blocks in one coloured attachment."""
        custom = told.custom
        title = clean(custom["title"]) if "title" in custom else escape(told.title)
        if "text" in custom:
            blocks = [section(part) for part in parts(clean_lines(custom["text"], 12_000))]
            return self._body(title, blocks + [section(escape(line)) for line in told.lines], told)
        blocks = [section(escape(line)) for line in told.lines]
        blocks += [section(alert_text(alert)) for alert in told.alerts]
        rest = [f"… and {told.more} more."] if told.more else []
        if told.labels:
            rest.append(" ".join(label(k, v) for k, v in told.labels.items()))
        if told.links:
            rest.append(" · ".join(link(text, address) for text, address in told.links.items()))
        tail = [section(line) for line in rest]
        if len(blocks) + len(tail) > BLOCKS:
            left_out = len(blocks) + len(tail) - BLOCKS + 1
            blocks = [*blocks[: BLOCKS - len(tail) - 1], section(f"… and {left_out} more lines.")]
        return self._body(title, blocks + tail, told)

    def _body(self, title: str, blocks: list[dict[str, Any]], told: Told) -> dict[str, Any]:
        custom = told.custom
        footer = [section(clean_lines(custom["footer"]))] if custom.get("footer") else []
        colour = custom.get("color", "")
        attachment = {
            "color": NAMED.get(colour, colour if colour.startswith("#") else COLOURS[told.mood]),
            "fallback": cut(title, 500),
            "blocks": (blocks + footer)[:BLOCKS],
        }
        before = f"{clean_lines(custom['pretext'])}\n" if custom.get("pretext") else ""
        body: dict[str, Any] = {"text": f"{before}*{title}*", "attachments": [attachment] if blocks + footer else []}
        return body | {key: custom[key] for key in _WHO if custom.get(key)}


def alert_text(alert: AlertText) -> str:
    done = "✓ " if alert.state == "resolved" else ""
    lines = [f"{done}*{escape(alert.head)}*", *(escape(line) for line in alert.lines)]
    if alert.labels:
        lines.append(" ".join(label(k, v) for k, v in alert.labels.items()))
    lines.append(f"_{escape(alert.timing)}_")
    if alert.links:
        lines.append(" · ".join(link(text, address) for text, address in alert.links.items()))
    return "\n".join(lines)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut_markup(text), "verbatim": True}}


def cut_markup(text: str) -> str:
    """Cut, and not in the middle of an escape such as `&lt;` or of a link."""
    if len(text) <= SECTION:
        return text or " "
    short = text[: SECTION - 2]
    for opening, closing in (("&", ";"), ("<", ">")):
        at = short.rfind(opening)
        if at > short.rfind(closing) and (opening == "<" or at > len(short) - 6):
            short = short[:at]
    return short + "…"


def parts(text: str) -> list[str]:
    """Text in pieces that fit into a section, cut between lines where possible."""
    found: list[str] = []
    for line in text.splitlines() or [""]:
        if found and len(found[-1]) + len(line) < SECTION:
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


def _said(text: str) -> str:
    """What Slack answered, in a word: "ok", an error such as `invalid_blocks`, or the text as it is."""
    text = text.strip()
    if not text.startswith("{"):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return "ok" if found.get("ok") is True else str(found.get("error", ""))


def escape(text: str) -> str:
    """Text that Slack shows as it is: no `<!channel>`, no `<@U1>`, no entities (docs.slack.dev/messaging/formatting).

    >>> escape("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def label(name: str, value: str) -> str:
    return f"`{escape(clean(f'{name}={value}', 300)).replace('`', 'ˋ')}`"


def link(text: str, address: str) -> str:
    return f"<{escape(address).replace('|', '%7C')}|{escape(text).replace('|', '/')}>"
