"""Uptime from the lake: stretches of equal verdicts, laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.probe.synthetic.quorum import Policy, Target, Word
from pitchey_slo.probe.synthetic.uptime import Stretch, Uptime, uptimes
from pitchey_slo.store.probe_questions import SPEAKS, stretches
from pitchey_slo.store.reader import LakeReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class History:
    """All stretches of start <= t < end. `targets`: what each test looks at, as far as it is known."""

    start: datetime
    end: datetime
    stretches: tuple[Stretch, ...]
    targets: Mapping[str, Target]
    policy: Policy
    #: tests whose history only has changes: nobody knows how often it was looked, so they have no looks here
    changes_only: frozenset[str] = frozenset()

    def uptimes(self) -> tuple[Uptime, ...]:
        """Over all of it. For a part of the time ask for a history of that part: only the store can count its looks."""
        return uptimes(self.stretches, self.start, self.end, targets=self.targets, policy=self.policy)


def history(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    *,
    test: str | None = None,
    health: bool = False,
    targets: Mapping[str, Target] | None = None,
    policy: Policy | None = None,
) -> History:
    """Read it. A test that is not in `targets` is known by its component and by the usual time between its verdicts.
    With `health` health checks are among the tests."""
    rows = stretches(reader, start, end, test=test, health=health)
    known = dict(targets or {})
    for name, target in _guessed(rows).items():
        known.setdefault(name, target)
    changes = zip(rows["test"].to_pylist(), rows["changes_only"].to_pylist(), strict=True)
    return History(start, end, _of(rows), known, policy or Policy(), frozenset(t for t, yes in changes if yes))


def _of(rows: pa.Table) -> tuple[Stretch, ...]:
    columns: dict[str, list[Any]] = {
        name: rows[name].to_pylist()
        for name in ("test", "location", "word", "looks", "failure", "reason", "changes_only")
    }
    first, last = (_moments(rows[name]) for name in ("first_at", "ends_at"))
    return tuple(
        Stretch(test, location or "", cast(Word, word), begin, end, 0 if changes else looks, failure, reason)
        for test, location, word, looks, failure, reason, changes, begin, end in zip(
            *columns.values(), first, last, strict=True
        )
        if begin < end
    )


def _moments(column: pa.ChunkedArray) -> list[datetime]:
    """By way of integers: Arrow's own way imports pandas."""
    ticks = pc.cast(column.cast(pa.timestamp("us", "UTC")), pa.int64()).to_pylist()
    return [_EPOCH + timedelta(microseconds=t) for t in ticks]


def _guessed(rows: pa.Table) -> dict[str, Target]:
    found: dict[str, list[float]] = {}
    component: dict[str, str | None] = {}
    wanted = zip(*(rows[name].to_pylist() for name in ("test", "interval_s", "component")), strict=True)
    for test, seconds, part in wanted:
        component.setdefault(test, part)
        if seconds is not None:
            found.setdefault(test, []).append(seconds)
    return {
        test: Target(test, float(np.median(found[test])) if test in found else SPEAKS / 3, None, part)
        for test, part in component.items()
    }
