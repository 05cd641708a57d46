"""What weeks of synthetic tests say, gathered once: numbers, and what to change, each with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pitchey_slo.analyse.synthetic.uptime import History, history
from pitchey_slo.names import PHASES
from pitchey_slo.probe.synthetic.quorum import Policy, Target
from pitchey_slo.probe.synthetic.uptime import ALL, Uptime
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
    """Classes that make most of a test's failures, of the tests that are worst off."""
    given = 0
    for u in found.tests:
        mine = [f for f in found.failures if f["test"] == u.test and f["failure"] != "probe_error"]
        total = sum(f["looks"] for f in mine)
        if not total or u.uptime is None or not u.outages:
            continue
        if (given := given + 1) > MOST_FAILING:
            return
        classes: dict[tuple[str, str | None], int] = {}
        for f in mine:
            key = (f["failure"], f["phase"])
            classes[key] = classes.get(key, 0) + f["looks"]
        (failure, phase), count = max(classes.items(), key=lambda item: item[1])
        where = f" in {phase}" if phase else ""
        pages = CONSECUTIVE * _interval(found, u.test)
        short = 0 if u.test in found.history.changes_only else sum(o.seconds < pages for o in u.outages)
        outages = f"{len(u.outages)} outage{'s' if len(u.outages) != 1 else ''}"
        why = f"{count} of its {total} failing looks were {failure}{where}; {outages}"
        why += f", {short} of them shorter than {CONSECUTIVE} intervals, which page nobody" if short else ""
        yield Advice(u.test, f"find the cause of {failure}{where}", why)


def _own_faults(found: Reviewed) -> Iterator[Advice]:
    for f in found.failures:
        if f["failure"] == "probe_error":
            why = f"{f['looks']} looks from {f['location']} said nothing: {f['reason']}"
            yield Advice(f["test"], "mend the test itself", why)


def _unsteady(found: Reviewed) -> Iterator[Advice]:
    for f in found.flaky:
        if f.flaps:
            why = f"{f.turns} turns in {f.looks} looks from {f.location}"
            yield Advice(f.test, "find out why it flaps, or look at it more often with one retry", why)
        elif f.hides:
            why = f"{f.saved} of {f.looks} looks from {f.location} passed only on a later attempt"
            yield Advice(f.test, "look at what its retries hide: people have no retry", why)


def _uncovered(found: Reviewed) -> Iterator[Advice]:
    """Locations that were silent, and tests nobody looked at."""
    for location in found.locations:
        mine = [u.covered for u in found.uptimes if u.location == location]
        if len(mine) > 1 and max(mine) < COVERED:
            why = f"something is known of {100 * max(mine):.0f} % of the time at most"
            yield Advice(f"location {location}", "keep its agent running", why)
    poor = [u for u in found.tests if 0 < u.covered < COVERED]
    if poor:
        low, high = (f"{100 * f(u.covered for u in poor):.0f} %" for f in (min, max))
        known = f"{low} to {high}" if low != high else low
        names = ", ".join(u.test for u in poor[:MOST_NAMED]) + (" and others" if len(poor) > MOST_NAMED else "")
        why = f"something is known of {known} of the time; the rest is neither up nor down"
        yield Advice(names, "look at them all the time, or from one location more", why)


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
