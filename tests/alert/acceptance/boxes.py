"""What a collector should have been told, and when: `Want(between(2, 3), firing("a"))`.

Times are seconds after the scene's first alert began to fire. Both ends are the server's own (when it decided to tell),
so a slow machine moves neither; how much later than the box a decision may be on a busy one is `SLACK`. Never earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SLACK = 6.0
#: Times are written in milliseconds, and looks are on a grid.
GRAIN = 0.1


@dataclass(frozen=True)
class Box:
    low: float
    high: float

    def holds(self, seconds: float) -> bool:
        return self.low - GRAIN <= seconds <= self.high + SLACK


def between(low: float, high: float) -> Box:
    return Box(low, high)


@dataclass(frozen=True)
class States:
    firing: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()

    def __or__(self, other: States) -> States:
        return States(self.firing | other.firing, self.resolved | other.resolved)

    def __str__(self) -> str:
        return f"firing {sorted(self.firing)} resolved {sorted(self.resolved)}"


def firing(*names: str) -> States:
    return States(firing=frozenset(names))


def resolved(*names: str) -> States:
    return States(resolved=frozenset(names))


@dataclass(frozen=True)
class Want:
    """One message. `after` says what the box counts from instead: the message before it ("last"), or a moment."""

    box: Box
    states: States
    action: str = ""
    after: datetime | str | None = None


@dataclass(frozen=True)
class Got:
    """One message that was taken. `decided` is when the server wrote it into its outbox."""

    id: str
    dedup_key: str
    action: str
    states: States
    decided: datetime


@dataclass
class Expected:
    """What one collector should have in the end. Not `ordered`: each message says something else, in any order."""

    where: str
    wants: list[Want] = field(default_factory=list)
    ordered: bool = True

    def problems(self, got: Sequence[Got], zero: datetime) -> list[str]:
        """Nothing when all is as it should be."""
        found = [f"{self.where}: {g.action} {g.states} came twice" for i, g in enumerate(got) if g.id in _ids(got[:i])]
        if len(got) != len(self.wants):
            came = "".join(f"\n    {_since(zero, g.decided):6.1f} s {g.action} {g.states}" for g in got)
            found.append(f"{self.where}: {len(got)} messages, {len(self.wants)} expected{came}")
            return found
        before = zero
        if not self.ordered:  # messages of different groups: what they say tells them apart
            got = sorted(got, key=lambda g: str(g.states))
        wants = self.wants if self.ordered else sorted(self.wants, key=lambda w: str(w.states))
        for want, have in zip(wants, got, strict=True):
            start = before if want.after == "last" else want.after if isinstance(want.after, datetime) else zero
            seconds = _since(start, have.decided)
            if have.states != want.states or (want.action and have.action != want.action):
                found.append(f"{self.where}: {have.action} {have.states}; {want.action or 'a message'} {want.states}")
            elif not want.box.holds(seconds):
                found.append(f"{self.where}: {have.action} {have.states} at {seconds:.2f} s, not in {want.box}")
            before = have.decided
        return found


def _since(start: datetime, then: datetime) -> float:
    return (then - start) / timedelta(seconds=1)


def _ids(got: Sequence[Got]) -> set[str]:
    return {g.id for g in got}
