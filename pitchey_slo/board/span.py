"""The time a dashboard shows: start, end and step, the same for all who look at the same tick.

A step is a multiple of 15 s (event series have their samples there) and every time is a multiple of the step, so what
two people see are the same points, and the next answer adds to the last one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pitchey_slo.errors import RequestError
from pitchey_slo.names import TICK_SECONDS

TICK_MS: Final = TICK_SECONDS * 1_000
#: Points of one line, at most.
POINTS: Final = 300
#: Points of the small line beside a number.
SPARK_POINTS: Final = 60
#: Seconds that a step may have; longer ranges take whole days.
_STEPS: Final = (
    *(15, 30, 60, 120, 180, 300, 600, 900, 1_200, 1_800, 2_700, 3_600),
    *(5_400, 7_200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400),
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
#: The rate of something is taken over what alert rules take it over, or over a step when that is longer.
RATE_SECONDS: Final = 300
#: Days that one dashboard may show.
LONGEST_DAYS: Final = 400

#: What stands for our durations while an expression is only checked.
PLACEHOLDERS: Final = {"__range": "1h", "__interval": "15s", "__rate_interval": "5m"}


@dataclass(frozen=True)
class Span:
    """start, end, step in ms; both ends are points."""

    start: int
    end: int
    step: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def back(self, by: int) -> Span:
        """The same span `by` ms earlier."""
        return Span(self.start - by, self.end - by, self.step)

    def thinned(self, points: int) -> Span:
        """The same end with a step that gives at most so many points."""
        step = step_of(self.length, points)
        return Span(self.end - self.length // step * step, self.end, step)

    def durations(self) -> dict[str, str]:
        """`$__range` and the others, as PromQL writes them."""
        rate = max(RATE_SECONDS * 1_000, self.step)
        return {
            "__range": written(max(self.length, TICK_MS)),
            "__interval": written(self.step),
            "__rate_interval": written(rate),
        }


def last(seconds: int, now_ms: int, points: int = POINTS) -> Span:
    """The last so many seconds before `now_ms`."""
    step = step_of(seconds * 1_000, points)
    end = now_ms // step * step
    return Span(end - seconds * 1_000 // step * step, end, step)


def between(start: int, end: int, points: int = POINTS) -> Span:
    """From start to end in ms. Raises RequestError when that is no time to show."""
    if end <= start:
        raise RequestError("end: not after start")
    if end - start > LONGEST_DAYS * 86_400_000:
        raise RequestError(f"start: {(end - start) // 86_400_000} days; at most {LONGEST_DAYS} are shown at once")
    step = step_of(end - start, points)
    return Span(start // step * step, -(-end // step) * step, step)


def step_of(length_ms: int, points: int = POINTS) -> int:
    """The least good step that gives at most so many points."""
    least = length_ms / 1_000 / points
    days = -(-least // 86_400) * 86_400
    return int(next((step for step in _STEPS if step >= least), days)) * 1_000


def seconds_of(text: str, name: str = "range") -> int:
    """A duration such as 15m, 1h, 7d. Raises RequestError.

    >>> seconds_of("90m")
    5400
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not found or not 60 <= seconds <= LONGEST_DAYS * 86_400:
        raise RequestError(f"{name}: {text[:40]!r}; a duration from 1m to {LONGEST_DAYS}d works, such as 15m, 1h or 7d")
    return seconds


def written(ms: int) -> str:
    """As PromQL writes a duration.

    >>> written(3_600_000), written(90_000)
    ('3600s', '90s')
    """
    return f"{ms // 1_000}s"
