"""Tree -> which samples are needed: the query's settings and limits, and one fetch per selector.

Selectors with the same matchers whose time ranges touch share one fetch (`x[5m]` and `x[1h]` of a burn-rate rule).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pitchey_slo.promql import tree
from pitchey_slo.promql.positions import fail
from pitchey_slo.promql.values import Grid

MINUTE = 60_000


@dataclass(frozen=True)
class Limits:
    """Bounds of one query; None is no bound. Going over one raises QueryError that names the bound.

    points: steps of the query, or of a subquery in it (Prometheus' HTTP API allows 11,000).
    series: series one selector may find. samples: samples one query may read. seconds: time one query may take.
    """

    points: int | None = None
    series: int | None = None
    samples: int | None = 500_000_000
    seconds: float | None = 120.0


@dataclass(frozen=True)
class Query:
    """A text and everything its answer depends on besides the data. Times in ms."""

    text: str
    grid: Grid
    limits: Limits = Limits()
    lookback_ms: int = 5 * MINUTE
    default_step_ms: int = MINUTE  #: of subqueries without one; Prometheus: its evaluation interval
    late_names: bool = False  #: Prometheus' feature flag promql-delayed-name-removal

    def pin(self, at: tree.At) -> int:
        return self.grid.start if at == "start" else self.grid.end if at == "end" else at

    def window_ends(self, node: tree.Selector | tree.Subquery, grid: Grid) -> Grid:
        """The ends of the windows a selector or subquery looks at: one for all steps when it is pinned by `@`."""
        if node.at is None:
            return Grid(grid.start - node.offset_ms, grid.step, grid.count)
        return Grid(self.pin(node.at) - node.offset_ms, grid.step, 1)

    def inner_grid(self, node: tree.Subquery, ends: Grid) -> Grid:
        """Steps of a subquery: the multiples of its step inside its windows, whatever the outer steps are."""
        step = node.step_ms or self.default_step_ms
        first = ((ends.start - node.range_ms) // step + 1) * step
        grid = Grid(first, step, max(0, (ends.end - first) // step + 1))
        self.check_points(grid, "the subquery", node.pos)
        return grid

    def check_points(self, grid: Grid, what: str, pos: int | None = None) -> None:
        most = self.limits.points
        if most is not None and grid.count > most:
            raise fail(f"{what} has {grid.count:,} steps, the limit is {most:,}; take a longer step", self.text, pos)


@dataclass(frozen=True)
class Fetch:
    """One read of the store: the selectors it serves, and the samples they need, `start_ms` and `end_ms` included."""

    selectors: tuple[tree.Selector, ...]
    start_ms: int
    end_ms: int


def plan(node: tree.Node, query: Query) -> list[Fetch]:
    """All fetches of an expression."""
    query.check_points(query.grid, "the query")
    fetches: list[Fetch] = []
    for need in sorted(_needs(node, query.grid, query), key=lambda fetch: fetch.start_ms):
        for i, have in enumerate(fetches):
            same = have.selectors[0].alternatives == need.selectors[0].alternatives
            if same and need.start_ms <= have.end_ms + 1:
                both = have.selectors + need.selectors
                fetches[i] = Fetch(both, have.start_ms, max(have.end_ms, need.end_ms))
                break
        else:
            fetches.append(need)
    return fetches


def _needs(node: tree.Node, grid: Grid, query: Query) -> Iterator[Fetch]:
    match node:
        case tree.Selector():
            yield _fetch(node, query.window_ends(node, grid), query.lookback_ms)
        case tree.Range():
            yield _fetch(node.selector, query.window_ends(node.selector, grid), node.range_ms)
        case tree.Subquery():
            inner = query.inner_grid(node, query.window_ends(node, grid))
            if inner.count:
                yield from _needs(node.expr, inner, query)
        case _:
            for child in tree.children(node):
                yield from _needs(child, grid, query)


def _fetch(selector: tree.Selector, ends: Grid, range_ms: int) -> Fetch:
    return Fetch((selector,), ends.start - range_ms + 1, ends.end)
