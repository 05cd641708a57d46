"""What alerting remembered, read from the store at the start: so that a restart goes on where the last commit was."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pitchey_slo.alert import rows
from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.pushed import after_outage
from pitchey_slo.alert.recording import FOR_STATE_SERIES, for_state_labels
from pitchey_slo.alert.state import OUTAGE_TOLERANCE
from pitchey_slo.alert.table import Table
from pitchey_slo.promql import Matcher, Scan
from pitchey_slo.series import STALE_BITS, Labels
from pitchey_slo.store import Store

log = logging.getLogger(__name__)

#: Resolved alerts older than this are not told any more.
TELL_RESOLVED: Final = timedelta(days=7)


@dataclass(frozen=True)
class Restored:
    """`seen`: when each alert of a rule was evaluated last, by its id. `stretched`: pushed alerts whose senders get
    time to speak again."""

    table: Table = field(default_factory=Table)
    seen: Mapping[str, datetime] = field(default_factory=dict)
    stretched: tuple[Alert, ...] = ()


def restore(store: Store, scan: Scan, wanted: frozenset[str], now: datetime, resolve_timeout: timedelta) -> Restored:
    """The table of alerts. `wanted`: ids of alerts that may be over: who was told of a fire must hear of its end."""
    found = [rows.alert_from(row) for row in _rows(store, "SELECT * FROM alerts WHERE state <> 'resolved'")]
    rules: dict[str, dict[str, Alert]] = {}
    pushed: dict[str, Alert] = {}
    for alert in found:
        if alert.rule.get("key"):
            rules.setdefault(str(alert.rule["key"]), {})[alert.fingerprint] = alert
        else:
            pushed[alert.fingerprint] = alert
    over = {}
    if wanted:
        since = "SELECT * FROM alerts WHERE state = 'resolved' AND resolved_at >= ? AND fired_at IS NOT NULL"
        for row in _rows(store, since, [now - TELL_RESOLVED]):
            if row["id"] in wanted:
                over[row["id"]] = rows.alert_from(row)
    stretched = after_outage(pushed, now, resolve_timeout)
    pending = [a for alerts in rules.values() for a in alerts.values()]
    table = Table({k: dict(a) for k, a in rules.items()}, {**pushed, **stretched}, over)
    try:
        seen = last_evaluated(scan, pending, now)
    except Exception:  # a lake that does not answer costs no alert, only the knowledge how long the outage was
        log.exception("when the alerts were evaluated last cannot be read")
        seen = {}
    return Restored(table, seen, tuple(stretched.values()))


def last_evaluated(scan: Scan, alerts: list[Alert], now: datetime) -> dict[str, datetime]:
    """The newest sample of each alert's `ALERTS_FOR_STATE` within the outage that is tolerated, by alert id."""
    if not alerts:
        return {}
    start = round((now - OUTAGE_TOLERANCE - timedelta(minutes=5)).timestamp() * 1000)
    end = round((now + timedelta(days=1)).timestamp() * 1000)  # the clock may have been set back meanwhile
    block = scan.select([Matcher("__name__", "=", FOR_STATE_SERIES)], start, end)
    newest: dict[Labels, int] = {}
    for i, labels in enumerate(block.labels):
        part = slice(block.offsets[i], block.offsets[i + 1])
        times = block.ts[part][block.values[part].view("int64") != STALE_BITS]
        if len(times):
            newest[labels] = int(times[-1])
    found = {}
    for alert in alerts:
        at = newest.get(for_state_labels(alert.labels))
        if at is not None:
            found[alert.id] = datetime.fromtimestamp(at / 1000, UTC)
    return found


def _rows(store: Store, sql: str, params: list[Any] | None = None) -> list[dict[str, Any]]:
    return [dict(row) for row in store.query(sql, params or []).to_pylist()]
