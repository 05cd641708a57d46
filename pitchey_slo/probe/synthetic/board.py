"""The last verdict of every test at every location, in memory: what the quorum, the series and the page are made from.

Verdicts are taken in the order of their own times; one that is older than the last of its pair (an agent that was away)
changes nothing here, it only is a row. Our own faults and maintenance neither count as a failure nor end a row of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.quorum import Judgement, Pair, Policy, Seen, Target, Word, judge

#: Locations that one test may have; more is somebody's mistake, and would cost series for ever.
MOST_LOCATIONS = 200
#: The mark in the details of a result that does not count, with its reason.
MAINTENANCE = "maintenance"


@dataclass(frozen=True)
class Last:
    """The newest verdict of a pair. `since`: the first of those in a row that say the same; `failures`: failing ones
    since it last passed; `passed_at`: when it last did."""

    result: Result
    since: datetime
    failures: int
    passed_at: datetime | None = None

    @property
    def word(self) -> Word:
        return word_of(self.result)

    def seen(self) -> Seen:
        return Seen(self.word, self.since, self.result.at, self.result.failure)


def word_of(result: Result) -> Word:
    """What a verdict says to the quorum."""
    if MAINTENANCE in result.details:
        return "maintenance"
    if result.state == "unhealthy":
        return "down"
    return "up" if result.ok else "unknown"


class Board:
    """Verdicts by (test, location). For one thread."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self._last: dict[Pair, Last] = {}

    def __iter__(self) -> Iterator[tuple[Pair, Last]]:
        return iter(sorted(self._last.items()))

    def last(self, test: str, location: str) -> Last | None:
        return self._last.get((test, location))

    def take(self, results: Iterable[Result], intervals: Mapping[str, float]) -> list[Result]:
        """Learn of these; answers the verdicts that were news. `intervals`: seconds, by test; of a test that is not
        among them nothing is learned, nor of a location too many."""
        news = []
        for result in sorted(results, key=lambda r: r.at):
            pair = (result.test, result.location)
            before = self._last.get(pair)
            if result.scope != "verdict" or (before is not None and result.at <= before.result.at):
                continue
            if before is None and not self._room(result.test, intervals):
                continue
            silent = timedelta(seconds=self.policy.stale_intervals * intervals.get(result.test, 300.0))
            self._last[pair] = _next(before, result, silent)
            news.append(result)
        return news

    def _room(self, test: str, intervals: Mapping[str, float]) -> bool:
        return test in intervals and sum(name == test for name, _ in self._last) < MOST_LOCATIONS

    def keep(self, tests: Iterable[str], since: datetime) -> list[Pair]:
        """Forget all other tests, and pairs that were silent since then; answers what was forgotten."""
        known = set(tests)
        gone = [pair for pair, last in self._last.items() if pair[0] not in known or last.result.at < since]
        for pair in gone:
            del self._last[pair]
        return gone

    def judge(self, targets: Mapping[str, Target], now: datetime) -> Judgement:
        return judge(targets, {pair: last.seen() for pair, last in self._last.items()}, now, self.policy)


def _next(before: Last | None, result: Result, silent: timedelta) -> Last:
    word = word_of(result)
    passed = result.at if word == "up" else before.passed_at if before else None
    failures = before.failures if before else 0
    failures = failures + 1 if word == "down" else 0 if word == "up" else failures
    goes_on = before is not None and before.word == word and result.at - before.result.at <= silent
    return Last(result, before.since if goes_on and before else result.at, failures, passed)


def in_maintenance(result: Result, reason: str) -> Result:
    """The same result, marked as one that does not count."""
    return replace(result, details={**result.details, MAINTENANCE: reason})
