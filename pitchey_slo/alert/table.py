"""All alerts there are, and how one evaluation changes them. Pure: a table in, a table and a change out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pitchey_slo.alert.model import Alert, AlertEvent
from pitchey_slo.alert.recording import alert_series
from pitchey_slo.alert.recording import ended as ended_series
from pitchey_slo.alert.rules import RuleGroup
from pitchey_slo.alert.running import GroupRun, RuleRun
from pitchey_slo.alert.state import OUTAGE_TOLERANCE, changed, ended, paused, span, step
from pitchey_slo.series import Labels


@dataclass
class Change:
    """What has to be written: alerts whose row changed, what happened, and series (time in ms -> labels and value)."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    events: list[AlertEvent] = field(default_factory=list)
    series: list[tuple[int, Mapping[Labels, float]]] = field(default_factory=list)

    def put(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            self.alerts[alert.id] = alert


@dataclass(frozen=True)
class Table:
    """rules    key of a rule -> fingerprint -> alert that is pending or firing
    pushed   fingerprint -> firing alert that others pushed
    over     id -> alert that fired and is resolved, until everybody who was told of it knows
    written  key of a rule -> series it wrote at its last evaluation
    """

    rules: Mapping[str, Mapping[str, Alert]] = field(default_factory=dict)
    pushed: Mapping[str, Alert] = field(default_factory=dict)
    over: Mapping[str, Alert] = field(default_factory=dict)
    written: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def active(self) -> Iterator[Alert]:
        """Pending and firing ones."""
        for alerts in self.rules.values():
            yield from alerts.values()
        yield from self.pushed.values()

    def told(self) -> list[Alert]:
        """What dispatch looks at: firing alerts, and resolved ones somebody may have to hear of."""
        firing = [a for a in self.active() if a.firing]
        again = {a.fingerprint for a in firing}
        return firing + [a for a in self.over.values() if a.fingerprint not in again]

    def find(self, alert_id: str) -> Alert | None:
        return next((a for a in self.active() if a.id == alert_id), None) or self.over.get(alert_id)

    def with_alert(self, alert: Alert) -> Table:
        """The table with another version of an alert it has."""
        if alert.id in self.over:
            return replace(self, over={**self.over, alert.id: alert})
        if alert.fingerprint in self.pushed and self.pushed[alert.fingerprint].id == alert.id:
            return replace(self, pushed={**self.pushed, alert.fingerprint: alert})
        key = str(alert.rule.get("key", ""))
        return replace(self, rules={**self.rules, key: {**self.rules.get(key, {}), alert.fingerprint: alert}})

    def without(self, alert: Alert) -> Table:
        """The table after an alert ended by hand; `alert` is its resolved version."""
        over = {**self.over, alert.id: alert} if alert.fired_at else self.over
        pushed = {k: a for k, a in self.pushed.items() if a.id != alert.id}
        key = str(alert.rule.get("key", ""))
        rules = {**self.rules}
        if key in rules:
            rules[key] = {k: a for k, a in rules[key].items() if a.id != alert.id}
        return replace(self, rules=rules, pushed=pushed, over=over)


def after_run(table: Table, run: GroupRun, seen: Mapping[str, datetime], change: Change) -> Table:
    """The table after one evaluation of a group. `seen`: when restored alerts were evaluated last, by id."""
    rules, written, over = dict(table.rules), dict(table.written), dict(table.over)
    for each in run.rules:
        if each.error is not None:
            continue  # nothing is known, nothing changes
        key = each.rule.key
        if each.rule.kind == "record":
            series = dict(each.records)
        else:
            rules[key] = _after_rule(each, rules.get(key, {}), run, seen, change, over)
            series = alert_series(rules[key].values())
        change.series.append((run.data_ms, {**series, **ended_series(table.written.get(key, {}), series)}))
        written[key] = series
    return replace(table, rules=rules, written=written, over=over)


def _after_rule(
    run: RuleRun,
    before: Mapping[str, Alert],
    group: GroupRun,
    seen: Mapping[str, datetime],
    change: Change,
    over: dict[str, Alert],
) -> dict[str, Alert]:
    now = group.due.at
    start: dict[str, Alert] = {}
    for fingerprint, known in before.items():
        alert, events = after_gap(known, _gap(known, group, seen), now)
        change.events += events
        if alert.state != "resolved":
            start[fingerprint] = alert
        if alert is not known:
            change.put([alert])
    after, events = step(run.rule, start, run.samples, now)
    change.events += events
    for fingerprint, alert in after.items():
        if changed(before.get(fingerprint), alert):
            change.put([alert])
        if alert.state == "resolved" and alert.fired_at:
            over[alert.id] = alert
    return {k: a for k, a in after.items() if a.state != "resolved"}


def _gap(alert: Alert, group: GroupRun, seen: Mapping[str, datetime]) -> timedelta:
    if group.due.gap is not None:
        return group.due.gap
    last = seen.get(alert.id, alert.updated_at)
    passed = group.due.at - last - timedelta(seconds=group.group.interval_seconds)
    return max(passed, timedelta()) if last <= group.due.at else passed


def after_gap(alert: Alert, gap: timedelta, now: datetime) -> tuple[Alert, list[AlertEvent]]:
    """An alert after time in which nothing was evaluated: what is pending waits longer, after an hour anew."""
    if not gap:
        return alert, []
    if alert.state == "pending" and gap > OUTAGE_TOLERANCE:
        return ended(alert, now, f"nothing was evaluated for {span(gap)}, so it begins anew if its condition holds")
    return paused(alert, gap, now), []


def without_rules(table: Table, groups: Iterable[RuleGroup], now: datetime, at_ms: int, change: Change,
                  *, keep: Iterable[str] = ()) -> Table:  # fmt: skip
    """The table after rules went away: their alerts end, their series too. `keep`: files whose rules are only
    unreadable."""
    known = {rule.key for group in groups for rule in group.rules}
    kept = tuple(f"{name};" for name in keep)
    gone = [k for k in {**table.rules, **table.written} if k not in known and not k.startswith(kept or ("\0",))]
    rules, written, over = dict(table.rules), dict(table.written), dict(table.over)
    for key in gone:
        for alert in rules.pop(key, {}).values():
            done, events = ended(alert, now, "its rule was removed")
            change.put([done])
            change.events += events
            if done.fired_at:
                over[done.id] = done
        series = written.pop(key, {})
        if series:
            change.series.append((at_ms, ended_series(series, {})))
    return replace(table, rules=rules, written=written, over=over)
