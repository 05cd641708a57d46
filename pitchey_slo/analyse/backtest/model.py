"""What a backtest finds, as frozen values: firings, one history per rule, and what all of it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitchey_slo.alert.rules import Rule

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Firing:
    """One episode of one alert, as the live engine would have had it.

    labels       as the alert has them: those of the series, those of the rule, `alertname`
    pending_at   when the condition began to hold
    fired_at     when it began to fire; None when the condition went away before `for` was over
    resolved_at  when it ended; None when it goes on at the end of the backtest
    peak_value   the value furthest on the alarming side (the lowest for `<`), NaN when all of them were
    """

    rule_key: str
    alertname: str
    labels: Mapping[str, str]
    pending_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    peak_value: float

    @property
    def fired(self) -> bool:
        return self.fired_at is not None

    def seconds(self, end: datetime) -> float:
        """How long it fired, up to `end`; 0 when it did not."""
        if self.fired_at is None:
            return 0.0
        return ((self.resolved_at or end) - self.fired_at).total_seconds()


@dataclass(frozen=True)
class RuleHistory:
    """What one alerting rule would have done.

    firings    every episode, pending ones too, by the time they began
    evaluated  share of the steps at which any of the rule's selectors had data; None when there was no step
    steps      evaluations, `failed` of them ended with an error (`problem` is the first) and changed nothing
    no_data    spans without data behind any selector
    unseen     selectors that never had data in the whole time, as text
    seconds    that computing it took
    """

    rule: Rule
    firings: tuple[Firing, ...]
    evaluated: float | None
    steps: int
    no_data: tuple[Span, ...] = ()
    unseen: tuple[str, ...] = ()
    failed: int = 0
    problem: str | None = None
    seconds: float = 0.0

    @property
    def fired(self) -> tuple[Firing, ...]:
        """Without those that were only pending."""
        return tuple(f for f in self.firings if f.fired_at is not None)


@dataclass(frozen=True)
class Provenance:
    """What the numbers were made from, so that the same question can be asked again.

    rules   hash of the rules as they were evaluated; `files` of the texts they came from, by name
    newest  time of the newest row the data had (None: not known), `rows` how many there were, by table
    """

    rules: str
    files: Mapping[str, str] = field(default_factory=dict)
    newest: datetime | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Backtest:
    """All alerting rules over [start, end). `step_seconds` is the shortest interval of their groups."""

    start: datetime
    end: datetime
    step_seconds: float
    rules: tuple[RuleHistory, ...]
    provenance: Provenance

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def firings(self) -> Iterator[Firing]:
        """Of all rules, those that fired, in order of time."""
        found = [f for history in self.rules for f in history.fired]
        return iter(sorted(found, key=lambda f: (f.fired_at or f.pending_at, f.rule_key, sorted(f.labels.items()))))

    def rule(self, name: str) -> RuleHistory:
        """The history of the rule of this key or (when only one has it) name. KeyError."""
        found = [h for h in self.rules if name in (h.rule.key, h.rule.name)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} rules are called {name!r}; keys: {[h.rule.key for h in found or self.rules]}")
        return found[0]
