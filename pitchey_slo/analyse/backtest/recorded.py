"""Recording rules of the file under test, and who sees what they record.

A name that a rule of the file records comes from that rule alone: what the store has under it was recorded by whatever
rule was there at the time. Rules are evaluated in an order in which every reader comes after what it reads. Live, a
rule sees what an earlier rule of its group recorded at the same evaluation; what another group (or a later rule)
records it sees one evaluation later, unless that group runs earlier (`alert.schedule`). Here the same, by moving the
samples that a reader sees late by the time it sees them late; so a range selector of such a reader may hold one sample
more at its old end than live. That a series ended, rules of the same group learn one evaluation later, since its stale
marker is stored with the results of the group.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pitchey_slo.alert.rules import Rule, RuleGroup
from pitchey_slo.analyse.backtest.condition import Condition
from pitchey_slo.analyse.backtest.episodes import Floats, Ints
from pitchey_slo.promql import Matcher, Scan, SeriesBlock, parse
from pitchey_slo.promql.lake_scan import joined
from pitchey_slo.promql.plan import Query, plan
from pitchey_slo.promql.scan import block_of, filter_labels, matching
from pitchey_slo.promql.values import Grid
from pitchey_slo.series import STALE, Labels, is_stale, labels_of

NAME: Final = "__name__"


@dataclass(frozen=True)
class Member:
    """A rule in its group. `reads`: recorded names its expression asks for, and how far back (ms)."""

    rule: Rule
    group: RuleGroup
    place: int
    reads: Mapping[str, int]


def members(groups: Sequence[RuleGroup]) -> tuple[Member, ...]:
    """All rules in an order in which recording rules come before their readers, as far as there is one."""
    names = {r.name for g in groups for r in g.rules if r.kind == "record"}
    left = [Member(r, g, i, _reads(r, names)) for g in groups for i, r in enumerate(g.rules)]
    done: list[Member] = []
    while left:
        waiting = {m.rule.name for m in left if m.rule.kind == "record"}
        ready = [m for m in left if not waiting & m.reads.keys()]
        done += ready or left[:1]  # rules in a circle see what was recorded before
        left = [m for m in left if m not in done]
    return tuple(done)


def reach(ordered: Sequence[Member]) -> dict[str, int]:
    """How long before a time what was recorded under a name is wanted (ms): by its readers, and by theirs."""
    found: dict[str, int] = {}
    for member in reversed(ordered):
        more = found.get(member.rule.name, 0) if member.rule.kind == "record" else 0
        for name, length in member.reads.items():
            found[name] = max(found.get(name, 0), length + more)
    return found


def _reads(rule: Rule, names: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    listed = sorted(names)
    for fetch in plan(parse(rule.expr), Query(rule.expr, Grid(0, 1, 1), default_step_ms=15_000)):
        for alternative in fetch.selectors[0].alternatives:
            keep = np.ones(len(listed), np.bool_)
            for matcher in alternative:
                if matcher.name == NAME:
                    keep &= matching(matcher, listed)
            for name, hit in zip(listed, keep, strict=True):
                if hit:
                    found[name] = max(found.get(name, 0), -fetch.start_ms)
    return found


@dataclass
class Recorded:
    """What the recording rules wrote so far: name -> who wrote -> series -> pieces of samples."""

    names: frozenset[str]
    series: dict[str, dict[str, dict[Labels, list[tuple[Ints, Floats]]]]] = field(default_factory=dict)
    writers: dict[str, Member] = field(default_factory=dict)
    _open: dict[str, set[Labels]] = field(default_factory=dict)

    def write(self, member: Member, found: Condition, offset_ms: int) -> None:
        """Take what a rule recorded in a stretch; series that end get a stale marker at the first step without them."""
        rule = member.rule
        self.writers[rule.key] = member
        kept = self.series.setdefault(rule.name, {}).setdefault(rule.key, {})
        if not len(found.times):
            return
        times = found.times - offset_ms
        before, now = self._open.get(rule.key, set()), set()
        for i, pairs in enumerate(found.labels):
            labels = record_labels(rule, pairs)
            there = found.holds[i]
            ends = np.append(labels in before, there[:-1]) & ~there
            some = there | ends
            if some.any():
                values = np.where(there, found.value[i], STALE)[some]
                values[ends[some]] = STALE  # bit by bit: np.where may make another NaN of it
                kept.setdefault(labels, []).append((times[some], values))
            if there[-1]:
                now.add(labels)
        had = {record_labels(rule, pairs) for pairs in found.labels}
        for labels in before - had:
            kept.setdefault(labels, []).append((times[:1], np.array([STALE])))
        self._open[rule.key] = now

    def forget(self, before_ms: Mapping[str, int]) -> None:
        """Drop what nobody will look at: per name, samples older than this."""
        for name, writers in self.series.items():
            oldest = before_ms.get(name)
            if oldest is None:
                continue
            for key, kept in writers.items():
                writers[key] = {
                    labels: parts for labels, old in kept.items() if (parts := [p for p in old if p[0][-1] >= oldest])
                }


def record_labels(rule: Rule, pairs: Labels) -> Labels:
    return labels_of({**dict(pairs), **rule.labels, NAME: rule.name})


@dataclass(frozen=True)
class Overlay:
    """A scan over stored series and recorded ones, as one rule sees them: `late` says by how many ms it sees later what
    a rule wrote, `ends_late` the same for the ends of series."""

    scan: Scan
    recorded: Recorded
    late: Mapping[str, int] = field(default_factory=dict)
    ends_late: Mapping[str, int] = field(default_factory=dict)

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """As `Scan.select`."""
        names = sorted(self.recorded.names)
        keep = np.ones(len(names), np.bool_)
        for matcher in matchers:
            if matcher.name == NAME:
                keep &= matching(matcher, names)
        asked = [name for name, hit in zip(names, keep, strict=True) if hit]
        if not asked:
            return self.scan.select(matchers, start_ms, end_ms, needs=needs)
        mine = block_of(self._series(asked, matchers, start_ms, end_ms))
        if any(m.name == NAME and m.op == "=" for m in matchers):
            return mine
        return joined(mine, _without(self.scan.select(matchers, start_ms, end_ms), self.recorded.names))

    def _series(
        self, names: Iterable[str], matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[tuple[Labels, Ints, Floats]]:
        found: dict[Labels, tuple[Labels, Ints, Floats]] = {}
        for name in names:
            for key, kept in self.recorded.series.get(name, {}).items():
                listed, late, end = list(kept), self.late.get(key, 0), self.ends_late.get(key, 0)
                for i in filter_labels(matchers, listed):
                    ts = np.concatenate([part[0] for part in kept[listed[i]]]) + late
                    values = np.concatenate([part[1] for part in kept[listed[i]]])
                    ts = ts + np.where(is_stale(values), end, 0)
                    rows = slice(np.searchsorted(ts, start_ms), np.searchsorted(ts, end_ms, "right"))
                    if rows.stop > rows.start:  # of two rules that write one series the first counts, as in the store
                        found.setdefault(listed[i], (listed[i], ts[rows], values[rows]))
        return list(found.values())


def _without(block: SeriesBlock, names: Collection[str]) -> SeriesBlock:
    keep = [i for i, labels in enumerate(block.labels) if dict(labels).get(NAME) not in names]
    if len(keep) == len(block.labels):
        return block
    rows = [slice(block.offsets[i], block.offsets[i + 1]) for i in keep]
    return block_of(
        (block.labels[i], block.ts[part], block.values[part]) for i, part in zip(keep, rows, strict=True)
    )  # fmt: skip


def lateness(reader: Member, writers: Mapping[str, Member], delay: Mapping[str, float]) -> dict[str, int]:
    """By how many ms `reader` sees later what each rule wrote; only those that it does. `delay`: seconds after the
    grid at which a group runs, by its key."""
    found = {}
    for key, writer in writers.items():
        if of_same_group(reader, writer):
            late = 0 if writer.place < reader.place else 1
        else:
            ready = writer.group.query_offset + delay[writer.group.key]
            asked = reader.group.query_offset + delay[reader.group.key]
            late = max(0, math.ceil((ready - asked) * 1000))
        if late:
            found[key] = late
    return found


def of_same_group(reader: Member, writer: Member) -> bool:
    return writer.group.key == reader.group.key
