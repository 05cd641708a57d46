"""The register of corrections in the store: written down, withdrawn, told. Nothing is ever deleted or overwritten.

Whoever has the store open calls this: the server, or a command while no server runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from pitchey_slo.errors import NotFound, SloError, did_you_mean
from pitchey_slo.slo.corrections import Occurrence, of_row, plain_rows, row_of, upcoming
from pitchey_slo.slo.model import Correction
from pitchey_slo.tables import CORRECTIONS

#: what `told` gives
TOLD = (
    *("id", "slos", "category", "reason", "approver", "starts_at", "minutes", "rrule", "zone", "state"),
    *("next_start", "next_end", "created_at", "withdrawn_at", "withdrawn_by", "source"),
)


class Asked(Protocol):
    """Where rows are read: the store, or a reader of the lake."""

    def query(self, sql: str, params: Sequence[Any] = ()) -> pa.Table: ...


class Keeper(Asked, Protocol):
    """What is needed of the store."""

    def append(self, table: str, rows: pa.Table) -> Any: ...


def add(store: Keeper, correction: Correction, now: datetime) -> dict[str, Any]:
    """Write a checked correction down; returns its row. The same once more changes nothing, so it may be sent again.

    SloError when the id belongs to another correction, or to one that was withdrawn.
    """
    there = _row(store, correction.id)
    if there is None:
        row = row_of(correction, now)
        store.append(CORRECTIONS.name, CORRECTIONS.of([row]))
        return row | {"withdrawn_at": None, "withdrawn_by": None}
    if there["withdrawn_at"] is not None or replace(of_row(there), source=correction.source) != correction:
        what = "was withdrawn" if there["withdrawn_at"] is not None else "says something else"
        raise SloError(
            f"id: there is a correction {correction.id!r} already, which {what}; corrections are not changed: "
            "withdraw it and write a new one, or leave the id out"
        )
    return there


def withdraw(store: Keeper, correction_id: str, by: str, now: datetime) -> dict[str, Any]:
    """Take a correction back, for all windows, past ones too; returns its row. One that is withdrawn stays as it is.

    NotFound when there is none of this id.
    """
    by = by.strip()
    if not by or len(by) > 128 or "\0" in by:
        raise SloError("by: who takes it back is needed, in at most 128 characters")
    row = _row(store, correction_id)
    if row is None:
        known = store.query("SELECT id FROM corrections WHERE withdrawn_at IS NULL ORDER BY id")["id"].to_pylist()
        near = did_you_mean(correction_id, known) or "there are: " + (", ".join(known[-20:]) or "none")
        raise NotFound(f"no correction {correction_id[:128]!r}; {near}")
    if row["withdrawn_at"] is None:
        row |= {"withdrawn_at": now, "withdrawn_by": by}
        store.append(CORRECTIONS.name, CORRECTIONS.of([row]))
    return row


def every(store: Asked) -> list[dict[str, Any]]:
    """All rows, withdrawn ones too, in the order in which they were written down."""
    columns = ", ".join(CORRECTIONS.names)
    return plain_rows(store.query(f"SELECT {columns} FROM corrections ORDER BY created_at, id"))


def told(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A row as people and programs read it: `slos` a list (empty: all), `minutes`, `state` (coming, now, over or
    withdrawn), and the time that goes on or comes next as `next_start` and `next_end` (None when there is none)."""
    correction = of_row(row)
    following: tuple[Occurrence, ...] = upcoming([correction], now, 1) if row["withdrawn_at"] is None else ()
    state = "over"
    if row["withdrawn_at"] is not None:
        state = "withdrawn"
    elif following:
        state = "now" if following[0].start <= now else "coming"
    return {
        "id": correction.id,
        "slos": list(correction.slos),
        "category": correction.category,
        "reason": correction.reason,
        "approver": correction.approver,
        "starts_at": correction.starts_at,
        "minutes": correction.seconds / 60,
        "rrule": correction.rrule,
        "zone": correction.zone,
        "state": state,
        "next_start": following[0].start if following else None,
        "next_end": following[0].end if following else None,
        "created_at": row["created_at"],
        "withdrawn_at": row["withdrawn_at"],
        "withdrawn_by": row["withdrawn_by"],
        "source": correction.source,
    }


def _row(store: Keeper, correction_id: str) -> dict[str, Any] | None:
    columns = ", ".join(CORRECTIONS.names)
    found = plain_rows(store.query(f"SELECT {columns} FROM corrections WHERE id = ?", [correction_id]))
    return found[0] if found else None
