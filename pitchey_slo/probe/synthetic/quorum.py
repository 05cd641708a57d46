"""Is a test down, as all its locations together see it: who counts, who fails, who is left out and why.

A test is **down** when at least half (`Policy.share`) of the locations that count fail. A location counts when its last
verdict is no older than three intervals, says something (our own faults say nothing of the target), and the location
is not excluded.

A location is **excluded** when it fails on unrelated targets that others reach: two different hosts or two different
components, and at least half of all that it looks at. "Others reach" means that more than half of the other locations
pass, and that both, the failing and the passing, have gone on for a whole interval of that test: everybody had a turn
meanwhile, so nobody is excluded for having looked first when something breaks, or last when it is mended. Where only
one location looks nobody can contradict it, and it is never excluded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

Word = Literal["up", "down", "unknown", "maintenance"]
#: What a location can be for a test.
PLACES: Final = ("counting", "failing", "stale", "excluded", "unknown")


@dataclass(frozen=True)
class Policy:
    """share: of the counting locations that must fail; stale_intervals: without a result; unrelated: targets a location
    must fail on alone before it is excluded; most: share of its targets those must be."""

    share: float = 0.5
    stale_intervals: float = 3.0
    unrelated: int = 2
    most: float = 0.5


@dataclass(frozen=True)
class Target:
    """What a test looks at. `interval` in seconds."""

    test: str
    interval: float
    host: str | None = None
    component: str | None = None


@dataclass(frozen=True)
class Seen:
    """The last verdict of a location: its word since when, the newest one's time, and why."""

    word: Word
    since: datetime
    at: datetime
    failure: str | None = None


@dataclass(frozen=True)
class Excluded:
    """A location that is left out of every quorum: since when it fails where others pass, and on what."""

    location: str
    since: datetime
    tests: tuple[str, ...]
    of: int
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What all locations together say. `down` None: nobody counts, or it is maintenance. Locations by what they are;
    those that fail are among those that count."""

    test: str
    down: bool | None
    counting: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    maintenance: bool = False

    def sentence(self) -> str:
        """`2 of 6 locations fail; left out: tokyo (excluded), lima (stale)`."""
        if self.maintenance:
            return "maintenance: results do not count"
        left = [f"{name} ({word})" for word in ("excluded", "stale", "unknown") for name in getattr(self, word)]
        said = f"; left out: {', '.join(left)}" if left else ""
        if not self.counting:
            return f"no location counts{said}"
        n = len(self.counting)
        return f"{len(self.failing)} of {n} location{'s' if n != 1 else ''} fail{'s' if n == 1 else ''}{said}"


@dataclass(frozen=True)
class Judgement:
    """Every test's verdict, and the locations that were excluded, at one moment."""

    at: datetime
    tests: Mapping[str, Verdict] = field(default_factory=dict)
    excluded: Mapping[str, Excluded] = field(default_factory=dict)
    #: locations none of whose results is fresh, and when the last one came
    silent: Mapping[str, datetime] = field(default_factory=dict)


#: (test, location)
Pair = tuple[str, str]
#: test -> location -> its last verdict
ByTest = Mapping[str, Mapping[str, Seen]]


def judge(
    targets: Mapping[str, Target], seen: Mapping[Pair, Seen], now: datetime, policy: Policy | None = None
) -> Judgement:
    """What the last verdicts mean at `now`. Pairs of tests that are not in `targets` are not looked at."""
    policy = policy or Policy()
    known: dict[str, dict[str, Seen]] = {name: {} for name in targets}
    for (test, where), s in seen.items():
        if test in known and s.at <= now:
            known[test][where] = s
    fresh = {
        test: {where: s for where, s in each.items() if not _stale(s, targets[test], now, policy)}
        for test, each in known.items()
    }
    out = excluded(targets, fresh, now, policy)
    tests = {name: _verdict(name, known[name], fresh[name], out, policy) for name in targets}
    return Judgement(now, tests, out, _silent(known, fresh))


def excluded(targets: Mapping[str, Target], fresh: ByTest, now: datetime, policy: Policy) -> dict[str, Excluded]:
    """The locations that fail on unrelated targets which others reach."""
    mine: dict[str, dict[str, Seen]] = {}
    for test, each in fresh.items():
        for where, s in each.items():
            if s.word in ("up", "down"):
                mine.setdefault(where, {})[test] = s
    found = {}
    for location, tests in sorted(mine.items()):
        alone = sorted(
            t for t, s in tests.items() if s.word == "down" and contradicted(targets[t], location, fresh[t], now)
        )
        if _unrelated([targets[t] for t in alone]) < policy.unrelated or len(alone) < policy.most * len(tests):
            continue
        classes = sorted({f for t in alone if (f := tests[t].failure)})
        reason = (
            f"{location} fails on {len(alone)} of its {len(tests)} tests that most other locations pass"
            + (f" ({', '.join(classes)})" if classes else "")
            + ": its own network or machine, most likely"
        )
        found[location] = Excluded(location, min(tests[t].since for t in alone), tuple(alone), len(tests), reason)
    return found


def contradicted(target: Target, location: str, seen: Mapping[str, Seen], now: datetime) -> bool:
    """Most other locations have passed it for a whole interval, while this one has failed for as long. `seen`: the
    fresh verdicts of this test by location."""
    long_ago = now - timedelta(seconds=target.interval)
    others = [s for where, s in seen.items() if where != location and s.word in ("up", "down")]
    passing = sum(s.word == "up" and s.since <= long_ago for s in others)
    return seen[location].since <= long_ago and 2 * passing > len(others)


def _silent(known: ByTest, fresh: ByTest) -> dict[str, datetime]:
    heard = {where for each in fresh.values() for where in each}
    last: dict[str, datetime] = {}
    for each in known.values():
        for where, s in each.items():
            if where not in heard:
                last[where] = max(last.get(where, s.at), s.at)
    return last


def _unrelated(targets: Collection[Target]) -> int:
    """How many different hosts or components, whichever is more."""
    hosts = {t.host or t.component or t.test for t in targets}
    return max(len(hosts), len({t.component or t.host or t.test for t in targets}))


def _stale(seen: Seen, target: Target, now: datetime, policy: Policy) -> bool:
    return now - seen.at > timedelta(seconds=policy.stale_intervals * target.interval)


def _verdict(
    name: str, known: Mapping[str, Seen], fresh: Mapping[str, Seen], out: Mapping[str, Excluded], policy: Policy
) -> Verdict:
    stale = tuple(sorted(known.keys() - fresh.keys()))
    if any(s.word == "maintenance" for s in fresh.values()):
        return Verdict(name, None, stale=stale, maintenance=True)
    left = tuple(sorted(where for where in fresh if where in out))
    said = {where: s.word for where, s in fresh.items() if where not in out}
    silent = tuple(sorted(where for where, word in said.items() if word == "unknown"))
    counting = tuple(sorted(where for where, word in said.items() if word in ("up", "down")))
    failing = tuple(where for where in counting if said[where] == "down")
    down = bool(failing) and len(failing) >= policy.share * len(counting) if counting else None
    return Verdict(name, down, counting, failing, stale, left, silent)
