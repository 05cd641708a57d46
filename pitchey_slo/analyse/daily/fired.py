"""Alerts that fired, as they are in the register, beside the incidents that people labelled."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pitchey_slo.analyse.backtest.incidents import Incident
from pitchey_slo.analyse.backtest.model import Firing
from pitchey_slo.analyse.backtest.score import touches
from pitchey_slo.store import daily_questions as ask
from pitchey_slo.store.reader import LakeReader


@dataclass(frozen=True)
class Fired:
    """One alert that fired within the time, or went on firing from before.

    resolved_at  None: it fires at the end of the time
    began        whether it fired within the time
    incident     the incident it tells of; None: a false alarm, or nobody labelled one yet
    """

    id: str
    name: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    fired_at: datetime
    resolved_at: datetime | None
    acked_at: datetime | None
    acked_by: str | None
    began: bool
    incident: Incident | None
    runbook: str = ""

    @property
    def active(self) -> bool:
        return self.resolved_at is None

    @property
    def ack_seconds(self) -> float | None:
        """From firing to acknowledging; None when nobody did."""
        return (self.acked_at - self.fired_at).total_seconds() if self.acked_at else None

    def seconds(self, end: datetime) -> float:
        """How long it fired, up to `end`."""
        return ((self.resolved_at or end) - self.fired_at).total_seconds()


def firings(reader: LakeReader, start: datetime, end: datetime, incidents: Sequence[Incident]) -> tuple[Fired, ...]:
    """Every alert that fired within start <= t < end, or went on firing, the oldest first."""
    found = reader.query(ask.FIRED, [end, start, end]).to_pylist()
    return tuple(_fired(row, start, end, incidents) for row in found)


def _fired(row: Mapping[str, Any], start: datetime, end: datetime, incidents: Sequence[Incident]) -> Fired:
    labels = {str(k): str(v) for k, v in json.loads(row["labels"] or "{}").items()}
    notes = json.loads(row["annotations"] or "{}")
    value = math.nan if row["value"] is None else float(row["value"])
    firing = Firing(
        row["rule"] or "", row["name"], labels, row["active_at"], row["fired_at"], row["resolved_at"], value
    )
    return Fired(
        id=row["id"],
        name=row["name"],
        severity=row["severity"] or "",
        labels=labels,
        summary=str(notes.get("summary") or notes.get("description") or row["name"]),
        fired_at=row["fired_at"],
        resolved_at=row["resolved_at"],
        acked_at=row["acked_at"] if row["acked_at"] and row["acked_at"] < end else None,
        acked_by=row["acked_by"],
        began=row["fired_at"] >= start,
        incident=next((i for i in incidents if touches(firing, i, end)), None),
        runbook=str(notes.get("runbook_url") or ""),
    )
