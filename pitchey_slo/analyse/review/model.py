"""What a review finds, as frozen values: how each rule did, what nobody was told of, what to change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pitchey_slo.alert.rules import Rule
from pitchey_slo.analyse.backtest.model import Firing, RuleHistory
from pitchey_slo.analyse.review.decisions import Verdict
from pitchey_slo.analyse.review.rule_text import RuleText
from pitchey_slo.analyse.tune import Changes, Incident, Point, Tuning

if TYPE_CHECKING:
    from pitchey_slo.slo.alerts.lint import LintReport

WEEK_SECONDS: Final = 7 * 86_400.0
#: A rule is noisy from so many firings without an incident a week on, if they are so large a share of all.
NOISY_PER_WEEK: Final = 1.0
NOISY_SHARE: Final = 0.3
#: A noisy rule with such a share of firings for nothing, or that fires for nothing so much of the time, is one that
#: nobody listens to: that it fired during an incident told nobody anything, and may well be chance.
IGNORED_SHARE: Final = 0.8
IGNORED_TIME: Final = 0.05


@dataclass(frozen=True)
class Looked:
    """How one alerting rule did. `false` are the firings that touch no labelled incident, `caught` the incidents that a
    firing touched."""

    history: RuleHistory
    caught: tuple[Incident, ...]
    false: tuple[Firing, ...]
    start: datetime
    end: datetime

    @property
    def rule(self) -> Rule:
        return self.history.rule

    @property
    def fired(self) -> int:
        return len(self.history.fired)

    @property
    def weeks(self) -> float:
        return (self.end - self.start).total_seconds() / WEEK_SECONDS

    @property
    def per_week(self) -> float:
        return self.fired / self.weeks

    @property
    def false_per_week(self) -> float:
        return len(self.false) / self.weeks

    @property
    def false_share(self) -> float | None:
        """Share of the firings that touch no incident; None when nothing fired."""
        return len(self.false) / self.fired if self.fired else None

    @property
    def idle_seconds(self) -> float:
        """How long it fired without an incident."""
        return sum(f.seconds(self.end) for f in self.false)

    @property
    def noisy(self) -> bool:
        return self.false_per_week >= NOISY_PER_WEEK and (self.false_share or 0.0) >= NOISY_SHARE

    @property
    def ignored(self) -> bool:
        """Whether it is so noisy that what it catches is taken as caught by chance."""
        time = self.idle_seconds / (self.end - self.start).total_seconds()
        return self.noisy and ((self.false_share or 0.0) >= IGNORED_SHARE or time >= IGNORED_TIME)

    @property
    def blind(self) -> bool:
        """Whether it never had any data to look at."""
        return not self.history.evaluated

    @property
    def silent(self) -> bool:
        """Whether it had data and never fired."""
        return not self.blind and not self.fired


@dataclass(frozen=True)
class Missed:
    """An incident that no rule fired for, those that nobody listens to aside. `rule` would have caught it at `point`
    (None when none can), with so many firings without an incident more; `proposed`: a proposal does it."""

    incident: Incident
    rule: Rule | None
    point: Point | None
    more_false: int
    proposed: bool


@dataclass(frozen=True)
class Proposal:
    """A change that held up on time it was not chosen from.

    why      "noisy" or "missed"
    text     the rule in its file as it is; `diff` what would change there
    tuning   all that was tried; `point` is what is proposed
    changes  firing by firing: gained, lost, moved
    gains    the missed incidents that it would catch
    reasons  why, in sentences; `sure` as `Tuning.sure`
    spoken   annotations that tell people the old number, and would still
    """

    why: Literal["noisy", "missed"]
    text: RuleText
    tuning: Tuning
    point: Point
    changes: Changes
    gains: tuple[Incident, ...]
    diff: str
    reasons: tuple[str, ...]
    sure: str
    spoken: tuple[str, ...]
    incidents_hash: str
    watermark: datetime | None

    @property
    def rule(self) -> Rule:
        return self.text.rule

    @property
    def name(self) -> str:
        """`group/name`, as commands take it."""
        return f"{self.text.at.group.name}/{self.rule.name}"

    @property
    def threshold(self) -> float | None:
        """The new number; None when it stays."""
        return None if self.point.threshold == self.tuning.current.threshold else self.point.threshold

    @property
    def hold(self) -> str | None:
        """The new `for`; None when it stays."""
        return None if self.point.for_seconds == self.rule.for_seconds else lasting(self.point.for_seconds)

    def verdict(self, kind: str, by: str, reason: str, **given: Any) -> Verdict:
        """A decision about this proposal: accepted as it is unless other numbers are given."""
        numbers = {name: given.pop(name, None) for name in ("threshold", "hold", "was")}
        if kind != "reject" and numbers["threshold"] is None and numbers["hold"] is None and kind == "accept":
            numbers = {"threshold": self.threshold, "hold": self.hold, "was": None}
        if kind != "reject" and numbers["was"] is None and numbers["threshold"] is not None:
            numbers["was"] = self.tuning.knob.current
        return Verdict(
            self.rule.key, kind, by, reason, **numbers, evidence=self.evidence(), rule_hash=self.text.hash, **given
        )

    def evidence(self) -> dict[str, Any]:
        """What a decision about it rests on."""
        return {
            "why": self.why,
            "start": self.tuning.start.isoformat(),
            "end": self.tuning.end.isoformat(),
            "watermark": self.watermark.isoformat() if self.watermark else None,
            "incidents": len(self.tuning.incidents),
            "incidents_hash": self.incidents_hash,
            "before": self.tuning.current.as_dict(),
            "after": self.point.as_dict(),
            "held_out": self.tuning.as_dict()["held_out"],
            "firings": self.changes.sentence(),
            "reasons": list(self.reasons),
            "sure": self.sure,
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule.key,
            "name": self.name,
            "file": self.text.short,
            "line": self.rule.line,
            "threshold": self.threshold,
            "for": self.hold,
            "diff": self.diff,
            "spoken": list(self.spoken),
            **self.evidence(),
        }


@dataclass(frozen=True)
class Review:
    """Rules over start <= t < end against the labelled incidents of that time.

    rules      every alerting rule, noisiest first
    missed     incidents that no rule fired for, rules that are `ignored` aside
    lint       one report per objective
    proposals  what to change, most useful first
    due        earlier decisions that shall be looked at again by `end`
    """

    start: datetime
    end: datetime
    incidents: tuple[Incident, ...]
    rules: tuple[Looked, ...]
    missed: tuple[Missed, ...]
    lint: tuple[LintReport, ...]
    proposals: tuple[Proposal, ...]
    due: tuple[Mapping[str, Any], ...]
    watermark: datetime | None
    seconds: float = 0.0

    @property
    def noisy(self) -> tuple[Looked, ...]:
        return tuple(r for r in self.rules if r.noisy)

    @property
    def silent(self) -> tuple[Looked, ...]:
        return tuple(r for r in self.rules if r.silent)

    @property
    def blind(self) -> tuple[Looked, ...]:
        return tuple(r for r in self.rules if r.blind)

    @property
    def incidents_hash(self) -> str:
        return hash_of(self.incidents)

    def looked(self, key: str) -> Looked:
        return next(r for r in self.rules if r.rule.key == key)

    def unlabelled(self) -> Iterator[tuple[Rule, Firing]]:
        """Firings without an incident, oldest first: to be labelled where something was wrong after all."""
        found = [(r.rule, f) for r in self.rules for f in r.false]
        return iter(sorted(found, key=lambda pair: pair[1].fired_at or pair[1].pending_at))

    def as_dict(self) -> dict[str, Any]:
        """For machines; missing is None."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "watermark": self.watermark.isoformat() if self.watermark else None,
            "incidents": [i.id for i in self.incidents],
            "incidents_hash": self.incidents_hash,
            "rules": [
                {
                    "rule": r.rule.key,
                    "name": r.rule.name,
                    "fired": r.fired,
                    "per_week": r.per_week,
                    "false": len(r.false),
                    "false_per_week": r.false_per_week,
                    "idle_hours": r.idle_seconds / 3600,
                    "caught": [i.id for i in r.caught],
                    "evaluated": r.history.evaluated,
                    "state": state(r),
                }
                for r in self.rules
            ],
            "missed": [
                {
                    "incident": m.incident.id,
                    "title": m.incident.title,
                    "rule": m.rule.key if m.rule else None,
                    "point": m.point.as_dict() if m.point else None,
                    "more_false": m.more_false,
                    "proposed": m.proposed,
                }
                for m in self.missed
            ],
            "lint": [f.as_dict() for report in self.lint for f in report.findings],
            "proposals": [p.as_dict() for p in self.proposals],
            "due": [d["id"] for d in self.due],
            "seconds": self.seconds,
        }


def state(looked: Looked) -> str:
    """noisy, no data, never fired, or fine."""
    if looked.noisy:
        return "noisy"
    return "no data" if looked.blind else "never fired" if looked.silent else "fine"


def hash_of(incidents: tuple[Incident, ...]) -> str:
    """Of what incidents say that counts: when, where."""
    told = [
        (i.id, i.started_at.isoformat(), i.ended_at and i.ended_at.isoformat(), i.routes, i.location) for i in incidents
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def lasting(seconds: float) -> str:
    """A duration as rule files write it.

    >>> lasting(90), lasting(0), lasting(3600)
    ('90s', '0s', '1h')
    """
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"
