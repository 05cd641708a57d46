"""What every channel has: its settings, its words, its limits, and one way to fail.

A channel says how one message goes out (`deliver`), about thirty lines. It never waits for another try: it raises
`ChannelError`, whose `permanent` says "give up" and whose `retry_after` says when the other side wants to be asked
again. Retry, order, budget and dead letters are written once, in the outbox.
"""

from __future__ import annotations

import glob
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from pitchey_slo.alert.budget import Rate
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.clean import clean, clean_lines, cut
from pitchey_slo.alert.model import Notification
from pitchey_slo.alert.template_data import fill, is_default
from pitchey_slo.alert.templates import TemplateError
from pitchey_slo.alert.text import Told, clock_time, lasting, tell
from pitchey_slo.errors import ChannelError, ConfigError

log = logging.getLogger(__name__)

#: A message that goes out this long after it was due says so.
LATE = timedelta(minutes=5)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class House:
    """What all channels share.

    url          where links to this server begin (`Settings.public_url`)
    templates    texts of the routing file's `templates:`, which `{{ define }}` names (`templates_in`)
    """

    url: str = "http://127.0.0.1:8001"
    clock: Callable[[], datetime] = _now
    templates: tuple[str, ...] = field(default=(), repr=False)


def templates_in(patterns: Iterable[str]) -> tuple[str, ...]:
    """The texts of `templates:`, paths in which * stands for anything. Raises ConfigError."""
    found = []
    for pattern in patterns:
        for file in sorted(glob.glob(pattern)):  # noqa: PTH207  # absolute patterns are usual
            try:
                found.append(Path(file).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"cannot be read: {error}", file=file, key="templates") from None
    return tuple(found)


@dataclass(frozen=True)
class Answer:
    """What the channel said when it took the message, without secrets."""

    text: str


class Channel(ABC):
    """One way out. Made from settings; raises ConfigError when they make no sense.

    rate         what the service documents that it takes; None for no limit
    mergeable    whether messages that wait for the rate may become one digest: not where each message changes
                 something (an incident, a machine's state)
    templated    settings that are templates; filled in, they are in `told.custom`
    deadline     seconds one attempt may take
    """

    kind: ClassVar[str]
    default_rate: ClassVar[Rate | None] = None
    can_merge: ClassVar[bool] = False
    templated: ClassVar[tuple[str, ...]] = ()
    deadline: float = 15.0

    def __init__(self, given: Given, house: House) -> None:
        self.given = given
        self.house = house
        self.deadline = given.number("timeout_seconds", self.deadline, low=0.05)
        self.rate = Rate.of(given.text("rate"), self.default_rate, where=given.where)
        self.mergeable = given.flag("digest", self.can_merge)

    @abstractmethod
    def deliver(self, notification: Notification, told: Told) -> Answer:
        """Send it once. Raises ChannelError."""

    def cost(self, notification: Notification) -> float:  # noqa: ARG002  # an SMS costs by its length
        """How much of the rate it takes."""
        return 1.0

    def send(self, notification: Notification) -> Answer:
        """Send it once; whatever goes wrong is a ChannelError, and no text that comes back holds a secret."""
        try:
            answer = self.deliver(notification, self.told(notification))
        except ChannelError as error:
            raise ChannelError(
                self._safe(error.message), permanent=error.permanent, retry_after=error.retry_after
            ) from None
        except Exception as error:  # noqa: BLE001  # a message we cannot even write must not be tried for a day
            text = self._safe(f"{type(error).__name__}: {error}")
            log.error("%s: message %s cannot be written: %s", self.given.where, notification.id, text)
            raise ChannelError(f"the message cannot be written: {text}", permanent=True) from None
        return Answer(self._safe(answer.text))

    def told(self, notification: Notification) -> Told:
        """The words of `notification`."""
        waited = self.house.clock() - notification.due_at
        late = ""
        if waited > LATE:
            when = clock_time(notification.due_at, self.house.clock())
            late = f"Late: this is from {when}, {lasting(waited)} ago"
            late += f"; {notification.attempts} attempts failed." if notification.attempts else "."
        told = tell(notification.message, notification.created_at, self.house.url, late=late)
        custom, problems = self._custom(notification, told)
        return replace(told, custom=custom, lines=(*told.lines, *problems))

    def quote(self, text: str) -> str:
        """What the service would take for markup, made harmless; for values inside templates."""
        return text

    def templates(self) -> dict[str, str]:
        """Settings that are templates, by key."""
        return {key: self.given.text(key) for key in self.templated}

    def _custom(self, notification: Notification, told: Told) -> tuple[dict[str, str], list[str]]:
        """Settings with their templates filled in, and what is wrong with those that are left out."""
        custom, problems = {}, []
        for key, text in self.templates().items():
            if not text or is_default(text):
                continue
            try:
                filled = fill(
                    text, notification, told, self.house.url, self.house.templates,
                    quote=lambda value: self.quote(clean_lines(value)), as_html=key == "html",
                )  # fmt: skip
                custom[key] = cut(filled, 100_000)
            except TemplateError as error:
                problems.append(f"The template of {key} is wrong, so this is the usual text: {clean(error.message)}")
        return custom, problems

    def _safe(self, text: str) -> str:
        return clean(self.given.hide(text), 1_000)
