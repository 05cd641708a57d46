"""The list at the top of the daily review: what is to be done, how, and how soon. Rules in order, one function each.

*now*: somebody suffers, or nobody would be told. *today*: it will be so soon, or a day of it is lost. *this week*: it
makes tomorrow's list shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pitchey_slo.report.words import ago, many, measured

if TYPE_CHECKING:
    from pitchey_slo.analyse.daily import Spent
    from pitchey_slo.report.daily import Day

When = Literal["now", "today", "this week"]
_ORDER: Final = {"now": 0, "today": 1, "this week": 2}
#: A budget that lost so much of itself in the time, or has so little left, is looked at today.
MUCH: Final = 0.1
LITTLE: Final = 0.1
#: Data so old (seconds) means that nothing comes any more.
OLD: Final = 900.0
#: Days until a certificate ends.
SOON: Final = 14
#: Things of a kind that are named one by one.
_MOST: Final = 5


@dataclass(frozen=True)
class Todo:
    """One thing to do. `how` is a command or a place to look; `where` says more in small."""

    when: When
    what: str
    how: str
    where: str = ""


def todo_of(day: Day) -> tuple[Todo, ...]:
    """Everything, the most urgent first; in the order of the page among equals."""
    found = [each for rule in _RULES for each in rule(day)]
    return tuple(sorted(found, key=lambda t: _ORDER[t.when]))


def _alerts(day: Day) -> Iterator[Todo]:
    open_ = [f for f in day.active if f.acked_at is None]
    for f in open_[:_MOST]:
        when: When = "now" if f.severity == "critical" else "today"
        since = ago(f.seconds(day.end))
        yield Todo(when, f"Take on {f.name} ({f.severity or 'no severity'}): {f.summary}. It has fired for {since}.",
                   f"pitchey-slo alerts ack {f.id}", f.runbook)  # fmt: skip
    if len(open_) > _MOST:
        yield Todo("now", f"Take on {many(len(open_) - _MOST, 'more alert')}.", "pitchey-slo alerts list")
    old = [f for f in day.active if f.acked_at is not None and not f.began]
    if old:
        names = ", ".join(sorted({f.name for f in old}))
        yield Todo("today", f"See whether work goes on: {names} {_have(len(old))} fired since before this time, and "
                   f"{_have(len(old))} been acknowledged.", "pitchey-slo alerts list")  # fmt: skip


def _messages(day: Day) -> Iterator[Todo]:
    if day.dead:
        channels = ", ".join(sorted({f"{d['receiver']} ({d['channel']})" for d in day.dead}))
        yield Todo("now", f"{many(len(day.dead), 'message')} could not be delivered to {channels}: mend the channel.",
                   "pitchey-slo alerts test", str(day.dead[-1]["answer"] or "")[:120])  # fmt: skip


def _tests(day: Day) -> Iterator[Todo]:
    for u in day.down[:_MOST]:
        last = u.outages[-1]
        why = f" ({last.failure})" if last.failure else ""
        yield Todo("now", f"Synthetic test {u.test} is down for {ago(last.seconds)}{why}.",
                   "pitchey-slo synthetic list", (last.reason or "")[:120])  # fmt: skip
    blind = [u.test for u in day.tests if u.uptime is None]
    if blind or not day.tests:
        names = ", ".join(blind[:_MOST]) or "no synthetic test"
        what = f"Nothing is known of {names}: nobody looked." if blind else "Nobody looks from outside."
        yield Todo("today", what, "pitchey-slo synthetic list")
    soon = [c for c in day.certificates if c["days"] < SOON]
    for c in soon[:_MOST]:
        yield Todo("now" if c["days"] < 3 else "today", f"The certificate that {c['test']} sees ends in "
                   f"{c['days']:.0f} days: renew it.", "")  # fmt: skip


def _sources(day: Day) -> Iterator[Todo]:
    age = (day.now - day.newest).total_seconds() if day.newest else None
    if day.live and (age is None or age > OLD):
        what = f"Nothing has arrived for {ago(age)}" if age is not None else "Nothing has ever arrived"
        yield Todo("now", f"{what}: see that the server runs and that senders reach it.",
                   "docs/runbooks/workbench-blind.md")  # fmt: skip
    for a in [a for a in day.arrivals if a.stopped][:_MOST]:
        yield Todo("now", f"{a.source} sends nothing to {a.table} any more.", "docs/runbooks/workbench-blind.md",
                   f"newest row {ago(a.silent_seconds(day.end))} before the end")  # fmt: skip
    for a in [a for a in day.arrivals if a.unusual and not a.stopped][:_MOST]:
        usual = ago(a.usual_gap_seconds) if a.usual_gap_seconds else "under a minute"
        yield Todo("today", f"{a.source} paused for {ago(a.gap_seconds)} in {a.table}; usually it is {usual} at most.",
                   "look at the sender, then at rejected rows below")  # fmt: skip
    for t in [t for t in day.targets if t.down][:_MOST]:
        yield Todo("now", f"Scraping {t.name} fails.", f"{t.failed:,} of {t.scrapes:,} scrapes failed")
    if day.silent:
        names = ", ".join(s.name for s in day.silent[:_MOST])
        more = f" and {len(day.silent) - _MOST} more" if len(day.silent) > _MOST else ""
        yield Todo(
            "today", f"Metrics stopped: {names}{more}. Rules on them are blind.", "docs/runbooks/workbench-blind.md"
        )
    rows = sum(r.rows for r in day.refused)
    if rows:
        yield Todo("today", f"{many(rows, 'row')} refused: {day.refused[0].what}.",
                   "mend the lines and load them again", "<home>/rejects")  # fmt: skip


def _budgets(day: Day) -> Iterator[Todo]:
    for s in day.spent:
        if s.share is None or s.left is None:
            continue
        if s.report.state == "exhausted" and s.share > 0:
            yield Todo("today", f"{s.name} has no error budget left and lost {measured(s.share, 'ratio')} more: hold "
                       "risky changes, work on what failed.", _explain(s))  # fmt: skip
        elif s.share >= MUCH:
            yield Todo("today", f"{s.name} lost {measured(s.share, 'ratio')} of its whole error budget; "
                       f"{measured(s.left, 'ratio', 0)} is left.",
                       _explain(s))  # fmt: skip
        elif 0 < s.left < LITTLE:
            yield Todo("this week", f"{s.name} has {measured(s.left, 'ratio', 0)} of its error budget left.",
                       _explain(s))  # fmt: skip


def _false(day: Day) -> Iterator[Todo]:
    if day.false:
        names = ", ".join(sorted({f.name for f in day.false}))
        what = (
            f"{many(len(day.false), 'firing')} of {names} without an incident: label what was wrong, or tune the rule."
        )
        yield Todo("this week", what, "pitchey-slo incidents label", "pitchey-slo report run threshold_review")


def _kept(day: Day) -> Iterator[Todo]:
    for k in [k for k in day.kept if k.late]:
        over = ago(k.over.total_seconds())
        yield Todo("this week", f"{k.table} holds rows {over} older than its {k.keep_days} days: does retention run?",
                   "pitchey-slo retention --dry-run", "rows that arrived late are kept from their arrival")  # fmt: skip


def _decisions(day: Day) -> Iterator[Todo]:
    due = [d for d in day.decisions if d["due"]]
    waiting = [d for d in day.decisions if not d["due"]]
    if due:
        names = ", ".join(sorted({str(d["name"]) for d in due}))
        yield Todo("this week", f"Look again at what was decided about {names}.", "pitchey-slo rules decisions")
    if waiting:
        names = ", ".join(sorted({str(d["name"]) for d in waiting}))
        yield Todo("this week", f"Apply what was decided about {names}, or revert it.", "pitchey-slo rules apply")


def _explain(spent: Spent) -> str:
    return f"pitchey-slo report run slo_explain -p slo={spent.report.slo}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


_RULES: Final = (_alerts, _messages, _tests, _sources, _budgets, _false, _kept, _decisions)
