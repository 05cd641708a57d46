"""What the statuses of receivers mean, said once: try again, make it smaller, or give these lines up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from pitchey_slo.instrument.delivery import Sent
from pitchey_slo.instrument.post import Answer

#: Too slow a body, too much at once, and what stands between us and a receiver that is away.
AGAIN: Final = frozenset({408, 429, 502, 503, 504})


def judged(answer: Answer, lines: Sequence[bytes], *, again: frozenset[int] = AGAIN) -> Sent:
    """For an answer that speaks of the delivery as a whole and is no success."""
    if answer.status in again:
        return Sent(again=lines, wait=answer.wait, trouble=told(answer))
    return Sent(refused={f"status_{answer.status}": len(lines)}, trouble=told(answer))


def told(answer: Answer) -> str:
    """The status and the beginning of what came with it, on one line."""
    return f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}".replace("\n", " ").strip()


def halves(send: Callable[[Sequence[bytes], str], Sent], lines: Sequence[bytes], key: str) -> Sent:
    """Send two halves, each as a delivery of its own that keeps its name when it is sent again."""
    middle = len(lines) // 2
    return together(send(lines[:middle], f"{key}.0"), send(lines[middle:], f"{key}.1"))


def together(first: Sent, second: Sent) -> Sent:
    return Sent(
        first.taken + second.taken,
        [*first.again, *second.again],
        Counter(first.refused) + Counter(second.refused),
        max(first.wait, second.wait),
        first.trouble or second.trouble,
    )
