"""What changed between a run and the one before it, as data: the key numbers of both, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitchey_slo.report import again, facts
from pitchey_slo.report.facts import Change, Fact
from pitchey_slo.report.record import Run


@dataclass(frozen=True)
class Compared:
    """`before` is the run that was compared with; None for the first of its kind. `now` are the facts of the run."""

    before: Run | None
    now: tuple[Fact, ...]
    changes: tuple[Change, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe; `then` and `now` unrounded, the texts as people read them."""
        return {
            "previous": None if self.before is None else {"id": self.before.id, "started_at": _json(self.before)},
            "facts": [{**vars(f), "text": str(f)} for f in self.now],
            "changes": [_change(c) for c in self.changes if c.verdict != "same"],
            "same": [c.fact.label for c in self.changes if c.verdict == "same"],
        }


def compare(run: Run, reports: Path) -> Compared:
    """`run` with the newest successful run before it of the same notebook that was asked the same."""
    found, before = facts.read(run.folder), again.previous(reports, run)
    if found is None:
        return Compared(before, (), ())
    then = facts.read(before.folder) if before is not None else None
    return Compared(before, found.facts, facts.compare(then, found))


def _change(change: Change) -> dict[str, Any]:
    return {
        "name": change.fact.name,
        "label": change.fact.label,
        "unit": change.fact.unit,
        "then": change.then.value if change.then else None,
        "now": change.now.value if change.now else None,
        "then_text": str(change.then) if change.then else "–",
        "now_text": str(change.now) if change.now else "–",
        "words": change.words,
        "verdict": change.verdict,
    }


def _json(run: Run) -> str | None:
    return facts.iso(run.started_at)
