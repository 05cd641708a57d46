"""A Slack incoming webhook: a title line, then a block per alert beside a bar in the colour of the severity.

A webhook can neither edit nor delete, so a resolved message is a message of its own. Limits: 50 blocks, 3,000
characters a block, one message a second (docs.slack.dev/reference/block-kit/blocks, /apis/web-api/rate-limits).
"""

from __future__ import annotations

import json
from typing import Any, Final

from pitchey_slo.alert.budget import Rate
from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.http import Http
from pitchey_slo.alert.clean import clean, cut
from pitchey_slo.alert.model import Notification
from pitchey_slo.alert.text import AlertText, Told

COLOURS: Final = {"critical": "#c0392b", "warning": "#e0a100", "info": "#2f6fb5", "resolved": "#2e8b57"}
BLOCKS: Final = 50
SECTION: Final = 3_000
#: What a webhook answers when no later attempt will work; `rollup_error` (500) and 429 may.
FINAL: Final = frozenset(
    {
        "invalid_payload", "invalid_blocks", "invalid_attachments", "user_not_found", "action_prohibited",
        "channel_not_found", "no_service", "no_team", "no_active_hooks", "channel_is_archived", "invalid_token",
        "no_text", "too_many_attachments", "team_disabled", "posting_to_general_channel_denied",
    }
)  # fmt: skip


class Slack(Channel):
    kind = "slack"
    default_rate = Rate(1.0, 4.0)
    can_merge = True

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        given.check_secret("api_url")
        self.http = Http(given, self.deadline)

    def deliver(self, notification: Notification, told: Told) -> Answer:  # noqa: ARG002  # the words are all of it
        body = json.dumps(self.payload(told)).encode()
        reply = self.http.post(self.given.secret("api_url"), body, {"Content-Type": "application/json"})
        said = reply.text.strip()
        if reply.ok and said in ("ok", ""):
            return Answer(f"{reply.status} ok")
        if reply.ok:  # a proxy or a login page, not Slack
            raise reply.error("Slack (if it is Slack)", permanent=False)
        raise reply.error("Slack", permanent=True if said in FINAL else None)

    def payload(self, told: Told) -> dict[str, Any]:
        """What is posted: `text` for lock screens and old clients, the blocks in one coloured attachment."""
        title = escape(told.title)
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
        attachment = {"color": COLOURS[told.mood], "fallback": cut(title, 500), "blocks": blocks + tail}
        body: dict[str, Any] = {"text": f"*{title}*", "attachments": [attachment] if blocks + tail else []}
        for key in ("channel", "username", "icon_emoji", "icon_url"):
            if key in self.given:
                body[key] = self.given.text(key)
        return body


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
