"""Makes the status page every few seconds in a thread of its own, so that whoever asks gets bytes that lie ready.

Days that are over are counted once an hour (late results may still come for them), today at every turn. When the lake
cannot be read the last page stays, with its time on it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from pitchey_slo.analyse.synthetic import history
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.web.house import House
from pitchey_slo.web.status_config import FILE, StatusConfig, StatusFile
from pitchey_slo.web.status_page import html
from pitchey_slo.web.status_told import DAYS, Component, Counted, Incident, Page, Update, counted, state_of
from pitchey_slo.web.synthetic_desk import Synthetic

log = logging.getLogger(__name__)

EVERY: Final = 15.0
#: Days that are over are counted again after so long, and not for more than this share of the time.
AGAIN: Final = timedelta(hours=1)
COSTS: Final = 0.01
#: Looks older than that say nothing of now.
_RECENT: Final = timedelta(hours=1)

_LATEST: Final = """
    SELECT test, location, arg_max(state, ts) AS state FROM {source}
    WHERE scope = 'verdict' GROUP BY ALL
"""
_INCIDENTS: Final = """
    SELECT i.id, i.title, i.started_at, i.ended_at, u.status, u.components, u.message, u.created_at
    FROM incident_updates u JOIN incidents i ON i.id = u.incident_id
    ORDER BY u.created_at DESC, u.id DESC
"""


@dataclass(frozen=True)
class Ready:
    """The page as it is sent: HTML and JSON with their tags, and `content`, which changes only with what they say."""

    html: bytes
    json: bytes
    html_tag: str
    json_tag: str
    content: str


class StatusBoard:
    """One per application; nothing runs without a file."""

    def __init__(self, house: House, synthetic: Synthetic) -> None:
        self._house, self._synthetic = house, synthetic
        self.file = StatusFile(house.settings.config / FILE)
        self._reader: LakeReader | None = None
        self._past: tuple[datetime, StatusConfig, datetime, Counted] | None = None  # until the second time
        self._ready: Ready | None = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._made = threading.Condition()
        self._begun = self._done = 0

    def start(self) -> None:
        """Begin to make the page, once the store is open."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="status", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(30)

    @property
    def ready(self) -> Ready | None:
        """The newest page; None when there is no file, or none was made yet."""
        return self._ready

    def renew(self, seconds: float) -> None:
        """Make it anew now; returns once it is made, or after so long."""
        if self._thread is None or self.file.current() is None:
            return
        with self._made:
            wanted = self._begun + 1  # the one that is being made may have read before
            self._wake.set()
            self._made.wait_for(lambda: self._done >= wanted or self._stop.is_set(), seconds)

    def make(self) -> Ready | None:
        """The page as it is now."""
        config = self.file.current()
        return None if config is None else ready(self.page(config))

    def page(self, config: StatusConfig) -> Page:
        now = self._house.clock()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        first = today - timedelta(days=DAYS - 1)
        past = self._over(config, first, today, now)
        new = counted(self._history(today, now), config.components)
        slow = self._degraded(now)
        components = tuple(
            Component(
                one.name,
                one.description,
                state_of(new.now.get(one.name, 0), any(test in slow for test in new.tests[one.name])),
                (*past.days[one.name], *new.days[one.name]),
            )
            for one in config.components
            if past.tests[one.name] or new.tests[one.name]  # what nobody looks at is not there
        )
        return Page(config.title, config.contact, now, components, self._incidents(config, now))

    def _over(self, config: StatusConfig, first: datetime, today: datetime, now: datetime) -> Counted:
        kept = self._past
        if kept is None or kept[0] != first or kept[1] != config or now > kept[2]:
            begun = time.monotonic()
            found = counted(self._history(first, today), config.components)
            wait = max(AGAIN, timedelta(seconds=(time.monotonic() - begun) / COSTS))
            kept = self._past = (first, config, now + wait, found)
        return kept[3]

    def _history(self, start: datetime, end: datetime) -> Any:
        desk = self._synthetic
        end = max(end, start + timedelta(microseconds=1))
        return history(self._lake(), start, end, health=True, targets=desk.known.targets, policy=desk.policy)

    def _degraded(self, now: datetime) -> set[str]:
        """Tests that at least half of their locations find slow."""
        source = self._lake().source("probes", now - _RECENT, now + timedelta(minutes=1))
        states: dict[str, list[bool]] = {}
        for row in self._lake().query(_LATEST.format(source=source)).to_pylist():
            states.setdefault(row["test"], []).append(row["state"] == "degraded")
        return {test for test, slow in states.items() if 2 * sum(slow) >= len(slow)}

    def _incidents(self, config: StatusConfig, now: datetime) -> tuple[Incident, ...]:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in self._house.opened().query(_INCIDENTS).to_pylist():
            found.setdefault(row["id"], []).append(row)
        public = {one.name for one in config.components}
        told = [_incident(rows, public) for rows in found.values()]
        since = now - timedelta(days=config.incident_days)
        return tuple(i for i in told if i.ended_at is None or i.ended_at >= since)

    def _lake(self) -> LakeReader:
        if self._reader is None:
            settings = self._house.settings
            self._reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
        return self._reader

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._made:
                self._wake.clear()
                self._begun += 1
            try:
                self._ready = self.make()
            except Exception:
                log.exception("the status page could not be made, the last one stays")
            with self._made:
                self._done = self._begun
                self._made.notify_all()
            self._wake.wait(EVERY)


def ready(page: Page) -> Ready:
    told = page.as_json()
    body, data = html(page), orjson.dumps(told)
    content = orjson.dumps({**told, "updated_at": None})
    return Ready(body, data, _tag(body), _tag(data), _tag(content))


def _incident(rows: list[Mapping[str, Any]], public: set[str]) -> Incident:
    """`rows`: its updates, newest first. It is over when the last update says so, or when people ended it."""
    newest = rows[0]
    over = newest["created_at"] if newest["status"] == "resolved" else None
    named = {name.strip() for row in rows for name in (row["components"] or "").split(",")}
    return Incident(
        newest["title"],
        newest["started_at"],
        newest["ended_at"] or over,
        tuple(sorted(named & public)),
        tuple(Update(row["status"], row["message"], row["created_at"]) for row in rows),
    )


def _tag(data: bytes) -> str:
    return f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
