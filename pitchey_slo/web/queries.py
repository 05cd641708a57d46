"""PromQL for the routes: bounded in points, samples, series and seconds, in two threads of its own.

A PromQL text is only numbers and labels to the evaluator, never SQL, so it may run in the process that ingests; what it
may take is bounded here. Deliveries are decoded in other threads, and a query that waits for a thread does not wait
longer than its time.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Limits, Matcher, Result, SeriesBlock, parse, tree
from pitchey_slo.promql.evaluate import Evaluation
from pitchey_slo.promql.plan import Query
from pitchey_slo.promql.values import Grid
from pitchey_slo.series import Labels
from pitchey_slo.web.prometheus_given import FIRST_MS, LAST_MS, Alternatives, Refused, problem_of

T = TypeVar("T")


@dataclass(frozen=True)
class QueryLimits:
    """What one query may take. `points`: steps of a range query; `samples` it reads; `cells`: series times steps of its
    widest part (9 bytes each, several at a time); `answer`: points of the result; `concurrent` queries run while
    `waiting` others wait."""

    points: int = 11_000
    samples: int = 50_000_000
    cells: int = 30_000_000
    answer: int = 5_000_000
    seconds: float = 120.0
    concurrent: int = 2
    waiting: int = 32
    lookback_ms: int = 300_000


class Source(Protocol):
    """All series there are: stored ones and those that events become. `series` reads no values."""

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock: ...

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]: ...


class Queries:
    """Runs queries on what `source()` gives."""

    def __init__(self, source: Callable[[], Source], limits: QueryLimits) -> None:
        self._source = source
        self.limits = limits
        self._pool = ThreadPoolExecutor(limits.concurrent, thread_name_prefix="query")
        self.running = 0
        self._closing = False

    def close(self) -> None:
        """End running queries at the next point where they look at the time."""
        self._closing = True
        self._pool.shutdown(cancel_futures=True)

    def _clock(self) -> float:
        return math.inf if self._closing else time.monotonic()

    async def range(
        self, expr: str, start: int, end: int, step: int, *, seconds: float | None = None, lookback: int | None = None
    ) -> Result:
        """The expression at each step; times in ms. Raises Refused."""
        return await self._evaluate("matrix", expr, Grid(start, step, (end - start) // step + 1), seconds, lookback)

    async def instant(self, expr: str, at: int, *, seconds: float | None = None, lookback: int | None = None) -> Result:
        """The expression at one time, in ms. Raises Refused."""
        return await self._evaluate("vector", expr, Grid(at, 1, 1), seconds, lookback)

    async def series(self, selectors: Sequence[Alternatives], start: int, end: int) -> list[Labels]:
        """Labels of the series that fulfil any of the selectors and have samples in that time; all without one."""
        start, end = within(start), within(end)

        def work(_: float) -> list[Labels]:
            source = self._source()
            if not selectors:
                return sorted(source.series([], start, end))
            found = {
                labels
                for alternatives in selectors
                for matchers in alternatives
                for labels in source.series(matchers, start, end)
            }
            return sorted(found)

        return await self.run(work)

    async def newest(self, selectors: Sequence[Sequence[Matcher]], at: int) -> list[SeriesBlock]:
        """The samples of the lookback before `at`, one block per selector."""
        since = at - self.limits.lookback_ms + 1
        return await self.run(lambda _: [self._source().select(each, since, at) for each in selectors])

    async def run(self, work: Callable[[float], T], seconds: float | None = None) -> T:
        """`work(seconds left)` in a query thread. Raises Refused when too many wait, or when it waited too long."""
        seconds = self.limits.seconds if seconds is None else min(seconds, self.limits.seconds)
        deadline = time.monotonic() + seconds
        if self.running >= self.limits.concurrent + self.limits.waiting:
            raise Refused("unavailable", f"{self.running} queries are running or waiting", 503, {"Retry-After": "1"})
        self.running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, timed, work, deadline)
        finally:
            self.running -= 1

    async def _evaluate(self, kind: str, expr: str, grid: Grid, seconds: float | None, lookback: int | None) -> Result:
        def work(left: float) -> Result:
            started, node = self._clock(), parse(expr)
            widest = widest_grid(node, Query(expr, grid))
            if widest > self.limits.cells:
                raise Refused("execution", f"a subquery has {widest:,} steps; take a longer step", 422)
            limits = Limits(None, self.limits.cells // max(widest, 1), self.limits.samples, left)
            query = Query(expr, grid, limits, lookback or self.limits.lookback_ms)
            try:
                result = Evaluation(query, node, Bounded(self._source()), self._clock).result(kind)
            except QueryError as error:
                if self._clock() - started >= left:
                    raise Refused("timeout", "query timed out in expression evaluation", 503) from None
                raise Refused("execution", problem_of(error), 422) from None
            except MemoryError:
                raise Refused("execution", "the query needs more memory than there is", 422) from None
            points = int(result.present.sum())
            if points > self.limits.answer:
                problem = f"the result has {points:,} points, the limit is {self.limits.answer:,}; aggregate"
                raise Refused("execution", problem, 422)
            return result

        return await self.run(work, seconds)


def timed(work: Callable[[float], T], deadline: float) -> T:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Refused("timeout", "query timed out in query queue", 503)
    return work(left)


@dataclass(frozen=True)
class Bounded:
    """A source that is never asked for times no calendar knows."""

    source: Source

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        return self.source.select(matchers, within(start_ms), within(end_ms), needs=needs)


def within(ms: int) -> int:
    return min(max(ms, FIRST_MS), LAST_MS)


def widest_grid(node: tree.Node, query: Query) -> int:
    """Steps of the longest grid on which any part of a query is evaluated: subqueries have grids of their own."""
    widest = query.grid.count
    waiting = [(node, query.grid)]
    while waiting:
        part, grid = waiting.pop()
        if isinstance(part, tree.Subquery):
            grid = query.inner_grid(part, query.window_ends(part, grid))
            widest = max(widest, grid.count)
        waiting += [(child, grid) for child in tree.children(part)]
    return widest
