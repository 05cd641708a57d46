"""Burn alerts of an SLO as alerting rules: plain data in the shape of a Prometheus rule file.

One rule per objective and pair of windows, and one per objective for data that stopped. A rule's expression is

    bad / valid over the long window  > factor x (1 - target)
    and the same over the short window
    and, when the SLO has a floor, at least so many bad events in the long window

The floor is on bad events, never on traffic: a floor on traffic would silence the total outage of a quiet service.
The value of the expression is the bad share over the long window. Descriptions are Go templates as Prometheus has
them; they ask for the counts when the alert is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from typing import Any

from pitchey_slo.slo.alerts.burn import Condition, conditions, data, label_of, minutes_of, period_minutes
from pitchey_slo.slo.alerts.in_promql import VALID, Spoken, burn_share, indented, promql_duration, put, quoted, spoken
from pitchey_slo.slo.budget import budget_part
from pitchey_slo.slo.ledger import method_of
from pitchey_slo.slo.model import Duration, Objective, Slo, Threshold
from pitchey_slo.slo.words import number, percent

BURN_ALERT = "SloErrorBudgetBurn"
MISSING_ALERT = "SloDataMissing"
#: Where an annotation says nothing else.
RUNBOOK = "/docs/runbooks/error-budget-burn.md"
DASHBOARD = "/show/slos"
_UNIT_WORDS = {"m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month", "Q": "quarter", "Y": "year"}
OPS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Rule:
    """One rule: `alert` or `record` is its name, `hold` what Prometheus calls `for`."""

    expr: str
    alert: str | None = None
    record: str | None = None
    hold: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As a rule file has it; what is empty is left out."""
        found = {"alert": self.alert, "record": self.record, "expr": self.expr, "for": self.hold}
        kept: dict[str, Any] = {key: value for key, value in found.items() if value is not None}
        for name in ("labels", "annotations"):
            if getattr(self, name):
                kept[name] = dict(getattr(self, name))
        return kept


@dataclass(frozen=True)
class RuleGroup:
    """Rules that are evaluated together, every `interval` (None: as often as the evaluator likes)."""

    name: str
    rules: tuple[Rule, ...]
    interval: str | None = None

    def as_dict(self) -> dict[str, Any]:
        every = {} if self.interval is None else {"interval": self.interval}
        return {"name": self.name, **every, "rules": [r.as_dict() for r in self.rules]}


def rules(slo: Slo) -> RuleGroup:
    """The alerts of one SLO. SloError when its SLI cannot be said in PromQL."""
    found = [rule for o in slo.objectives for rule in objective_rules(slo, o)]
    return RuleGroup(f"slo-{slo.name}", tuple(found))


def objective_rules(slo: Slo, objective: Objective) -> list[Rule]:
    """Its burn alerts, and the one about missing data."""
    said = spoken(slo, objective)
    return [*(_burn_rule(slo, objective, said, c) for c in conditions(slo)), _missing_rule(slo, objective, said)]


def rule_file(groups: Iterable[RuleGroup], comment: str = "") -> str:
    """The groups as the YAML text of a Prometheus rule file."""
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import LiteralScalarString

    def blocks(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: blocks(v) for key, v in value.items()}
        if isinstance(value, list):
            return [blocks(v) for v in value]
        return LiteralScalarString(value + "\n") if isinstance(value, str) and "\n" in value else value

    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    out = StringIO()
    yaml.dump({"groups": [blocks(g.as_dict()) for g in groups]}, out)
    return "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines()) + out.getvalue()


def threshold(factor: float, objective: Objective) -> str:
    """`13.44 * 0.001`: the share of bad ones above which a pair alerts, with its reason."""
    return f"{factor!r} * {plain_number(budget_part(objective.target))}"


def expression(slo: Slo, objective: Objective, said: Spoken, condition: Condition) -> str:
    """When the alert of one condition holds."""
    parts = []
    for window in (condition.long, condition.short):
        if window is not None:
            share = burn_share(slo, objective, minutes_of(window))
            parts.append(f"(\n{indented(share)}\n) {OPS[condition.op]} {threshold(condition.factor, objective)}")
    if slo.minimum_bad > 0 and said.bad is not None:
        parts.append(f"{events(said, said.bad, minutes_of(condition.long))} >= {plain_number(slo.minimum_bad)}")
    return "\nand ".join(parts)


def events(said: Spoken, amount: str, minutes: int) -> str:
    """`amount` (bad or valid) of so many minutes, as a number of events: a foreign query with rate() is per second."""
    found = put(amount, promql_duration(minutes))
    if said.ours or not re.search(r"\bi?rate\s*\(", amount):
        return found
    return f"{found} * {60 if '{{.window}}:1m' in amount else minutes * 60}"


def _burn_rule(slo: Slo, objective: Objective, said: Spoken, condition: Condition) -> Rule:
    ask = Queries.of(slo, objective, said, minutes_of(condition.long))
    return burn_rule(slo, objective, condition, expression(slo, objective, said, condition), ask)


def burn_rule(slo: Slo, objective: Objective, condition: Condition, expr: str, ask: Queries) -> Rule:
    """The rule of one condition, with its labels and words."""
    return Rule(
        expr=expr,
        alert=BURN_ALERT,
        hold=promql_duration(minutes_of(condition.hold)) if condition.hold else None,
        labels=_alert_labels(slo, objective)
        | {"severity": condition.label, "burn": condition.severity, "windows": condition.windows},
        annotations={
            "summary": f"{_name(slo, objective)}: the error budget burns {_times(condition.factor)} as fast as it may",
            "description": description(slo, objective, condition, ask),
            **links(slo),
        },
    )


def _missing_rule(slo: Slo, objective: Objective, said: Spoken) -> Rule:
    if said.ours:
        return missing_rule(slo, objective, f"{VALID}{{slo={quoted(slo.name)}, objective={quoted(objective.title)}}}")
    return missing_rule(slo, objective, said.of_valid(5) or said.of_share(5))


def missing_rule(slo: Slo, objective: Objective, query: str) -> Rule:
    """The rule that fires when `query` has had no value for a while."""
    missing = data()["missing"]
    return Rule(
        expr=f"absent({query})",
        alert=MISSING_ALERT,
        hold=str(missing["hold"]),
        labels=_alert_labels(slo, objective) | {"severity": label_of(missing["severity"]), "burn": "missing"},
        annotations={
            "summary": f"{_name(slo, objective)}: no data",
            "description": (
                f"Nothing has been measured for {_name(slo, objective)} for {missing['hold']}. No data is neither good "
                "nor bad: burn alerts cannot fire while it lasts."
            ),
            **links(slo),
        },
    )


def labels_of(slo: Slo, objective: Objective) -> dict[str, str]:
    """Labels of all alerts of an objective: those of the spec, and slo, service, objective."""
    own = {key: ",".join(values) for key, values in slo.labels.items() if _LABEL_NAME.fullmatch(key)}
    return own | {"slo": slo.name, "service": slo.service, "objective": objective.title}


def _alert_labels(slo: Slo, objective: Objective) -> dict[str, str]:
    # labels of alerting rules are templates, those of recording rules are not
    return {name: literal(value) for name, value in labels_of(slo, objective).items()}


def links(slo: Slo) -> dict[str, str]:
    """`runbook_url` and `dashboard_url`: annotations of the spec named runbook or runbook_url (any prefix), else
    ours."""
    found = {"runbook": RUNBOOK, "dashboard": DASHBOARD}
    for key, value in slo.annotations.items():
        word = key.rpartition("/")[2].removesuffix("_url").removesuffix("-url")
        if word in found:
            found[word] = value
    return {f"{word}_url": value for word, value in found.items()}


@dataclass(frozen=True)
class Queries:
    """What a description asks when an alert is told: bad and valid events of the long window (None: only a share is
    known), and the share of bad units."""

    bad: str | None
    valid: str | None
    share: str

    @classmethod
    def of(cls, slo: Slo, objective: Objective, said: Spoken, minutes: int) -> Queries:
        share = burn_share(slo, objective, minutes)
        if said.bad is None or said.valid is None:
            return cls(None, None, share)
        return cls(events(said, said.bad, minutes), events(said, said.valid, minutes), share)


def description(slo: Slo, objective: Objective, condition: Condition, ask: Queries) -> str:
    """`312 of 4100 API requests failed in the last hour (7.61%); ...`, as a template."""
    period = period_minutes(slo.windows[0])
    allowed = budget_part(objective.target)
    method, width = method_of(slo, objective)
    noun = literal(slo.annotations.get("pitchey.com/noun", "events"))
    share = "{{ $value | humanizePercentage }}"
    if method != "Occurrences":
        what = f"{share} of the {width}-minute slices of {span(condition.long)} were bad"
    elif ask.bad is None or ask.valid is None:
        what = f"{share} was bad in {span(condition.long)}"
    else:
        bad, valid = (_asked(q, '| printf "%.0f"') for q in (ask.bad, ask.valid))
        what = f"{bad} of {valid} {noun} {literal(_verb(slo, objective))} in {span(condition.long)} ({share})"
    ends = _asked(f"{plain_number(allowed * period * 60)} / ({ask.share})", "| humanizeDuration")
    still = f", and still in {span(condition.short)}" if condition.short else ""
    return (
        f"{what}{still}. Allowed are {percent(allowed, 2)}, and this alert fires above "
        f"{percent(condition.factor * allowed, 2)}. At this rate a whole budget of {length(slo.windows[0].duration)} "
        f"lasts {ends}."
    )


def span(duration: Duration) -> str:
    """
    >>> span(Duration(1, "h")), span(Duration(6, "h"))
    ('the last hour', 'the last 6 hours')
    """
    name = _UNIT_WORDS[duration.unit]
    return f"the last {name}" if duration.count == 1 else f"the last {duration.count} {name}s"


def length(duration: Duration) -> str:
    """`28 days`, `1 month`."""
    return f"{duration.count} {_UNIT_WORDS[duration.unit]}{'' if duration.count == 1 else 's'}"


def _asked(query: str, then: str) -> str:
    """A template that runs a query and shows its first value."""
    one_line = " ".join(query.split())
    text = quoted(one_line) if "`" in one_line else f"`{one_line}`"
    return f"{{{{ with query {text} }}}}{{{{ . | first | value {then} }}}}{{{{ end }}}}"


def _verb(slo: Slo, objective: Objective) -> str:
    said = slo.annotations.get("pitchey.com/verb")
    indicator = objective.indicator or slo.indicator
    if said or indicator is None or not isinstance(indicator.metric, Threshold):
        return said or "failed"
    slow = indicator.metric.source.value == "duration_ms" and objective.op in ("lte", "lt")
    return "were too slow" if slow else "were out of bounds"


def literal(text: str) -> str:
    """Text of a spec inside a template: braces in it are no template."""
    return text.replace("{{", '{{ "{{" }}')


def _name(slo: Slo, objective: Objective) -> str:
    name = slo.display_name or slo.name
    return literal(f"{name} ({objective.title})" if len(slo.objectives) > 1 else name)


def _times(factor: float) -> str:
    return f"more than {number(round(factor, 2))} times"


def plain_number(value: float) -> str:
    """A number without exponent, all its digits kept.

    >>> plain_number(1e-05), plain_number(5.0)
    ('0.00001', '5')
    """
    return f"{Decimal(repr(value)).normalize():f}"


__all__ = ["Rule", "RuleGroup", "expression", "objective_rules", "rule_file", "rules", "threshold"]
