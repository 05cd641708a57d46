"""One evaluation of one group: each of its rules in order, and what came of it. Touches no state."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pitchey_slo.alert.evaluate import LIMITS, Place, TickScan, alerts_of, ask, records_of
from pitchey_slo.alert.rules import Rule, RuleGroup
from pitchey_slo.alert.schedule import Due
from pitchey_slo.alert.state import Sample
from pitchey_slo.errors import PitcheyError
from pitchey_slo.promql import Scan
from pitchey_slo.series import Labels

log = logging.getLogger(__name__)

#: Seconds one rule may take, at most; never more than its interval.
RULE_SECONDS: Final = 10.0


@dataclass(frozen=True)
class RuleRun:
    """What one rule found, or why it found nothing (`error`, in plain words)."""

    rule: Rule
    seconds: float
    samples: Mapping[str, Sample] = field(default_factory=dict)
    records: Mapping[Labels, float] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class GroupRun:
    """`data_ms` is the time of the data it saw, which recorded samples carry."""

    due: Due
    data_ms: int
    rules: tuple[RuleRun, ...]
    seconds: float

    @property
    def group(self) -> RuleGroup:
        return self.due.group


def data_ms(group: RuleGroup, at: datetime) -> int:
    return round((at.timestamp() - group.query_offset) * 1000)


def run_group(
    due: Due, scan: TickScan, place: Place, record: Callable[[int, Mapping[Labels, float]], None]
) -> GroupRun:
    """Evaluate every rule of a group. `record` stores a recording rule's series at once, and is only called when a
    later rule of the group asks for them."""
    group, started = due.group, time.monotonic()
    at_ms = data_ms(group, due.at)
    chained = {rule.key for i, rule in enumerate(group.rules) if _asked_later(rule, group.rules[i + 1 :])}
    runs = []
    for rule in group.rules:
        run = run_rule(rule, group, due.at, at_ms, scan, place)
        if rule.key in chained and run.records:
            record(at_ms, run.records)
            scan = scan.anew()
        runs.append(run)
    return GroupRun(due, at_ms, tuple(runs), time.monotonic() - started)


def run_rule(rule: Rule, group: RuleGroup, at: datetime, at_ms: int, scan: Scan, place: Place) -> RuleRun:
    started = time.monotonic()
    limits = replace(LIMITS, seconds=min(RULE_SECONDS, group.interval_seconds))
    try:
        found = ask(rule.expr, scan, at_ms, limits)
        if rule.kind == "record":
            records = records_of(rule, found, group.limit)
            return RuleRun(rule, time.monotonic() - started, records=records)
        samples = alerts_of(rule, found, lambda text: ask(text, scan, at_ms, limits), at, place, group.limit)
        return RuleRun(rule, time.monotonic() - started, samples=samples)
    except PitcheyError as error:
        problem = error.detail.get("problem") if isinstance(error.detail, dict) else None
        return RuleRun(rule, time.monotonic() - started, error=str(problem or error.message))
    except Exception as error:  # a rule must not take the others with it
        log.exception("%s: rule %s failed", rule.group, rule.name)
        return RuleRun(rule, time.monotonic() - started, error=f"{type(error).__name__}: {error}"[:500])


def _asked_later(rule: Rule, later: tuple[Rule, ...]) -> bool:
    if rule.kind != "record":
        return False
    named = re.compile(rf"(?<![\w:]){re.escape(rule.name)}(?![\w:])")
    return any(named.search(other.expr) for other in later)
