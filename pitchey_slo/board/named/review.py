"""What a review meeting looks at: every alert rule with what it did in the last weeks, the incidents of that time, and
what was decided.

`fired`, `acked` and `minutes` (of firing) are those of alerts that really were, from the register of alerts; what a
rule would have done with other numbers is a backtest, which the review's own page asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from pitchey_slo.alert.rules import Rule
from pitchey_slo.alert.words import iso
from pitchey_slo.analyse.review import decisions as register
from pitchey_slo.analyse.review.numbers import thresholds
from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.errors import QueryError
from pitchey_slo.store import board_questions as ask


@dataclass(frozen=True)
class Registers:
    """What asks registers as the store does."""

    asked: Asked

    def query(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        return self.asked.register(sql, params)


def review(asked: Asked) -> Data:
    end = asked.now
    start = end - timedelta(days=asked.number("days"))
    did = {row["key"]: row for row in asked.register(ask.FIRED, [end, start, end]).to_pylist()}
    told = [register.told(row, end) for row in reversed(register.every(Registers(asked)))]
    rules = [
        _rule(rule, group.name, did.get(rule.key, {}), told)
        for group in asked.source.rules()
        for rule in group.rules
        if rule.kind == "alert" and rule.line
    ]
    rules.sort(key=lambda rule: (-rule["fired"], rule["name"], rule["severity"]))
    return {
        "start": ms(start),
        "end": ms(end),
        "rules": rules,
        "incidents": asked.register(ask.INCIDENTS, [end, start]).to_pylist(),
        "decisions": [_plain(row) for row in told[:100]],
    }


def _rule(rule: Rule, group: str, did: Mapping[str, Any], decided: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    try:
        numbers = list(thresholds(rule.expr))
    except QueryError:
        numbers = []
    mine = [d for d in decided if d["rule"] == rule.key]
    return {
        "key": rule.key,
        "name": rule.name,
        "group": group,
        "severity": rule.labels.get("severity", ""),
        "expr": rule.expr,
        "for_seconds": rule.for_seconds,
        "thresholds": numbers,
        "file": rule.file,
        "line": rule.line,
        "summary": rule.annotations.get("summary", ""),
        "fired": int(did.get("fired") or 0),
        "acked": int(did.get("acked") or 0),
        "minutes": float(did.get("minutes") or 0.0),
        "last_fired": did.get("last_fired"),
        "decided": mine[0]["id"] if mine else None,
        "due": any(d["due"] for d in mine),
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: iso(value) if isinstance(value, datetime) else value for key, value in row.items()}


def ms(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1_000)


QUESTION: Final = Named(
    "review",
    "review",
    "alert rules with what they did, incidents, decisions",
    review,
    {"days": Argument("over so many days before now", "number", 28)},
    keep=30.0,
)
