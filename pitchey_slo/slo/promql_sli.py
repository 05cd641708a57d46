"""Good, bad and valid per minute for SLIs that are PromQL.

A minute [t - 60 s, t) of the other SLIs is here (t - 60 s, t], as PromQL's windows are: a sample at t belongs to it.

    counter: true         what its series count. Of a selector, or a sum of one, every sample is read: each step from a
                          sample to the next counts where the later one stands; a fall is a reset, and what the counter
                          has reached since counts. Anything else is asked at the end of each minute, and differences
                          of those values count in the same way
    has {{.window}}       what it gives with 1m put there; `sum(rate(x[{{.window}}]))` and the like mean the counter x,
                          which is counted sample by sample as above, so nothing is extrapolated
    counter: false        its value at the end of a minute is the number of events of that minute. A rate() is per
                          second, so it is taken 60 times; an increase() over five minutes is taken a fifth
    threshold             each series with a value at the end of a minute is one event, good when the value is
    raw ratio             the value at the end of a minute is the share of it that was good (or bad): the unit is the
                          minute, and each weighs the same. Outside [0, 1] it is held there, and named

Values of a minute must be of that minute: where none came, nothing is known of it. A gap is never zero.
"""

from __future__ import annotations

import re
import time as clock
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from pitchey_slo.errors import ConfigError, QueryError, SloError
from pitchey_slo.promql import Matcher, Result, Scan, SeriesBlock, evaluate, parse, tree
from pitchey_slo.promql.scan import Bools, select_any
from pitchey_slo.slo.findings import Floats, Provenance
from pitchey_slo.slo.model import MetricSource, Raw, Threshold
from pitchey_slo.slo.notes import Odd
from pitchey_slo.slo.series_steps import APART_MS, MINUTE_MS, Steps, Walk, joined
from pitchey_slo.slo.sli import Asked, Minutes

#: Minutes evaluated at once: a day's worth of samples of a thousand series stays small.
CHUNK = 1440
_WINDOW = re.compile(r"\{\{\s*\.window\s*\}\}")
_OPS: dict[str, Callable[[Floats, float], Bools]] = {
    "lte": np.less_equal,
    "gte": np.greater_equal,
    "lt": np.less,
    "gt": np.greater,
}
_PER_SECOND = ("rate", "irate")
_DIFFERENCES = ("increase", "delta", "idelta", "deriv", "resets", "changes")


@dataclass(frozen=True, eq=False)
class Counted:
    """One objective: its minutes, what was odd, where it comes from, and what it counts."""

    minutes: Minutes
    odd: tuple[Odd, ...]
    provenance: Provenance
    noun: str


@dataclass
class Counting:
    """Answers queries over the minutes start <= t < end of one scan; equal ones once."""

    scan: Scan | None
    start: int
    end: int
    _known: dict[tuple[str, str], tuple[Steps, _Read]] = field(default_factory=dict)

    def count(self, asked: Asked) -> Counted:
        """SloError, or ConfigError with file and line, for what cannot be answered."""
        if self.scan is None:
            raise SloError(f"{asked.slo.name}: its SLI is PromQL, which needs series: evaluate(..., scan=...)")
        began, metric, goal = clock.perf_counter(), asked.indicator.metric, asked.objective
        reads: list[_Read] = []

        def steps(kind: str, source: MetricSource, run: Callable[[_Read], Steps]) -> Steps:
            found, read = self._once(kind, source, run)
            reads.append(read)
            return found

        if isinstance(metric, Raw):
            given = steps("value", metric.source, lambda read: self._one_value(metric.source, read))
            minutes, odd = _shares(given, metric)
            texts, noun = [("raw", metric.source)], "minutes"
        elif isinstance(metric, Threshold):
            kind = f"{goal.op} {goal.value}"
            judged = steps(kind, metric.source, lambda read: self._judged(asked, metric.source, read))
            minutes = Minutes(judged.at, judged.part, judged.sum, judged.sum, judged.sum, judged.other)
            odd, texts, noun = (), [("value", metric.source)], "measurements"
        else:
            part = metric.bad or metric.good
            assert part is not None
            way = "counter" if metric.counter else "count"
            total, found = (
                steps(way, s, lambda read, s=s: self._amount(s, counter=metric.counter, read=read))  # type: ignore[misc]  # mypy has no type for a lambda's default
                for s in (metric.total, part)
            )
            minutes, odd = _ratio(total, found, subtract=metric.bad is not None), joined(total.odd, found.odd)
            texts, noun = [("total", metric.total), ("bad" if metric.bad else "good", part)], "events"
        promql = ";\n".join(f"{name}: {source.query}" for name, source in texts)
        newest = max((r.newest for r in reads if r.newest is not None), default=None)
        watermark = None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)
        samples = sum(r.samples for r in reads)
        provenance = Provenance("", samples, watermark, clock.perf_counter() - began, promql)
        return Counted(minutes, odd, provenance, noun)

    def _once(self, kind: str, source: MetricSource, run: Callable[[_Read], Steps]) -> tuple[Steps, _Read]:
        key = (kind, source.query)
        if key not in self._known:
            assert self.scan is not None
            read = _Read(self.scan)
            try:
                self._known[key] = (run(read), read)
            except QueryError as error:
                place = source.place
                raise ConfigError(error.message, file=place.file, line=place.line, key=place.key) from None
        return self._known[key]

    def _amount(self, source: MetricSource, *, counter: bool, read: _Read) -> Steps:
        """Events of each minute, over all series of the query."""
        text = _WINDOW.sub("1m", source.query)
        node, placed = parse(text), text != source.query
        selector = _selector(node) if counter and not placed else _selector(_of_rate(node))
        if selector is not None:
            return self._walk(lambda a, b: select_any(read, selector.alternatives, a, b, frozenset()))
        if counter and not placed:
            wrong = {n.name for n in _all(node) if isinstance(n, tree.Call)} & {*_PER_SECOND, *_DIFFERENCES}
            if wrong:
                raise QueryError(f"counter: true, but {min(wrong)}() of a counter is none; write counter: false")
            return self._walk(lambda a, b: _block(evaluate(text, read, a // MINUTE_MS * MINUTE_MS, b, MINUTE_MS)))
        return self._counts(text, _per_minute(node), read)

    def _walk(self, block: Callable[[int, int], SeriesBlock]) -> Steps:
        """Steps of counters, chunk by chunk; `block(a, b)` has the samples of a <= t <= b in milliseconds."""
        walk = Walk(self.start, self.end)
        for first, last in self._chunks():
            # the first step starts from the newest sample before it
            early = APART_MS if first == self.start else 0
            walk.add(block(first * MINUTE_MS - early + 1, last * MINUTE_MS))
        return walk.steps()

    def _counts(self, text: str, times: float, read: _Read) -> Steps:
        """The value at the end of each minute as events: the sum of its series, never below 0."""
        total, some, low = self._minutes(), self._minutes(), self._minutes()
        for place, values, present in self._values(text, read):
            good = present & np.isfinite(values)
            kept = np.where(good, values, 0.0) * times
            total[place] += np.maximum(kept, 0.0).sum(axis=0)
            some[place] += good.sum(axis=0)
            low[place] += (kept < 0).sum(axis=0)
        at = np.flatnonzero(some) + self.start
        odd = Odd("out_of_range", np.flatnonzero(low) + self.start, low[low > 0])
        return Steps(at, total[some > 0], some[some > 0], (odd,))

    def _judged(self, asked: Asked, source: MetricSource, read: _Read) -> Steps:
        """Values of each minute: how many, how many of them good, and how many are no number."""
        goal = asked.objective
        holds, limit = _OPS[goal.op or "lte"], float(goal.value or 0.0)
        valid, good, nan = self._minutes(), self._minutes(), self._minutes()
        for place, values, present in self._values(_WINDOW.sub("1m", source.query), read):
            number = present & ~np.isnan(values)
            valid[place] += number.sum(axis=0)
            nan[place] += (present & np.isnan(values)).sum(axis=0)
            with np.errstate(invalid="ignore"):
                good[place] += (number & holds(values, limit)).sum(axis=0)
        seen = (valid > 0) | (nan > 0)
        return Steps(np.flatnonzero(seen) + self.start, valid[seen], valid[seen], (), good[seen], nan[seen])

    def _one_value(self, source: MetricSource, read: _Read) -> Steps:
        """The one value of each minute; `other` where it is no number."""
        total, some, nan = self._minutes(), self._minutes(), self._minutes()
        for place, values, present in self._values(_WINDOW.sub("1m", source.query), read):
            if (present.sum(axis=0) > 1).any():
                many = int(present.sum(axis=0).max())
                hint = "put avg(...), min(...) or a ratio of sums around it"
                raise QueryError(f"a raw ratio is one number at a time, this gives {many}; {hint}")
            number = present & ~np.isnan(values)
            total[place] += np.where(number, values, 0.0).sum(axis=0)
            some[place] += number.sum(axis=0)
            nan[place] += (present & np.isnan(values)).sum(axis=0)
        seen = (some > 0) | (nan > 0)
        return Steps(np.flatnonzero(seen) + self.start, total[seen], some[seen], (), None, nan[seen])

    def _values(self, text: str, read: _Read) -> Iterator[tuple[slice, Floats, Bools]]:
        """(minutes, values, present), series by minutes. Selectors look back one minute: a value counts once."""
        for first, last in self._chunks():
            a, b = (first + 1) * MINUTE_MS, last * MINUTE_MS
            result = evaluate(text, read, a, b, MINUTE_MS, lookback_ms=MINUTE_MS)
            if result.kind == "string":
                raise QueryError(f"{text!r} is a text; a number is needed")
            yield slice(first - self.start, last - self.start), result.values, result.present

    def _chunks(self) -> list[tuple[int, int]]:
        return [(at, min(at + CHUNK, self.end)) for at in range(self.start, self.end, CHUNK)]

    def _minutes(self) -> Floats:
        return np.zeros(max(0, self.end - self.start))


class _Read:
    """A scan that notes how many samples it gave and the newest of them."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.samples = 0
        self.newest: int | None = None

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """As `Scan.select`."""
        block = self._scan.select(matchers, start_ms, end_ms, needs=needs)
        self.samples += len(block.ts)
        inside = block.ts[block.ts <= end_ms]
        if len(inside):
            self.newest = max(int(inside.max()), self.newest or 0)
        return block


def _shares(given: Steps, metric: Raw) -> tuple[Minutes, tuple[Odd, ...]]:
    """A raw ratio as minutes of weight one."""
    some = given.count > 0
    with np.errstate(invalid="ignore"):
        held = np.clip(given.sum, 0.0, 1.0)
        off = some & (np.abs(given.sum - held) > 1e-9)
    valid = some.astype(np.float64)
    good = np.where(some, held if metric.raw_type == "success" else 1.0 - held, 0.0)
    odd = Odd("out_of_range", given.at[off], off[off].astype(np.float64))
    return Minutes(given.at, good, valid, valid, valid, given.other), (odd,)


def _ratio(total: Steps, part: Steps, *, subtract: bool) -> Minutes:
    """Minutes with data are those of the total. Where only it has data the part is 0: a series of failures may not
    exist before the first one."""
    some = part.sum != 0
    part = Steps(part.at[some], part.sum[some], part.count[some])
    at = np.union1d(total.at, part.at)
    valid, rows, counted = np.zeros(len(at)), np.zeros(len(at)), np.zeros(len(at))
    place = np.searchsorted(at, total.at)
    valid[place], rows[place] = total.sum, total.count
    counted[np.searchsorted(at, part.at)] = part.sum
    return Minutes(at, valid - counted if subtract else counted, valid, valid, rows, np.zeros(len(at)))


def _selector(node: tree.Node | None) -> tree.Selector | None:
    """The selector that this is, or is a sum of; None when it is anything else, or looks at another time."""
    while isinstance(node, tree.Aggregate) and node.op == "sum":
        node = node.expr
    plain = isinstance(node, tree.Selector) and not node.offset_ms and node.at is None
    return node if plain and isinstance(node, tree.Selector) else None


def _of_rate(node: tree.Node) -> tree.Node | None:
    """x of `rate(x[1m])`, `increase(x[1m])` and sums of them: both mean what the counter x counts in a minute."""
    while isinstance(node, tree.Aggregate) and node.op == "sum":
        node = node.expr
    if isinstance(node, tree.Call) and node.name in ("rate", "increase"):
        inner = node.args[0]
        if isinstance(inner, tree.Range) and inner.range_ms == MINUTE_MS:
            return inner.selector
    return None


def _per_minute(node: tree.Node) -> float:
    """What a value is taken times to be a number of events per minute. QueryError where that is not one number."""
    calls = [n for n in _all(node) if isinstance(n, tree.Call) and n.name in (*_PER_SECOND, *_DIFFERENCES)]
    times = {60.0 if c.name in _PER_SECOND else _share(c) for c in calls}
    if len(times) > 1:
        names = " and ".join(sorted({f"{c.name}()" for c in calls}))
        raise QueryError(f"{names} are not over the same time: use one of them, with {{{{.window}}}}")
    return times.pop() if times else 1.0


def _share(call: tree.Call) -> float:
    """An increase over five minutes is five times that of one."""
    inner = call.args[0] if call.args else None
    return MINUTE_MS / inner.range_ms if call.name == "increase" and isinstance(inner, tree.Range) else 1.0


def _all(node: tree.Node) -> list[tree.Node]:
    return [node, *(n for child in tree.children(node) for n in _all(child))]


def _block(result: Result) -> SeriesBlock:
    """A matrix as samples."""
    _, columns = np.nonzero(result.present)
    offsets = np.concatenate([[0], np.cumsum(result.present.sum(axis=1))]).astype(np.int64)
    return SeriesBlock(result.labels, result.times[columns], result.values[result.present], offsets)
