"""Publishes the status page to Cloudflare Workers KV, from where the edge serves it when this server is away.

Every minute in which it says something new, and every quarter of an hour in any case, so that its time tells how old it
is. What goes wrong is logged and counted and tried again a minute later; nothing waits for it. The calls are those of
Cloudflare's REST API: `GET /accounts/{account}/storage/kv/namespaces` finds the namespace by its title,
`PUT .../namespaces/{id}/values/{key}` writes.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pitchey_slo.settings import Settings
from pitchey_slo.web.meter import Meter
from pitchey_slo.web.status_board import Ready

log = logging.getLogger(__name__)

EVERY: Final = 60.0
AT_LEAST_EVERY: Final = 900.0
SECONDS: Final = 10.0
#: Keys in the namespace, which the Worker of docs/status.md reads.
HTML_KEY, JSON_KEY = "status.html", "status.json"
_ID: Final = re.compile(r"[0-9a-f]{32}")
_PAGES: Final = 20


class NotPublished(Exception):  # named for what happened
    """Cloudflare did not take it; the message says why, without the token."""


class Publisher:
    """`newest` gives the page as it is. Does nothing unless account and token are set."""

    def __init__(
        self,
        settings: Settings,
        newest: Callable[[], Ready | None],
        meter: Meter,
        *,
        every: float = EVERY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._newest, self._meter = settings, newest, meter
        self._every, self._monotonic = every, monotonic
        self._namespace: str | None = None
        self._content: str | None = None
        self._at = -AT_LEAST_EVERY
        self._failing = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def wanted(self) -> bool:
        settings = self._settings
        return bool(settings.cloudflare_account_id and settings.cloudflare_api_token and settings.kv_namespace)

    def start(self) -> None:
        if self.wanted and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="status-kv", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._stop.set()

    def publish(self) -> bool:
        """Publish the page if it says something new, or was not published for long. True when it was. Raises
        NotPublished."""
        import httpx

        made = self._newest()
        old = self._monotonic() - self._at >= AT_LEAST_EVERY
        if made is None or (made.content == self._content and not old):
            return False
        token = self._settings.cloudflare_api_token
        assert token is not None
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        try:
            with httpx.Client(headers=headers, timeout=SECONDS, trust_env=False) as client:
                place = f"{self._account()}/{self._find(client)}/values"
                _checked(client.put(f"{place}/{HTML_KEY}", content=made.html, headers=_TYPES[HTML_KEY]))
                _checked(client.put(f"{place}/{JSON_KEY}", content=made.json, headers=_TYPES[JSON_KEY]))
        except httpx.HTTPError as error:
            raise NotPublished(f"{type(error).__name__}: {error}") from None
        self._content, self._at = made.content, self._monotonic()
        return True

    def _account(self) -> str:
        base = self._settings.cloudflare_api_url.rstrip("/")
        return f"{base}/accounts/{self._settings.cloudflare_account_id}/storage/kv/namespaces"

    def _find(self, client: Any) -> str:
        """The id of the namespace: KV_NAMESPACE itself, or that of the namespace with this title."""
        wanted = self._settings.kv_namespace
        if _ID.fullmatch(wanted):
            return wanted
        if self._namespace is None:
            titles: dict[str, str] = {}
            for number in range(1, _PAGES + 1):
                found = _checked(client.get(self._account(), params={"per_page": 100, "page": number}))
                titles |= {str(one.get("title")): str(one.get("id")) for one in found}
                if len(found) < 100:
                    break
            if wanted not in titles:
                raise NotPublished(f"the account has no KV namespace {wanted!r}; KV_NAMESPACE is its title or its id")
            self._namespace = titles[wanted]
        return self._namespace

    def _work(self) -> None:
        while not self._stop.wait(self._every):
            try:
                if self.publish():
                    self._meter.add("status_published_total", 1)
                    self._failing = False
            except Exception as error:  # noqa: BLE001  # tried again in a minute
                self._meter.add("status_publish_errors_total", 1)
                log.log(logging.DEBUG if self._failing else logging.WARNING,
                        "the status page was not published to Cloudflare KV: %s", error)  # fmt: skip
                self._failing = True


_TYPES: Final = {
    HTML_KEY: {"Content-Type": "text/html; charset=utf-8"},
    JSON_KEY: {"Content-Type": "application/json"},
}


def _checked(response: Any) -> Any:
    """What Cloudflare's envelope holds. Raises NotPublished with its own words."""
    try:
        told = response.json()
    except ValueError:
        told = {}
    if response.status_code != 200 or not isinstance(told, dict) or told.get("success") is not True:
        errors = told.get("errors") if isinstance(told, dict) else None
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        why = f": {first.get('code')} {str(first.get('message'))[:200]}" if first else ""
        raise NotPublished(f"status {response.status_code}{why}")
    return told.get("result")
