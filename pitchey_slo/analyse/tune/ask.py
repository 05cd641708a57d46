"""Tuning as a workbench asks for it: a rule by its name among the groups that run, recorded series as they would be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pitchey_slo.alert.rules import Rule, RuleGroup, seconds_of
from pitchey_slo.alert.schedule import Schedule
from pitchey_slo.analyse.backtest.ask import groups_of
from pitchey_slo.analyse.backtest.condition import condition
from pitchey_slo.analyse.backtest.recorded import Member, Overlay, Recorded, lateness, members, reach
from pitchey_slo.analyse.tune.changes import Changes, compare
from pitchey_slo.analyse.tune.model import Point, Tuning
from pitchey_slo.analyse.tune.tuning import tune
from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.promql import Scan


def seconds(fors: Sequence[float | str] | None) -> list[float] | None:
    """Durations such as "5m", or seconds, as seconds. QueryError for what is neither."""
    if fors is None:
        return None
    found = []
    for each in fors:
        value = seconds_of(each) if isinstance(each, str) else float(each)
        if value is None or value < 0:
            raise QueryError(f"for: {each!r} is no duration; write 90s, 5m or 1h")
        found.append(value)
    return found


def find(groups: Sequence[RuleGroup], rule: Rule | str) -> tuple[RuleGroup, Rule]:
    """An alerting rule by its key or its name; where several share it by `group/name` or `name{label=value}`.

    QueryError lists what there is."""
    if isinstance(rule, Rule):
        group = next((g for g in groups for r in g.rules if r.key == rule.key), RuleGroup("given", key=rule.group))
        return group, rule
    every = [(g, r) for g in groups for r in g.rules if r.kind == "alert"]
    exact = [(g, r) for g, r in every if r.key == rule]
    name, _, told = rule.partition("{")
    pairs = [part.strip().partition("=") for part in told.rstrip("} ").split(",") if part.strip()]
    found = exact or [
        (g, r)
        for g, r in every
        if name in (r.name, f"{g.name}/{r.name}")
        and all(r.labels.get(key.strip()) == value.strip(" \"'") for key, _, value in pairs)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        listed = "\n".join(f"  {_short(found, g, r)}" for g, r in found)
        raise QueryError(f"{len(found)} rules are called {rule!r}; say which:\n{listed}")
    names = [r.name for _, r in every]
    hint = did_you_mean(name, names) or "alerts: " + ", ".join(dict.fromkeys(names))
    raise QueryError(f"no alerting rule {rule!r}; {hint}")


def _short(found: Sequence[tuple[RuleGroup, Rule]], group: RuleGroup, rule: Rule) -> str:
    """What names one rule among several."""
    twins = [r for g, r in found if g.name == group.name]
    keys = [k for k in rule.labels if any(t.labels.get(k) != rule.labels[k] for t in twins)]
    labels = ", ".join(f"{k}={rule.labels[k]}" for k in keys)
    return f"{group.name}/{rule.name}" + (f"{{{labels}}}" if labels else "")


def ask(
    rule: Rule | str,
    groups: Sequence[RuleGroup],
    scan: Scan,
    start: datetime,
    end: datetime,
    incidents: Any,
    **more: Any,
) -> Tuning:
    """`tune` for a rule of these groups: with the interval of its group, and with what their recording rules would have
    recorded. `more` goes to `tune`."""
    group, found = find(groups, rule)
    given = {"interval_seconds": group.interval_seconds, "query_offset": group.query_offset} | more
    return tune(found, recorded_for(found, groups, scan, start, end), start, end, incidents, **given)


def changes_of(
    tuning: Tuning, groups: Sequence[RuleGroup], scan: Scan, point: Point | None = None, **told: Any
) -> Changes:
    """What the recommended point (or `point`) would change, both rules backtested in full; with their peak values."""
    from pitchey_slo.analyse.backtest import backtest

    group, _ = find(groups, tuning.rule)
    reads = recorded_for(tuning.rule, groups, scan, tuning.start, tuning.end)

    def run(rule: Rule) -> Any:
        return backtest([replace(group, rules=(rule,))], reads, tuning.start, tuning.end).rules[0]

    return compare(run(tuning.rule), run(tuning.proposed(point)), tuning.incidents, **told)


def recorded_for(rule: Rule, groups: Sequence[RuleGroup], scan: Scan, start: datetime, end: datetime) -> Scan:
    """The scan as this rule sees it: names that the groups record come from their rules, not from the store."""
    ordered = members(groups)
    mine = next((m for m in ordered if m.rule.key == rule.key), None)
    if mine is None or not mine.reads:
        return scan
    wanted: set[str] = set()
    kept: list[Member] = []
    for member in reversed(ordered):
        if member is mine or (member.rule.kind == "record" and member.rule.name in wanted):
            wanted |= member.reads.keys()
            kept.append(member)
    kept.reverse()
    back = reach(kept)
    schedule = Schedule(datetime.fromtimestamp(0, UTC))
    delay = {m.group.key: schedule.delay(m.group) for m in kept}
    recorded = Recorded(frozenset(m.rule.name for m in kept if m.rule.kind == "record"))

    def seen(member: Member) -> Scan:
        return Overlay(scan, recorded, lateness(member, recorded.writers, delay)) if member.reads else scan

    for member in kept:
        if member is not mine:
            low = start - timedelta(milliseconds=back.get(member.rule.name, 0)) - timedelta(minutes=1)
            step = round(member.group.interval_seconds * 1000)
            first = math.ceil(low.timestamp() * 1000 / step) * step
            offset = round(member.group.query_offset * 1000)
            found = condition(
                member.rule, seen(member), first, round(end.timestamp() * 1000), step, offset_ms=offset,
                limit=member.group.limit,
            )  # fmt: skip
            recorded.write(member, found, offset)
    return seen(mine)


__all__ = ["ask", "changes_of", "find", "groups_of", "recorded_for", "seconds"]
