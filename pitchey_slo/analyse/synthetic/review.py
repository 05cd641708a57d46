"""What weeks of synthetic tests say, gathered once: numbers, and what to change, each with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from pitchey_slo.analyse.synthetic.uptime import History, history
from pitchey_slo.names import PHASES
from pitchey_slo.probe.synthetic.quorum import Policy, Target, Word
from pitchey_slo.probe.synthetic.uptime import ALL, Line, Uptime, timeline
from pitchey_slo.store import probe_questions as ask
from pitchey_slo.store.reader import LakeReader

#: A test that turns at least so often, in at least this share of its looks, flaps; retries that save this share hide
#: something.
TURNS, TURNED, SAVED = 6, 0.02, 0.02
#: Below this share of the time the numbers of a test or location rest on too little.
COVERED: Final = 0.9
#: A location is slow when its usual time is this many times that of the others, and so many milliseconds more.
SLOWER, SLOWER_MS = 2.0, 200.0
#: Tests whose failures are talked about, and that are named in one sentence.
MOST_FAILING, MOST_NAMED = 5, 4
#: Failures in a row before people are told, unless a definition says otherwise.
CONSECUTIVE: Final = 3


@dataclass(frozen=True)
class Flaky:
    """How steady a test is at a location: verdicts that turned from one look to the next, and passes that took a
    retry."""

    test: str
    location: str
    looks: int
    failed: int
    turns: int
    saved: int

    @property
    def flaps(self) -> bool:
        return self.turns >= TURNS and self.turns >= TURNED * self.looks

    @property
    def hides(self) -> bool:
        return self.saved >= TURNS and self.saved >= SAVED * self.looks


@dataclass(frozen=True)
class Advice:
    """One thing to change: `what`, and `why` with its numbers."""

    subject: str
    what: str
    why: str


@dataclass(frozen=True, eq=False)
class Reviewed:
    """`phases`: medians per bucket, test and location; `usual`: medians over all the time; `failures`: classes, most
    frequent first; rows as `store.probe_questions` gives them."""

    history: History
    uptimes: tuple[Uptime, ...]
    phases: list[dict[str, Any]]
    usual: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    steadiness: tuple[Flaky, ...]
    bucket_seconds: int

    @property
    def start(self) -> datetime:
        return self.history.start

    @property
    def end(self) -> datetime:
        return self.history.end

    @property
    def tests(self) -> tuple[Uptime, ...]:
        """All locations together, the lowest uptime first; tests of which nothing is known last."""
        mine = [u for u in self.uptimes if u.location == ALL]
        return tuple(sorted(mine, key=lambda u: (u.uptime is None, u.uptime or 0.0, u.test)))

    @property
    def locations(self) -> tuple[str, ...]:
        return tuple(sorted({u.location for u in self.uptimes} - {ALL}))

    def pieces(self, test: str) -> tuple[tuple[datetime, datetime, Word], ...]:
        """What the quorum says of a test, one after the other: from, to, up, down, maintenance or unknown."""
        line = self._lines.get(test)
        return line.pieces(self.start, self.end) if line else ()

    @cached_property
    def _lines(self) -> dict[str, Line]:
        return timeline(self.history.stretches, self.history.targets, self.history.policy)

    @property
    def flaky(self) -> tuple[Flaky, ...]:
        found = [f for f in self.steadiness if f.flaps or f.hides]
        return tuple(sorted(found, key=lambda f: -(f.turns + f.saved) / f.looks))

    def advice(self) -> tuple[Advice, ...]:
        """What to change, most important first."""
        found = (_failing(self), _own_faults(self), _unsteady(self), _uncovered(self), _alone(self), _slow(self))
        return tuple(advice for each in found for advice in each)


def review(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    *,
    targets: Mapping[str, Target] | None = None,
    policy: Policy | None = None,
) -> Reviewed:
    """Gather it."""
    past = history(reader, start, end, targets=targets, policy=policy)
    seconds = bucket((end - start).total_seconds())
    steady = ask.attempts(reader, start, end).to_pylist()
    return Reviewed(
        past,
        past.uptimes(),
        ask.phases(reader, start, end, seconds).to_pylist(),
        ask.usual(reader, start, end).to_pylist(),
        ask.failures(reader, start, end).to_pylist(),
        tuple(Flaky(**{k: row[k] for k in Flaky.__dataclass_fields__}) for row in steady),
        seconds,
    )


def bucket(seconds: float) -> int:
    """A round length that cuts this time into 200 pieces or a few fewer.

    >>> bucket(86_400), bucket(28 * 86_400)
    (600, 21600)
    """
    sizes = (60, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200)
    return next((s for s in sizes if seconds / s <= 200), 86_400)


def _failing(found: Reviewed) -> Iterator[Advice]:
    """What kept the tests down that are worst off: by time, not by looks, for one location alone is not down."""
    for u in [u for u in found.tests if u.outages][:MOST_FAILING]:
        classes: dict[str, float] = {}
        for o in u.outages:
            classes[o.failure or "unknown"] = classes.get(o.failure or "unknown", 0.0) + o.seconds
        failure, seconds = max(classes.items(), key=lambda item: item[1])
        count = len(u.outages)
        outages = f"{count} outage{'s' if count != 1 else ''}"
        share = f"{100 * seconds / u.down_seconds:.0f} % of its {u.down_seconds / 60:,.0f} minutes down"
        why = f"{share} were {failure}; {outages}"
        pages = CONSECUTIVE * _interval(found, u.test)
        short = 0 if u.test in found.history.changes_only else sum(o.seconds < pages for o in u.outages)
        why += f", {short} of them shorter than {CONSECUTIVE} intervals: they page nobody" if short else ""
        yield Advice(u.test, f"find the cause of {failure}", why)


def _own_faults(found: Reviewed) -> Iterator[Advice]:
    mine = [f for f in found.failures if f["failure"] == "probe_error"]
    for test in sorted({f["test"] for f in mine}):
        looks = sum(f["looks"] for f in mine if f["test"] == test)
        newest = max((f for f in mine if f["test"] == test), key=lambda f: f["last_at"])
        yield Advice(test, "mend the test itself", f"{looks} of its looks said nothing: {newest['reason']}")


def _unsteady(found: Reviewed) -> Iterator[Advice]:
    for f in found.flaky:
        if f.flaps:
            why = f"{f.turns} turns in {f.looks} looks from {f.location}"
            yield Advice(f.test, "find out why it flaps, or look at it more often with one retry", why)
        elif f.hides:
            why = f"{f.saved} of {f.looks} looks from {f.location} passed only on a later attempt"
            yield Advice(f.test, "look at what its retries hide: people have no retry", why)


def _uncovered(found: Reviewed) -> Iterator[Advice]:
    """Locations that were silent, and tests nobody looked at, since their first result."""
    for location in found.locations:
        known = _known(found, location=location)
        if known < COVERED:
            why = f"something is known of {100 * known:.0f} % of the time since its first result"
            yield Advice(f"location {location}", "keep its agent running", why)
    shares = {u.test: _known(found, test=u.test) for u in found.tests}
    poor = [test for test, known in shares.items() if 0 < known < COVERED]
    if poor:
        low, high = (f"{100 * f(shares[t] for t in poor):.0f} %" for f in (min, max))
        known_ = f"{low} to {high}" if low != high else low
        names = ", ".join(poor[:MOST_NAMED]) + (" and others" if len(poor) > MOST_NAMED else "")
        why = f"something is known of {known_} of the time since the first result; the rest is neither up nor down"
        yield Advice(names, "look at them all the time, or from one location more", why)


def _known(found: Reviewed, *, location: str = ALL, test: str | None = None) -> float:
    """Share of the time since the first result in which something is known: of a test by all locations together, or of
    the test that a location knows best."""
    mine = [u for u in found.uptimes if u.location == location and test in (None, u.test)]
    spoken = [s for s in found.history.stretches if location in (ALL, s.location) and test in (None, s.test)]
    since = max(found.start, min((s.start for s in spoken), default=found.end))
    length = (found.end - since).total_seconds()
    known = max((u.up_seconds + u.down_seconds + u.maintenance_seconds for u in mine), default=0.0)
    return min(1.0, known / length) if length > 0 else 1.0


def _alone(found: Reviewed) -> Iterator[Advice]:
    if len(found.locations) == 1:
        why = "with one location nobody can tell its own trouble from that of what it looks at"
        yield Advice(f"location {found.locations[0]}", "add two more locations", why)


def _slow(found: Reviewed) -> Iterator[Advice]:
    """A location that is much slower than the others for most tests."""
    for location in found.locations:
        mine = {r["test"]: r["duration_ms"] for r in found.usual if r["location"] == location}
        others: dict[str, list[float]] = {}
        for r in found.usual:
            if r["location"] != location and r["duration_ms"] is not None:
                others.setdefault(r["test"], []).append(r["duration_ms"])
        compared = [
            (ms, sorted(others[t])[len(others[t]) // 2]) for t, ms in mine.items() if ms is not None and t in others
        ]
        slow = [(ms, other) for ms, other in compared if ms > SLOWER * other and ms > other + SLOWER_MS]
        if compared and 2 * len(slow) > len(compared):
            more = sum(ms - other for ms, other in slow) / len(slow)
            why = f"{len(slow)} of its {len(compared)} tests take {more:,.0f} ms longer than elsewhere"
            yield Advice(
                f"location {location}", "look at the way from there, or give its tests limits of their own", why
            )


def _interval(found: Reviewed, test: str) -> float:
    target = found.history.targets.get(test)
    return target.interval if target else 0.0


PHASE_COLUMNS: Final = tuple(f"{phase}_ms" for phase in PHASES)
