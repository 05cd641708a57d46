"""The review itself: backtest everything, see what was missed, tune what can be tuned, keep what holds up.

What a rule shall catch is what it catches now, and what nobody catches; incidents that others catch count a third,
since two rules that see a thing are better than one. A proposal must have held up on the weeks it was not chosen from,
must not lose an incident that no other rule catches, and must be worth it: fewer firings without an incident, or an
incident that was missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pitchey_slo.alert.rule_book import SLO_PAGE
from pitchey_slo.alert.rules import RuleGroup
from pitchey_slo.analyse.backtest import Firing, backtest
from pitchey_slo.analyse.backtest.episodes import Floats, Ints
from pitchey_slo.analyse.backtest.incidents import within
from pitchey_slo.analyse.review import patch, words
from pitchey_slo.analyse.review.model import Looked, Missed, Proposal, Review, hash_of
from pitchey_slo.analyse.review.rule_text import rule_text
from pitchey_slo.analyse.tune import Changes, Cost, Incident, Point, Tuning, compare, incidents_of
from pitchey_slo.analyse.tune.ask import ask
from pitchey_slo.analyse.tune.sweep import Swept
from pitchey_slo.errors import ConfigError, DecisionError, NotFound, QueryError
from pitchey_slo.promql import Scan

if TYPE_CHECKING:
    from pitchey_slo.slo.alerts.lint import LintReport

Progress = Callable[[float, str], None]
#: Firings without an incident that a caught incident may cost, a week.
PRICE_PER_WEEK: Final = 1.0
#: What an incident counts for a rule when other rules catch it.
SECOND: Final = 1 / 3


@dataclass(frozen=True)
class Concerned(Cost):
    """As `Cost`, for the incidents that count for one rule: `weights` in the order of the incidents.

    `seconds` is the length of the whole time. A firing counts in the block in which it begins; what it fires for
    nothing beyond the length of a block is spread over all blocks, else a rule that always fires looks free in all but
    the first.
    """

    weights: tuple[float, ...] = ()
    seconds: float = float("inf")

    def of(self, swept: Swept, fold_of: Ints, folds: int) -> Floats:
        idle = np.minimum(swept.idle, self.seconds / folds)
        idle = idle + (swept.idle - idle).sum(axis=2, keepdims=True) / folds
        cost = self.false * swept.false + self.hour / 3600 * idle
        late = np.where(np.isnan(swept.late), self.missed, np.minimum(self.missed, self.minute / 60 * swept.late))
        late = late * np.array(self.weights)
        for fold in range(folds):
            cost[:, :, fold] += late[:, :, fold_of == fold].sum(axis=2)
        found: Floats = cost
        return found


def propose(
    groups: Sequence[RuleGroup],
    scan: Scan,
    start: datetime,
    end: datetime,
    incidents: Any,
    folder: Path,
    *,
    lint: Sequence[LintReport] = (),
    decisions: Sequence[Mapping[str, Any]] = (),
    watermark: datetime | None = None,
    progress: Progress | None = None,
) -> Review:
    """Look at every alerting rule of `groups` over start <= t < end, and propose what to change.

    incidents   labelled ones: a frame of `wb.incidents()`, rows, or `Incident`
    folder      of the rule files; rules that are not in it (burn alerts of SLOs) are judged, not changed
    decisions   earlier ones: those to be looked at again by `end` are listed, rejected changes are not proposed again
                before their date
    """
    begun = time.perf_counter()
    known = within(incidents_of(incidents), start, end)
    tell = progress or _nothing
    tested = backtest(groups, scan, start, end, progress=lambda share, what: tell(share / 2, what))
    rules = tuple(sorted((_looked(h, known, start, end) for h in tested.rules), key=_noise))
    caught = {i.id for r in rules if not r.ignored for i in r.caught}
    orphans = [i for i in known if i.id not in caught]
    tunings = _tuned(groups, scan, start, end, known, orphans, rules, tell)
    found: list[Proposal] = []
    for looked in rules:
        tuning = tunings.get(looked.rule.key)
        if tuning is not None and not _rejected(looked, decisions, end):
            others = {i.id for r in rules if r is not looked and not r.ignored for i in r.caught}
            made = _proposal(looked, tuning, others, {i.id for i in orphans}, folder, hash_of(known), watermark)
            found += [made] if made else []
    proposals = _one_per_incident(found)
    missed = tuple(_missed(i, tunings, proposals) for i in orphans)
    due = tuple(d for d in decisions if d["look_again_at"] and d["look_again_at"] <= end and d["state"] != "reverted")
    return Review(start, end, known, rules, missed, tuple(lint), proposals, due, watermark, time.perf_counter() - begun)


def _nothing(share: float, what: str) -> None:
    """Nobody watches."""


def _looked(history: Any, known: Sequence[Incident], start: datetime, end: datetime) -> Looked:
    found = compare((), history, known)
    false = tuple(c.after for c in found.changes if c.after is not None and c.incident is None)
    return Looked(history, found.newly_caught, false, start, end)


def _noise(looked: Looked) -> tuple[bool, float, float, str]:
    return not looked.noisy, -len(looked.false), -looked.idle_seconds, looked.rule.key


def _tuned(
    groups: Sequence[RuleGroup], scan: Scan, start: datetime, end: datetime, known: Sequence[Incident],
    orphans: Sequence[Incident], rules: Sequence[Looked], tell: Progress,
) -> dict[str, Tuning]:  # fmt: skip
    """The rules of files that have data, tuned for what they catch and what nobody catches."""
    wanted = [r for r in rules if not r.blind and r.rule.group.partition(";")[0] != SLO_PAGE and (r.noisy or orphans)]
    found = {}
    for n, looked in enumerate(wanted):
        tell(0.5 + n / len(wanted) / 2, looked.rule.name)
        mine = {i.id for i in [*looked.caught, *orphans]}
        weights = tuple(1.0 if i.id in mine else SECOND for i in known)
        cost = Concerned(weights=weights, seconds=(end - start).total_seconds())
        try:
            found[looked.rule.key] = ask(looked.rule.key, groups, scan, start, end, known, cost=cost)
        except QueryError:  # it cannot be tuned; its history tells why it fails, if it does
            continue
    return found


def _proposal(
    looked: Looked, tuning: Tuning, others: set[str], orphans: set[str], folder: Path, incidents: str,
    watermark: datetime | None,
) -> Proposal | None:  # fmt: skip
    """What held up, when it is worth it and loses nothing; None otherwise."""
    point = tuning.recommended
    if not tuning.changes:
        return None
    changes = compare(tuning.firings(tuning.current), tuning.firings(point), tuning.incidents)
    if not looked.ignored and any(i.id not in others for i in changes.newly_missed):
        return None
    before, after = _false(changes, "before"), _false(changes, "after")
    gains = tuple(i for i in changes.newly_caught if i.id in orphans)
    why: Literal["noisy", "missed"]
    if gains and after / looked.weeks <= max(PRICE_PER_WEEK, before / looked.weeks):
        why = "missed"
    elif looked.noisy and after < before:
        why = "noisy"
    else:
        return None
    try:
        text = rule_text(folder, looked.rule.key)
        numbers = None
        if point.threshold is not None and tuning.knob.current is not None:
            numbers = tuning.knob.current, point.threshold
        hold = None if point.for_seconds == looked.rule.for_seconds else words.hold(point.for_seconds)
        new = text.changed(threshold=numbers, hold=hold)
    except (ConfigError, DecisionError, NotFound):  # its text cannot be changed: shared by anchors, written as 5m
        return None
    spoken = patch.spoken(text.at, numbers[0]) if numbers and numbers[0] != numbers[1] else ()
    told = words.reasons(looked, tuning, changes, gains, others)
    return Proposal(
        why, text, tuning, point, changes, gains, text.diff(new), told, words.sure(tuning), spoken, incidents, watermark
    )


def _false(changes: Changes, side: str) -> int:
    return sum(getattr(c, side) is not None and c.incident is None for c in changes.changes)


def _one_per_incident(found: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Noisy rules first; of the rules that would catch the same missed incident the one that costs least."""
    kept = [p for p in found if p.why == "noisy"]
    covered = {i.id for p in kept for i in p.gains}
    for each in sorted((p for p in found if p.why == "missed"), key=_price):
        new = {i.id for i in each.gains} - covered
        if new:
            kept.append(each)
            covered |= new
    return tuple(kept)


def _price(proposal: Proposal) -> tuple[int, float]:
    """Firings without an incident more, then how far the number moves."""
    more = _false(proposal.changes, "after") - _false(proposal.changes, "before")
    return more, _far(proposal.tuning, proposal.point)


def _far(tuning: Tuning, point: Point) -> float:
    old, new = tuning.current.threshold, point.threshold
    if not old or not new or old * new <= 0:
        return 0.0
    return abs(float(np.log(new / old)))


def _missed(incident: Incident, tunings: Mapping[str, Tuning], proposals: Sequence[Proposal]) -> Missed:
    """Which rule could have caught it, at the fewest firings without an incident."""
    for each in proposals:
        if incident.id in {i.id for i in each.gains}:
            more = _false(each.changes, "after") - _false(each.changes, "before")
            return Missed(incident, each.rule, each.point, more, True)
    best: tuple[tuple[float, float], Tuning, Point] | None = None
    for tuning in tunings.values():
        place = next(n for n, i in enumerate(tuning.incidents) if i.id == incident.id)
        for w, turn in enumerate(tuning.turns):
            catches = np.argwhere(~np.isnan(turn.swept.late[:, :, place]))
            if not len(catches):
                continue
            empty = _empty(tuning, turn.false, turn.idle)[catches[:, 0], catches[:, 1]]
            i, j = catches[int(np.argmin(empty))].tolist()
            point = tuning.point(w, i, j)
            price = float(empty.min())
            if best is None or (price, _far(tuning, point)) < best[0]:
                best = (price, _far(tuning, point)), tuning, point
    if best is None or best[0][0] / best[1].weeks > 5 * PRICE_PER_WEEK:
        return Missed(incident, None, None, 0, False)
    _, tuning, point = best
    return Missed(incident, tuning.rule, point, point.false - tuning.current.false, False)


def _empty(tuning: Tuning, false: Any, idle: Any) -> Any:
    """What firing for nothing costs: how often, and how long."""
    return tuning.cost.false * false + tuning.cost.hour / 3600 * idle


def _rejected(looked: Looked, decisions: Sequence[Mapping[str, Any]], end: datetime) -> bool:
    """Whether the newest decision about this rule says to leave it, until a date that has not come."""
    mine = [d for d in decisions if d["rule"] == looked.rule.key]
    if not mine or mine[-1]["kind"] != "reject":
        return False
    again = mine[-1]["look_again_at"]
    return again is None or again > end


__all__ = ["Concerned", "Firing", "propose"]
