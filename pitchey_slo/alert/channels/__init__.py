"""Ways out: each file is one kind of channel, each class says how one message goes out once.

    CHANNELS["slack"](given, house).send(notification) -> Answer, or ChannelError(permanent, retry_after)

`channels_of` builds all channels of a routing file's receivers. A channel lays out the words of `alert.text` for its
service, escapes what the service would take for markup, keeps to its documented limits, and never shows a secret.

What this room does not do: it does not decide who is told what, does not wait and does not try again; the outbox does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from pitchey_slo.alert.channels.apprise import Apprise
from pitchey_slo.alert.channels.base import Answer, Channel, House, templates_in
from pitchey_slo.alert.channels.console import Console
from pitchey_slo.alert.channels.email import Email
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.pagerduty import PagerDuty
from pitchey_slo.alert.channels.slack import Slack
from pitchey_slo.alert.channels.sms import Sms
from pitchey_slo.alert.channels.webhook import Webhook
from pitchey_slo.errors import ConfigError, did_you_mean

__all__ = ["CHANNELS", "Answer", "Channel", "House", "build", "channels_of", "templates_in"]

#: Kind, as in `slack_configs` and "slack/0", to its class.
CHANNELS: Final[dict[str, type[Channel]]] = {
    c.kind: c for c in (Apprise, Console, Email, PagerDuty, Slack, Sms, Webhook)
}


class ChannelConfig(Protocol):
    """One channel of a receiver in the routing file (`alert.config.ChannelConfig`)."""

    @property
    def kind(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


class Receiver(Protocol):
    """A receiver of the routing file (`alert.config.Receiver`)."""

    @property
    def name(self) -> str: ...
    @property
    def channels(self) -> Iterable[ChannelConfig]: ...


def build(kind: str, settings: Mapping[str, Any], house: House, *, where: str = "") -> Channel:
    """The channel of `kind` with these settings. Raises ConfigError."""
    found = CHANNELS.get(kind)
    if found is None:
        hint = did_you_mean(kind, CHANNELS) or "there are " + ", ".join(sorted(CHANNELS))
        raise ConfigError(f"no channel of kind {kind!r}", key=where or None, hint=hint)
    return found(Given(settings, where or kind), house)


def channels_of(receivers: Iterable[Receiver], house: House) -> dict[str, dict[str, Channel]]:
    """Receiver name -> "slack/0" -> channel. Raises ConfigError that names receiver, channel and key."""
    return {
        receiver.name: {
            f"{c.kind}/{c.number}": build(
                c.kind, c.settings, house, where=f"receiver {receiver.name}, {c.kind}/{c.number}"
            )
            for c in receiver.channels
        }
        for receiver in receivers
    }
