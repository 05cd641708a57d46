"""What the daily review says: the day in a few sentences, what to do first, and the day's numbers behind it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from pitchey_slo.analyse.backtest.incidents import incidents_of
from pitchey_slo.analyse.daily import (
    Arrival,
    Fired,
    Kept,
    Refused,
    Silent,
    Spent,
    Target,
    arrivals,
    firings,
    kept,
    refused,
    silent,
    spent,
    targets,
)
from pitchey_slo.probe.synthetic.uptime import ALL, Uptime
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.daily_todo import Todo, todo_of
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, many, measured, said
from pitchey_slo.store import board_probes, daily_questions
from pitchey_slo.tables import GROWING, PROBES

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "10_daily_review"
#: A metric none of whose series had a sample for so long has stopped.
QUIET: Final = timedelta(minutes=15)
_TABLES: Final = ("requests", "business_events", "logs", "probes", "samples", "alerts", "incidents", "decisions",
                  "notifications")  # fmt: skip
_LOOKS: Final = {"now": "exhausted", "today": "at_risk", "this week": "no_data"}
_WIDE: Final = 90


@dataclass(frozen=True, eq=False)
class Day:
    """Everything one day gave. `now` is when it was looked at; ages of data are told to then. `live`: it shall reach up
    to now, so that old data is a finding."""

    start: datetime
    end: datetime
    now: datetime
    fired: tuple[Fired, ...]
    dead: tuple[Mapping[str, Any], ...]
    incidents: pd.DataFrame
    uptimes: tuple[Uptime, ...]
    certificates: tuple[Mapping[str, Any], ...]
    arrivals: tuple[Arrival, ...]
    silent: tuple[Silent, ...]
    targets: tuple[Target, ...]
    refused: tuple[Refused, ...]
    kept: tuple[Kept, ...]
    spent: tuple[Spent, ...]
    decisions: tuple[Mapping[str, Any], ...]
    about: About
    live: bool = True

    @property
    def active(self) -> tuple[Fired, ...]:
        """Those that fire at the end, what nobody took on first."""
        return tuple(sorted((f for f in self.fired if f.active), key=lambda f: (f.acked_at is not None, f.fired_at)))

    @property
    def began(self) -> tuple[Fired, ...]:
        return tuple(f for f in self.fired if f.began)

    @property
    def false(self) -> tuple[Fired, ...]:
        """Firings of the day that are over and belong to no labelled incident."""
        return tuple(f for f in self.began if f.incident is None and not f.active)

    @property
    def acks(self) -> tuple[float, ...]:
        return tuple(f.ack_seconds for f in self.began if f.ack_seconds is not None)

    @property
    def tests(self) -> tuple[Uptime, ...]:
        """All locations together, the lowest uptime first."""
        mine = [u for u in self.uptimes if u.location == ALL]
        return tuple(sorted(mine, key=lambda u: (u.uptime is None, u.uptime or 0.0, u.test)))

    @property
    def down(self) -> tuple[Uptime, ...]:
        """Tests that are down at the end."""
        return tuple(u for u in self.tests if any(o.open and o.end >= self.end for o in u.outages))

    @property
    def newest(self) -> datetime | None:
        """Time of the newest row of any source."""
        return max((a.newest for a in self.arrivals if a.newest), default=None)

    @property
    def gone(self) -> tuple[Spent, ...]:
        """Objectives without any budget left."""
        return tuple(s for s in self.spent if s.report.state == "exhausted")

    @property
    def todo(self) -> tuple[Todo, ...]:
        """What is to be done, the most urgent first."""
        return todo_of(self)

    def summary(self) -> Html:
        """The day in a few sentences."""
        return told.paragraph(
            self._work(), self._alerts(), self._looks(), self._budgets(), self._data(), kind="lead"
        ) + told.paragraph(f"{said(self.start)} to {said(self.end)}, looked at {said(self.now)}.", kind="quiet")

    def facts(self) -> list[Fact]:
        """The day's key numbers."""
        acks, known = self.acks, [u.uptime for u in self.tests if u.uptime is not None]
        shares = [s.share for s in self.spent if s.share is not None]
        return [
            Fact("todo", "things to do", len(self.todo), better="down"),
            Fact("active", "alerts that fire now", len(self.active), better="down"),
            Fact("fired", "firings", len(self.began), better="down"),
            Fact("false", "firings without an incident", len(self.false), better="down"),
            Fact("acked", "median time to acknowledge", statistics.median(acks) if acks else None, "seconds", "down"),
            Fact("incidents", "labelled incidents", len(self.incidents), better="down"),
            Fact("down", "synthetic tests that are down", len(self.down), better="down"),
            Fact("uptime", "lowest uptime of a test", min(known, default=None), "ratio", "up", 2),
            Fact("spent", "most of a budget that was spent", max(shares, default=None), "ratio", "down"),
            Fact("exhausted", "budgets used up", len(self.gone), better="down"),
            Fact("gaps", "sources with an unusual gap", sum(a.unusual for a in self.arrivals), better="down"),
            Fact("refused", "rows refused", sum(r.rows for r in self.refused), better="down"),
            Fact("due", "decisions to look at again", sum(bool(d["due"]) for d in self.decisions), better="down"),
        ]

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def work(self) -> Html:
        """The list to begin the day with."""
        rows = [(_thing(t), told.mark(_LOOKS[t.when], t.when)) for t in self.todo]
        columns = (Column("what, and how", wide=True), Column("when", short=True))
        return told.table(columns, rows, empty="Nothing to do. Enjoy your coffee.")

    def alerts(self) -> Html:
        """What fires now, then what fired in the time."""
        columns = (
            Column("alert", wide=True), Column("severity", short=True), Column("since", short=True),
            Column("for", number=True), Column("acknowledged", short=True), Column("incident"),
        )  # fmt: skip
        over = [f for f in self.began if not f.active]
        return (
            told.heading("Firing now")
            + told.table(columns, [self._alert(f) for f in self.active], empty="Nothing fires.")
            + told.heading("Fired and over", note=_false_words(self.began))
            + told.table(columns, [self._alert(f) for f in over], empty="Nothing else fired.")
            + self._given_up()
        )

    def looks(self) -> Html:
        """What the synthetic tests saw."""
        columns = (Column("test"), Column("uptime", number=True), Column("reachability", number=True),
                   Column("outages", number=True), Column("down for", number=True),
                   Column("why", wide=True))  # fmt: skip
        bad = [u for u in self.tests if u.outages or u.uptime is None or u.failed]
        rows = [
            (
                u.test, measured(u.uptime, "ratio", 2), measured(u.reachability, "ratio", 2), str(len(u.outages)),
                ago(u.down_seconds) if u.outages else "–", _why(u),
            )
            for u in bad
        ]  # fmt: skip
        well = len(self.tests) - len(bad)
        words = f"{well} more {'test' if well == 1 else 'tests'} passed every time." if well and bad else ""
        every = "Every look passed." if self.tests else "No synthetic test had a result: nobody looked."
        soon = [c for c in self.certificates if c["days"] < 30]
        ends = "; ".join(f"{c['test']} in {c['days']:.0f} days" for c in soon)
        return (
            told.table(columns, rows, empty=every)
            + told.paragraph(words, kind="quiet")
            + told.paragraph(f"Certificates that end within 30 days: {ends}." if ends else "", kind="note")
        )

    def budgets(self) -> Html:
        """What the day took of each error budget."""
        columns = (Column("objective"), Column("state", short=True),
                   Column("spent", number=True, hint="of the whole window's budget, in this time"),
                   Column("left", number=True, hint="at the end of this time"), Column("bad", number=True),
                   Column("at this pace", short=True, hint="how long what is left would last"))  # fmt: skip
        rows = [
            (
                told.two_lines(s.name, f"{s.report.objective}, {s.report.window}"),
                told.pill_of(s.report.state),
                measured(s.share, "ratio"),
                measured(s.left, "ratio", 0),
                told.two_lines(f"{s.bad:,.0f}", f"of {s.valid:,.0f}") if s.valid else "–",
                self._lasts(s),
            )
            for s in self.spent
        ]
        return told.table(columns, rows, empty="No SLO is defined.")

    def sources(self) -> Html:
        """Whether the data still comes, as steadily as usual."""
        columns = (
            Column("source"), Column("", short=True), Column("newest", short=True), Column("rows", number=True),
            Column("longest gap", number=True), Column("usually at most", number=True, hint="in the week before"),
        )  # fmt: skip
        rows = [
            (
                told.two_lines(a.table, a.source),
                told.mark(*self._source_state(a)),
                said(a.newest),
                f"{a.rows:,}",
                _gap(a.gap_seconds),
                _gap(a.usual_gap_seconds),
            )
            for a in self.arrivals
        ]
        return told.table(columns, rows, empty="No row came from anywhere.") + self._scrapes() + self._refusals()

    def retention(self) -> Html:
        """How long each table is kept, and how old its oldest row is; logs first."""
        columns = (Column("table"), Column("kept for", number=True), Column("oldest row", short=True),
                   Column("its age", number=True), Column("", short=True))  # fmt: skip
        known = [k for k in self.kept if k.oldest]
        shown = [k for k in known if k.late or k.table in GROWING]
        ordered = sorted(shown, key=lambda k: (k.table != "logs", not k.late, k.table))
        rows = [
            (
                k.table,
                f"{k.keep_days} d",
                said(k.oldest),
                ago((self.now - k.oldest).total_seconds()) if k.oldest else "–",
                told.mark(*(("at_risk", "! too old") if k.late else ("healthy", "✓ as it shall be"))),
            )
            for k in ordered
        ]
        note = (
            "A row's age counts from when it happened or arrived, whichever is later, so an old file loaded lately may "
            f"stay longer. {many(len(known) - len(shown), 'register')} with a limit are within it; tables without one "
            "are left out."
        )
        return told.table(columns, rows, empty="Nothing is stored yet.") + told.paragraph(note, kind="note")

    def open_decisions(self) -> Html:
        """Decisions that are due, and those that wait to be applied."""
        rows = [
            (
                told.two_lines(str(d["name"]), str(d["id"])),
                "look again" if d["due"] else "not applied yet",
                str(d["decided_by"]),
                str(d["reason"]),
                f"{d['look_again_at']:%Y-%m-%d}" if d["look_again_at"] else "–",
            )
            for d in self.decisions
        ]
        columns = (Column("rule"), Column("what", short=True), Column("by"), Column("why", wide=True),
                   Column("due", short=True))  # fmt: skip
        return told.table(columns, rows, empty="No decision is open.")

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about)

    def _work(self) -> str:
        counts = {when: sum(t.when == when for t in self.todo) for when in _LOOKS}
        parts = [f"{n} {when}" for when, n in counts.items() if n]
        many = len(self.todo)
        if not many:
            return "Nothing to do."
        return f"{many} {'thing' if many == 1 else 'things'} to do: {', '.join(parts)}."

    def _alerts(self) -> str:
        fired, active = len(self.began), len(self.active)
        if not fired and not active:
            return "No alert fired."
        words = f"{many(fired, 'alert')} fired" if fired else "No alert fired anew"
        if active:
            words += f", {active} {'fires' if active == 1 else 'fire'} now"
            open_ = sum(f.acked_at is None for f in self.active)
            words += f" ({open_} of them taken on by nobody)" if open_ else ", all taken on"
        if self.false:
            words += f"; {len(self.false)} belonged to no incident"
        ack = f" Half were acknowledged within {ago(statistics.median(self.acks))}." if self.acks else ""
        return f"{words}.{ack}"

    def _looks(self) -> str:
        known = [u for u in self.tests if u.uptime is not None]
        if not known:
            return "No synthetic test had a result."
        bad = [u for u in known if u.outages]
        if not bad:
            return f"All {len(known)} synthetic tests were up." if len(known) > 1 else "The synthetic test was up."
        worst = bad[0]
        now = f"; {', '.join(u.test for u in self.down[:3])} {_is(self.down)} down now" if self.down else ""
        return (
            f"{many(len(bad), 'synthetic test')} of {len(known)} {_was(bad)} down at some time, the worst "
            f"{worst.test} ({measured(worst.uptime, 'ratio', 2)} up){now}."
        )

    def _budgets(self) -> str:
        known = [s for s in self.spent if s.share is not None]
        if not known:
            return "No objective had data."
        most, gone = known[0], [s for s in known if s.report.state == "exhausted"]
        words = f"{most.name} spent most of its error budget, {measured(most.share, 'ratio')} of it"
        if not most.share:
            words = "No error budget was touched"
        return f"{words}; {', '.join(s.name for s in gone)} {_has(gone)} none left." if gone else f"{words}."

    def _data(self) -> str:
        odd = [a for a in self.arrivals if a.unusual]
        if self.newest is None:
            return "No row came from anywhere."
        age = f"the newest row was {ago((self.now - self.newest).total_seconds())} old"
        if not odd:
            return f"All {many(len(self.arrivals), 'source')} sent as steadily as usual; {age}."
        return f"{many(len(odd), 'source')} of {len(self.arrivals)} paused longer than usual; {age}."

    def _alert(self, f: Fired) -> tuple[str | Html, ...]:
        labels = ", ".join(f"{k}={v}" for k, v in f.labels.items() if k not in ("alertname", "severity"))
        acked = "by nobody" if f.acked_at is None else f"{f.acked_by or 'somebody'}, after {ago(f.ack_seconds)}"
        return (
            told.two_lines(f"{f.name}: {_short(f.summary)}", labels), f.severity or "–", said(f.fired_at),
            ago(f.seconds(self.end)), acked, f.incident.title if f.incident else told.mark("at_risk", "none"),
        )  # fmt: skip

    def _given_up(self) -> Html:
        rows = [
            (said(d["created_at"]), f"{d['receiver']}, {d['channel']}", str(d["attempts"]), _short(d["answer"] or "–"))
            for d in self.dead
        ]
        columns = (Column("message of", short=True), Column("to"), Column("attempts", number=True),
                   Column("the last answer", wide=True))  # fmt: skip
        return told.heading("Messages that were given up") + told.table(columns, rows) if rows else Html("")

    def _lasts(self, s: Spent) -> str:
        if s.left is None or s.share is None:
            return "–"
        if s.left <= 0:
            return "used up"
        if not s.share:
            return "untouched"
        return f"{ago(s.left / s.share * (self.end - self.start).total_seconds())}"

    def _source_state(self, a: Arrival) -> tuple[str, str]:
        if a.stopped:
            return "exhausted", "✕ stopped"
        return ("at_risk", "! paused") if a.unusual else ("healthy", "✓ steady")

    def _scrapes(self) -> Html:
        bad = [t for t in self.targets if t.failed]
        words = "No target is scraped." if not self.targets else f"{many(len(self.targets), 'target')} scraped"
        if self.targets:
            words += ", every time." if not bad else "; some scrapes failed:"
        rows = [(t.name, f"{t.failed:,} of {t.scrapes:,}", "down" if t.down else "up again") for t in bad]
        columns = (Column("target"), Column("failed", number=True), Column("now", short=True))
        stopped = ", ".join(f"{s.name} ({ago((self.end - s.newest).total_seconds())} ago)" for s in self.silent[:8])
        return (
            told.paragraph(words)
            + (told.table(columns, rows) if rows else Html(""))
            + told.paragraph(f"Metrics that stopped: {stopped}." if stopped else "")
        )

    def _refusals(self) -> Html:
        if not self.refused:
            return told.paragraph("No row is known to have been refused.", kind="quiet")
        columns = (Column("refused", wide=True), Column("rows", number=True))
        return told.table(columns, [(r.what, f"{r.rows:,}") for r in self.refused])


def daily(wb: Workbench, *, window: str = "24h", end: Moment = None, now: datetime | None = None) -> Day:
    """Gather it: `window` up to `end` (None: the minute after the newest request)."""
    from pitchey_slo.workbench import parse_time, step_ms

    moment = now or datetime.now(UTC)
    last = parse_time(end, "end") or wb.newest_minute("requests", "probes", "samples")
    start = last - timedelta(milliseconds=step_ms(window))
    incidents, reader = wb.incidents(start, last), wb.reader
    tables = list(_TABLES)
    probes = reader.source(PROBES.name, start, last)
    return Day(
        start=start,
        end=last,
        now=moment,
        fired=firings(reader, start, last, incidents_of(incidents)),
        dead=tuple(reader.query(daily_questions.DEAD, [start, last]).to_pylist()),
        incidents=incidents,
        uptimes=tuple(wb.synthetic_history(start, last).uptimes()),
        certificates=tuple(reader.query(board_probes.certificates(probes)).to_pylist()),
        arrivals=arrivals(reader, start, last),
        silent=silent(reader, start, last, after=QUIET),
        targets=targets(reader, start, last),
        refused=refused(reader, wb.settings.home, start, last),
        kept=kept(reader, wb.settings, moment),
        spent=spent(wb.slo_report(end=last), wb.slo_report(window=window, end=last)),
        live=end in (None, ""),
        decisions=tuple(d for d in wb.decisions_told(last) if d["due"] or _waits(d)),
        about=about(
            wb, NOTEBOOK, start=start, end=last, tables=tables, parameters={"window": window, "end": end}, now=moment
        ),
    )


def _thing(todo: Todo) -> Html:
    """What is to be done, and below it how: a command stands out, to be pasted."""
    how = f"<code>{told.text(todo.how)}</code>" if todo.how.startswith("pitchey-slo ") else str(told.text(todo.how))
    more = " · ".join(part for part in (how, str(told.text(todo.where))) if part)
    return Html(f'{told.text(todo.what)}<br><span class="quiet">{more}</span>')


def _waits(decision: Mapping[str, Any]) -> bool:
    """Decided, and not done yet."""
    return bool(decision["state"] == "decided" and decision["kind"] != "reject")


def _false_words(began: Sequence[Fired]) -> str:
    over = [f for f in began if not f.active]
    false = sum(f.incident is None for f in over)
    return f"{false} of {len(over)} without an incident" if over else ""


def _why(u: Uptime) -> str:
    if not u.outages:
        return f"{u.failed:,} of {u.looks:,} looks failed, never at enough places at once" if u.failed else "not known"
    last = u.outages[-1]
    return f"{last.failure or 'down'}: {_short(last.reason or 'no reason given')}" + (
        ", and lasts" if last.open else ""
    )


def _gap(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return ago(seconds) if seconds else "under 1 min"


def _short(text: str) -> str:
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def _is(found: Sequence[object]) -> str:
    return "is" if len(found) == 1 else "are"


def _was(found: Sequence[object]) -> str:
    return "was" if len(found) == 1 else "were"


def _has(found: Sequence[object]) -> str:
    return "has" if len(found) == 1 else "have"
