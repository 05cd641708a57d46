"""The key numbers of a report, as data: each declared once, kept beside the run, compared with the run before.

A run writes them to the file that PITCHEY_RUN_FACTS names (`facts.json` in its folder), and finds those of the run
before in the folder that PITCHEY_PREVIOUS_FACTS names. By hand, in JupyterLab, neither is set: nothing is written, and
the newest successful run of the same notebook with the same parameters is looked up among the reports.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from pitchey_slo.report.words import grown, measured, stirred

FILE: Final = "facts.json"
WRITE: Final = "PITCHEY_RUN_FACTS"
READ: Final = "PITCHEY_PREVIOUS_FACTS"

#: Parameters that say when, not what: the same report of last week has others.
WHEN: Final = frozenset({"start", "end", "day", "now"})


@dataclass(frozen=True)
class Fact:
    """One key number. `name` is stable over runs, `label` is what people read; `value` is None when it is missing.

    unit    ratio (in [0, 1], printed in per cent), count, ms, seconds, or a word that stands behind the number
    better  up or down: which way is good; None when neither is
    digits  decimals that matter; a change people cannot see is none. None: the unit's own
    margin  half the width of the value's 95 % interval, in its unit; a change within both margins may be chance
    """

    name: str
    label: str
    value: float | None
    unit: str = "count"
    better: Literal["up", "down"] | None = None
    digits: int | None = None
    margin: float | None = None

    def __str__(self) -> str:
        return measured(self.value, self.unit, self.digits)


@dataclass(frozen=True)
class Facts:
    """The facts of one run, the words on its top, and what it was about. Times are ISO 8601 text, UTC."""

    facts: tuple[Fact, ...]
    summary: str = ""
    notebook: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    written_at: str | None = None
    notebook_hash: str | None = None

    def __getitem__(self, name: str) -> Fact | None:
        return next((f for f in self.facts if f.name == name), None)


@dataclass(frozen=True)
class Change:
    """One fact then and now; None for the side on which it was not told."""

    then: Fact | None
    now: Fact | None

    @property
    def fact(self) -> Fact:
        """The newer of the two: what it is called, and which way is good."""
        found = self.now or self.then
        assert found is not None  # a change has at least one side
        return found

    @property
    def verdict(self) -> Literal["better", "worse", "same", "chance", "changed", "new", "gone", "missing", "found"]:
        """`missing`: it had a value and has none now; `found`: the other way round; `gone`: no longer told; `chance`:
        other than before, but within the margins of both."""
        if self.then is None or self.now is None:
            return "new" if self.then is None else "gone"
        then, now = self.then.value, self.now.value
        if then is None or now is None:
            return "same" if then is now else "missing" if now is None else "found"
        if not stirred(then, now, self.fact.unit, self.fact.digits):
            return "same"
        if abs(now - then) <= math.hypot(self.then.margin or 0.0, self.now.margin or 0.0):
            return "chance"
        if self.fact.better is None:
            return "changed"
        return "better" if (now > then) == (self.fact.better == "up") else "worse"

    @property
    def words(self) -> str:
        """The size of the change; empty where there is none."""
        if self.verdict not in ("better", "worse", "changed") or self.then is None or self.now is None:
            return ""
        return grown(self.then.value or 0.0, self.now.value or 0.0, self.fact.unit, self.fact.digits)


def compare(then: Facts | None, now: Facts) -> tuple[Change, ...]:
    """Every fact of now in its order, then those that are no longer told."""
    if then is None:
        return ()
    gone = [f for f in then.facts if now[f.name] is None]
    return (*(Change(then[f.name], f) for f in now.facts), *(Change(f, None) for f in gone))


def write(found: Facts, target: Path | None = None) -> Path | None:
    """Put them where the run wants them; None when nobody asked (a notebook run by hand)."""
    target = target or (Path(os.environ[WRITE]) if os.environ.get(WRITE) else None)
    if target is None:
        return None
    draft = target.with_suffix(".tmp")
    draft.write_bytes(orjson.dumps(asdict(found), option=orjson.OPT_SERIALIZE_NUMPY))
    return draft.replace(target)


def read(path: Path) -> Facts | None:
    """The facts of a run from its folder or its file; None when it kept none that can be read."""
    try:
        values = orjson.loads((path / FILE if path.is_dir() else path).read_bytes())
        known = Facts.__dataclass_fields__
        facts = tuple(Fact(**{k: v for k, v in f.items() if k in Fact.__dataclass_fields__}) for f in values["facts"])
        return Facts(**{k: v for k, v in values.items() if k in known} | {"facts": facts})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def previous(notebook: str, parameters: Mapping[str, Any], reports: Path) -> Facts | None:
    """Those of the run before: what the run was told, else the newest successful run of the same question."""
    if os.environ.get(READ):
        return read(Path(os.environ[READ]))
    if os.environ.get(WRITE):
        return None  # a run that has none before it
    from pitchey_slo.report.record import runs

    asked = steady(parameters)
    for run in runs(reports):
        if run.notebook == notebook and run.status == "succeeded" and steady(run.parameters) == asked:
            found = read(run.folder)
            if found is not None:
                return found
    return None


def steady(parameters: Mapping[str, Any]) -> dict[str, str]:
    """What was asked, times aside: two runs with the same answer the same question.

    >>> steady({"window": "7d", "end": "2026-11-23T12:00:00Z"}) == steady({"window": "7d", "end": None})
    True
    """
    return {k: _text(v) for k, v in sorted(parameters.items()) if k not in WHEN and not isinstance(v, datetime)}


def iso(when: datetime | None) -> str | None:
    """As facts keep times.

    >>> iso(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    '2026-11-23T12:00:00Z'
    """
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z") if when else None


def all_of(*facts: Fact | Sequence[Fact]) -> tuple[Fact, ...]:
    """One flat row of facts and lists of facts, in order; ValueError for a name told twice."""
    flat = [f for each in facts for f in ([each] if isinstance(each, Fact) else each)]
    twice = sorted({f.name for f in flat if sum(g.name == f.name for g in flat) > 1})
    if twice:
        raise ValueError(f"told twice: {', '.join(twice)}")
    return tuple(flat)


def _text(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS).decode()
