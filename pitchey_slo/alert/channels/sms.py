"""SMS by Twilio's API: the SMS alphabet, a limit of segments, one number per channel.

Facts (twilio.com/docs/messaging, error dictionary): a body has up to 1,600 characters; a US long code sends one
segment a second; numbers are E.164. Twilio has no key by which it drops a repeat, so one number per channel: what
one number got is never sent again because another failed.
"""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import quote, urlencode

from pitchey_slo.alert.budget import Rate
from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.http import Http, Reply, basic
from pitchey_slo.alert.clean import clean_lines, cut
from pitchey_slo.alert.gsm7 import cut_to, size_of, transliterated
from pitchey_slo.alert.model import Notification
from pitchey_slo.alert.text import Told, pairs
from pitchey_slo.errors import ChannelError, ConfigError

URL: Final = "https://api.twilio.com"
BODY: Final = 1_600
E164: Final = re.compile(r"\+[1-9]\d{6,14}")
#: Twilio's codes that another attempt may change, though the status is 4xx: too many requests, a full queue, accounts
#: with too many messages at once.
TRY_AGAIN: Final = frozenset({14107, 20429, 21611, 30001, 63018, 63038})


class Sms(Channel):
    kind = "sms"
    default_rate = Rate(1.0, 3.0)
    can_merge = True
    templated = ("text",)

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        given.needed("account_sid")
        given.check_secret("api_secret" if "api_key" in given else "auth_token")
        self.to = given.needed("to").strip()
        if not E164.fullmatch(self.to):
            raise ConfigError(
                f"{self.to!r} is no number as E.164 writes them", key=f"{given.where}: to", hint="such as +447700900123"
            )
        if "messaging_service_sid" not in given and not given.needed("from"):
            raise ConfigError("is missing (or messaging_service_sid)", key=f"{given.where}: from")
        self.segments = int(given.number("max_segments", 2, low=1))
        self.unicode = given.flag("unicode", False)
        self.http = Http(given, self.deadline)

    def cost(self, notification: Notification) -> float:
        return float(size_of(self.words(self.told(notification))).segments)

    def deliver(self, notification: Notification, told: Told) -> Answer:  # noqa: ARG002  # the words are all of it
        text = self.words(told)
        form = {"To": self.to, "Body": text}
        if "messaging_service_sid" in self.given:
            form["MessagingServiceSid"] = self.given.text("messaging_service_sid")
        else:
            form["From"] = self.given.text("from")
        if "validity_period" in self.given:
            form["ValidityPeriod"] = str(int(self.given.number("validity_period", 14_400, low=1)))
        if "status_callback" in self.given:
            form["StatusCallback"] = self.given.text("status_callback")
        sid = self.given.text("account_sid")
        self.given.remember(sid)
        base = self.given.text("url", URL).rstrip("/")
        reply = self.http.post(
            f"{base}/2010-04-01/Accounts/{quote(sid, safe='')}/Messages.json",
            urlencode(form).encode(),
            {"Content-Type": "application/x-www-form-urlencoded", "Authorization": self._login(sid)},
        )
        if not reply.ok:
            raise error_of(reply)
        return Answer(f"{reply.status} {_found(reply).get('status', 'taken')}, {size_of(text).segments} segments")

    def words(self, told: Told) -> str:
        """Title, the first sentence, number and time, one link; cut to the segments allowed."""
        custom = told.custom.get("text")
        text = clean_lines(custom, BODY) if custom else "\n".join(self._lines(told))
        text = text if self.unicode else transliterated(text)
        return cut_to(cut(text, BODY) if self.unicode else text[:BODY], self.segments)

    def _lines(self, told: Told) -> list[str]:
        lines = [told.title, *told.lines[:1]]
        if told.alerts:
            first = told.alerts[0]
            lines += [*first.lines[:1], first.timing]
            lines += [pairs(told.labels)] if told.labels and len(told.title) < 80 else []
        address = told.links.get("Acknowledge") or told.links.get("Why")
        return lines[:1] + ([address] if address and len(address) < 100 else []) + lines[1:]

    def _login(self, sid: str) -> str:
        if "api_key" in self.given:
            return basic(self.given.text("api_key"), self.given.secret("api_secret"))
        return basic(sid, self.given.secret("auth_token"))


def error_of(reply: Reply) -> ChannelError:
    """What Twilio's answer means: by its own code where it gives one (21610 opted out, 21211 no such number, ...)."""
    found = _found(reply)
    code = found.get("code")
    if not isinstance(code, int):
        return reply.error("Twilio")
    permanent = reply.status < 500 and reply.status != 429 and code not in TRY_AGAIN
    text = f"Twilio answered {reply.status}: error {code}, {found.get('message', '')}"
    return ChannelError(text, permanent=permanent, retry_after=reply.retry_after)


def _found(reply: Reply) -> dict[str, object]:
    try:
        found = json.loads(reply.text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
