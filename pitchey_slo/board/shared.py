"""One read per selector for all queries of a dashboard.

Most widgets of a dashboard look at the same few metrics. `Shared` is told beforehand what will be asked, reads each
selector once, over the time and with the labels that all its askers need together, and answers each from that.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pitchey_slo.board.source import SeriesSource
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Matcher, SeriesBlock, parse
from pitchey_slo.promql.needs import needs_of, together
from pitchey_slo.promql.plan import Query, plan
from pitchey_slo.promql.values import Grid
from pitchey_slo.series import Labels

Key = tuple[Matcher, ...]


@dataclass
class Want:
    """One read: its time in ms, the labels that are looked at (None: all), and the block once it was read."""

    start: int
    end: int
    needs: frozenset[str] | None
    block: SeriesBlock | None = None

    def holds(self, start: int, end: int, needs: Collection[str] | None) -> bool:
        known = self.needs is None or (needs is not None and self.needs >= set(needs))
        return known and self.start <= start and end <= self.end


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
            self._expect(alternatives[0], Want(fetch.start_ms, fetch.end_ms, wanted))

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        for want in self._wants.get(tuple(matchers), ()):
            if want.holds(start_ms, end_ms, needs):
                with self._lock:  # the second one waits and finds it
                    if want.block is None:
                        want.block = self._source.select(matchers, want.start, want.end, needs=want.needs)
                    return want.block
        return self._source.select(matchers, start_ms, end_ms, needs=needs)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        return self._source.series(matchers, start_ms, end_ms)

    def _expect(self, key: Key, new: Want) -> None:
        """Reads whose times touch become one."""
        apart: list[Want] = []
        for want in self._wants.get(key, ()):
            if want.start <= new.end + 1 and new.start <= want.end + 1:
                new = Want(min(want.start, new.start), max(want.end, new.end), _both(want.needs, new.needs))
            else:
                apart.append(want)
        self._wants[key] = [*apart, new]


def _both(first: frozenset[str] | None, second: frozenset[str] | None) -> frozenset[str] | None:
    return together([first, second])


def expressions(found: Iterable[tuple[str, Grid]], source: SeriesSource) -> Shared:
    """A `Shared` that expects all of these."""
    shared = Shared(source)
    for expr, grid in found:
        shared.expect(expr, grid)
    return shared
