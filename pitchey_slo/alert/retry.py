"""When a message that was not taken is tried again, and when it is given up. Written once for all channels."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from pitchey_slo.errors import ChannelError


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with full jitter (a random time up to a limit that doubles), so that messages which failed
    together do not come back together. Durations in seconds.

    first      limit of the first wait
    longest    limit of every wait
    asked      the longest Retry-After that is honoured
    give_up    how long after it was due a message is tried
    """

    first: float = 1.0
    longest: float = 300.0
    asked: float = 3_600.0
    give_up: float = 86_400.0

    def wait(self, attempts: int, error: ChannelError, rng: random.Random) -> float:
        """Seconds until attempt `attempts` + 1. What the other side asked for is kept to, and up to one second more."""
        if error.retry_after is not None:
            return min(error.retry_after, self.asked) + rng.uniform(0, min(1.0, self.first))
        return rng.uniform(0, min(self.longest, self.first * 2.0 ** min(attempts - 1, 60)))

    def over(self, due_at: datetime, now: datetime) -> bool:
        """Whether a message due at `due_at` is given up now."""
        return now - due_at >= timedelta(seconds=self.give_up)
