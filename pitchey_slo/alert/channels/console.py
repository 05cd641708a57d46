"""Messages on the server's own screen (`to: stdout`, the default) or in its log (`to: log`)."""

from __future__ import annotations

import logging
import sys
from typing import Final

from rich.console import Console as Screen
from rich.text import Text

from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.clean import clean_lines
from pitchey_slo.alert.model import Notification
from pitchey_slo.alert.text import Told
from pitchey_slo.errors import ChannelError, ConfigError

log = logging.getLogger(__name__)

STYLES: Final = {"critical": "bold red", "warning": "bold yellow", "info": "bold blue", "resolved": "bold green"}


class Console(Channel):
    kind = "console"
    templated = ("text",)

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        self.to = given.text("to", "stdout")
        if self.to not in ("stdout", "log"):
            raise ConfigError(f"{self.to!r} is neither stdout nor log", key=f"{given.where}: to")

    def deliver(self, notification: Notification, told: Told) -> Answer:  # noqa: ARG002  # the words are all of it
        body = clean_lines(told.custom.get("text") or told.plain(), 50_000)
        if self.to == "log":
            log.warning("%s\n%s", told.title, body)
            return Answer("written to the log")
        try:
            # a new Screen each time: stdout may have been replaced meanwhile
            plain = None if self.given.flag("color", True) else True
            screen = Screen(file=sys.stdout, highlight=False, soft_wrap=True, no_color=plain)
            screen.print(Text(told.title, style=STYLES[told.mood]))  # Text: no markup in what others wrote
            screen.print(Text(body + "\n"))
        except (OSError, ValueError) as error:
            raise ChannelError(f"stdout is gone: {error}", permanent=True) from None
        return Answer("written to stdout")
