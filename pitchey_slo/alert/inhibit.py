"""Inhibition: a firing alert (source) keeps others (targets) from being told, where the labels in `equal` agree.

A missing label and an empty one are the same. An alert that matches both sides of a rule is not inhibited by alerts of
which the same is true, itself among them. Source: Alertmanager, docs/configuration.md, "<inhibit_rule>".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pitchey_slo.alert.matchers import Matchers, matches, text_of
from pitchey_slo.alert.model import Alert

Values = tuple[str, ...]


@dataclass(frozen=True)
class InhibitRule:
    """One rule; `name` may be empty."""

    source: Matchers
    target: Matchers
    equal: tuple[str, ...] = ()
    name: str = ""

    def values(self, labels: Mapping[str, str]) -> Values:
        return tuple(labels.get(name, "") for name in self.equal)

    def __str__(self) -> str:
        return self.name or f"{text_of(self.source)} inhibits {text_of(self.target)}"


@dataclass
class _Sources:
    """Sources of one rule by the values of its equal labels: any, and those that are no targets themselves."""

    any: dict[Values, Alert] = field(default_factory=dict)
    pure: dict[Values, Alert] = field(default_factory=dict)


class Inhibitor:
    """The rules over the alerts of one moment; each question costs one look-up per rule."""

    def __init__(self, rules: Sequence[InhibitRule], alerts: Iterable[Alert]) -> None:
        self._rules = [(rule, _Sources()) for rule in rules]
        for alert in alerts if self._rules else ():
            if not alert.firing:
                continue
            for rule, sources in self._rules:
                if matches(rule.source, alert.labels):
                    values = rule.values(alert.labels)
                    sources.any.setdefault(values, alert)
                    if not matches(rule.target, alert.labels):
                        sources.pure.setdefault(values, alert)

    def inhibited(self, labels: Mapping[str, str]) -> tuple[InhibitRule, Alert] | None:
        """The first rule that mutes an alert with these labels, and by which alert; None when it may be told."""
        for rule, sources in self._rules:
            if not sources.any or not matches(rule.target, labels):
                continue
            by = (sources.pure if matches(rule.source, labels) else sources.any).get(rule.values(labels))
            if by is not None:
                return rule, by
        return None
