"""Uptimes of 24 hours, 7 and 30 days, and what is usual: read from the lake in a thread of its own, and kept for as
long as it pays. Who asks meanwhile gets what was read last; who asks first waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.analyse.synthetic import History, history
from pitchey_slo.names import PHASES
from pitchey_slo.probe.synthetic.attribution import Usual
from pitchey_slo.probe.synthetic.uptime import ALL, Uptime
from pitchey_slo.store.probe_questions import usual
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.web.synthetic_told import told_uptime

if TYPE_CHECKING:
    from pitchey_slo.web.synthetic_desk import Synthetic

log = logging.getLogger(__name__)

WINDOWS: Final = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
#: Seconds numbers are kept: at least, and as a multiple of what they cost.
KEEP, TIMES = 5.0, 20.0
#: What is usual is of the last day without these newest minutes, which are what is compared with it.
NEWEST: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Numbers:
    """`uptimes`: (window, test, location) -> uptime; `usuals`: test -> location -> medians."""

    uptimes: Mapping[tuple[str, str, str], Uptime] = field(default_factory=dict)
    usuals: Mapping[str, Mapping[str, Usual]] = field(default_factory=dict)

    def usual(self, test: str) -> Mapping[str, Usual]:
        return self.usuals.get(test, {})

    def told(self, test: str) -> dict[str, Any]:
        """By window; none for a window in which nothing is known."""
        found = {window: self.uptimes.get((window, test, ALL)) for window in WINDOWS}
        return {window: told_uptime(u) if u is not None else None for window, u in found.items()}


class Reading:
    """One per application; used from its event loop."""

    def __init__(self, desk: Synthetic) -> None:
        self._desk = desk
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="uptime")
        self._reader: LakeReader | None = None
        self._task: asyncio.Future[Numbers] | None = None
        self._kept: Numbers | None = None
        self._until = 0.0

    async def current(self) -> Numbers:
        """Raises StoreUnavailable while the store is being opened."""
        self._desk.house.opened()
        if time.monotonic() >= self._until and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().run_in_executor(self._pool, self._read)
        if self._kept is not None:
            return self._kept
        assert self._task is not None
        return await asyncio.shield(self._task)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _read(self) -> Numbers:
        begun, desk = time.monotonic(), self._desk
        settings, now = desk.house.settings, desk.house.clock()
        if self._reader is None:
            self._reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
        uptimes = {
            (window, u.test, u.location): u
            for window, length in WINDOWS.items()
            for u in self._history(now - length, now).uptimes()
        }
        self._kept = Numbers(uptimes, _usuals(self._reader, now))
        self._until = time.monotonic() + max(KEEP, TIMES * (time.monotonic() - begun))
        return self._kept

    def _history(self, start: datetime, end: datetime) -> History:
        assert self._reader is not None
        return history(self._reader, start, end, targets=self._desk.known.targets, policy=self._desk.policy)


def _usuals(reader: LakeReader, now: Any) -> dict[str, dict[str, Usual]]:
    found: dict[str, dict[str, Usual]] = {}
    for row in usual(reader, now - timedelta(days=1), now - NEWEST).to_pylist():
        if row["duration_ms"] is not None:
            phases = {p: row[f"{p}_ms"] for p in PHASES if row[f"{p}_ms"] is not None}
            found.setdefault(row["test"], {})[row["location"]] = Usual(row["duration_ms"], phases, row["looks"])
    return found
