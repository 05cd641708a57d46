"""SLO numbers for the routes: the specs of the configuration and their evaluation, by the workbench that notebooks and
commands use too, in one thread of its own. So all ways give one number.

An evaluation is shared by all who ask for the same while it runs, and for `KEEP_SECONDS` after. Specs are read again
when a file changes; while they cannot be read, the last ones that could be are served, and every answer says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import orjson
from fastapi import Request

from pitchey_slo.errors import ConfigError, NotFound, PitcheyError, SloError, StoreBusy, StoreUnavailable, did_you_mean
from pitchey_slo.slo import Slo, SloReport
from pitchey_slo.web.house import House
from pitchey_slo.workbench import Workbench

#: Seconds an evaluation is given again; new rows reach the lake every ten seconds.
KEEP_SECONDS = 10.0
#: Seconds one waits for an evaluation; it goes on, and who asks again finds it.
WAIT_SECONDS = 60.0
#: Evaluations that may wait, and that are kept.
MOST_WAITING, MOST_KEPT = 8, 32

#: names (none: all), service, window, end
Key = tuple[str | None, str | None, str, datetime | None]


@dataclass
class Kept:
    """A shared evaluation: running, or done at `until` minus `KEEP_SECONDS`."""

    task: asyncio.Task[bytes]
    until: float | None = None

    def fresh(self) -> bool:
        return self.until is None or (time.monotonic() < self.until and not self.task.cancelled())


class SloNumbers:
    """One per application; used from its event loop only."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._specs = house.slos
        self._workbench: Workbench | None = None
        self._kept: dict[Key, Kept] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="slo")

    def close(self) -> None:
        """End after the evaluation that runs."""
        self._pool.shutdown(cancel_futures=True)

    def forget(self) -> None:
        """What is asked from now on is evaluated anew: a correction came or went."""
        self._kept.clear()

    async def specs(self) -> tuple[tuple[Slo, ...], tuple[str, ...]]:
        """As `Shelf.current`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._specs.current)

    async def answer(self, name: str | None, service: str | None, window: str, end: datetime | None) -> bytes:
        """`{"reports": [...], "problems": [...]}` as JSON, least budget left first. Raises NotFound, SloError,
        QueryError; StoreBusy when too many wait, StoreUnavailable when it takes too long."""
        key = (name, service, window, end)
        kept = self._kept.get(key)
        if kept is None or not kept.fresh():
            self._make_room()
            kept = self._kept[key] = Kept(asyncio.create_task(self._in_thread(key)))
            kept.task.add_done_callback(lambda task: self._done(key, task))
        try:
            return await asyncio.wait_for(asyncio.shield(kept.task), WAIT_SECONDS)
        except TimeoutError:
            raise StoreUnavailable(f"the evaluation takes more than {WAIT_SECONDS:.0f} s; ask again for it") from None

    async def _in_thread(self, key: Key) -> bytes:
        self._house.opened()
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._evaluate, key)

    def _done(self, key: Key, task: asyncio.Task[bytes]) -> None:
        """Errors are not kept: the next one who asks may be luckier."""
        kept = self._kept.get(key)
        if kept is None or kept.task is not task:
            return
        if task.cancelled() or task.exception() is not None:
            del self._kept[key]
        else:
            kept.until = time.monotonic() + KEEP_SECONDS

    def _make_room(self) -> None:
        self._kept = {key: kept for key, kept in self._kept.items() if kept.fresh()}
        running = sum(kept.until is None for kept in self._kept.values())
        if running >= MOST_WAITING:
            raise StoreBusy(f"{running} evaluations of SLOs are running or waiting; try again in a moment")
        for key in [key for key, kept in self._kept.items() if kept.until is not None][
            : len(self._kept) - MOST_KEPT + 1
        ]:
            del self._kept[key]

    def _evaluate(self, key: Key) -> bytes:
        name, service, window, end = key
        slos, problems = self._specs.current()
        chosen = _chosen(slos, problems, name, service)
        if self._workbench is None:
            self._workbench = Workbench(self._house.settings)
        reports, failed = judged(self._workbench, chosen, window, end, several=name is None)
        told = [r.as_dict() for r in sorted(reports, key=by_budget)]
        return orjson.dumps({"reports": told, "problems": [*problems, *failed]})


def _chosen(slos: tuple[Slo, ...], problems: tuple[str, ...], name: str | None, service: str | None) -> tuple[Slo, ...]:
    found = tuple(s for s in slos if name in (None, s.name) and service in (None, s.service))
    if not found and (name is not None or service is not None):
        what, known = ("SLO", [s.name for s in slos]) if name is not None else ("service", [s.service for s in slos])
        wanted = str(name if name is not None else service)[:80]
        near = did_you_mean(wanted, known) or "there are: " + (", ".join(sorted(set(known))) or "none")
        raise NotFound(f"no {what} {wanted!r}; {near}", detail={"problems": list(problems)})
    return found


def judged(
    workbench: Workbench, slos: Sequence[Slo], window: str, end: datetime | None, *, several: bool
) -> tuple[list[SloReport], list[str]]:
    """(reports, problems): of several SLOs one that cannot be evaluated is told and does not hide the others."""
    try:
        return list(workbench.evaluate(slos, window, end)), []
    except (SloError, ConfigError) as error:
        if not several:
            raise SloError(error.message, detail=error.detail) from None
    reports: list[SloReport] = []
    problems: list[str] = []
    for slo in slos:
        try:
            reports += workbench.evaluate([slo], window, end)
        except PitcheyError as error:
            problems.append(f"{slo.name}: {error.message}")
    return reports, problems


def by_budget(report: SloReport) -> tuple[bool, float, str, str]:
    """The least budget left first, those without data last."""
    return report.budget_left is None, report.budget_left or 0.0, report.slo, report.window


def numbers_of(request: Request) -> SloNumbers:
    found = request.app.state.slos
    assert isinstance(found, SloNumbers)
    return found
