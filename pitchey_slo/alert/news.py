"""Info alerts about what people did: a deployment, a maintenance window, an alert threshold that was changed.

They are alerts that this house pushes to itself when a row appears, so they are grouped, routed and kept like any
other, and end by themselves. What happened more than an hour ago is history, not news: files of history may be loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pitchey_slo.alert.model import fingerprint
from pitchey_slo.alert.pushed import Pushed
from pitchey_slo.alert.rules import Rule, RuleGroup
from pitchey_slo.alert.state import clock, one_line, span
from pitchey_slo.store import Store

#: Older than this is history.
FRESH: Final = timedelta(hours=1)
#: How long such an alert fires.
LASTS: Final = timedelta(minutes=5)
#: Seconds between looks at the tables.
EVERY: Final = timedelta(seconds=5)

#: Tables whose rows are news.
SOURCES: Final = ("deployments", "corrections", "decisions")

DEPLOYMENT: Final = "Deployment"
MAINTENANCE: Final = "MaintenanceWindow"
RULE_CHANGED: Final = "AlertThresholdChanged"


@dataclass
class News:
    """Remembers up to which commit each table was told."""

    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SOURCES, -1))
    looked_at: datetime | None = None
    told: set[str] = field(default_factory=set)

    def begin(self, store: Store, now: datetime) -> None:
        """What was told before this start is not told again."""
        listed = ", ".join(f"'{name}'" for name in SOURCES)
        sql = f"SELECT DISTINCT fingerprint FROM alerts WHERE source IN ({listed}) AND updated_at >= ?"
        self.told = set(store.query(sql, [now - FRESH - LASTS])["fingerprint"].to_pylist())

    def look(self, store: Store, now: datetime) -> list[Pushed]:
        """Alerts about the rows that are new."""
        if self.looked_at is not None and abs(now - self.looked_at) < EVERY:
            return []
        self.looked_at = now
        found = [_deployment(row, now) for row in self._new(store, "deployments", "ts", now)]
        windows = self._new(store, "corrections", "coalesce(created_at, starts_at)", now)
        found += [_window(row, now) for row in windows if row["withdrawn_at"] is None]
        done = self._new(store, "decisions", "coalesce(reverted_at, applied_at)", now)
        found += [each for row in done if (each := _decision(row, now)) is not None]
        fresh = [each for each in found if fingerprint(each.labels) not in self.told]
        self.told |= {fingerprint(each.labels) for each in fresh}
        return fresh

    def _new(self, store: Store, table: str, time: str, now: datetime) -> list[dict[str, Any]]:
        sql = f"SELECT * FROM {table} WHERE commit_seq > ? AND {time} >= ? ORDER BY commit_seq LIMIT 200"
        rows = store.query(sql, [self.seen[table], now - FRESH]).to_pylist()
        if rows:
            self.seen[table] = max(row["commit_seq"] for row in rows)
        return [dict(row) for row in rows]


def _deployment(row: dict[str, Any], now: datetime) -> Pushed:
    service = row["service"] or "pitchey"
    by = f" by {row['deployed_by']}" if row["deployed_by"] else ""
    labels = {"alertname": DEPLOYMENT, "severity": "info", "service": service, "version": row["version"],
              "deployment": row["id"]}  # fmt: skip
    annotations = {
        "summary": f"{service} {row['version']} was deployed{by}",
        "description": f"{service} {row['version']} was deployed{by} at {clock(row['ts'])}."
        + (f" {row['description']}" if row["description"] else ""),
    }
    return Pushed(labels, annotations, min(row["ts"], now), now + LASTS, source="deployments")


def _window(row: dict[str, Any], now: datetime) -> Pushed:
    ends = row["starts_at"] + timedelta(seconds=row["seconds"])
    what = row["category"].replace("_", " ")
    of = row["slos"] or "all SLOs"
    again = f", and again as {row['rrule']} says" if row["rrule"] else ""
    labels = {"alertname": MAINTENANCE, "severity": "info", "category": row["category"], "correction": row["id"]}
    annotations = {
        "summary": f"{what}: {row['reason']}",
        "description": f"{what} from {clock(row['starts_at'])} to {clock(ends)}{again}: {row['reason']}. "
        f"It does not count against {of}; {row['approver']} agreed.",
    }
    return Pushed(labels, annotations, now, now + LASTS, source="corrections")


def _decision(row: dict[str, Any], now: datetime) -> Pushed | None:
    """A decision that was applied or taken back. Its labels are those of `changed_rules` for the same change, so that
    it is one alert whoever saw it first."""
    rules = json.loads(row["evidence"] or "{}").get("rule", {})
    if not {"before", "after"} <= rules.keys():
        return None
    back = row["state"] == "reverted"
    old, new = (_rule(rules[name]) for name in (("after", "before") if back else ("before", "after")))
    if not (changes := _differences(old, new)):
        return None
    again = f" It is looked at again on {row['look_again_at']:%Y-%m-%d}." if row["look_again_at"] and not back else ""
    who = f"{row['reverted_by']} took back" if back else f"{row['applied_by']} applied"
    annotations = {
        "summary": f"the alert {new.name} was changed" + (" back" if back else ""),
        "description": f"{new.name}: {'; '.join(changes)}. {who} decision {row['id']} of {row['decided_by']}: "
        f"{row['reason'].rstrip('.')}.{again}",
    }
    return Pushed(_changed_labels(new, changes), annotations, now, now + LASTS, source="decisions")


def _rule(told: dict[str, Any]) -> Rule:
    return Rule(
        "alert", told["name"], told["expr"], told["for"], told["keep_firing_for"], told["labels"], group=told["group"]
    )


def _changed_labels(rule: Rule, changes: Sequence[str]) -> dict[str, str]:
    version = fingerprint({"now": "; ".join(changes), **rule.labels})
    return {"alertname": RULE_CHANGED, "severity": "info", "rule": rule.name, "rule_group": rule.group,
            "version": version}  # fmt: skip


def changed_rules(before: Iterable[RuleGroup], after: Iterable[RuleGroup]) -> list[Pushed]:
    """Alerts about alerting rules whose expression or times are other ones now."""
    old = {rule.key: rule for group in before for rule in group.rules if rule.kind == "alert"}
    found = []
    for rule in (r for group in after for r in group.rules):
        known = old.get(rule.key)
        changes = _differences(known, rule) if known is not None else []
        if changes:
            annotations = {
                "summary": f"the alert {rule.name} was changed",
                "description": f"{rule.name} ({rule.file}, line {rule.line}): " + "; ".join(changes) + ".",
            }
            found.append(Pushed(_changed_labels(rule, changes), annotations, source="rules"))
    return found


def _differences(old: Rule, new: Rule) -> Sequence[str]:
    found = []
    if old.expr != new.expr:
        found.append(f"expr was `{one_line(old.expr)}` and is `{one_line(new.expr)}`")
    for name, was, now in (
        ("for", old.for_seconds, new.for_seconds),
        ("keep_firing_for", old.keep_firing_seconds, new.keep_firing_seconds),
    ):
        if was != now:
            found.append(f"{name} was {span(timedelta(seconds=was))} and is {span(timedelta(seconds=now))}")
    return found
