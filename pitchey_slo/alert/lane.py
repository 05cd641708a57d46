"""What one channel does next with the messages that wait for it: a pure choice.

supersede   an older message of a group is dropped when a newer one of the same group, which says everything the old
            one did, waits as well: nobody is paged for what the next message ends
send        the highest severity first, then the oldest; messages of one group (dedup key) keep their order, so a
            resolve never overtakes its trigger
merge       when the budget has room for one more message and several wait, they go as one digest; criticals are
            never merged
wait        for the budget, for a retry, for a pause the channel asked for
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pitchey_slo.alert.model import SEVERITIES

#: Messages that may wait before they are merged.
DIGEST_FROM: Final = 5
#: A clock that is put right goes back by less than this.
_SLEWED: Final = timedelta(seconds=5)
_STATES: Final = frozenset({"firing", "resolved", "reminder"})
_MERGED: Final = frozenset({"firing", "resolved", "reminder", "message"})


@dataclass(frozen=True)
class Waiting:
    """A row of the outbox without what it says. `commit_seq` is of the commit that wrote the row last."""

    id: str
    dedup_key: str
    action: str
    severity: str
    created_at: datetime
    next_attempt_at: datetime
    updated_at: datetime
    attempts: int
    commit_seq: int

    @property
    def rank(self) -> int:
        return SEVERITIES.index(self.severity) if self.severity in SEVERITIES else -1

    def due(self, now: datetime) -> bool:
        """A row that was written in the future was written before the clock was turned back: its waiting is over."""
        return self.next_attempt_at <= now or self.updated_at - now > _SLEWED


@dataclass(frozen=True)
class Supersede:
    old: Waiting
    by: Waiting


@dataclass(frozen=True)
class Send:
    row: Waiting


@dataclass(frozen=True)
class Merge:
    rows: tuple[Waiting, ...]


@dataclass(frozen=True)
class Wait:
    """Nothing to do before `until`; None: until something new comes."""

    until: datetime | None


Step = Supersede | Send | Merge | Wait


def choose(
    waiting: Iterable[Waiting],
    now: datetime,
    *,
    budget: float,
    per_second: float = float("inf"),
    paused_until: datetime | None = None,
    mergeable: bool = False,
    cost: Callable[[Waiting], float] = lambda _: 1.0,
) -> Step:
    """The next step. `budget` is what the bucket holds, refilled by `per_second`; `cost` what a message takes."""
    queues = in_order(waiting)
    for queue in queues:
        if newer := _superseding(queue, now):
            return Supersede(queue[0], newer)
    heads = [queue[0] for queue in queues]
    ready = sorted((h for h in heads if h.due(now)), key=lambda r: (-r.rank, r.created_at, r.commit_seq))
    if not ready:
        return Wait(min((h.next_attempt_at for h in heads), default=None))
    if paused_until is not None and paused_until > now:
        return Wait(paused_until)
    first = ready[0]
    if budget == float("inf"):
        return Send(first)
    price = cost(first)
    if budget < min(1.0, price) - 1e-9:
        return Wait(now + timedelta(seconds=max(0.001, (min(1.0, price) - budget) / per_second)))
    together = [row for row in ready if row.severity != "critical" and row.action in _MERGED]
    if mergeable and first in together and len(together) >= DIGEST_FROM and budget - price < 1.0:
        return Merge(tuple(together))
    return Send(first)


def in_order(waiting: Iterable[Waiting]) -> list[list[Waiting]]:
    """One queue per dedup key, in the order in which they were decided, whatever the clock did meanwhile.

    Commits are in that order, but an attempt writes its row anew. Only the head of a queue is ever attempted, so a row
    with attempts comes before those without.
    """
    queues: dict[str, list[Waiting]] = {}
    for row in sorted(
        waiting, key=lambda r: (not r.attempts, r.commit_seq, r.action == "resolved", r.created_at, r.id)
    ):
        queues.setdefault(row.dedup_key, []).append(row)
    return list(queues.values())


def _superseding(queue: Sequence[Waiting], now: datetime) -> Waiting | None:
    """The newest state of the group that is due, when the head of its queue is an older one. An end is never dropped:
    an incident that was opened must be closed."""
    head, *later = queue
    if head.action not in ("firing", "reminder"):
        return None
    newer = [row for row in later if row.action in _STATES and row.due(now)]
    return newer[0] if newer else None
