"""Rule, history and incidents in, a choice out: scores once per window, the sweep, the front, the hold-out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import numpy as np

from pitchey_slo.alert.rules import INTERVAL_SECONDS, QUERY_OFFSET_SECONDS, Rule
from pitchey_slo.analyse.backtest.episodes import Floats
from pitchey_slo.analyse.backtest.incidents import Incident, incidents_of
from pitchey_slo.analyse.backtest.score import GRACE
from pitchey_slo.analyse.tune import choose, grids, words
from pitchey_slo.analyse.tune.knob import Knob, window_of, with_window
from pitchey_slo.analyse.tune.model import WEEK_SECONDS, Cost, Fold, Tuning, Turn, point_of
from pitchey_slo.analyse.tune.scores import Scored, scored
from pitchey_slo.analyse.tune.sweep import Wanted, sweep
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Scan
from pitchey_slo.promql.values import Grid

#: (share that is done, what is being done)
Progress = Callable[[float, str], None]
#: A firing so long after the end of an incident is still meant for it: `for` and windows look back.
GRACE_SECONDS: Final = GRACE.total_seconds()
_PLAIN: Final = Cost()


def tune(
    rule: Rule,
    scan: Scan,
    start: datetime,
    end: datetime,
    incidents: Any,
    *,
    thresholds: Sequence[float] | None = None,
    fors: Sequence[float] | None = None,
    windows: Sequence[str] | None = None,
    cost: Cost = _PLAIN,
    interval_seconds: float = INTERVAL_SECONDS,
    query_offset: float = QUERY_OFFSET_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
    progress: Progress | None = None,
) -> Tuning:
    """Every (threshold, for, window) of one alerting rule over start <= t < end.

    incidents   labelled ones: a frame of `wb.incidents()`, rows, or `Incident`; those that begin in the time count, all
                of them explain firings
    thresholds  numbers for the comparison (for a burn rule the factor); from the data when left out
    fors        seconds; windows such as "5m" replace the one range that all selectors share
    cost        what a missed incident, a false firing, a minute and an hour of empty firing cost
    interval_seconds, query_offset   of the rule's group
    progress    is told the share that is done; what it raises ends the work

    The current threshold, `for` and window are always among what is tried. Raises QueryError when end is not after
    start, for recording rules, and for expressions that cannot be tuned.
    """
    begun = time.perf_counter()
    if end <= start:
        raise QueryError(f"the tuning ends ({end}) before it starts ({start})")
    if rule.kind != "alert":
        raise QueryError(f"{rule.name} is a recording rule; only alerting rules have a threshold to tune")
    begun_before = [i for i in incidents_of(incidents) if i.started_at < end]
    known = tuple(i for i in begun_before if start <= i.started_at)
    others = [i for i in begun_before if i.started_at < start]
    texts = _expressions(rule, windows)
    holds = tuple(sorted({float(f) for f in fors} | {rule.for_seconds})) if fors else grids.fors(
        rule.for_seconds, interval_seconds
    )  # fmt: skip
    fold_name, borders = grids.folds(start, end)
    fold_of = np.clip([np.searchsorted(_stamps(borders), _ms(i.started_at), "right") - 1 for i in known], 0, None)
    turns, knob = [], Knob()
    for n, (window, expr) in enumerate(texts):
        share = _share(progress, n, len(texts), rule.name)
        found = scored(replace(rule, expr=expr), scan, _grid(start, end, interval_seconds),
                       round(query_offset * 1000), partial(share, 0.0))  # fmt: skip
        knob = found.knob
        numbers = _numbers(found, thresholds, known)
        swept = sweep(
            found, found.limits(numbers), holds, rule.keep_firing_seconds,
            Wanted.of(known, others, found.labels, _ms(end), round(grace_seconds * 1000)),
            _stamps(borders), _ms(end), share,
        )  # fmt: skip
        covered = float(found.covered.mean()) if len(found.covered) else None
        turns.append(Turn(window, numbers, found.times, tuple(found.labels), swept,
                          cost.of(swept, fold_of.astype(np.int64), len(borders) - 1), covered, found.failed,
                          found.problem))  # fmt: skip
    made = _chosen(rule, knob, start, end, interval_seconds, holds, tuple(turns), known, cost, fold_name, borders,
                   fold_of.tolist())  # fmt: skip
    return replace(made, seconds=time.perf_counter() - begun, notes=tuple(_notes(made)))


def _expressions(rule: Rule, windows: Sequence[str] | None) -> list[tuple[str | None, str]]:
    """(window, expression): the rule as it is first."""
    found: list[tuple[str | None, str]] = [(None, rule.expr)]
    if windows:
        written = window_of(rule.expr)
        found += [(w, with_window(rule.expr, w)) for w in dict.fromkeys(windows) if w != written]
    return found


def _numbers(found: Scored, given: Sequence[float] | None, known: Sequence[Incident]) -> Floats:
    if found.knob.current is None or given is None:
        return grids.thresholds(found, known)
    return np.array(sorted({float(t) for t in given} | {found.knob.current}))


def _chosen(
    rule: Rule, knob: Knob, start: datetime, end: datetime, step: float, fors: tuple[float, ...],
    turns: tuple[Turn, ...], known: tuple[Incident, ...], cost: Cost, fold_name: str, borders: list[datetime],
    fold_of: list[int],
) -> Tuning:  # fmt: skip
    weeks = (end - start).total_seconds() / WEEK_SECONDS
    i = 0 if knob.current is None else int(np.flatnonzero(turns[0].thresholds == knob.current)[0])
    now = (0, i, fors.index(rule.for_seconds))

    def at(place: choose.Place) -> Any:
        return point_of(turns[place[0]], fors[place[2]], weeks, place)

    in_fold = [fold_of.count(k) for k in range(len(borders) - 1)]
    best = choose.pick([t.total for t in turns], now) if known else now
    left = choose.hold_out(turns, now, in_fold) if known else []
    place = choose.recommend(left, turns, now) if at(best).caught else now
    held = tuple(
        Fold(borders[e.fold], borders[e.fold + 1], in_fold[e.fold], at(e.chosen), e.cost, e.current) for e in left
    )
    current, chosen = at(now), at(place)
    sure = words.how_sure(left, len(known), chosen.caught, place != now)
    told = words.reasons(current, at(best), chosen, left, fold_name, sure, len(in_fold))
    return Tuning(
        rule, knob, start, end, step, fors, turns, known, cost, current, at(best), chosen,
        tuple(at(p) for p in choose.front(turns)), held, fold_name, sure, told,
    )  # fmt: skip


def _notes(made: Tuning) -> list[str]:
    """What lessens the numbers: missing data, evaluations that fail."""
    notes = []
    for turn in made.turns:
        where = f" ({turn.window})" if turn.window else ""
        if turn.covered is not None and turn.covered < 0.995:
            notes.append(f"the rule had data on {turn.covered:.1%} of the time{where}; without data it is silent")
        if turn.failed:
            notes.append(f"{turn.failed:,} evaluations fail{where}: {turn.problem}")
    return notes


def _share(progress: Progress | None, n: int, of: int, name: str) -> Callable[[float], None]:
    def tell(share: float) -> None:
        if progress is not None:
            progress((n + share) / of, name)

    return tell


def _grid(start: datetime, end: datetime, interval: float) -> Grid:
    """The evaluations of a group: whole multiples of its interval."""
    step = round(interval * 1000)
    first = math.ceil(start.timestamp() * 1000 / step) * step
    return Grid(first, step, max(0, math.ceil((end.timestamp() * 1000 - first) / step)))


def _ms(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)


def _stamps(moments: Sequence[datetime]) -> Any:
    return np.array([_ms(m) for m in moments], np.int64)
