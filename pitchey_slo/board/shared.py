"""One read per selector for all queries of a dashboard.

Most widgets of a dashboard look at the same few metrics. `Shared` is told beforehand what will be asked, reads each
selector once, over the time that all its askers need together, and answers each from that.

Askers who look at other labels of a metric do not share: the rate of a sum is not to the last digit the sum of rates
(extrapolation stops at zero, series by series), and a dashboard shall tell the number that the alert on the same
expression tells.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pitchey_slo.board.source import SeriesSource
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Matcher, SeriesBlock, parse
from pitchey_slo.promql.needs import needs_of, together
from pitchey_slo.promql.plan import Query, plan
from pitchey_slo.promql.values import Grid
from pitchey_slo.series import Labels

#: Matchers of a selector, and the labels that are looked at (None: all).
Key = tuple[tuple[Matcher, ...], frozenset[str] | None]


@dataclass
class Want:
    """One read: its time in ms, and the block once it was read."""

    start: int
    end: int
    block: SeriesBlock | None = None


class Shared:
    """`Scan` over another one; for one dashboard and one moment, and for any thread."""

    def __init__(self, source: SeriesSource) -> None:
        self._source = source
        self._wants: dict[Key, list[Want]] = {}
        self._lock = threading.Lock()

    def expect(self, expr: str, grid: Grid) -> None:
        """Say that an expression will be evaluated; one that is no PromQL is told when it is."""
        try:
            root = parse(expr)
            needs = needs_of(root)
            fetches = plan(root, Query(expr, grid))
        except (QueryError, RecursionError):
            return
        for fetch in fetches:
            alternatives = fetch.selectors[0].alternatives
            if len(alternatives) > 1:  # joined by the evaluator from several reads
                continue
            wanted = together(needs[selector] for selector in fetch.selectors)
            self._expect((_telling(alternatives[0]), wanted), Want(fetch.start_ms, fetch.end_ms))

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        told = _telling(matchers)
        key = told, None if needs is None else frozenset(needs)
        for want in self._wants.get(key, ()):
            if want.start <= start_ms and end_ms <= want.end:
                with self._lock:  # the second one waits and finds it
                    if want.block is None:
                        want.block = self._source.select(told, want.start, want.end, needs=needs)
                    return want.block
        return self._source.select(told, start_ms, end_ms, needs=needs)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        return self._source.series(matchers, start_ms, end_ms)

    def _expect(self, key: Key, new: Want) -> None:
        """Reads whose times touch become one."""
        apart: list[Want] = []
        for want in self._wants.get(key, ()):
            if want.start <= new.end + 1 and new.start <= want.end + 1:
                new = Want(min(want.start, new.start), max(want.end, new.end))
            else:
                apart.append(want)
        self._wants[key] = [*apart, new]


def _telling(matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Without those that every series fulfils: a variable of which everything is chosen."""
    return tuple(m for m in matchers if (m.op, m.value) != ("=~", ".*"))
