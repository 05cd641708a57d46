"""One delivery: lines that go to a receiver together, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Sent:
    """What became of a delivery: lines `taken`, lines to send `again`, lines `refused` by reason, and the seconds the
    receiver asks to wait. `trouble` says in words what went wrong."""

    taken: int = 0
    again: Sequence[bytes] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    wait: float = 0.0
    trouble: str = ""


class Sink(Protocol):
    """Where lines go."""

    def send(self, lines: Sequence[bytes], key: str) -> Sent:
        """Deliver `lines`. `key` names the delivery: it is the same when the same lines are sent again. Whatever it
        raises counts as "no answer: send again"."""
        ...

    def forget(self) -> None:
        """In a forked child: connections are the parent's."""
        ...


def batches(lines: Sequence[bytes], most: int, most_bytes: int) -> Iterator[Sequence[bytes]]:
    """`lines` in order, at most so many and so many bytes at once (one line that is longer stands alone)."""
    first = size = 0
    for i, line in enumerate(lines):
        if i > first and (i - first >= most or size + len(line) > most_bytes):
            yield lines[first:i]
            first, size = i, 0
        size += len(line)
    if first < len(lines):
        yield lines[first:]
