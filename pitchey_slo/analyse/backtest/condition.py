"""Where a rule's expression holds, for every step of a stretch of history: the live question, asked for all at once.

    condition(rule, scan, start_ms, end_ms, step_ms) -> times, alerts by steps, values

A rule evaluated live at `t` sees the data of `t - query_offset`; so it does here. The whole grid is one range query. A
stretch that cannot be computed at once (an error at some step, too many series) is cut in halves, down to the single
step that fails: live such an evaluation changes nothing, so its step is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from pitchey_slo.alert.evaluate import ask
from pitchey_slo.alert.rules import QUERY_OFFSET_SECONDS, Rule
from pitchey_slo.analyse.backtest.coverage import covered, windows
from pitchey_slo.analyse.backtest.episodes import Bools, Floats, Ints
from pitchey_slo.analyse.backtest.naming import named
from pitchey_slo.analyse.backtest.reads import SharedReads, TooMuch
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Limits, Scan, parse, tree
from pitchey_slo.promql.evaluate import Evaluation
from pitchey_slo.promql.plan import Query
from pitchey_slo.promql.values import Grid
from pitchey_slo.series import Labels

#: Steps of subqueries that give none, as live.
SUBQUERY_STEP_MS: Final = 15_000
LIMITS: Final = Limits(samples=2_000_000_000, seconds=None)
#: Extra evaluations that errors may cost one rule; what is left then counts as failed without a try.
_TRIES: Final = 400

Check = Callable[[], None]
Piece = TypeVar("Piece")


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Condition:
    """One rule over one stretch.

    times      of the evaluations, ms since 1970; those that failed are left out
    labels     of the alerts (of the series, for a recording rule)
    value      series by steps, NaN where there is none; `holds` says where there is one (NaN is a value, too)
    covered    at which steps any selector had data; `seen` are the selectors that had some at any step
    failed     evaluations that failed, `problem` the first one's
    """

    times: Ints
    labels: list[Labels]
    value: Floats
    holds: Bools
    covered: Bools
    seen: frozenset[str] = frozenset()
    failed: int = 0
    problem: str | None = None


def condition(
    rule: Rule,
    scan: Scan,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    *,
    offset_ms: int = round(QUERY_OFFSET_SECONDS * 1000),
    limit: int = 0,
    check: Check = _nothing,
) -> Condition:
    """The condition of a rule at `start_ms`, `start_ms + step_ms`, ... up to `end_ms`, which are times of evaluations.

    offset_ms  of its group: how much older the data are
    limit      of its group: more alerts than this at one step are an error
    check      is called now and then; what it raises ends the work

    Never fails for what a query does: failed steps are counted.
    """
    grid = Grid(start_ms, step_ms, max(0, (end_ms - start_ms) // step_ms + 1))
    reads = scan if isinstance(scan, SharedReads) else SharedReads(scan)
    return together(list(pieces(rule, reads, grid, offset_ms, limit, check)))


def pieces(
    rule: Rule, scan: SharedReads, grid: Grid, offset_ms: int, limit: int = 0, check: Check = _nothing
) -> Iterator[Condition]:
    """The same in pieces, as they fit into memory; each begins after the one before it."""
    root = pinned(parse(rule.expr))
    return in_halves(
        grid, scan, lambda part: _evaluated(rule, root, scan, part, offset_ms, limit, check), _failed, check, _TRIES
    )


def in_halves(
    grid: Grid,
    scan: SharedReads,
    evaluate: Callable[[Grid], Piece],
    failed: Callable[[Grid, QueryError], Piece],
    check: Check,
    tries: int,
    *,
    fatal: tuple[type[QueryError], ...] = (),
) -> Iterator[Piece]:
    """`evaluate` over the grid; where that fails over its halves, down to the steps that fail alone (`failed`), and
    for no more than `tries` failures that are not about memory. Errors in `fatal` are raised at once."""
    left = tries

    def run(part: Grid) -> Iterator[Piece]:
        nonlocal left
        check()
        if not part.count:
            return
        try:
            scan.steps = part.count
            yield evaluate(part)
            return
        except QueryError as error:
            if not isinstance(error, TooMuch):
                if isinstance(error, fatal):
                    raise
                left -= 1
            if part.count == 1 or left <= 0:
                yield failed(part, error)
                return
        half = part.count // 2
        yield from run(Grid(part.start, part.step, half))
        yield from run(Grid(part.start + half * part.step, part.step, part.count - half))

    return run(grid)


def _evaluated(
    rule: Rule, root: tree.Node | None, scan: SharedReads, grid: Grid, offset_ms: int, limit: int, check: Check
) -> Condition:
    data = Grid(grid.start - offset_ms, grid.step, grid.count)
    if root is None:
        return _step_by_step(rule, scan, grid, offset_ms, limit, check)
    query = Query(rule.expr, data, LIMITS, default_step_ms=SUBQUERY_STEP_MS)
    evaluation = Evaluation(query, root, scan)
    result = evaluation.result("matrix")
    there, seen = covered(windows(root), evaluation.blocks, data.times, check)
    found = Condition(grid.times, list(result.labels), result.values, result.present, there, seen)
    return as_alerts(rule, found, scan, offset_ms, limit)


def as_alerts(rule: Rule, found: Condition, scan: SharedReads, offset_ms: int, limit: int) -> Condition:
    """The condition with the labels of its alerts, without the steps that live would be errors."""
    bad = np.zeros(len(found.times), np.bool_)
    problem = None
    if rule.kind == "alert":
        as_named = named(
            rule, found.labels, found.value, found.holds, found.times, offset_ms, lambda text, at: ask(text, scan, at)
        )
        bad |= as_named.clash
        if bad.any():
            problem = "two series would be the same alert: same labels after applying alert labels"
        found = replace(found, labels=as_named.labels, value=as_named.value, holds=as_named.holds)
    else:
        found = replace(found, value=np.where(found.holds, found.value, np.nan))
    if limit:
        many = found.holds.sum(axis=0) > limit
        problem = problem or (f"exceeded limit of {limit}" if many.any() else None)
        bad |= many
    if not bad.any():
        return found
    keep = ~bad
    return Condition(
        found.times[keep], found.labels, found.value[:, keep], found.holds[:, keep], found.covered[keep], found.seen,
        found.failed + int(bad.sum()), problem,
    )  # fmt: skip


def pinned(root: tree.Node) -> tree.Node | None:
    """The tree with `@ start()` and `@ end()` as live understands them, where every evaluation is a query of its own:
    both mean now. None when one stands inside a subquery: then each step needs a query of its own here, too."""
    if any(_relative(inside) for node in _every(root) if isinstance(node, tree.Subquery) for inside in _below(node)):
        return None
    return _without_pins(root)


def _relative(node: tree.Node) -> bool:
    return isinstance(node, tree.Selector | tree.Subquery) and node.at in ("start", "end")


def _every(node: tree.Node) -> Iterator[tree.Node]:
    yield node
    yield from _below(node)


def _below(node: tree.Node) -> Iterator[tree.Node]:
    for child in tree.children(node):
        yield from _every(child)


def _without_pins(node: tree.Node) -> tree.Node:
    if not any(_relative(each) for each in _every(node)):
        return node
    match node:
        case tree.Selector():
            return replace(node, at=None)
        case tree.Range():
            return replace(node, selector=replace(node.selector, at=None))
        case tree.Subquery():
            return replace(node, at=None if _relative(node) else node.at)
        case tree.Negate():
            return replace(node, expr=_without_pins(node.expr))
        case tree.Call():
            return replace(node, args=tuple(_without_pins(arg) for arg in node.args))
        case tree.Aggregate():
            param = node.param and _without_pins(node.param)
            return replace(node, expr=_without_pins(node.expr), param=param)
        case tree.Binary():
            return replace(node, left=_without_pins(node.left), right=_without_pins(node.right))
    return node


def _step_by_step(
    rule: Rule, scan: SharedReads, grid: Grid, offset_ms: int, limit: int, check: Check
) -> Condition:  # fmt: skip
    """The slow way: one query per step."""
    parts = []
    for at in grid.times.tolist():
        check()
        step = Grid(at - offset_ms, 1, 1)
        scan.steps = 1
        try:
            evaluation = Evaluation(
                Query(rule.expr, step, LIMITS, default_step_ms=SUBQUERY_STEP_MS), parse(rule.expr), scan
            )
            result = evaluation.result("vector")
            there, seen = covered(windows(evaluation.root), evaluation.blocks, step.times, check)
            found = Condition(np.array([at]), list(result.labels), result.values, result.present, there, seen)
            parts.append(as_alerts(rule, found, scan, offset_ms, limit))
        except QueryError as error:
            parts.append(_failed(Grid(at, 1, 1), error))
    return together(parts)


def _failed(grid: Grid, error: QueryError) -> Condition:
    detail = error.detail if isinstance(error.detail, dict) else {}
    empty = np.empty(0, np.int64)
    nothing = np.empty((0, 0))
    return Condition(
        empty, [], nothing, nothing.astype(np.bool_), empty.astype(np.bool_), frozenset(), grid.count,
        str(detail.get("problem", error.message)),
    )  # fmt: skip


def together(parts: Sequence[Condition]) -> Condition:
    """One condition of several that follow each other."""
    if len(parts) == 1:
        return parts[0]
    rows: dict[Labels, int] = {}
    for part in parts:
        for labels in part.labels:
            rows.setdefault(labels, len(rows))
    steps = sum(len(part.times) for part in parts)
    value, holds = np.full((len(rows), steps), np.nan), np.zeros((len(rows), steps), np.bool_)
    at = 0
    for part in parts:
        where = [rows[labels] for labels in part.labels]
        columns = slice(at, at + len(part.times))
        if where:
            value[where, columns], holds[where, columns] = part.value, part.holds
        at += len(part.times)
    return Condition(
        np.concatenate([p.times for p in parts]) if parts else np.empty(0, np.int64),
        list(rows),
        value,
        holds,
        np.concatenate([p.covered for p in parts]) if parts else np.empty(0, np.bool_),
        frozenset().union(*(p.seen for p in parts)),
        sum(p.failed for p in parts),
        next((p.problem for p in parts if p.problem), None),
    )
