"""What the log report says: what is new in the logs, what is said more or less than before, and whose requests it was
about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pandas as pd

from pitchey_slo.analyse.logs import Joined, Pattern, Patterns, log_patterns, log_requests
from pitchey_slo.plots.theme import count
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.log_words import LOOKS, WORDS, amount, left, level, lines, saying, share, short, times
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, said
from pitchey_slo.store.log_questions import at_least, timeline, weighed
from pitchey_slo.tables import REQUESTS

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "80_log_analysis"
#: A pattern that begins so soon after a deployment may come from it.
AFTER_DEPLOYMENT: Final = timedelta(hours=2)
#: Levels that ask for somebody's attention.
BAD: Final = ("warning", "error", "critical")
#: How many points a chart over the window has, about.
_POINTS: Final = 96


@dataclass(frozen=True, eq=False)
class LogAnalysis:
    """Patterns of all lines of the window, its errors joined to requests, and lines per bucket by level and, of
    warnings and worse, by fingerprint."""

    patterns: Patterns
    joined: Joined
    levels: pd.DataFrame
    bad: pd.DataFrame
    requests: float
    incidents: pd.DataFrame
    deployments: pd.DataFrame
    about: About

    @cached_property
    def errors(self) -> float:
        """Weighted lines of errors and worse."""
        return float(sum(self.levels[level].sum() for level in ("error", "critical") if level in self.levels))

    @cached_property
    def new(self) -> tuple[Pattern, ...]:
        """What was never said before, the worst first; what says that something began or ended is no trouble."""
        return tuple(sorted(self.patterns.of("new"), key=lambda p: (p.level not in BAD, -p.count)))

    @cached_property
    def moved(self) -> tuple[Pattern, ...]:
        """What is said more, less or not at all any more: the largest change first."""
        found = self.patterns.of("more", "less", "gone")
        return tuple(sorted(found, key=lambda p: -abs(p.count - (p.expected or 0.0))))

    def summary(self) -> Html:
        """What to know, in a few sentences."""
        if not self.patterns.total:
            return told.paragraph("No line was written in this time.", kind="lead")
        return told.paragraph(self._many(), self._news(), self._moves(), self._told(), kind="lead") + told.paragraph(
            f"{said(self.patterns.start)} to {said(self.patterns.end)}{self._compared()}", kind="quiet"
        )

    def facts(self) -> list[Fact]:
        """The numbers that matter from one report to the next."""
        per = 1_000 * self.errors / self.requests if self.requests else None
        new = float(sum(p.level in BAD for p in self.new))
        return [
            Fact("lines", "lines", self.patterns.total),
            Fact("errors", "error lines", self.errors, better="down"),
            Fact("errors_per_thousand", "error lines per 1,000 requests", per, "lines", "down", 2),
            Fact("new", "new patterns of warnings and errors", new, better="down"),
            Fact("more", "patterns said more", float(len(self.patterns.of("more"))), better="down"),
            Fact("patterns", "patterns", float(sum(p.count > 0 for p in self.patterns.patterns))),
            Fact("told", "failing requests that say why", self.joined.told, "ratio", "up", 0),
        ]

    def changes(self) -> Html:
        """What changed since the last report."""
        return changes(self.about, self.facts(), self.summary())

    def what_is_new(self, most: int = 15) -> Html:
        """Patterns never said in the time before, and what happened when they began."""
        if not self.patterns.per:
            return told.paragraph("There is no time before this one to compare with: nothing can be called new.")
        rows = [
            (said(p.first_seen), level(p), saying(p), count(p.count), self._where(p), self._near(p))
            for p in self.new[:most]
        ]
        columns = (Column("first", short=True), Column("level", short=True), Column("what it says", wide=True),
                   Column("lines", number=True), Column("mostly at"), Column("began", wide=True))  # fmt: skip
        return told.table(columns, rows, empty="nothing was said that was not said before") + left(len(self.new), most)

    def what_changed(self, most: int = 15) -> Html:
        """Patterns whose count is not explained by chance and traffic."""
        rows = [
            (told.mark(LOOKS[p.change], WORDS[p.change]), level(p), saying(p), count(p.count), amount(p.expected),
             times(p), self._where(p)) for p in self.moved[:most]
        ]  # fmt: skip
        columns = (
            Column("", short=True),
            Column("level", short=True),
            Column("what it says", wide=True),
            Column("lines", number=True),
            Column("expected", number=True, hint=f"at the rate of before, per {self.patterns.per or 'second'}"),
            Column("times", number=True),
            Column("mostly at"),
        )
        return told.table(columns, rows, empty="nothing is said more or less than chance would bring") + left(
            len(self.moved), most
        )

    def whose_requests(self, most: int = 12) -> Html:
        """Routes and statuses of the requests that error lines are about."""
        frame = self.joined.by_route
        rows = [
            (
                f"{r['method']} {r['route']}",
                str(r["status"]),
                count(r["lines"]),
                count(r["requests"]),
                share(r["share"]),
                self._say(str(r["route"]), int(r["status"])),
            )
            for r in frame[frame["lines"] > 0].head(most).to_dict("records")
        ]
        columns = (
            Column("endpoint", wide=True),
            Column("status", number=True),
            Column("lines", number=True),
            Column("requests", number=True, hint="that ended so in this time"),
            Column("with a line", number=True),
            Column("most said", wide=True),
        )
        lost = [
            f"{count(self.joined.no_trace)} error lines have no trace id" if self.joined.no_trace else "",
            f"{count(self.joined.no_request)} have one that no request has" if self.joined.no_request else "",
        ]
        words = " and ".join(w for w in lost if w)
        alone = f"{words}: they belong to no request that is known here." if words else ""
        return told.table(columns, rows, empty="no error line belongs to a request") + told.paragraph(
            alone, kind="quiet"
        )

    def silent(self, most: int = 8) -> Html:
        """Requests that failed and said nothing."""
        frame = self.joined.by_route
        failing = frame[(frame["status"] >= 500) & (frame["requests"] > frame["with_lines"])].copy()
        failing["silent"] = failing["requests"] - failing["with_lines"]
        rows = [
            (f"{r['method']} {r['route']}", str(r["status"]), count(r["silent"]), count(r["requests"]))
            for r in failing.sort_values(["silent", "route"], ascending=[False, True]).head(most).to_dict("records")
        ]
        columns = (Column("endpoint", wide=True), Column("status", number=True),
                   Column("failed without a line", number=True), Column("failed", number=True))  # fmt: skip
        return told.table(columns, rows, empty="every request that failed has a line of its own")

    def table(self, most: int = 40) -> Html:
        """All patterns, the most said first."""
        said_now = [p for p in self.patterns.patterns if p.count]
        rows = [
            (level(p), saying(p), count(p.count), share(p.share), amount(p.expected), WORDS[p.change],
             ", ".join(p.services), said(p.last_seen)) for p in said_now[:most]
        ]  # fmt: skip
        columns = (
            Column("level", short=True),
            Column("what it says", wide=True),
            Column("lines", number=True),
            Column("share", number=True),
            Column("expected", number=True, hint=f"at the rate of before, per {self.patterns.per or 'second'}"),
            Column(""),
            Column("services"),
            Column("last", short=True),
        )
        return told.table(columns, rows, empty="no line was written in this time") + left(len(said_now), most)

    def bad_names(self, most: int = 5) -> list[str]:
        """The patterns of warnings and worse that are said most, as columns of `bad`."""
        totals = self.bad.sum().sort_values(ascending=False, kind="stable")
        return [str(name) for name in totals.index[:most]]

    def provenance(self) -> Html:
        """What it was made from."""
        found = self.patterns
        before = f"{said(found.baseline_start)} to {said(found.start)}, per {found.per}"
        more = {"compared with": before if found.per else "nothing: no line before", "patterns": count(len(found))}
        if found.unnamed:
            more["without a fingerprint"] = f"{found.unnamed:,} rows, {found.read:,} of them read"
        if found.left_out:
            more["left out"] = f"{count(found.left_out)} lines of the rarest sayings"
        return ending(self.about, more)

    def _many(self) -> str:
        if not self.errors:
            return f"{count(self.patterns.total)} lines were written, none of them an error."
        per = f", {1_000 * self.errors / self.requests:.2g} per 1,000 requests" if self.requests else ""
        return f"{count(self.patterns.total)} lines were written, {count(self.errors)} of them errors{per}."

    def _news(self) -> str:
        if not self.patterns.per:
            return "There is no time before to compare with."
        bad = [p for p in self.new if p.level in BAD]
        if not bad:
            return "No warning or error is new."
        first = bad[0]
        listed = f"{len(bad)} patterns of warnings and errors are new, the most said" if len(bad) > 1 else "One is new"
        near = self._near(first)
        since = f"{lines(first.count)} since {said(first.first_seen)}{f', {near}' if near else ''}"
        return f"{listed}: “{short(first)}” ({since})."

    def _moves(self) -> str:
        more = sorted(self.patterns.of("more"), key=lambda p: (p.level not in BAD, -p.count))
        if not more:
            return "Nothing that was said before is said more than chance explains." if self.patterns.per else ""
        first = more[0]
        return (
            f"{len(more)} {'pattern is' if len(more) == 1 else 'patterns are'} said more than before, "
            f"“{short(first)}” {times(first)} as often as expected ({lines(first.count)})."
        )

    def _told(self) -> str:
        if self.joined.told is None:
            return "No request failed."
        silent = self.joined.failing - self.joined.failing_with_line
        if not silent:
            return f"Each of the {count(self.joined.failing)} requests that failed says why in a line."
        return (
            f"Of {count(self.joined.failing)} requests that failed, {share(self.joined.told)} say why in a line; "
            f"{count(silent)} are silent."
        )

    def _compared(self) -> str:
        if not self.patterns.per:
            return "."
        return f", compared with {said(self.patterns.baseline_start)} on, counted per {self.patterns.per}."

    def _where(self, pattern: Pattern) -> str:
        """The route and status most of its lines are about, with their share."""
        frame = self.joined.by_pattern
        mine = frame[frame["fingerprint"].isin(pattern.fingerprints) & frame["route"].notna()]
        if mine.empty:
            return "–"
        routes = mine.groupby("route")["lines"].sum().sort_values(ascending=False, kind="stable")
        others = f" and {len(routes) - 1} more" if len(routes) > 1 else ""
        return f"{routes.index[0]} ({share(routes.iloc[0] / mine['lines'].sum())}){others}"

    def _say(self, route: str, status: int) -> str:
        """What most lines about that route and status say."""
        frame = self.joined.by_pattern
        mine = frame[(frame["route"] == route) & (frame["status"] == status)]
        names = {name: p for p in self.patterns.patterns for name in p.fingerprints}
        found = mine.sort_values("lines", ascending=False, kind="stable")["fingerprint"].head(1)
        return "–" if found.empty or found.iloc[0] not in names else short(names[found.iloc[0]])

    def _near(self, pattern: Pattern) -> str:
        """A deployment shortly before it began, or an incident it began in."""
        parts = []
        released = self.deployments[self.deployments["ts"] <= pattern.first_seen] if len(self.deployments) else None
        if released is not None and len(released):
            last = released.iloc[-1]
            gap = pattern.first_seen - last["ts"]
            if gap <= AFTER_DEPLOYMENT:
                after = f"{ago(gap.total_seconds())} after" if gap >= timedelta(minutes=1) else "as"
                parts.append(f"{after} {last['service']} {last['version']} was deployed")
        for row in self.incidents.to_dict("records"):
            until = row["ended_at"] if pd.notna(row["ended_at"]) else self.patterns.end
            if row["started_at"] - timedelta(minutes=5) <= pattern.first_seen <= until:
                parts.append(f"in the incident “{row['title']}”")
                break
        return ", ".join(parts)


def log_analysis(
    wb: Workbench,
    *,
    window: str = "1d",
    baseline: str = "7d",
    service: str = "",
    end: Moment = None,
) -> LogAnalysis:
    """Gather it: the `window` before `end` (the minute after the newest line when empty), against `baseline` before."""
    from pitchey_slo.workbench import step_ms

    _, last = wb.log_span(None, end)
    start = last - timedelta(milliseconds=step_ms(window))
    where = "service = '{}'".format(service.replace("'", "''")) if service else "true"
    found = log_patterns(
        wb.reader, start, last, baseline=start - timedelta(milliseconds=step_ms(baseline)), where=where
    )
    seconds = max(60, round((last - start).total_seconds() / _POINTS / 60) * 60)
    levels = _wide(timeline(wb.reader, start, last, seconds, where=where).to_pandas(), "level")
    marked = (start - AFTER_DEPLOYMENT, last)
    return LogAnalysis(
        patterns=found,
        joined=log_requests(wb.reader, start, last, where=where),
        levels=levels.rename(columns=str.lower).T.groupby(level=0).sum().T,
        bad=_bad(wb, found, start, last, seconds, where),
        requests=weighed(wb.reader, REQUESTS.name, start, last),
        incidents=wb.incidents(*marked),
        deployments=wb.deployments(*marked),
        about=about(
            wb,
            NOTEBOOK,
            start=start,
            end=last,
            tables=["logs", "requests", "incidents", "deployments"],
            parameters={"window": window, "baseline": baseline, "service": service, "end": end},
        ),
    )


def _bad(wb: Workbench, found: Patterns, start: datetime, end: datetime, seconds: int, where: str) -> pd.DataFrame:
    """Warnings and worse per bucket and pattern, the columns the patterns in short."""
    rows = timeline(wb.reader, start, end, seconds, "fingerprint", where=f"{at_least('warning')} AND ({where})")
    names = {name: short(p) for p in found.patterns for name in p.fingerprints}
    frame = rows.to_pandas()
    frame["pattern"] = frame["fingerprint"].map(lambda name: names.get(name, "without a fingerprint"))
    return _wide(frame, "pattern")


def _wide(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    return frame.pivot_table(index="time", columns=by, values="lines", aggfunc="sum", fill_value=0.0)
