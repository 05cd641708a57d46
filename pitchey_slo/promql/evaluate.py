"""Tree and samples -> values: all series by all steps at once.

    evaluate / instant -> parse -> plan -> scan -> Evaluation.value(node) for each node -> Result

Every node is evaluated once, for the whole grid of steps. A subquery evaluates its expression on a grid of its own and
treats the result as samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import matching, operators, tree
from pitchey_slo.promql.aggregate import aggregate
from pitchey_slo.promql.functions import FUNCTIONS
from pitchey_slo.promql.needs import needs_of, together
from pitchey_slo.promql.parse import parse, too_deep
from pitchey_slo.promql.plan import Fetch, Limits, Query, plan
from pitchey_slo.promql.positions import fail, line_and_column
from pitchey_slo.promql.result import Result, finished, raw
from pitchey_slo.promql.scan import Bools, Floats, Scan, SeriesBlock, select_any
from pitchey_slo.promql.values import Grid, SameLabels, Scalar, Value, Vector, drop_names
from pitchey_slo.promql.windows import Kernel, Part, Windows
from pitchey_slo.series import STALE_BITS

MINUTE = 60_000
DEFAULT_LIMITS = Limits()
T = TypeVar("T")


def evaluate(
    expr: str,
    scan: Scan,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    *,
    limits: Limits = DEFAULT_LIMITS,
    lookback_ms: int = 5 * MINUTE,
    default_step_ms: int = MINUTE,
    late_names: bool = False,
) -> Result:
    """A range query: the expression at `start_ms`, `start_ms + step_ms`, ... up to `end_ms` (ms since 1970).

    `lookback_ms` is how old the newest sample of an instant selector may be; `default_step_ms` the step of subqueries
    without one; `late_names` Prometheus' delayed name removal. Raises QueryError.
    """
    if step_ms <= 0:
        raise QueryError(f"step {step_ms} ms; a positive number of milliseconds works")
    if end_ms < start_ms:
        raise QueryError(f"the query ends ({end_ms} ms) before it starts ({start_ms} ms)")
    grid = Grid(start_ms, step_ms, (end_ms - start_ms) // step_ms + 1)
    query = Query(expr, grid, limits, lookback_ms, default_step_ms, late_names)
    return Evaluation(query, parse(expr), scan).result("matrix")


def instant(
    expr: str,
    scan: Scan,
    time_ms: int,
    *,
    limits: Limits = DEFAULT_LIMITS,
    lookback_ms: int = 5 * MINUTE,
    default_step_ms: int = MINUTE,
    late_names: bool = False,
) -> Result:
    """An instant query: the expression at `time_ms`. Arguments and errors as for `evaluate`."""
    query = Query(expr, Grid(time_ms, 1, 1), limits, lookback_ms, default_step_ms, late_names)
    return Evaluation(query, parse(expr), scan).result("vector")


class Evaluation:
    """One run of one query. Functions get it as their first argument and ask it for the values of theirs."""

    def __init__(self, query: Query, root: tree.Node, scan: Scan, clock: Callable[[], float] = time.monotonic) -> None:
        self.query, self.root, self.clock = query, root, clock
        self.started = clock()
        self.warnings: dict[str, None] = {}  # an ordered set
        self.infos: dict[str, None] = {}
        self.blocks: dict[tree.Selector, SeriesBlock] = {}
        self.needs = needs_of(root)
        samples = 0
        for fetch in plan(root, query):
            self.check()
            block = self.fetch(scan, fetch)
            samples += len(block.ts)
            self.check_size(len(block.labels), samples, fetch.selectors[0].pos)
            self.blocks |= dict.fromkeys(fetch.selectors, block)

    def fetch(self, scan: Scan, fetch: Fetch) -> SeriesBlock:
        first = fetch.selectors[0]
        needs = together(self.needs[selector] for selector in fetch.selectors)
        return self.guard(lambda: select_any(scan, first.alternatives, fetch.start_ms, fetch.end_ms, needs), first)

    def result(self, kind: str) -> Result:
        try:
            return self._result(kind)
        except RecursionError:
            raise too_deep(self.query.text) from None

    def _result(self, kind: str) -> Result:
        with np.errstate(all="ignore"):
            if isinstance(self.root, tree.Range | tree.Subquery):
                if kind == "matrix":
                    raise fail("a range query needs numbers at each step, this is a range of samples", self.query.text)
                return raw(self.windows(self.root, self.query.grid), self.warnings, self.infos)
            value = self.value(self.root, self.query.grid)
            return self.guard(lambda: finished(value, kind, self.query.grid, self.warnings, self.infos), self.root)

    def value(self, node: tree.Node, grid: Grid) -> Value:
        """The value of any expression that is not a range."""
        self.check()
        match node:
            case tree.Number():
                return Scalar(np.full(grid.count, node.value))
            case tree.String():
                return node.value
            case tree.Selector():
                return self.selector(node, grid)
            case tree.Negate():
                return self.guard(lambda: operators.negate(self.value(node.expr, grid), self.query.late_names), node)
            case tree.Call():
                return self.guard(lambda: FUNCTIONS[node.name](self, node, grid), node)
            case tree.Aggregate():
                return self.guard(lambda: aggregate(self, node, grid), node)
            case tree.Binary():
                return self.guard(lambda: self.binary(node, grid), node)
        raise fail(f"{type(node).__name__} has no value here", self.query.text, node.pos)

    def vector(self, node: tree.Node, grid: Grid) -> Vector:
        value = self.value(node, grid)
        if not isinstance(value, Vector):
            raise fail("an instant vector is needed here", self.query.text, node.pos)
        return value

    def scalar(self, node: tree.Node, grid: Grid) -> Floats:
        value = self.value(node, grid)
        if not isinstance(value, Scalar):
            raise fail("a scalar is needed here", self.query.text, node.pos)
        return value.values

    def text(self, node: tree.Node) -> str:
        if not isinstance(node, tree.String):
            raise fail("a string is needed here", self.query.text, node.pos)
        return node.value

    def binary(self, node: tree.Binary, grid: Grid) -> Value:
        left, right = self.value(node.left, grid), self.value(node.right, grid)
        late = self.query.late_names
        if isinstance(left, Vector) and isinstance(right, Vector):
            if node.op in matching.SET_OPERATORS:
                return matching.SET_OPERATORS[node.op](left, right, node.matching)
            return matching.join(left, right, node, late)
        return operators.with_scalar(node.op, left, right, node.to_bool, late)

    def selector(self, node: tree.Selector, grid: Grid, kernel: Callable[[Part], Floats] | None = None) -> Vector:
        """The newest sample of each series in the lookback window; `kernel` may ask for something else of it."""
        ends = self.query.window_ends(node, grid)
        windows = Windows(self.blocks[node], self.query.lookback_ms, ends, grid, self.check)
        stale = windows.block.has_stale

        def newest(part: Part) -> tuple[Floats, Bools]:
            some, last = part.some, np.maximum(part.hi - 1, 0)
            if not len(part.ts):
                return np.zeros(part.lo.shape), some
            values = part.values[last]
            if stale:
                some &= values.view(np.int64) != STALE_BITS
            return (values if kernel is None else kernel(part)), some

        return Vector.of(windows.block.labels, *windows.apply(newest))

    def windows(self, node: tree.Node, grid: Grid) -> Windows:
        """The windows of a range selector or a subquery."""
        match node:
            case tree.Range():
                ends = self.query.window_ends(node.selector, grid)
                return Windows(self.blocks[node.selector].fresh(), node.range_ms, ends, grid, self.check)
            case tree.Subquery():
                ends = self.query.window_ends(node, grid)
                inner = self.query.inner_grid(node, ends)
                return Windows(self.subquery(node, inner), node.range_ms, ends, grid, self.check)
        raise fail("a range vector is needed here", self.query.text, node.pos)

    def subquery(self, node: tree.Subquery, grid: Grid) -> SeriesBlock:
        value = self.value(node.expr, grid) if grid.count else Vector.empty(0)
        if isinstance(value, Scalar):
            value = Vector.of([lb.NONE], value.values[None], np.ones((1, grid.count), np.bool_))
        assert isinstance(value, Vector)  # the parser lets no string through
        rows, columns = np.nonzero(value.present)
        offsets = np.concatenate([[0], np.cumsum(value.present.sum(axis=1))]).astype(np.int64)
        return SeriesBlock(value.labels, grid.times[columns], value.values[rows, columns], offsets, value.unnamed)

    def over(self, node: tree.Node, grid: Grid, kernel: Kernel) -> Vector:
        """A function of a range, whose result has no metric name."""
        windows = self.windows(node, grid)
        return self.nameless(Vector.of(windows.block.labels, *windows.apply(kernel)))

    def nameless(self, vector: Vector) -> Vector:
        return drop_names(vector, late=self.query.late_names)

    def guard(self, run: Callable[[], T], node: tree.Node) -> T:
        """Runs one node; complaints of the pure parts get the text and the place."""
        try:
            return run()
        except SameLabels as same:
            problem = f"vector cannot contain metrics with the same labelset: {same}"
            raise fail(problem, self.query.text, node.pos) from None
        except matching.Unmatched as unmatched:
            raise fail(str(unmatched), self.query.text, node.pos) from None
        except QueryError as error:
            if error.detail is not None:
                raise
            raise fail(error.message, self.query.text, node.pos) from None

    def warn(self, message: str, pos: int | None) -> None:
        self.warnings[f"PromQL warning: {message}{self._place(pos)}"] = None

    def inform(self, message: str, pos: int | None) -> None:
        self.infos[f"PromQL info: {message}{self._place(pos)}"] = None

    def _place(self, pos: int | None) -> str:
        if pos is None:
            return ""
        line, column = line_and_column(self.query.text, pos)
        return f" ({line}:{column})"

    def check(self) -> None:
        """Refuses to go on when the time is up."""
        most = self.query.limits.seconds
        if most is not None and self.clock() - self.started > most:
            raise fail(f"the query took longer than {most:g} s; ask for less time or fewer series", self.query.text)

    def check_size(self, series: int, samples: int, pos: int | None) -> None:
        limits = self.query.limits
        if limits.series is not None and series > limits.series:
            raise fail(f"{series:,} series, the limit is {limits.series:,}; add matchers", self.query.text, pos)
        if limits.samples is not None and samples > limits.samples:
            problem = f"{samples:,} samples, the limit is {limits.samples:,}; ask for less time or fewer series"
            raise fail(problem, self.query.text, pos)
