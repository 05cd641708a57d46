"""What the threshold review says: the findings of `wb.review` in words and tables, and how to decide about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.analyse.review import Looked, Proposal, Review
from pitchey_slo.analyse.review.words import incidents, setting, times, weeks
from pitchey_slo.plots.theme import count
from pitchey_slo.report import told as telling
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, said

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench


NOTEBOOK: Final = "40_threshold_review"


@dataclass(frozen=True, eq=False)
class Sheet:
    """A review as pieces of a page."""

    review: Review
    about: About

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        return self.review.proposals

    def summary(self) -> Html:
        """What there is to decide, in a few sentences."""
        return telling.paragraph(*_summary(self.review), kind="lead") + telling.paragraph(
            f"{said(self.review.start)} to {said(self.review.end)}, {incidents(len(self.review.incidents))} labelled, "
            f"{len(self.review.rules)} alert rules.",
            kind="quiet",
        )

    def facts(self) -> list[Fact]:
        """How good the rules are, and what waits for a decision."""
        r = self.review
        fired, false = sum(each.per_week for each in r.rules), sum(each.false_per_week for each in r.rules)
        return [
            Fact("noisy", "noisy rules", len(r.noisy), better="down"),
            Fact("missed", "incidents nobody was told of", len(r.missed), better="down"),
            Fact("incidents", "labelled incidents", len(r.incidents), better="down"),
            Fact("fired", "firings a week, all rules", fired, "a week", None, 1),
            Fact("false", "firings a week without an incident", false, "a week", "down", 1),
            Fact("proposals", "proposals", len(r.proposals)),
            Fact("due", "decisions to look at again", len(r.due), better="down"),
            Fact("blind", "rules that never had data", len(r.blind), better="down"),
        ]

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def due(self) -> Html:
        """Earlier decisions that asked to be looked at again."""
        rows = [
            (
                telling.two_lines(d["rule"].split(";")[3], d["id"]),
                d["state"] if d["kind"] != "reject" else "rejected",
                d["decided_by"],
                d["reason"],
                f"{d['look_again_at']:%Y-%m-%d}",
            )
            for d in self.review.due
        ]
        columns = (Column("rule"), Column("state"), Column("by"), Column("why", wide=True), Column("due", short=True))
        return telling.table(columns, rows, empty="No earlier decision is due.")

    def noisy(self) -> Html:
        """The rules that fire for nothing."""
        columns = (
            Column("rule"),
            Column("a week", number=True, hint="firings"),
            Column("without incident", number=True, hint="of all its firings"),
            Column("for nothing", number=True, hint="time it fired without an incident"),
            Column("caught", number=True, hint="incidents that one of its firings touches"),
            Column("what to do", wide=True),
        )
        rows = [
            (
                telling.two_lines(r.rule.name, _where(r)),
                f"{r.per_week:.1f}",
                f"{100 * (r.false_share or 0):.0f} %",
                ago(r.idle_seconds),
                count(len(r.caught)),
                _advice(r, self.review),
            )
            for r in self.review.noisy
        ]
        return telling.table(columns, rows, empty="No rule fires for nothing more than once a week.")

    def missed(self) -> Html:
        """The incidents for which no rule fired."""
        columns = (Column("incident", wide=True), Column("when", short=True), Column("lasted", number=True),
                   Column("what would have caught it", wide=True))  # fmt: skip
        rows = [
            (
                m.incident.title,
                said(m.incident.started_at),
                ago(((m.incident.ended_at or self.review.end) - m.incident.started_at).total_seconds()),
                _catch(m),
            )
            for m in self.review.missed
        ]
        empty = "Some rule fired for every incident." if self.review.incidents else "No incident is labelled."
        return telling.table(columns, rows, empty=empty)

    def lint(self) -> Html:
        """What the linter says of the burn alerts, worst first."""
        order = {"error": 0, "warning": 1, "info": 2}
        found = [f for report in self.review.lint for f in report.findings if f.level != "info"]
        rows = [
            (f.level, telling.two_lines(f.slo, f"{f.objective}{', ' + f.windows if f.windows else ''}"), f.text, f.hint)
            for f in sorted(found, key=lambda f: (order[f.level], f.slo))
        ]
        columns = (Column("level", short=True), Column("SLO"), Column("what", wide=True), Column("what would work"))
        return telling.table(columns, rows, empty="The linter has nothing to warn of.")

    def unheard(self) -> Html:
        """Rules that never had data, and those that never fired."""
        blind = [(r.rule.name, _where(r), "never had data: " + ", ".join(_unseen(r))) for r in self.review.blind]
        silent = [
            (r.rule.name, _where(r), _evaluated(r))
            for r in self.review.silent
            if r.rule.group.partition(";")[0] != "slos"
        ]
        columns = (Column("rule"), Column("group"), Column("", wide=True))
        return telling.table(columns, blind + silent, empty="Every rule has data, and has fired.")

    def heading(self, proposal: Proposal) -> Html:
        """What is proposed, why, in words."""
        number = self.proposals.index(proposal)
        new = setting(proposal.point)
        body = telling.heading(
            f"{number + 1}. {proposal.rule.name}: {new}",
            None,
            f"{proposal.text.short}, line {proposal.rule.line}; now {setting(proposal.tuning.current)}",
        ) + telling.paragraph(*proposal.reasons)
        if proposal.spoken:
            body += telling.paragraph(
                f"Its {' and '.join(proposal.spoken)} still says the old number: change that by hand.", kind="quiet"
            )
        return body

    def numbers(self, proposal: Proposal) -> Html:
        """Now and as proposed, side by side."""
        columns = ("firings", "without incident", "for nothing", "incidents caught", "found after (median)")
        rows = []
        for word, point, side in (("now", proposal.tuning.current, "before"), ("proposed", proposal.point, "after")):
            both = [c for c in proposal.changes.changes if getattr(c, side) is not None]
            after = point.detect_seconds
            rows.append(
                (
                    telling.two_lines(word, setting(point)),
                    count(len(both)),
                    count(sum(c.incident is None for c in both)),
                    ago(point.idle_seconds),
                    f"{point.caught} of {point.incidents}",
                    "–" if after != after else ago(after),
                )
            )
        return telling.table([Column(""), *(Column(c, number=True) for c in columns)], rows)

    def diff(self, proposal: Proposal) -> Html:
        """The lines that would change, and the call that decides it."""
        number = self.proposals.index(proposal)
        return Html(f"<pre>{telling.text(proposal.diff)}</pre><pre>{telling.text(_calls(proposal, number))}</pre>")

    def unlabelled(self, most: int = 20) -> Html:
        """Firings without an incident, of the rules that are not noisy: each may be an incident nobody labelled."""
        noisy = {r.rule.key for r in self.review.noisy}
        found = [(rule, f) for rule, f in self.review.unlabelled() if rule.key not in noisy]
        rows = [
            (
                said(f.fired_at),
                ago(f.seconds(self.review.end)),
                rule.name,
                Html(f"<code>{telling.text(_label(rule.name, f, self.review))}</code>"),
            )
            for rule, f in found[-most:]
        ]
        columns = (Column("when", short=True), Column("lasted", number=True), Column("rule"),
                   Column("if something was wrong", wide=True))  # fmt: skip
        return telling.table(columns, rows, empty="Every firing of a rule that is not noisy belongs to an incident.")

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(
            self.about,
            {
                "incidents": f"{len(self.review.incidents)} ({self.review.incidents_hash[:12]})",
                "rules": str(len(self.review.rules)),
                "computed in": f"{self.review.seconds:.0f} s",
            },
        )


def threshold_review(wb: Workbench, *, window: str = "28d", end: Moment = None) -> Sheet:
    """Gather it over a window such as "28d" before `end`."""
    from pitchey_slo.workbench import step_ms

    _, last = wb.span(None, end)
    start = last - timedelta(milliseconds=step_ms(window))
    found = wb.review(start, last)
    tables = ["requests", "rollups", "samples", "probes", "incidents", "decisions"]
    given = {"window": window, "end": end}
    return Sheet(found, about(wb, NOTEBOOK, start=start, end=last, tables=tables, parameters=given))


def told(review: Review) -> Iterator[str]:
    """The same for a terminal."""
    yield " ".join(_summary(review))
    for r in review.noisy:
        yield f"\n[bold]noisy[/] {r.rule.name} ({_where(r)}): {r.per_week:.1f} firings a week, " + (
            f"{100 * (r.false_share or 0):.0f} % without an incident. {_advice(r, review)}"
        )
    for m in review.missed:
        yield f"\n[bold]missed[/] {m.incident.title}, {said(m.incident.started_at)}: {_catch(m)}"
    for n, p in enumerate(review.proposals):
        yield f"\n[bold]proposal {n + 1}[/] {p.name}: {setting(p.point)} instead of {setting(p.tuning.current)}"
        yield " ".join(p.reasons)
        yield p.diff.replace("[", r"\[")
        yield f"  {_command(p)}"


def _summary(review: Review) -> list[str]:
    many = len(review.proposals)
    first = (
        f"{many} change{'s' if many != 1 else ''} to decide about."
        if many
        else "Nothing to decide: no change to a rule held up."
    )
    parts = [first]
    if not review.incidents:
        parts.append(
            "No incident is labelled in this time, so nothing says which firings were right: label some first."
        )
        return parts
    noisy, missed = review.noisy, review.missed
    if noisy:
        worst = noisy[0]
        parts.append(
            f"{_some(len(noisy), 'rule fires', 'rules fire')} for nothing, most of all {worst.rule.name}: "
            f"{times(worst.fired)} in {weeks(worst.weeks)}, {len(worst.false)} of them without an incident."
        )
    if missed:
        titles = ", ".join(m.incident.title for m in missed[:3])
        parts.append(f"{_some(len(missed), 'incident was', 'incidents were')} told to nobody: {titles}.")
    if not noisy and not missed:
        parts.append("No rule is noisy, and some rule fired for every incident.")
    errors = sum(f.level == "error" for report in review.lint for f in report.findings)
    if errors:
        parts.append(f"The linter finds {_some(errors, 'burn alert', 'burn alerts')} that cannot work as meant.")
    if review.blind:
        parts.append(f"{_some(len(review.blind), 'rule has', 'rules have')} no data at all.")
    if review.due:
        parts.append(f"{_some(len(review.due), 'earlier decision is', 'earlier decisions are')} due.")
    return parts


def _some(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _where(looked: Looked) -> str:
    labels = looked.rule.labels
    parts = [looked.rule.group.replace(";", ", "), labels.get("slo", ""), labels.get("severity", "")]
    return ", ".join(p for p in dict.fromkeys(parts) if p)


def _unseen(looked: Looked) -> Sequence[str]:
    return looked.history.unseen or ["what it asks for"]


def _evaluated(looked: Looked) -> str:
    share = looked.history.evaluated or 0.0
    return "never fired" + ("" if share > 0.995 else f"; it had data {share * 100:.0f} % of the time")


def _advice(looked: Looked, review: Review) -> str:
    for n, proposal in enumerate(review.proposals):
        if proposal.rule.key == looked.rule.key:
            return f"Proposal {n + 1}: {setting(proposal.point)}."
    if looked.rule.group.partition(";")[0] == "slos":
        return f"It comes from the SLO {looked.rule.labels.get('slo', '')}: change its alerting there; see the linter."
    return "No other number held up: look at its expression, or label what it fired for."


def _catch(missed: Any) -> str:
    if missed.rule is None or missed.point is None:
        return "No rule shows it at any threshold: it needs a rule of its own."
    more = (
        f"{missed.more_false} more firings without an incident"
        if missed.more_false > 0
        else "no firing for nothing more"
    )
    what = f"{missed.rule.name} at {setting(missed.point)} ({more})"
    return f"{what}: proposed below." if missed.proposed else f"{what}, but that did not hold up in other weeks."


def _calls(proposal: Proposal, number: int) -> str:
    return (
        f'made = wb.decide(sheet.proposals[{number}], "accept", by="...", reason="...")   # or "reject", or "change" '
        f'with threshold= and for_=\nwb.apply(made, by="...")\n\n# or in a shell\n{_command(proposal)}'
    )


def _command(proposal: Proposal) -> str:
    from pitchey_slo.analyse.review.numbers import number

    parts = [f"pitchey-slo rules decide {proposal.name} accept"]
    if proposal.threshold is not None:
        parts.append(f"--threshold {number(proposal.threshold)}")
    if proposal.hold is not None:
        parts.append(f"--for {proposal.hold}")
    return " ".join([*parts, '--reason "..."'])


def _label(rule: str, firing: Any, review: Review) -> str:
    first, last = firing.fired_at, firing.resolved_at or review.end
    return f"wb.label_incident('{rule}: ...', '{first:%Y-%m-%dT%H:%M}Z', '{last:%Y-%m-%dT%H:%M}Z')"
