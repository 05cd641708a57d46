"""What the review of synthetic tests says: the findings of `wb.synthetic_review` in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pitchey_slo.analyse.synthetic import Reviewed
from pitchey_slo.names import FAILURES
from pitchey_slo.plots.theme import count, percent
from pitchey_slo.probe.synthetic.uptime import ALL, Outage, Uptime
from pitchey_slo.report import told as telling
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, milliseconds, said

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "60_synthetic_review"
#: Tests whose phases are drawn.
DRAWN = 4


@dataclass(frozen=True, eq=False)
class Sheet:
    """A review as pieces of a page."""

    found: Reviewed
    about: About

    def summary(self) -> Html:
        """How it was, in a few sentences."""
        return telling.paragraph(*_summary(self.found), kind="lead") + telling.paragraph(
            f"{said(self.found.start)} to {said(self.found.end)}; {_many(len(self.found.tests), 'test')} "
            f"from {_many(len(self.found.locations), 'location')}.",
            kind="quiet",
        )

    def facts(self) -> list[Fact]:
        """Uptime of each test, and what was wrong in all."""
        outages = [o for u in self.found.tests for o in u.outages]
        repairs = [o.seconds for o in outages if not o.open]
        return [
            *(Fact(f"uptime:{u.test}", f"uptime, {u.test}", u.uptime, "ratio", "up", 3) for u in self.found.tests),
            Fact("outages", "outages", len(outages), better="down"),
            Fact("repair", "mean time to repair", sum(repairs) / len(repairs) if repairs else None, "seconds", "down"),
            Fact("flaky", "flaky tests", len(self.found.flaky), better="down"),
            Fact("looks", "looks", sum(u.looks for u in self.found.tests)),
        ]

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    @property
    def drawn(self) -> tuple[str, ...]:
        """The tests whose phases are worth a look: those that take longest."""
        usual: dict[str, float] = {}
        for row in self.found.usual:
            if row["duration_ms"] is not None:
                usual[row["test"]] = max(usual.get(row["test"], 0.0), row["duration_ms"])
        return tuple(sorted(usual, key=lambda t: -usual[t])[:DRAWN])

    def heading(self, test: str) -> Html:
        """The name of a test, and its usual time."""
        mine = [r["duration_ms"] for r in self.found.usual if r["test"] == test and r["duration_ms"] is not None]
        low, high = min(mine, default=None), max(mine, default=None)
        note = milliseconds(low) if low == high else f"{milliseconds(low)} to {milliseconds(high)} by location"
        return telling.heading(test, None, f"usually {note}")

    def uptimes(self) -> Html:
        """Every test, the worst first."""
        columns = (
            Column("test"),
            Column("uptime", number=True, hint="share of the known time in which it was not down, by the quorum"),
            Column("reachability", number=True, hint="share of the looks that passed, of all locations"),
            Column("known", number=True, hint="share of the time in which something is known; the rest is not up"),
            Column("outages", number=True),
            Column("down for", number=True),
            Column("repair", number=True, hint="mean length of the outages that ended (MTTR)"),
        )
        return telling.table(columns, [_row(u) for u in self.found.tests], empty="No synthetic test had a result.")

    def outages(self, most: int = 25) -> Html:
        """The longest times that a test was down, in the order they happened."""
        every = [(u.test, o) for u in self.found.tests for o in u.outages]
        longest = sorted(every, key=lambda each: -each[1].seconds)[:most]
        rows = [
            (said(o.start), _lasted(o, self.found.end), test, o.failure or "–", (o.reason or "–")[:300])
            for test, o in sorted(longest, key=lambda each: each[1].start)
        ]
        columns = (Column("when", short=True), Column("lasted", number=True), Column("test"), Column("class"),
                   Column("why", wide=True))  # fmt: skip
        table = telling.table(columns, rows, empty="No test was down.")
        more = len(every) - len(longest)
        return table + telling.paragraph(f"{more} shorter ones are left out." if more else "", kind="quiet")

    def failures(self, most: int = 20) -> Html:
        """Classes of failing looks."""
        columns = (Column("test"), Column("class", hint="; ".join(f"{k}: {v}" for k, v in FAILURES.items())),
                   Column("phase"), Column("from"), Column("looks", number=True), Column("newest", short=True),
                   Column("why, the newest time", wide=True))  # fmt: skip
        rows = [
            (
                f["test"], f["failure"], f["phase"] or "–", f["location"], count(f["looks"]), said(f["last_at"]),
                (f["reason"] or "–")[:300],
            )
            for f in self.found.failures[:most]
        ]  # fmt: skip
        return telling.table(columns, rows, empty="No look failed.")

    def locations(self) -> Html:
        """The locations against each other: of all tests that each of them looks at."""
        columns = (Column("location"), Column("tests", number=True), Column("reachability", number=True),
                   Column("known", number=True, hint="of the test it looks at most"),
                   Column("usual time", number=True, hint="median of its tests' medians"),
                   Column("failed alone", number=True, hint="time it said down while all others did not"))  # fmt: skip
        rows = [_place(self.found, place) for place in self.found.locations]
        return telling.table(columns, rows, empty="No location had a result.")

    def flaky(self) -> Html:
        """Tests that turn often, or pass only by their retries."""
        columns = (Column("test"), Column("from"), Column("looks", number=True), Column("failed", number=True),
                   Column("turns", number=True, hint="from one look to the next"),
                   Column("saved by a retry", number=True))  # fmt: skip
        rows = [
            (f.test, f.location, count(f.looks), count(f.failed), count(f.turns), count(f.saved))
            for f in self.found.flaky
        ]
        return telling.table(columns, rows, empty="No test flaps, and no retry hides anything.")

    def advice(self) -> Html:
        """What to change."""
        columns = (Column("what it is about"), Column("what to do", wide=True), Column("why", wide=True))
        rows = [(a.subject, a.what, a.why) for a in self.found.advice()]
        return telling.table(columns, rows, empty="Nothing: the tests are steady, and somebody looks all the time.")

    def provenance(self) -> Html:
        """What it was made from."""
        looks = sum(u.looks for u in self.found.tests)
        return ending(
            self.about,
            {
                "looks": count(looks),
                "down when": f"{percent(self.found.history.policy.share, 0)} of the locations that count fail",
            },
        )


def synthetic_review(wb: Workbench, *, window: str = "28d", end: Moment = None) -> Sheet:
    """Gather it over a window such as "28d" before `end` (None: the minute after the newest result)."""
    from pitchey_slo.workbench import parse_time, step_ms

    last = parse_time(end, "end") or wb.newest_minute("probes")
    start = last - timedelta(milliseconds=step_ms(window))
    what = about(
        wb, NOTEBOOK, start=start, end=last, tables=["probes", "synthetics"], parameters={"window": window, "end": end}
    )
    return Sheet(wb.synthetic_review(start, last), what)


def _summary(found: Reviewed) -> list[str]:
    known = [u for u in found.tests if u.uptime is not None]
    if not known:
        return ["No synthetic test had a result in this time: nobody looked, so nothing can be said, good or bad."]
    whole = [u for u in known if not u.outages]
    if len(whole) == len(known):
        first = "The one test was up" if len(known) == 1 else f"All {len(known)} tests were up"
        return [f"{first} whenever somebody looked.", *_coverage(known), *_places(found)]
    worst = known[0]
    outages = [o for u in known for o in u.outages]
    longest = max(((u, o) for u in known for o in u.outages), key=lambda each: each[1].seconds)
    sentences = [
        f"{len(known) - len(whole)} of {_many(len(known), 'test')} {'was' if len(known) - len(whole) == 1 else 'were'} "
        f"down at some time, {_many(len(outages), 'outage')} in all.",
        f"Worst was {worst.test}, up {percent(worst.uptime, 2)} of the time that is known.",
        f"The longest outage was of {longest[0].test}, {ago(longest[1].seconds)} from {said(longest[1].start)}"
        + (f" ({longest[1].failure})." if longest[1].failure else "."),
    ]
    repairs = [o.seconds for o in outages if not o.open]
    if len(repairs) > 1:
        sentences.append(f"An outage was over after {ago(sum(repairs) / len(repairs))} on average.")
    return [*sentences, *_coverage(known), *_places(found)]


def _coverage(known: Sequence[Uptime]) -> list[str]:
    low = min(known, key=lambda u: u.covered)
    if low.covered >= 0.99:
        return []
    return [f"Of {low.test}, {percent(low.covered, 0)} of the time is known; what is not known is neither up nor down."]


def _places(found: Reviewed) -> list[str]:
    if len(found.locations) != 1:
        return []
    return (
        ["One location looks: its own trouble cannot be told from that of the tests."]
        if len(found.locations) == 1
        else []
    )


def _row(u: Uptime) -> tuple[str, ...]:
    down = ago(u.down_seconds) if u.outages else "–"
    return (
        u.test, percent(u.uptime, 3), percent(u.reachability, 2), percent(u.covered, 1),
        count(len(u.outages)), down, ago(u.mttr_seconds),
    )  # fmt: skip


def _place(found: Reviewed, place: str) -> tuple[str, ...]:
    mine = [u for u in found.uptimes if u.location == place]
    together = {u.test: u for u in found.uptimes if u.location == ALL}
    looks, failed = sum(u.looks for u in mine), sum(u.failed for u in mine)
    usual = sorted(r["duration_ms"] for r in found.usual if r["location"] == place and r["duration_ms"] is not None)
    alone = sum(max(0.0, _alone(u, together[u.test])) for u in mine)
    return (
        place, count(len(mine)), percent(1 - failed / looks if looks else None, 2),
        percent(max(u.covered for u in mine), 1), milliseconds(usual[len(usual) // 2] if usual else None),
        ago(alone) if alone else "–",
    )  # fmt: skip


def _lasted(outage: Outage, end: datetime) -> str:
    how = "" if not outage.open else ", and lasts" if outage.end >= end else ", end unknown"
    return ago(outage.seconds) + how


def _alone(own: Uptime, together: Uptime) -> float:
    """Seconds a location said down while all together did not."""
    total = own.down_seconds
    for mine in own.outages:
        for theirs in together.outages:
            total -= max(0.0, (min(mine.end, theirs.end) - max(mine.start, theirs.start)).total_seconds())
    return total


def _many(number: int, one: str) -> str:
    return f"{number:,} {one}{'s' if number != 1 else ''}"
