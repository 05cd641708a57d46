"""What the business report says: the findings of `pitchey_slo.analyse.business` in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pitchey_slo.analyse.business import Amount, Business, Interval, Versus, business
from pitchey_slo.analyse.business.model import People
from pitchey_slo.board.geography import known as known_places
from pitchey_slo.board.named import NAMED
from pitchey_slo.errors import QueryError
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, measured, said
from pitchey_slo.store.board_questions import quoted

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "25_business"
#: What follows a request to invest, where it is recorded.
LATER: Final = ("investment_approved", "investment_made")
_NAMES: Final = {
    "views": "pitch views", "created": "pitches created", "updated": "pitches changed", "signups": "sign-ups",
    "nda_requests": "NDAs requested", "signatures": "NDAs signed", "investments": "investment requests",
    "payments": "payments", "paid": "payments that succeeded",
}  # fmt: skip
_SPANS: Final = {
    "hour": "in the last hour", "day": "in the last day", "week": "in the last 7 days", "month": "in the last 28 days"
}  # fmt: skip
_PLACES = 12


@dataclass(frozen=True, eq=False)
class Sheet:
    """The report as pieces of a page. `later`: steps after a request to invest that the data has."""

    found: Business
    later: tuple[str, ...]
    about: About

    def summary(self) -> Html:
        """How it went, in a few sentences."""
        b = self.found
        if not any(v.now.rows for v in b.counted.values()) and not b.active["week"].now:
            return told.paragraph("Nobody came in this time, or nothing was recorded of it.", kind="lead")
        return told.paragraph(
            self._people(), self._pitches(), self._investments(), self._money(), kind="lead"
        ) + told.paragraph(
            f"{said(b.start)} to {said(b.end)}"
            + (f", against the {b.days} days before." if b.compared else f"; {self._alone()}"),
            kind="quiet",
        )

    def facts(self) -> list[Fact]:
        """The numbers a week is remembered by."""
        b = self.found
        signed, paid = b.signed[0], b.paid[0]
        wait = b.wait.quantiles.get(0.5)
        last = b.funnel[-1] if b.funnel else None
        people = [(n, b.active[n].now) for n in ("day", "week", "month")]
        return [
            *(Fact(f"active_{n}", f"people {_SPANS[n]}", now, better="up") for n, now in people),
            Fact("stickiness", "stickiness", b.stickiness[0], "ratio", "up"),
            *(_counted(name, b.counted[name]) for name in _NAMES if name != "paid"),
            _of("conversion", "people from a view to the last step", last.of_first if last else None, digits=2),
            _of("signed", "NDAs signed per requested", signed),
            _wait_fact(wait),
            _of("paid_share", "payments that succeeded", paid),
            *(Fact(f"revenue_{c}", f"{c or 'no currency'} received", v.now.total, c, "up", 0, _half(v.now))
              for c, v in b.money.items()),
        ]  # fmt: skip

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def people(self) -> Html:
        """Active people over four lengths of time, and how often they come."""
        b = self.found
        rows = [
            (f"people {words}", _people(b.active[name].now), *_people_change(b.active[name]))
            for name, words in _SPANS.items()
        ]
        now, before = b.stickiness
        points = f"{(now - before) * 100:+.1f} points".replace("-", "−") if now is not None and before else "–"
        rows.append(("stickiness", measured(now, "ratio"), measured(before, "ratio"), points))
        columns = (Column(""), Column("now", number=True), Column("before", number=True), Column("change", number=True))
        note = (
            "Stickiness is the mean of the last 28 days' daily people over the people of those 28 days: at 20 % "
            "somebody comes every fifth day. People are distinct user hashes; who did not sign in is not among them."
        )
        return told.paragraph(self._people()) + told.table(columns, rows) + told.paragraph(note, kind="note")

    def pitches(self) -> Html:
        """What was done with pitches, and who joined."""
        return told.paragraph(self._pitches()) + _counts(
            {_NAMES[n]: self.found.counted[n] for n in ("views", "created", "updated", "signups")}
        )

    def funnel(self) -> Html:
        """Step by step: who came so far, and how many were lost on the way."""
        b = self.found
        past = {s.event: s for s in b.funnel_before}
        rows = [
            (
                s.words,
                f"{s.people:,}",
                _ratio(s.of_before),
                f"{s.dropped:,}" if s.of_before else "–",
                _ratio(s.of_first, 2),
                _plain(past[s.event].of_before) if s.event in past and s.of_before else "–",
            )
            for s in b.funnel
        ]
        columns = (
            Column("step"), Column("people", number=True, hint="who did it after all steps before it, in this time"),
            Column("of the step before", number=True, hint="and its 95 % interval"),
            Column("lost", number=True, hint="of those who did the step before"),
            Column("of all who began", number=True), Column("of the step before, earlier", number=True),
        )  # fmt: skip
        missing = [e for e in LATER if e not in self.later]
        note = (
            f"Nothing is recorded of {' and '.join(e.replace('_', ' ') for e in missing)} (the events "
            f"{', '.join(missing)}), so the funnel ends before them."
            if missing
            else ""
        )
        return told.paragraph(self._investments()) + told.table(columns, rows) + told.paragraph(note, kind="note")

    def weeks(self) -> Html:
        """The same week by week, each on its own."""
        if not self.found.weeks:
            return told.paragraph("No whole week is in the data yet.", kind="quiet")
        events = [s.words for s in self.found.weeks[0].steps]
        columns = (Column("week to", short=True), *(Column(e, number=True) for e in events))
        rows: list[tuple[str | Html, ...]] = [
            (f"{w.end:%a %d %b}", *(told.two_lines(f"{s.people:,}", _plain(s.of_before) if i else "of them:")
                                    for i, s in enumerate(w.steps)))
            for w in self.found.weeks
        ]  # fmt: skip
        return told.table(columns, rows)

    def ndas(self) -> Html:
        """How many NDAs are signed, and how long people wait."""
        b = self.found
        now, before = b.signed
        rate = (
            f"{_ratio_text(now)} NDAs were signed for each one requested"
            + (f" ({before.value:.2f} before)." if before else ".")
            if now
            else "No NDA was requested."
        )
        rows = [
            (
                {0.5: "half", 0.75: "3 of 4", 0.9: "9 of 10", 0.95: "19 of 20"}[q] + " signed within",
                ago(i.value),
                f"{ago(i.low)} – {ago(i.high)}",
                ago(b.wait_before.quantiles[q].value) if b.wait_before and q in b.wait_before.quantiles else "–",
            )
            for q, i in b.wait.quantiles.items()
        ]
        columns = (Column(""), Column("now", number=True), Column("95 % interval", number=True),
                   Column("before", number=True))  # fmt: skip
        counts = _counts({_NAMES[n]: b.counted[n] for n in ("nda_requests", "signatures")})
        pairs = f"From {b.wait.pairs:,} people's request and signature within this time." if b.wait.pairs else ""
        return (
            told.paragraph(rate, self._wait())
            + counts
            + told.table(columns, rows, empty="Nobody requested and signed an NDA within this time.")
            + told.paragraph(pairs, kind="note")
        )

    def money(self) -> Html:
        """Payments, what was received in each currency, and subscriptions."""
        b = self.found
        rows = [
            (
                c or "no currency",
                f"{v.now.rows:,}",
                f"{v.now.total:,.2f}",
                f"{v.now.low:,.0f} – {v.now.high:,.0f}",
                f"{v.before.total:,.2f}" if v.before else "–",
                _change(v),
            )
            for c, v in b.money.items()
        ]
        columns = (
            Column("received in"), Column("payments", number=True, hint="rows"), Column("sum", number=True),
            Column("95 % interval", number=True, hint="what chance alone would do to as many payments of such sizes"),
            Column("before", number=True), Column("change", number=True),
        )  # fmt: skip
        payments = _counts({_NAMES[n]: b.counted[n] for n in ("payments", "paid")})
        events = (
            _counts({n.replace("_", " "): v for n, v in b.events.items()})
            if b.events
            else told.paragraph("No subscription event (subscription_...) is recorded.", kind="quiet")
        )
        return (
            told.paragraph(self._money())
            + payments
            + told.table(columns, rows, empty="Nothing was received.")
            + told.paragraph("Currencies are not converted, and never summed.", kind="note")
            + events
        )

    def features(self) -> Html:
        """Routes by the people who use them."""
        b = self.found
        rows = [
            (
                f.name,
                f"{f.people:,}",
                measured(f.share, "ratio"),
                measured(f.share_before, "ratio") if b.compared else "–",
                _points(f.share, f.share_before),
                f"{f.requests:,.0f}",
                measured(f.error_ratio, "ratio", 2),
            )
            for f in b.features
        ]
        columns = (
            Column("feature"), Column("people", number=True), Column("of all people", number=True),
            Column("before", number=True), Column("change", number=True),
            Column("requests", number=True, hint="sampled ones by their weight"),
            Column("failed", number=True, hint="status 500 and above"),
        )  # fmt: skip
        return told.paragraph(self._moved()) + told.table(columns, rows, empty="Nobody used anything.")

    def places(self) -> Html:
        """Countries by people."""
        rows = [
            (
                place_name(p.location),
                f"{p.people:,}",
                f"{p.people_before:,}" if p.people_before is not None else "–",
                _people_change(People(p.people, p.people_before))[1],
                f"{p.views.now.total:,.0f}",
                _change(p.views),
                f"{p.investments.now.total:,.0f}",
            )
            for p in self.found.places[:_PLACES]
        ]
        columns = (
            Column("where"), Column("people", number=True, hint="with at least one business event"),
            Column("before", number=True), Column("change", number=True), Column("pitch views", number=True),
            Column("change", number=True), Column("investment requests", number=True),
        )  # fmt: skip
        more = len(self.found.places) - _PLACES
        return (
            told.paragraph(self._where())
            + told.table(columns, rows, empty="No place is known.")
            + told.paragraph(f"{more} more places are left out." if more > 0 else "", kind="note")
        )

    @property
    def mapped(self) -> tuple[list[str], list[int], list[int] | None]:
        """Names, people now and people before of the places that are drawn."""
        shown = self.found.places[:_PLACES]
        before = [p.people_before or 0 for p in shown] if self.found.compared else None
        return [place_name(p.location) for p in shown], [p.people for p in shown], before

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about, {"funnel": ", ".join(s.event for s in self.found.funnel)})

    def _people(self) -> str:
        b = self.found
        week, (sticky, _) = b.active["week"], b.stickiness
        words = f"{_people(week.now)} people came in the last 7 days{_against(week)}"
        if week.now is None:
            words = f"{_people(b.active['day'].now)} people came in the last day; there are no 7 days of data yet"
        often = f"; on a usual day {sticky * 100:.0f} % of the month's people are there" if sticky else ""
        return f"{words}{often}."

    def _pitches(self) -> str:
        views, created = self.found.counted["views"], self.found.counted["created"]
        return (
            f"They viewed {views.now.total:,.0f} pitches{_moved(views)} and created {created.now.total:,.0f}"
            f"{_moved(created)}."
        )

    def _investments(self) -> str:
        asked, steps = self.found.counted["investments"], self.found.funnel
        first = f"There were {asked.now.total:,.0f} investment requests{_moved(asked)}"
        if len(steps) < 2 or not steps[0].people:
            return f"{first}."
        last = steps[-1]
        worst = min(steps[1:], key=lambda s: s.of_before.value if s.of_before else 1.0)
        return (
            f"{first}; of {steps[0].people:,} people who viewed a pitch {last.people:,} went all the way "
            f"({_plain(last.of_first, 2)}); the narrowest step is “{worst.words}” ({_plain(worst.of_before)})."
        )

    def _wait(self) -> str:
        now = self.found.wait.quantiles.get(0.5)
        return f"Half of those who signed did so within {ago(now.value)} of asking." if now else ""

    def _money(self) -> str:
        (now, before), payments = self.found.paid, self.found.counted["payments"]
        if now is None:
            return "No payment was made."
        words = f"{_ratio_text(now, percent=True)} of {payments.now.total:,.0f} payments succeeded"
        words += f" ({before.value * 100:.1f} % before)" if before else ""
        sums = [f"{v.now.total:,.0f} {c}{_moved(v)}" for c, v in list(self.found.money.items())[:3] if c]
        return f"{words}; most was received as {', '.join(sums)}." if sums else f"{words}."

    def _moved(self) -> str:
        known = [f for f in self.found.features if f.share is not None and f.share_before is not None]
        if not known:
            return ""
        most = max(known, key=lambda f: abs((f.share or 0) - (f.share_before or 0)))
        return (
            f"Most people use {known[0].name} ({_percent(known[0].share)} of them); {most.name} moved most, "
            f"{_points(most.share, most.share_before)}."
        )

    def _where(self) -> str:
        places = [p for p in self.found.places if p.location]
        all_ = sum(p.people for p in self.found.places)
        if not places or not all_:
            return ""
        top = places[:3]
        listed = ", ".join(f"{place_name(p.location)} ({_percent(p.people / all_)})" for p in top)
        return f"Most come from {listed}."

    def _alone(self) -> str:
        oldest = said(self.found.oldest) if self.found.oldest else "nowhere"
        return f"the {self.found.days} days before are not wholly in the data, which begins {oldest}."


def sheet(
    wb: Workbench, *, window: str = "7d", steps: Sequence[str] = (), below: str = "/api/", end: Moment = None
) -> Sheet:
    """Gather it over whole days such as "7d" before `end` (None: the minute after the newest request or event). `steps`
    are the events of the funnel; without them those of the dashboard, and what follows where it is recorded."""
    from pitchey_slo.workbench import parse_time, step_ms

    last = parse_time(end, "end") or wb.newest_minute("requests", "business_events")
    start = last - timedelta(milliseconds=step_ms(window))
    later = _recorded(wb, start, last) if not steps else ()
    named = tuple(steps) or (*_usual(), *later)
    if len(named) < 2:
        raise QueryError(f"steps: {list(named)}; a funnel takes two events or more")
    return Sheet(
        found=business(wb.reader, start, last, steps=named, below=below),
        later=later,
        about=about(
            wb,
            NOTEBOOK,
            start=start,
            end=last,
            tables=["requests", "business_events"],
            parameters={"window": window, "steps": list(steps), "below": below, "end": end},
        ),
    )


def place_name(location: str | None) -> str:
    """A country's or airport's name; what is not known is said.

    >>> place_name("GB"), place_name(None)
    ('United Kingdom', 'not known')
    """
    if not location:
        return "not known"
    found = known_places().get(location.upper())
    return found.name if found else location


def _usual() -> tuple[str, ...]:
    """The steps of the dashboard's funnel."""
    return tuple(str(NAMED["investment_funnel"].arguments["steps"].default).split(","))


def _recorded(wb: Workbench, start: datetime, end: datetime) -> tuple[str, ...]:
    events = wb.reader.source("business_events", start, end)
    listed = ", ".join(quoted(e) for e in LATER)
    found = wb.reader.query(f"SELECT DISTINCT event FROM {events} WHERE event IN ({listed})")["event"].to_pylist()
    return tuple(e for e in LATER if e in found)


def _counts(named: dict[str, Versus]) -> Html:
    """Counts with their intervals, now and before."""
    columns = (
        Column(""), Column("now", number=True, hint="sampled events by their weight"),
        Column("95 % interval", number=True, hint="what chance alone would do to as many independent events"),
        Column("before", number=True), Column("change", number=True),
        Column("", short=True, hint="whether the change is more than chance would do"),
    )  # fmt: skip
    rows = [
        (
            name,
            f"{v.now.total:,.0f}",
            f"{v.now.low:,.0f} – {v.now.high:,.0f}",
            f"{v.before.total:,.0f}" if v.before else "–",
            _change(v),
            "" if v.change is None else "more than chance" if v.sure else "within chance",
        )
        for name, v in named.items()
    ]
    return told.table(columns, rows)


def _change(versus: Versus) -> str:
    found = versus.change
    return f"{(found.value - 1) * 100:+,.1f} %".replace("-", "−") if found else "–"


def _moved(versus: Versus) -> str:
    """A change in brackets, where it is more than chance."""
    found = versus.change
    if found is None:
        return ""
    return f" ({_change(versus)})" if versus.sure else " (as before)"


def _people(number: int | None) -> str:
    return "missing" if number is None else f"{number:,}"


def _people_change(people: People) -> tuple[str, str]:
    if people.before is None:
        return "–", "–"
    if not people.before or people.now is None:
        return "0", "–"
    return f"{people.before:,}", f"{(people.now / people.before - 1) * 100:+,.1f} %".replace("-", "−")


def _against(people: People) -> str:
    return f" ({_people_change(people)[1]})" if people.before else ""


def _points(now: float | None, before: float | None) -> str:
    if now is None or before is None:
        return "–"
    return f"{(now - before) * 100:+.1f} points".replace("-", "−")


def _percent(share: float | None) -> str:
    return measured(share, "ratio", 0)


def _plain(found: Interval | None, digits: int = 1) -> str:
    return measured(found.value, "ratio", digits) if found else "–"


def _ratio(found: Interval | None, digits: int = 1) -> str | Html:
    if found is None:
        return "–"
    return told.two_lines(
        measured(found.value, "ratio", digits),
        f"{found.low * 100:.{digits}f} – {found.high * 100:.{digits}f}",
    )


def _ratio_text(found: Interval, *, percent: bool = False) -> str:
    if percent:
        return f"{found.value * 100:.1f} % ({found.low * 100:.1f} – {found.high * 100:.1f})"
    return f"{found.value:.2f} ({found.low:.2f} – {found.high:.2f})"


def _counted(name: str, versus: Versus) -> Fact:
    return Fact(name, _NAMES[name], versus.now.total, better="up", margin=_half(versus.now))


def _of(name: str, label: str, found: Interval | None, digits: int = 1) -> Fact:
    return Fact(name, label, found.value if found else None, "ratio", "up", digits, _half(found) if found else None)


def _wait_fact(found: Interval | None) -> Fact:
    value, margin = (found.value, _half(found)) if found else (None, None)
    return Fact("wait", "median time to sign", value, "seconds", "down", margin=margin)


def _half(found: Interval | Amount) -> float:
    return (found.high - found.low) / 2
