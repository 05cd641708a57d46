"""Dashboards with data for the routes: one evaluation per dashboard, time, choices and tick of five seconds, however
many ask.

Widgets are evaluated one by one in the query threads, so that a query of somebody else waits for one widget at most.
Who asks again says which answer they have (`since`, its watermark) and gets only what is new since.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import orjson
from fastapi import Request

from pitchey_slo import board
from pitchey_slo.alert import inbox
from pitchey_slo.alert.model import Alert
from pitchey_slo.analyse.backtest.ask import groups_of
from pitchey_slo.board import news
from pitchey_slo.board.named import NAMED
from pitchey_slo.board.shelf import Shelf, Shown, folder_of
from pitchey_slo.errors import PitcheyError, StoreBusy, StoreUnavailable
from pitchey_slo.web.alerting import Alerting
from pitchey_slo.web.alerts import view_dict
from pitchey_slo.web.house import House
from pitchey_slo.web.prometheus_given import Refused
from pitchey_slo.web.series import Series
from pitchey_slo.web.slo_numbers import SloNumbers

T = TypeVar("T")

#: Seconds for which an answer is everybody's.
TICK: Final = 5.0
#: Evaluations that may run at once, questions (dashboard, time, choices) whose answers are kept, and ticks of each.
MOST_RUNNING, MOST_KEPT, MOST_TICKS = 8, 64, 12
#: Seconds one waits for an evaluation, and for SLO reports within it.
WAIT_SECONDS, REPORT_SECONDS = 30.0, 3.0
#: Seconds for which SLO reports are good enough.
KEEP_REPORTS: Final = 30.0


@dataclass
class Asked:
    """One question: the evaluation that runs or was the last, and what the answers of the last ticks were."""

    task: asyncio.Task[dict[str, Any]] | None = None
    made: board.Board | None = None
    until: float = 0.0
    ticks: OrderedDict[int, news.Tick] = field(default_factory=OrderedDict)

    def fresh(self) -> bool:
        return self.task is not None and (not self.task.done() or time.monotonic() < self.until)


class Boards:
    """One per application; used from its event loop only."""

    def __init__(self, house: House, series: Series, slos: SloNumbers, alerting: Alerting) -> None:
        self._house, self._series, self._slos, self._alerting = house, series, slos, alerting
        self._kept = board.Kept()
        self._asked: OrderedDict[Hashable, Asked] = OrderedDict()
        self._reports: tuple[float, Sequence[Mapping[str, Any]]] = (0.0, ())
        self.shelf = Shelf(folder_of(house.settings), lambda sql, params: house.opened().query(sql, params))

    async def answer(
        self, shown: Shown, view: board.View, since: int | None = None, wait: float = WAIT_SECONDS
    ) -> dict[str, Any]:
        """The dashboard with data; with `since` what is new after the answer with that watermark. After `wait` seconds
        what is ready comes, and `pending` names the rest. Raises StoreBusy when too many run, StoreUnavailable when it
        takes too long."""
        asked = self._question(shown, view)
        if not asked.fresh():
            if sum(each.task is not None and not each.task.done() for each in self._asked.values()) >= MOST_RUNNING:
                raise StoreBusy(f"{MOST_RUNNING} dashboards are being evaluated; try again in a moment")
            asked.made = None
            asked.task = asyncio.create_task(self._evaluate(shown, view, asked=asked))
            asked.until = time.monotonic() + TICK
        assert asked.task is not None
        try:
            full = await asyncio.wait_for(asyncio.shield(asked.task), min(wait, WAIT_SECONDS))
        except TimeoutError:
            if asked.made is None:
                late = "the dashboard is being evaluated, others before it; ask again for it"
                raise StoreUnavailable(late) from None
            full = await asyncio.to_thread(asked.made.answer)
        except Exception:
            asked.until = 0.0  # errors are not kept: the next one who asks may be luckier
            raise
        asked.ticks[full["watermark"]] = news.tick_of(full)
        while len(asked.ticks) > MOST_TICKS:
            asked.ticks.popitem(last=False)
        return full if since is None else news.newer(full, asked.ticks.get(since), since)

    async def once(self, definition: board.Definition, view: board.View) -> dict[str, Any]:
        """A definition that nobody saved, evaluated for one who edits it."""
        return await self._evaluate(Shown(definition, "", -1), view, board.Kept(most=50))

    def _question(self, shown: Shown, view: board.View) -> Asked:
        when: Hashable = (view.span.start, view.span.end) if view.absolute else view.span.length
        key = shown.definition.name, shown.version, shown.text, when, view.compare, tuple(sorted(view.chosen.items()))
        asked = self._asked.setdefault(key, Asked())
        self._asked.move_to_end(key)
        while len(self._asked) > MOST_KEPT:
            self._asked.popitem(last=False)
        return asked

    async def _evaluate(
        self, shown: Shown, view: board.View, kept: board.Kept | None = None, asked: Asked | None = None
    ) -> dict[str, Any]:
        self._house.opened()
        source = await self._source(shown.definition)
        made = await self._run(lambda: board.Board(shown.definition, source, view, kept or self._kept, shown.version))
        parts = await self._run(made.parts)
        if asked is not None:
            asked.made = made
        for part in parts:
            await self._run(part)
        return await self._run(made.answer)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await self._series.queries.run(lambda _: work())
        except Refused as refused:
            raise StoreBusy(refused.message) from None

    async def _source(self, definition: board.Definition) -> board.Source:
        wants = any(w.named and NAMED[w.named].reports for w in definition.widgets())
        problem = await self._report() if wants else None

        def reports() -> Sequence[Mapping[str, Any]]:
            if problem is not None:
                raise problem
            return self._reports[1]

        scan, store = self._series.scan(), self._house.opened()
        rules = partial(groups_of, self._house.settings)
        return board.Source(scan, scan.rows, store.query, reports, self._views, rules)

    async def _report(self) -> PitcheyError | None:
        """See to it that there are SLO reports; what is wrong when there are none yet."""
        until, found = self._reports
        if time.monotonic() < until:
            return None
        try:
            body = await asyncio.wait_for(self._slos.answer(None, None, "", None), REPORT_SECONDS)
        except TimeoutError:
            late: PitcheyError = StoreUnavailable("the SLOs are being evaluated; they come in a moment")
            return None if found else late
        except PitcheyError as error:
            return error
        parsed = await asyncio.to_thread(orjson.loads, body)
        self._reports = (time.monotonic() + KEEP_REPORTS, parsed["reports"])
        return None

    def _views(self, alerts: Sequence[Alert], now: datetime) -> list[dict[str, Any]]:
        """Alerts with what dispatch makes of them now; in a query thread."""
        config = self._alerting.routes.config if self._alerting.running else None
        silences = inbox.silences(self._house.opened())
        return [view_dict(view) for view in inbox.views(config, alerts, silences, now)]


def boards_of(request: Request) -> Boards:
    found = request.app.state.boards
    assert isinstance(found, Boards)
    return found
