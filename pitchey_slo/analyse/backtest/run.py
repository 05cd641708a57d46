"""Rules and history in, firings out: stretch after stretch, rule after rule.

    rules -> members (readers after what they read) -> condition of each stretch -> runs -> episodes -> Firing

A stretch is some weeks. What crosses its border is carried as runs that touch, and as what was recorded; so the length
of a stretch changes nothing but the memory that is needed.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from pitchey_slo.alert.rules import RuleGroup, rules_of
from pitchey_slo.alert.schedule import Schedule
from pitchey_slo.analyse.backtest.condition import Condition, pieces
from pitchey_slo.analyse.backtest.coverage import windows
from pitchey_slo.analyse.backtest.episodes import Bools, Ints, Runs, episodes_of, joined, runs
from pitchey_slo.analyse.backtest.model import Backtest, Firing, Provenance, RuleHistory, Span
from pitchey_slo.analyse.backtest.reads import Key, Plan, SharedReads, key_of
from pitchey_slo.analyse.backtest.recorded import Member, Overlay, Recorded, lateness, members, of_same_group, reach
from pitchey_slo.errors import PitcheyError, QueryError
from pitchey_slo.promql import Scan, parse, tree
from pitchey_slo.promql import plan as planning
from pitchey_slo.promql.needs import needs_of, together
from pitchey_slo.promql.values import Grid
from pitchey_slo.series import Labels

if TYPE_CHECKING:
    from pitchey_slo.slo.model import Slo

#: Days of one stretch.
STRETCH_DAYS: Final = 32.0
#: (share that is done, what is being done)
Progress = Callable[[float, str], None]


def backtest(
    groups: Sequence[RuleGroup],
    scan: Scan,
    start: datetime,
    end: datetime,
    *,
    slos: Sequence[Slo] = (),
    progress: Progress | None = None,
    stretch_days: float = STRETCH_DAYS,
    provenance: Provenance | None = None,
) -> Backtest:
    """Every alerting rule of `groups` over start <= t < end, as if the live engine had been started at `start`.

    slos          their burn alerts are added, as the server adds them
    progress      is called with the share that is done and the rule in work; what it raises ends the backtest
    stretch_days  changes the memory needed, not the answer

    A rule whose query fails has it in its history; nothing is raised for it. Raises QueryError when end is not after
    start.
    """
    if end <= start:
        raise QueryError(f"the backtest ends ({end}) before it starts ({start})")
    every = [*groups, *burn_groups(slos)]
    ordered = members(every)
    work = _Work(ordered, Recorded(frozenset(m.rule.name for m in ordered if m.rule.kind == "record")))
    borders = _borders(start, end, stretch_days)
    first = min([start, *(_warm(start, work.reach))])
    for i, (low, high) in enumerate(borders):
        _stretch(work, scan, first if i == 0 else low, low, high, (i, len(borders)), progress)
    histories = tuple(work.kept[m.rule.key].history(end) for m in _alerts(every, ordered))
    step = min((g.interval_seconds for g in every), default=15.0)
    found = provenance or Provenance("")
    return Backtest(start, end, step, histories, replace(found, rules=hash_of(every)))


def burn_groups(slos: Sequence[Slo]) -> tuple[RuleGroup, ...]:
    """The burn alerts of these SLOs; those that cannot be said in PromQL have none."""
    from pitchey_slo.slo.alerts import burn_rules

    found = []
    for slo in slos:
        try:
            found.append(burn_rules.rules(slo).as_dict())
        except PitcheyError:
            continue
    return rules_of(found, file="slos") if found else ()


def hash_of(groups: Sequence[RuleGroup]) -> str:
    """Of the rules as they are evaluated: annotations and comments do not count."""
    told = [
        (g.key, g.interval_seconds, g.limit, g.query_offset,
         [(r.key, r.expr, r.for_seconds, r.keep_firing_seconds) for r in g.rules])
        for g in groups
    ]  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()


@dataclass
class _Kept:
    """What is known of one rule so far: runs of its alerts, by places in the steps that did not fail."""

    member: Member
    lowest: bool
    texts: tuple[str, ...]
    rows: dict[Labels, int] = field(default_factory=dict)
    runs: list[Runs] = field(default_factory=list)
    times: list[Ints] = field(default_factory=list)
    covered: list[Bools] = field(default_factory=list)
    seen: frozenset[str] = frozenset()
    count: int = 0
    failed: int = 0
    problem: str | None = None
    seconds: float = 0.0

    def take(self, found: Condition) -> None:
        part = runs(found.holds, found.value, lowest=self.lowest)
        if len(part):
            place = np.array([self.rows.setdefault(labels, len(self.rows)) for labels in found.labels], np.int64)
            self.runs.append(Runs(place[part.series], part.first + self.count, part.end + self.count, part.peak))
        self.times.append(found.times)
        self.covered.append(found.covered)
        self.count += len(found.times)
        self.seen |= found.seen
        self.failed += found.failed
        self.problem = self.problem or found.problem

    def history(self, end: datetime) -> RuleHistory:
        begun = time.perf_counter()
        rule = self.member.rule
        times = np.concatenate(self.times) if self.times else np.empty(0, np.int64)
        there = np.concatenate(self.covered) if self.covered else np.empty(0, np.bool_)
        firings = tuple(self._firings(times))
        spans = tuple(_gaps(there, times, round(self.member.group.interval_seconds * 1000), end))
        share = float(there.mean()) if len(there) else None
        unseen = tuple(text for text in self.texts if text not in self.seen)
        steps = len(times) + self.failed
        seconds = self.seconds + time.perf_counter() - begun
        return RuleHistory(rule, firings, share, steps, spans, unseen, self.failed, self.problem, seconds)

    def _firings(self, times: Ints) -> Iterator[Firing]:
        if not self.runs:
            return
        rule = self.member.rule
        key = rule.key  # made anew each time it is asked for
        every = Runs(*(np.concatenate([getattr(r, name) for r in self.runs]) for name in _FIELDS))
        every = joined(every, lowest=self.lowest)
        found = episodes_of(every, times, rule.for_seconds, rule.keep_firing_seconds, lowest=self.lowest)
        labels = [dict(each) for each in self.rows]
        for i in np.lexsort((found.series, found.pending)).tolist():
            fired, resolved = int(found.fired[i]), int(found.resolved[i])
            yield Firing(
                key,
                rule.name,
                labels[found.series[i]],
                moment(times[found.pending[i]]),
                moment(times[fired]) if fired >= 0 else None,
                moment(times[resolved]) if resolved < len(times) else None,
                float(found.peak[i]),
            )


_FIELDS: Final = ("series", "first", "end", "peak")


@dataclass
class _Work:
    """All rules on their way through history."""

    ordered: tuple[Member, ...]
    recorded: Recorded

    def __post_init__(self) -> None:
        self.reach = reach(self.ordered)
        schedule = Schedule(datetime.fromtimestamp(0, UTC))
        self.delay = {m.group.key: schedule.delay(m.group) for m in self.ordered}
        self.kept = {}
        for m in self.ordered:
            root = parse(m.rule.expr)
            texts = tuple(dict.fromkeys(w.text for w in windows(root)))
            self.kept[m.rule.key] = _Kept(m, goes_down(root), texts)


def _stretch(
    work: _Work, scan: Scan, first: datetime, low: datetime, high: datetime, part: tuple[int, int],
    progress: Progress | None,
) -> None:  # fmt: skip
    """One stretch: alerting rules over [low, high), recording rules from `first` on."""
    spans = {m.rule.key: _grid(m, _begin(m, work, first, low), high) for m in work.ordered}
    shared = SharedReads(scan, _plan(work.ordered, spans))
    for i, member in enumerate(work.ordered):
        share = (part[0] + i / len(work.ordered)) / part[1]
        begun, kept, rule = time.perf_counter(), work.kept[member.rule.key], member.rule

        def check(share: float = share, name: str = rule.name) -> None:
            if progress is not None:
                progress(share, name)

        mine = shared
        if member.reads:
            late = lateness(member, work.recorded.writers, work.delay)
            shared.steps = 1
            ends = {key: 1 for key, w in work.recorded.writers.items() if of_same_group(member, w)}
            mine = SharedReads(Overlay(shared, work.recorded, late, ends))
        offset = round(member.group.query_offset * 1000)
        for found in pieces(rule, mine, spans[rule.key], offset, member.group.limit, check):
            if rule.kind == "record":
                work.recorded.write(member, found, offset)
            else:
                kept.take(found)
        for key in _keys(member):
            shared.done(key)
        kept.seconds += time.perf_counter() - begun
    edge = round(high.timestamp() * 1000)
    work.recorded.forget({name: edge - length - 600_000 for name, length in work.reach.items()})


def _begin(member: Member, work: _Work, first: datetime, low: datetime) -> datetime:
    """Recording rules begin so early that their readers find what they look back at."""
    if member.rule.kind == "alert" or first >= low:
        return low
    return max(first, low - timedelta(milliseconds=work.reach.get(member.rule.name, 0)) - timedelta(minutes=1))


def _warm(start: datetime, wanted: dict[str, int]) -> Iterator[datetime]:
    return (start - timedelta(milliseconds=length) - timedelta(minutes=1) for length in wanted.values())


def _grid(member: Member, low: datetime, high: datetime) -> Grid:
    """The evaluations of a group: whole multiples of its interval."""
    step = round(member.group.interval_seconds * 1000)
    first = math.ceil(low.timestamp() * 1000 / step) * step
    return Grid(first, step, max(0, math.ceil((high.timestamp() * 1000 - first) / step)))


def _plan(ordered: Sequence[Member], spans: dict[str, Grid]) -> Plan:
    """How far the rules of this stretch read, per selector."""
    found: dict[Key, tuple[int, int, int]] = {}
    for member in ordered:
        grid = spans[member.rule.key]
        if not grid.count:
            continue
        data = Grid(grid.start - round(member.group.query_offset * 1000), grid.step, grid.count)
        root = parse(member.rule.expr)
        needs = needs_of(root)
        for fetch in planning.plan(root, planning.Query(member.rule.expr, data, default_step_ms=15_000)):
            for key in _keys_of(fetch, needs):
                low, high, count = found.get(key, (fetch.start_ms, fetch.end_ms, 0))
                found[key] = (min(low, fetch.start_ms), max(high, fetch.end_ms), count + 1)
    return found


def _keys(member: Member) -> Iterator[Key]:
    root = parse(member.rule.expr)
    needs = needs_of(root)
    for fetch in planning.plan(root, planning.Query(member.rule.expr, Grid(0, 15_000, 2), default_step_ms=15_000)):
        yield from _keys_of(fetch, needs)


def _keys_of(fetch: planning.Fetch, needs: Mapping[tree.Selector, frozenset[str] | None]) -> Iterator[Key]:
    """As `promql.scan.select_any` asks: selectors with `or` need all labels."""
    alternatives = fetch.selectors[0].alternatives
    looked_at = together(needs[selector] for selector in fetch.selectors) if len(alternatives) == 1 else None
    return (key_of(matchers, looked_at) for matchers in alternatives)


def goes_down(root: tree.Node) -> bool:
    """Whether the alarming side of an expression is down, as in `x < 0.7`."""
    if isinstance(root, tree.Binary):
        if root.op in ("and", "unless", "or"):
            return goes_down(root.left)
        if isinstance(root.left, tree.Number):
            return root.op in (">", ">=")
        return root.op in ("<", "<=")
    return False


def moment(ms: int | np.int64) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def _borders(start: datetime, end: datetime, days: float) -> list[Span]:
    count = max(1, math.ceil((end - start) / timedelta(days=days)))
    length = (end - start) / count
    at = [start + i * length for i in range(count)] + [end]
    return list(pairwise(at))


def _gaps(there: Bools, times: Ints, step_ms: int, end: datetime) -> Iterator[Span]:
    """The spans without data."""
    if there.all():
        return
    found = runs(~there[None])
    for first, last in zip(found.first, found.end, strict=True):
        yield moment(times[first]), min(moment(times[last - 1] + step_ms), end)


def _alerts(groups: Sequence[RuleGroup], ordered: Sequence[Member]) -> list[Member]:
    """Alerting rules in the order of their files."""
    known = {m.rule.key: m for m in ordered}
    return [known[r.key] for g in groups for r in g.rules if r.kind == "alert"]
