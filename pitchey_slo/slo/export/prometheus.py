"""SLOs as a Prometheus rule file, for whoever alerts with Prometheus. Series and labels are named as sloth names them,
so that its dashboards work; the numbers are not sloth's.

    slo:sli_bad:increase1h, slo:sli_total:increase1h   amounts of every window an alert looks at
    slo:sli_error:ratio_rate1h                         one by the other
    slo:sli_error:ratio_rate28d                        the SLO window: sums of the 5-minute amounts divided
    slo:objective:ratio, slo:current_burn_rate:ratio, ..., sloth_slo_info      as sloth has them
    SloErrorBudgetBurn, SloDataMissing                 the alerts of `burn_rules.py` on the recorded series

sloth records ratios and takes the mean of them over the SLO window, so that a quiet night weighs as much as the hour of
most traffic. Here amounts are recorded, and only sums are divided: every event weighs the same.

SLIs on events use our counters, which the server exposes (scrape `/api/monitoring/metrics`); SLIs that are PromQL use
their own queries. Time slices are recorded one by one by a group that is evaluated once per slice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pitchey_slo.slo.alerts.burn import Condition, conditions, minutes_of, period_minutes
from pitchey_slo.slo.alerts.burn_rules import (
    OPS,
    Queries,
    Rule,
    RuleGroup,
    burn_rule,
    events,
    labels_of,
    missing_rule,
    plain_number,
    rule_file,
    threshold,
)
from pitchey_slo.slo.alerts.in_promql import Spoken, promql_duration, quoted, slice_bad, spoken
from pitchey_slo.slo.budget import budget_part
from pitchey_slo.slo.ledger import method_of
from pitchey_slo.slo.model import Objective, Slo

#: The window that the SLO window is summed from, in minutes.
BASE = 5
#: Recorded for every SLO: sloth's dashboards draw the current burn from the first and the month from the second.
ALWAYS = (BASE, 60)
_JOIN = "/ on(sloth_id, sloth_slo, sloth_service) group_left"


def export_prometheus(slos: Iterable[Slo]) -> str:
    """YAML of a rule file with recording and alerting rules for all of them; SloError for an SLI that cannot be said in
    PromQL."""
    found = [group for slo in slos for group in rule_groups(slo)]
    comment = (
        "Made by `pitchey-slo slo export prometheus`; change the SLOs, not this file.\n"
        "Amounts are recorded and only sums are divided: every event weighs the same."
    )
    return rule_file(found, comment)


def rule_groups(slo: Slo) -> list[RuleGroup]:
    """Per objective: recordings (slices first, where there are any), metadata, alerts."""
    found: list[RuleGroup] = []
    for objective in slo.objectives:
        found += _Export.of(slo, objective).groups()
    return found


@dataclass(frozen=True)
class _Export:
    """One objective on its way into a rule file. `id` is what sloth calls `sloth_id`."""

    slo: Slo
    objective: Objective
    said: Spoken
    conditions: tuple[Condition, ...]
    width: int  #: minutes of a slice; 0 for events
    name: str
    id: str

    @classmethod
    def of(cls, slo: Slo, objective: Objective) -> _Export:
        method, width = method_of(slo, objective)
        name = slo.name
        if len(slo.objectives) > 1:
            name += "-" + (re.sub(r"[^a-z0-9]+", "-", objective.title.lower()).strip("-") or "objective")
        width = 0 if method == "Occurrences" else width
        return cls(slo, objective, spoken(slo, objective), conditions(slo), width, name, f"{slo.service}-{name}")

    def groups(self) -> list[RuleGroup]:
        found = [RuleGroup(f"pitchey-slo-recordings-{self.id}", tuple(self._recordings()))]
        if self.width:
            one = Rule(slice_bad(self.slo, self.objective), record="slo:slice_bad:ratio", labels=self._labels())
            found.insert(0, RuleGroup(f"pitchey-slo-slices-{self.id}", (one,), promql_duration(self.width)))
        found.append(RuleGroup(f"pitchey-slo-meta-{self.id}", tuple(self._metadata())))
        found.append(RuleGroup(f"pitchey-slo-alerts-{self.id}", tuple(self._alerts())))
        return found

    def windows(self) -> list[int]:
        """Minutes of every window that is recorded, in order."""
        asked = {minutes_of(w) for c in self.conditions for w in (c.long, c.short) if w is not None}
        return sorted(asked | set(ALWAYS))

    def _recordings(self) -> list[Rule]:
        found = []
        for minutes in self.windows():
            name, labels = promql_duration(minutes), self._labels(minutes)
            if self.said.bad is not None and self.said.valid is not None:
                for amount, what in ((self.said.bad, "bad"), (self.said.valid, "total")):
                    expr = events(self.said, amount, minutes)
                    found.append(Rule(expr, record=f"slo:sli_{what}:increase{name}", labels=labels))
            found.append(Rule(self._share(minutes), record=f"slo:sli_error:ratio_rate{name}", labels=labels))
        # an SLO window that an alert looks at too is recorded once
        return found if period_minutes(self.slo.windows[0]) in self.windows() else [*found, self._period()]

    def _share(self, minutes: int) -> str:
        name = promql_duration(minutes)
        if self.width:
            return self._slices(minutes)
        if self.said.bad is None or self.said.valid is None:
            return self.said.of_share(minutes)
        return f"{self._series(f'slo:sli_bad:increase{name}')}\n/ {self._series(f'slo:sli_total:increase{name}')}"

    def _slices(self, minutes: int) -> str:
        """Bad slices among all of a window. It is a second short, because Prometheus 2 counts both ends of it."""
        count = max(1, -(-minutes // self.width))
        return f"sum_over_time({self._series('slo:slice_bad:ratio')}[{count * self.width * 60 - 1}s])\n/ {count}"

    def _period(self) -> Rule:
        minutes = period_minutes(self.slo.windows[0])
        name = promql_duration(minutes)
        bad, total = (f"slo:sli_{what}:increase{promql_duration(BASE)}" for what in ("bad", "total"))
        if self.width:
            expr = self._slices(minutes)
        elif self.said.bad is None:
            # a ratio without counts: nothing to weigh it by, unless its own query takes the whole window
            whole = "{{.window}}:1m" not in self.said.share
            base = self._series(f"slo:sli_error:ratio_rate{promql_duration(BASE)}")
            expr = self.said.of_share(minutes) if whole else f"avg_over_time({base}[{name}])"
        else:
            expr = f"sum_over_time({self._series(bad)}[{name}])\n/ sum_over_time({self._series(total)}[{name}])"
        return Rule(expr, record=f"slo:sli_error:ratio_rate{name}", labels=self._labels(minutes))

    def _metadata(self) -> list[Rule]:
        period = period_minutes(self.slo.windows[0])
        part = budget_part(self.objective.target)
        budget = self._series("slo:error_budget:ratio")
        current, whole = (self._series(f"slo:sli_error:ratio_rate{promql_duration(m)}") for m in (BASE, period))
        labels = self._labels()
        info = {"sloth_mode": "pitchey-slo", "sloth_spec": "openslo/v1", "sloth_version": "pitchey-slo"}
        objective = {"sloth_objective": f"{self.objective.target * 100:.10g}"}
        found = {
            "slo:objective:ratio": f"vector({plain_number(self.objective.target)})",
            "slo:error_budget:ratio": f"vector({plain_number(part)})",
            "slo:time_period:days": f"vector({plain_number(period / 1440)})",
            "slo:current_burn_rate:ratio": f"{current}\n{_JOIN} {budget}",
            "slo:period_burn_rate:ratio": f"{whole}\n{_JOIN} {budget}",
            "slo:period_error_budget_remaining:ratio": f"1 - {self._series('slo:period_burn_rate:ratio')}",
        }
        rules = [Rule(expr, record=name, labels=labels) for name, expr in found.items()]
        return [*rules, Rule("vector(1)", record="sloth_slo_info", labels=labels | info | objective)]

    def _alerts(self) -> list[Rule]:
        found = [self._alert(c) for c in self.conditions]
        what = "total:increase" if self.said.valid is not None else "error:ratio_rate"
        missing = missing_rule(self.slo, self.objective, self._series(f"slo:sli_{what}{promql_duration(BASE)}"))
        return [*found, replace(missing, labels={**missing.labels, **self._sloth()})]

    def _alert(self, condition: Condition) -> Rule:
        parts = []
        for window in (condition.long, condition.short):
            if window is not None:
                ratio = self._any_window(f"slo:sli_error:ratio_rate{promql_duration(minutes_of(window))}")
                parts.append(f"{ratio} {OPS[condition.op]} {threshold(condition.factor, self.objective)}")
        long = promql_duration(minutes_of(condition.long))
        if self.slo.minimum_bad > 0 and self.said.bad is not None:
            bad = self._any_window(f"slo:sli_bad:increase{long}")
            parts.append(f"{bad} >= {plain_number(self.slo.minimum_bad)}")
        bad, total = (self._series(f"slo:sli_{what}:increase{long}") for what in ("bad", "total"))
        share = self._series(f"slo:sli_error:ratio_rate{long}")
        ask = Queries(bad, total, share) if self.said.bad is not None else Queries(None, None, share)
        rule = burn_rule(self.slo, self.objective, condition, "\nand ".join(parts), ask)
        return replace(rule, labels={**rule.labels, **self._sloth(), "sloth_severity": condition.severity})

    def _any_window(self, name: str) -> str:
        return f"max without (sloth_window) ({self._series(name)})"

    def _series(self, name: str) -> str:
        chosen = ", ".join(f"{key}={quoted(value)}" for key, value in self._sloth().items())
        return f"{name}{{{chosen}}}"

    def _sloth(self) -> dict[str, str]:
        return {"sloth_id": self.id, "sloth_service": self.slo.service, "sloth_slo": self.name}

    def _labels(self, minutes: int | None = None) -> dict[str, str]:
        window = {} if minutes is None else {"sloth_window": promql_duration(minutes)}
        return labels_of(self.slo, self.objective) | self._sloth() | window
