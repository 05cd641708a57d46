"""How much of the time a test was up, as each location saw it and as all of them together did.

A verdict speaks from its moment until the next one of its location, at most for `speaks` (three intervals): after that
nothing is known. What is not known is neither up nor down: `uptime` is the share of the *known* time, `covered` says
how much of the time that is, and `at_least` counts all unknown time as down. Maintenance and our own faults are not
known time either.

`uptime` is of time: the share in which the test was not down. `reachability` is of looks: passing verdicts by all
verdicts that count. A test that fails for a minute an hour and is repeated every ten seconds has the same two; one
whose single location fails while five others pass is up, and reachable to five sixths.

The quorum's uptime applies the rule of `quorum.py` to every moment, exclusion of locations included: `timeline` lays
all runs of equal verdicts over each other and judges every piece between two changes at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.probe.synthetic.quorum import Policy, Target, Word

#: The location under which all of them together stand.
ALL: Final = "quorum"
#: Cells (pieces of time by pairs) up to which every change is looked at; beyond it changes within a minute are one.
MOST_CELLS: Final = 30_000_000

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_WORDS: Final[dict[Word, int]] = {"unknown": 0, "up": 1, "down": 2, "maintenance": 3}


@dataclass(frozen=True)
class Stretch:
    """Verdicts of one location that say the same one after the other, from the first until the last speaks no more.

    looks    how many verdicts; `failure` and `reason` of the first
    """

    test: str
    location: str
    word: Word
    start: datetime
    end: datetime
    looks: int = 1
    failure: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Outage:
    """A time in which a test was down. `open`: it lasts, or nothing was known after it."""

    start: datetime
    end: datetime
    failure: str | None = None
    reason: str | None = None
    open: bool = False

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Uptime:
    """One test at one location (or `ALL`) over a time. Shares are None when nothing is known, or nobody looked."""

    test: str
    location: str
    start: datetime
    end: datetime
    up_seconds: float
    down_seconds: float
    maintenance_seconds: float
    looks: int
    failed: int
    outages: tuple[Outage, ...]

    @property
    def uptime(self) -> float | None:
        known = self.up_seconds + self.down_seconds
        return self.up_seconds / known if known else None

    @property
    def covered(self) -> float:
        """Share of the time, without maintenance, in which something is known."""
        return (self.up_seconds + self.down_seconds) / left if (left := self._promised) else 0.0

    @property
    def at_least(self) -> float | None:
        """The uptime if all unknown time was down."""
        return self.up_seconds / left if (left := self._promised) else None

    @property
    def reachability(self) -> float | None:
        return 1 - self.failed / self.looks if self.looks else None

    @property
    def mttr_seconds(self) -> float | None:
        """Mean length of the outages that ended; None without one."""
        over = [o.seconds for o in self.outages if not o.open]
        return sum(over) / len(over) if over else None

    @property
    def _promised(self) -> float:
        return (self.end - self.start).total_seconds() - self.maintenance_seconds


def uptimes(
    stretches: Sequence[Stretch],
    start: datetime,
    end: datetime,
    *,
    targets: Mapping[str, Target],
    policy: Policy | None = None,
) -> tuple[Uptime, ...]:
    """Every test and location, and `ALL` for each test, over start <= t < end; by test, `ALL` first.

    stretches   of each pair in order of time, not overlapping; those that reach over an edge are cut there
    targets     what each test looks at; for tests that are not among them no location is ever excluded
    """
    cut = [c for s in stretches if (c := _within(s, start, end)) is not None]
    by_pair: dict[tuple[str, str], list[Stretch]] = {}
    for each in cut:
        by_pair.setdefault((each.test, each.location), []).append(each)
    found = [_alone(pair, own, start, end) for pair, own in by_pair.items()]
    lines = timeline(cut, targets, policy or Policy())
    for test, line in lines.items():
        mine = [u for u in found if u.test == test]
        outages = tuple(_outages(line, cut, test, end))
        up, down, kept = (line.seconds(_WORDS[word]) for word in ("up", "down", "maintenance"))
        looks, failed = sum(u.looks for u in mine), sum(u.failed for u in mine)
        found.append(Uptime(test, ALL, start, end, up, down, kept, looks, failed, outages))
    return tuple(sorted(found, key=lambda u: (u.test, u.location != ALL, u.location)))


@dataclass(frozen=True, eq=False)
class Line:
    """What the quorum says of one test, piece by piece: `words` between `edges` (microseconds since 1970)."""

    edges: Ints
    words: NDArray[np.int8]

    def seconds(self, word: int) -> float:
        return float(np.diff(self.edges)[self.words == word].sum()) / 1e6

    def pieces(self, start: datetime, end: datetime) -> tuple[tuple[datetime, datetime, Word], ...]:
        """What is known within start <= t < end, neighbours that say the same as one; unknown time is left out."""
        names = list(_WORDS)
        turns = np.flatnonzero(np.diff(self.words)) + 1
        first, last = np.concatenate([[0], turns]), np.concatenate([turns, [len(self.words)]])
        found = [
            (max(_moment(self.edges[a]), start), min(_moment(self.edges[b]), end), names[self.words[a]])
            for a, b in zip(first.tolist(), last.tolist(), strict=True)
            if a < b
        ]
        return tuple((a, b, word) for a, b, word in found if a < b and word != "unknown")


def timeline(stretches: Sequence[Stretch], targets: Mapping[str, Target], policy: Policy) -> dict[str, Line]:
    """The rule of `quorum.judge` at every moment, by test. A stretch ends when its last verdict is stale, so staleness
    needs no rule of its own here."""
    if not stretches:
        return {}
    tests = sorted({s.test for s in stretches})
    places = sorted({s.location for s in stretches})
    starts, ends = (
        np.array([_us(t) for t in ts], np.int64) for ts in zip(*((s.start, s.end) for s in stretches), strict=True)
    )
    intervals = {t: round(targets[t].interval * 1e6) for t in tests if t in targets}
    old = starts + np.array([intervals.get(s.test, 0) for s in stretches], np.int64)
    edges = np.unique(np.concatenate([starts, ends, np.minimum(old, ends)]))
    if len(edges) * len(tests) * len(places) > MOST_CELLS:
        edges = np.unique(edges // 60_000_000 * 60_000_000)
    word = np.zeros((len(tests), len(places), len(edges) - 1), np.int8)
    settled = np.zeros_like(word, dtype=np.bool_)  # has gone on for a whole interval
    row, column = {t: i for i, t in enumerate(tests)}, {p: i for i, p in enumerate(places)}
    spans = (np.searchsorted(edges, each) for each in (starts, np.minimum(old, ends), ends))
    for s, first, ripe, last in zip(stretches, *(span.tolist() for span in spans), strict=True):
        word[row[s.test], column[s.location], first:last] = _WORDS[s.word]
        settled[row[s.test], column[s.location], ripe:last] = True
    out = _excluded(word, settled, [targets.get(t) for t in tests], policy)
    return {t: Line(edges, _judged(word[i], out, policy)) for t, i in row.items()}


def _judged(word: NDArray[np.int8], out: Bools, policy: Policy) -> NDArray[np.int8]:
    """(location, piece) -> the test's word per piece."""
    up, down = ((word == _WORDS[w]) & ~out for w in ("up", "down"))
    failing, counting = down.sum(axis=0), (up | down).sum(axis=0)
    is_down = (failing > 0) & (failing >= policy.share * counting)
    said = np.where(counting == 0, _WORDS["unknown"], np.where(is_down, _WORDS["down"], _WORDS["up"]))
    kept = (word == _WORDS["maintenance"]).any(axis=0)
    return np.where(kept, _WORDS["maintenance"], said).astype(np.int8)


def _excluded(word: NDArray[np.int8], settled: Bools, targets: Sequence[Target | None], policy: Policy) -> Bools:
    """(location, piece): fails on unrelated targets that others reach."""
    up, down = word == _WORDS["up"], word == _WORDS["down"]
    says = up | down
    others = says.sum(axis=1, keepdims=True) - says
    passing = (up & settled).sum(axis=1, keepdims=True) - (up & settled)
    known = np.array([t is not None for t in targets])[:, None, None]
    alone = down & settled & (2 * passing > others) & known
    hosts = _different(alone, [(t.host or t.component or t.test) if t else "" for t in targets])
    parts = _different(alone, [(t.component or t.host or t.test) if t else "" for t in targets])
    enough = alone.sum(axis=0) >= policy.most * says.sum(axis=0)
    found: Bools = (np.maximum(hosts, parts) >= policy.unrelated) & enough
    return found


def _different(alone: Bools, names: Sequence[str]) -> Ints:
    """How many different names the failing tests have, per location and piece."""
    groups = [alone[[i for i, n in enumerate(names) if n == name]].any(axis=0) for name in sorted(set(names))]
    found: Ints = np.sum(groups, axis=0, dtype=np.int64)
    return found


def _alone(pair: tuple[str, str], own: Sequence[Stretch], start: datetime, end: datetime) -> Uptime:
    """One location by itself."""
    seconds = dict.fromkeys(_WORDS, 0.0)
    for each in own:
        seconds[each.word] += (each.end - each.start).total_seconds()
    looks, failed = (sum(s.looks for s in own if s.word in words) for words in (("up", "down"), ("down",)))
    outages = tuple(
        Outage(s.start, s.end, s.failure, s.reason, open=i + 1 == len(own) or own[i + 1].start > s.end)
        for i, s in enumerate(own)
        if s.word == "down"
    )
    return Uptime(*pair, start, end, seconds["up"], seconds["down"], seconds["maintenance"], looks, failed, outages)


def _outages(line: Line, stretches: Sequence[Stretch], test: str, end: datetime) -> list[Outage]:
    """The pieces in which the quorum says down, joined; why: the first failing stretch that touches it."""
    down = line.words == _WORDS["down"]
    turns = np.flatnonzero(np.diff(np.concatenate([[False], down, [False]]).astype(np.int8)))
    failing = [s for s in stretches if s.test == test and s.word == "down"]
    found = []
    for first, last in turns.reshape(-1, 2).tolist():
        begin, over = _moment(line.edges[first]), _moment(line.edges[last])
        why = next((s for s in failing if s.start < over and s.end > begin), None)
        follows = last < len(line.words) and line.words[last] != _WORDS["unknown"]
        failure, reason = (why.failure, why.reason) if why else (None, None)
        found.append(Outage(begin, over, failure, reason, open=not follows or over >= end))
    return found


def _within(s: Stretch, start: datetime, end: datetime) -> Stretch | None:
    """The part of a stretch inside; its looks are those of the whole, for they are counted where they were asked."""
    first, last = max(s.start, start), min(s.end, end)
    if first >= last:
        return None
    return (
        s
        if (first, last) == (s.start, s.end)
        else Stretch(s.test, s.location, s.word, first, last, s.looks, s.failure, s.reason)
    )


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _moment(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(us))
