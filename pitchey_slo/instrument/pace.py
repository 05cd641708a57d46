"""How fast a queue is emptied and how much it holds; and the count of what went through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Pace:
    """How fast, how much, how long; seconds, lines and bytes.

    `lines`, `bytes`: held at most. `batch`, `batch_bytes`: sent at once at most. `age`: how long a line waits for
    others. `first`, `most`: the first and the longest pause before a delivery is tried again. `patience`: when it is
    given up. `tell`: seconds between two lines about what was dropped. `leave`: how long the end of the process waits.
    `sigterm`: send what waits when SIGTERM ends the process and nobody else handles it.
    """

    lines: int = 20_000
    bytes: int = 32 << 20
    batch: int = 1_000
    batch_bytes: int = 1 << 20
    age: float = 1.0
    first: float = 0.25
    most: float = 30.0
    patience: float = 300.0
    tell: float = 60.0
    leave: float = 5.0
    sigterm: bool = True


@dataclass(frozen=True)
class Stats:
    """Lines since the start. `put` were taken into the queue, `sent` were taken by the receiver, `waiting` are in the
    queue or on their way, `dropped` says by reason what became of the others; `queue_full` ones were never in `put`."""

    put: int
    sent: int
    waiting: int
    dropped: dict[str, int]
    deliveries: int
    retries: int
    trouble: str

    @property
    def lost(self) -> int:
        return sum(self.dropped.values())


#: Reasons of our own in `dropped`; a sink adds those of its receiver.
DROPPED: Final = {
    "queue_full": "more lines were waiting than the queue holds",
    "too_long": "one line longer than a batch",
    "given_up": "no receiver took it within `patience`",
    "left_behind": "the process ended before it could be sent",
}
