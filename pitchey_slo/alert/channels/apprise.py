"""Any service that Apprise knows, by its URL (github.com/caronc/apprise/wiki): `url`, or several in `urls`.

Apprise says only whether it worked, and what it logged; the HTTP status in its log decides whether another attempt
makes sense. With several URLs a repeat would go to those that had it already, so only the failed ones are tried again
within this process; after a restart all of them are.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.guard import addresses_of
from pitchey_slo.alert.channels.http import TRY_AGAIN
from pitchey_slo.alert.clean import clean, clean_lines
from pitchey_slo.alert.model import Notification
from pitchey_slo.alert.text import Told
from pitchey_slo.errors import ChannelError, ConfigError

if TYPE_CHECKING:
    import apprise

MOODS: Final = {"critical": "failure", "warning": "warning", "info": "info", "resolved": "success"}
_STATUS: Final = re.compile(r"error=(\d{3})\b")
#: Messages of which it is remembered which of several URLs took them.
REMEMBERED: Final = 1_000


class Apprise(Channel):
    kind = "apprise"
    can_merge = True
    deadline = 30.0
    templated = ("title", "text", "message")

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        self.allow_private = given.flag("allow_private", False)
        urls = self._urls_now(given) if not given.has_secret("url") or "url" in given else []
        if not urls and not given.has_secret("url"):
            raise ConfigError("is missing (or urls, or url_file)", key=f"{given.where}: url")
        for number, url in enumerate(urls):
            if self._service(url) is None:
                which = f"urls, the {number + 1}." if len(urls) > 1 else "url"
                raise ConfigError("Apprise knows no such service", key=f"{given.where}: {which}")
        self.body_format = given.text("body_format", "text").lower()
        if self.body_format not in ("text", "html", "markdown"):
            raise ConfigError(
                f"{self.body_format!r} is none of text, html, markdown", key=f"{given.where}: body_format"
            )
        self._lock = threading.Lock()
        self._took: OrderedDict[str, set[str]] = OrderedDict()
        self._hanging: threading.Thread | None = None

    def deliver(self, notification: Notification, told: Told) -> Answer:
        title = clean(told.custom.get("title") or told.title, 250)
        body = clean_lines(told.custom.get("text") or told.custom.get("message") or told.plain() or title, 30_000)
        took = self._took.setdefault(notification.id, set())
        while len(self._took) > REMEMBERED:
            self._took.popitem(last=False)
        errors = []
        urls = self._urls_now(self.given)
        with self._lock:
            for url in urls:
                if url in took:
                    continue
                try:
                    self._one(url, title, body, MOODS[told.mood])
                    took.add(url)
                except ChannelError as error:
                    errors.append(error)
        if errors:
            raise next((e for e in errors if not e.permanent), errors[0])
        return Answer(f"taken by {len(urls)} services" if len(urls) > 1 else "taken")

    def _one(self, url: str, title: str, body: str, mood: str) -> None:
        """One service, within its time: Apprise has no limit for an answer that comes drop by drop."""
        if self._hanging is not None and self._hanging.is_alive():
            raise ChannelError("the last attempt still hangs")
        service = self._service(url)
        if service is None:
            raise ChannelError("Apprise knows no such service", permanent=True)
        if host := getattr(service, "host", None):  # services of a fixed address have none
            addresses_of(str(host), service.port or 443, allow_private=self.allow_private)
        outcome: list[tuple[bool, list[str]]] = []
        self._hanging = threading.Thread(
            target=lambda: outcome.append(_notify(service, title, body, mood, self.body_format)),
            name="apprise",
            daemon=True,
        )
        self._hanging.start()
        self._hanging.join(self.deadline)
        if self._hanging.is_alive():
            raise ChannelError(f"no answer within {self.deadline:g} s")
        if not outcome:
            raise ChannelError("Apprise failed without a word")
        ok, said = outcome[0]
        if not ok:
            statuses = [int(s) for line in said for s in _STATUS.findall(line)]
            final = bool(statuses) and all(s < 500 and s not in TRY_AGAIN for s in statuses)
            raise ChannelError(f"Apprise: {'; '.join(said[-3:]) or 'it did not work'}", permanent=final)

    def _urls_now(self, given: Given) -> list[str]:
        several = given.get("urls") or []
        found = [u.get_secret_value() if isinstance(u, SecretStr) else str(u) for u in several]
        one = given.secret("url")
        urls = ([one] if one else []) + found
        for url in urls:
            given.remember(url)
            for part in re.split(r"[/:@?&=]+", url)[1:]:
                if len(part) >= 8:  # tokens are parts of the path
                    given.remember(part)
        return urls

    def _service(self, url: str) -> Any:
        import apprise

        _quiet()
        asset = apprise.AppriseAsset(
            app_id="pitchey-slo",
            app_desc="pitchey-slo alerts",
            app_url="",
            async_mode=False,
            http_redirects=0,
            secure_logging=True,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
        )
        return apprise.Apprise.instantiate(url, asset=asset)


def _notify(service: apprise.NotifyBase, title: str, body: str, mood: str, body_format: str) -> tuple[bool, list[str]]:
    """Whether it worked, and what Apprise logged above level info."""
    import apprise

    caught = _Caught()
    log = logging.getLogger(apprise.LOGGER_NAME)
    log.addHandler(caught)
    try:
        kind = apprise.NotifyType(mood)
        ok = bool(
            service.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat(body_format))
        )
    except Exception as error:  # noqa: BLE001  # a plugin of others
        return False, [f"{type(error).__name__}: {error}"]
    finally:
        log.removeHandler(caught)
    return ok, caught.lines


class _Caught(logging.Handler):
    """What one thread logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(record.getMessage())


def _quiet() -> None:
    """What Apprise logs holds addresses, and they hold secrets: it goes to us, not to the log of the house."""
    import apprise

    log = logging.getLogger(apprise.LOGGER_NAME)
    log.propagate = False
    for quiet in (log, logging.getLogger("urllib3")):
        quiet.setLevel(logging.WARNING)
