"""The register of decisions about rules: taken, applied to the rule file, reverted, told. No row is ever deleted.

Whoever has the store open calls this: the server, or a command while no server runs. What to change arrives as
numbers, never as text: the file is found from the rule's key, below the folder of rules, and edited here.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from pitchey_slo.alert.rules import Rule
from pitchey_slo.analyse.review import numbers
from pitchey_slo.analyse.review.rule_text import RuleText, rule_name, rule_text
from pitchey_slo.errors import ConfigError, DecisionError, NotFound, QueryError, did_you_mean
from pitchey_slo.tables import DECISIONS

KINDS: Final = ("accept", "change", "reject")
#: Characters of evidence, at most.
EVIDENCE: Final = 48_000
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class Asked(Protocol):
    """Where rows are read: the store, or a reader of the lake."""

    def query(self, sql: str, params: Sequence[Any] = ()) -> pa.Table: ...


class Keeper(Asked, Protocol):
    """What is needed of the store."""

    def append(self, table: str, rows: pa.Table) -> Any: ...


@dataclass(frozen=True)
class Verdict:
    """What somebody decided. `rule` is a rule's key, or its name (or `group/name`) when only one has it.

    threshold, hold  the new number and the new `for` ("5m"); None leaves it as it is
    was              the number that is replaced, for a rule that compares with several
    look_again_at    when it is looked at again
    evidence         plain values: scores before and after, time, watermark, hash of incidents
    rule_hash        hash of the rule's own text in the review; when it is another one by now, nothing is decided
    """

    rule: str
    kind: str
    decided_by: str
    reason: str
    threshold: float | None = None
    hold: str | None = None
    was: float | None = None
    look_again_at: datetime | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    rule_hash: str | None = None
    id: str | None = None
    source: str = "api"


def decide(store: Keeper, verdict: Verdict, folder: Path, now: datetime) -> dict[str, Any]:
    """Write a decision down, with the diff that applying it makes; returns its row. No file is changed yet.

    `folder` holds the rule files. The same decision (by id) once more changes nothing. DecisionError says what cannot
    be meant, NotFound that there is no such rule.
    """
    _check(verdict)
    there = _row(store, verdict.id) if verdict.id else None
    if there is not None:
        return _same(there, verdict)
    text = rule_text(folder, verdict.rule)
    if verdict.rule_hash and verdict.rule_hash != text.hash:
        raise DecisionError(
            f"{text.rule.name}: the rule was changed since the review ({text.path}, line {text.rule.line}); run the "
            "review again"
        )
    new = text if verdict.kind == "reject" else _changed(text, verdict)
    evidence = dict(verdict.evidence) | {
        "file": text.short,
        "file_hash": text.file_hash,
        "rule_hash": text.hash,
        "rule": {"before": _told(text.rule), "after": _told(new.rule)},
    }
    row = dict.fromkeys(DECISIONS.names) | {
        "id": verdict.id or f"dec-{uuid.uuid4().hex[:12]}",
        "rule": text.rule.key,
        "kind": verdict.kind,
        "decided_by": verdict.decided_by.strip(),
        "reason": verdict.reason.strip(),
        "look_again_at": verdict.look_again_at,
        "created_at": now,
        "before": text.own,
        "after": new.own,
        "diff": text.diff(new),
        "evidence": json.dumps(evidence, ensure_ascii=False, default=str),
        "state": "decided",
        "source": verdict.source,
    }
    return _put(store, row)


def apply(store: Keeper, decision_id: str, by: str, folder: Path, now: datetime) -> dict[str, Any]:
    """Change the rule file as it was decided, and note who did it; returns the row. Once more, nothing happens.

    DecisionError when there is nothing to apply, or when the rule's own text is not the one that was decided about;
    what else changed in its file stays.
    """
    row = _known(store, decision_id)
    if row["state"] == "applied":
        return row
    if row["kind"] == "reject":
        raise DecisionError(f"{row['id']} rejects a change: the rule stays as it is, there is nothing to apply")
    if row["state"] == "reverted":
        raise DecisionError(f"{row['id']} was reverted by {row['reverted_by']}; decide again to have it back")
    by = _text("by", by, 128)
    _exchange(row["rule"], row["before"], row["after"], folder)
    return _put(store, row | {"state": "applied", "applied_at": now, "applied_by": by})


def revert(store: Keeper, decision_id: str, by: str, folder: Path, now: datetime) -> dict[str, Any]:
    """Take an applied change back: the rule's own text is again what it was; returns the row."""
    row = _known(store, decision_id)
    if row["state"] == "reverted":
        return row
    if row["state"] != "applied":
        raise DecisionError(f"{row['id']} was not applied: there is nothing to take back")
    by = _text("by", by, 128)
    _exchange(row["rule"], row["after"], row["before"], folder)
    return _put(store, row | {"state": "reverted", "reverted_at": now, "reverted_by": by})


def every(store: Asked) -> list[dict[str, Any]]:
    """All rows, in the order in which they were decided."""
    found = store.query(f"SELECT {', '.join(DECISIONS.names)} FROM decisions ORDER BY created_at, id")
    return [dict(row) for row in found.to_pylist()]


def told(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A row as people and programs read it: the rule's `name`, `evidence` as values, and `due`: it shall be looked at
    again by now."""
    again = row["look_again_at"]
    return {
        **row,
        "name": rule_name(row["rule"]),
        "evidence": json.loads(row["evidence"] or "{}"),
        "due": again is not None and again <= now and row["state"] != "reverted",
    }


#: what `told` gives
TOLD: Final = (*DECISIONS.names, "name", "due")


def _changed(text: RuleText, verdict: Verdict) -> RuleText:
    """The rule as the verdict wants it."""
    pair = None
    if verdict.threshold is not None:
        was = verdict.was if verdict.was is not None else text.threshold
        if was is None:
            listed = ", ".join(map(numbers.number, numbers.thresholds(text.rule.expr))) or "none"
            raise DecisionError(f"{text.rule.name} compares with: {listed}; say which one is replaced (was=...)")
        pair = was, verdict.threshold
    try:
        return text.changed(threshold=pair, hold=verdict.hold)
    except (ConfigError, QueryError) as error:
        raise DecisionError(error.message) from None


def _exchange(key: str, before: str, after: str, folder: Path) -> None:
    """Put the rule's other text into its file; nothing happens when it is there already."""
    text = rule_text(folder, key)
    if text.own == after:
        return
    try:
        text.exchanged(before, after).write(text)
    except ConfigError as error:
        raise DecisionError(error.message) from None
    except OSError as error:
        raise DecisionError(f"{text.path} cannot be written: {error.strerror or error}") from None


def _told(rule: Rule) -> dict[str, Any]:
    """What decides when a rule fires."""
    return {
        "name": rule.name,
        "group": rule.group,
        "labels": dict(rule.labels),
        "expr": rule.expr,
        "for": rule.for_seconds,
        "keep_firing_for": rule.keep_firing_seconds,
    }


def _same(row: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    given = (verdict.kind, verdict.reason.strip(), verdict.decided_by.strip())
    if given != (row["kind"], row["reason"], row["decided_by"]) or verdict.rule not in _names(row["rule"]):
        raise DecisionError(
            f"id: there is a decision {row['id']!r} already, which says something else; decisions are not changed: "
            "leave the id out"
        )
    return row


def _names(key: str) -> tuple[str, ...]:
    return key, rule_name(key), f"{key.split(';')[1]}/{rule_name(key)}"


def _check(verdict: Verdict) -> None:
    if verdict.kind not in KINDS:
        near = did_you_mean(verdict.kind, KINDS)
        raise DecisionError(f"kind: {verdict.kind!r} is none of {', '.join(KINDS)}" + (f"; {near}" if near else ""))
    _text("reason", verdict.reason, 4_096)
    _text("by", verdict.decided_by, 128)
    if verdict.id is not None and not _ID.fullmatch(verdict.id):
        raise DecisionError(f"id: {verdict.id[:128]!r}; letters, digits and . _ : - make an id")
    changes = verdict.threshold is not None or verdict.hold is not None
    if verdict.kind == "reject" and changes:
        raise DecisionError("a change that is rejected has no numbers; to change other ones, say kind change")
    if verdict.kind != "reject" and not changes:
        raise DecisionError(f"{verdict.kind}: say the new threshold, the new `for`, or both")
    for name in ("threshold", "was"):
        value = getattr(verdict, name)
        if value is not None and not math.isfinite(value):
            raise DecisionError(f"{name}: {value} is no number to compare with")
    if len(json.dumps(dict(verdict.evidence), default=str)) > EVIDENCE:
        raise DecisionError(f"evidence: more than {EVIDENCE:,} characters")


def _text(name: str, value: str, longest: int) -> str:
    found = value.strip()
    if not found or len(found) > longest or "\0" in found:
        raise DecisionError(f"{name}: a text of 1 to {longest:,} characters is needed")
    return found


def _put(store: Keeper, row: dict[str, Any]) -> dict[str, Any]:
    store.append(DECISIONS.name, DECISIONS.of([row]))
    return row


def _known(store: Keeper, decision_id: str) -> dict[str, Any]:
    row = _row(store, decision_id)
    if row is None:
        known = store.query("SELECT id FROM decisions ORDER BY created_at DESC LIMIT 200")["id"].to_pylist()
        near = did_you_mean(decision_id, known) or "there are: " + (", ".join(known[:20]) or "none")
        raise NotFound(f"no decision {decision_id[:128]!r}; {near}")
    return row


def _row(store: Asked, decision_id: str) -> dict[str, Any] | None:
    sql = f"SELECT {', '.join(DECISIONS.names)} FROM decisions WHERE id = ?"
    found = store.query(sql, [decision_id]).to_pylist()
    return dict(found[0]) if found else None
