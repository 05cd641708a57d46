"""Health checks inside the server: the runner, where its results go, and how this workbench itself is."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from fastapi import Request

from pitchey_slo.probe import Result, rows_of
from pitchey_slo.probe.health import FILE, Runner, Status, Watched, Workbench, read
from pitchey_slo.probe.health.config import USUAL
from pitchey_slo.series import SampleBatch
from pitchey_slo.store import StoreStatus
from pitchey_slo.web.alerting import Alerting
from pitchey_slo.web.house import House
from pitchey_slo.web.series import Series

#: Seconds a caller waits for a look that has to be made; then it is told what is known.
PATIENCE: Final = 2.0
#: Seconds a server that has just begun is busy with itself.
SETTLE: Final = 3.0
#: Seconds until results are stored; later the store is in trouble, and they are dropped.
STORE_SECONDS: Final = 30.0


class HealthChecks:
    """One per application. With a file, everything is looked at in its rhythm from `start` on; without one, only this
    workbench, and only when somebody asks."""

    def __init__(self, house: House, series: Series, alerting: Alerting) -> None:
        self._house, self._series, self._alerting = house, series, alerting
        self.file = Watched(house.settings.config / FILE)
        self._runner: Runner | None = None

    def start(self) -> None:
        """Begin, once the store is open. A file that is wrong is told to the log and taken once it is right."""
        if self.file.exists:
            self.runner.start()

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()

    @property
    def runner(self) -> Runner:
        if self._runner is None:
            config = self.file.changed() or read(USUAL, FILE, {})
            self._runner = Runner(
                config,
                self._sink,
                location=self._house.settings.location,
                clock=self._house.clock,
                facts=self.facts,
                changed=self.file.changed,
                settle=SETTLE,
            )
        return self._runner

    async def current(self, names: Collection[str] | None = None) -> Mapping[str, Status]:
        """What is known of these checks (all of them): of the last interval, or looked at now, if that does not take
        too long."""
        known = self.runner.status()
        chosen = [name for name in known if names is None or name in names]
        now = self._house.clock()
        stale = [name for name in chosen if not known[name].fresh(now)]
        if stale:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self.runner.refresh(stale))), PATIENCE)
        known = self.runner.status()
        return {name: known[name] for name in chosen if name in known}

    def facts(self) -> Workbench:
        """How this workbench is. Blocks for as long as the store does."""
        store = self._house.store
        if store is None:
            return Workbench(ready=False, reason="the store is being opened")
        status = store.status()
        return _workbench(status, self._house.settings.queue_limit, self._alerting)

    def _sink(self, results: list[Result], batch: SampleBatch) -> None:
        store = self._house.opened()
        if results:
            store.append("probes", rows_of(results))
        if len(batch):
            self._series.taken("health", batch, store.samples(batch).result(STORE_SECONDS))


def _workbench(status: StoreStatus, queue_limit: int, alerting: Alerting) -> Workbench:
    late: float | None = None
    problems: tuple[str, ...] = ()
    if alerting.running:
        rules = alerting.engine.status()
        recent = sorted(rules.lateness[-2_000:])
        # of fewer than a hundred it would be the slowest one: that of the start
        late = recent[int(len(recent) * 0.99)] if len(recent) >= 100 else None
        problems = tuple(f"{Path(file).name} is refused" for file in rules.problems)
        problems += (f"alerting cannot work: {rules.error}",) if rules.error else ()
    return Workbench(
        ready=status.ready,
        reason=status.reason,
        lake_lag_seconds=status.lake_lag_seconds,
        queue_share=status.queue_bytes / queue_limit,
        disk_free_bytes=float(status.free_bytes),
        disk_floor_bytes=float(status.floor_bytes),
        rules_late_seconds=late,
        memory_used_bytes=_memory_used(),
        memory_limit_bytes=_memory_limit(),
        problems=problems,
    )


def _memory_used() -> float | None:
    """Bytes of memory this process has resident."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _memory_limit() -> float | None:
    """Bytes it may have: the limit of its control group, else the memory of the machine."""
    machine = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
            return min(machine, float(Path(file).read_text()))
    return machine


def health_of(request: Request) -> HealthChecks:
    found = request.app.state.health
    assert isinstance(found, HealthChecks)
    return found
