"""How much a channel takes: a token bucket fitted to what the service documents.

    Slack      1 message a second per channel, short bursts allowed      docs.slack.dev/apis/web-api/rate-limits
    PagerDuty  120 events a minute per integration key                   developer.pagerduty.com, Events API v2
    Twilio     1 message segment a second for a US long code             twilio.com/docs, error 30001 and 21611

The bucket says how long to wait; what is done meanwhile (wait, or say it in one digest) is decided in `lane.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pitchey_slo.errors import ConfigError

_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d*)\s*(s|m|h)\s*(?:burst\s+(\d+))?\s*")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}


@dataclass(frozen=True)
class Rate:
    """`per_second` on average, `burst` at once."""

    per_second: float
    burst: float

    @classmethod
    def of(cls, text: str, default: Rate | None, *, where: str = "") -> Rate | None:
        """A rate as written in a routing file: `1/s`, `120/m`, `30/m burst 5`, `none`. Raises ConfigError.

        >>> Rate.of("120/m burst 10", None)
        Rate(per_second=2.0, burst=10.0)
        """
        if not text:
            return default
        if text.strip().lower() == "none":
            return None
        found = _RATE.fullmatch(text)
        if not found or not float(found[1]) or found[2] == "0":
            hint = "such as 1/s, 120/m, 30/m burst 5 or none"
            raise ConfigError(f"{text!r} is not a rate", key=f"{where}: rate", hint=hint)
        return cls(float(found[1]) / (int(found[2] or 1) * _SECONDS[found[3]]), max(1.0, float(found[4] or 1)))


class Bucket:
    """The budget of one channel. A clock that is turned back takes nothing and gives nothing."""

    def __init__(self, rate: Rate | None) -> None:
        self.rate = rate
        self._level = rate.burst if rate else 0.0
        self._at: datetime | None = None

    def level(self, now: datetime) -> float:
        """What may be sent at once; infinite without a rate."""
        if self.rate is None:
            return float("inf")
        if self._at is not None:
            passed = max(0.0, (now - self._at).total_seconds())
            self._level = min(self.rate.burst, self._level + passed * self.rate.per_second)
        self._at = now
        return self._level

    def wait(self, cost: float, now: datetime) -> float:
        """Seconds until `cost` may be sent; 0 when it may now. A cost above the burst goes when the bucket is full."""
        if self.rate is None:
            return 0.0
        lacking = min(cost, self.rate.burst) - self.level(now)
        return max(0.0, lacking / self.rate.per_second) if lacking > 1e-9 else 0.0

    def take(self, cost: float, now: datetime) -> None:
        """Spend `cost`; below zero when it was more than the burst, so that the average holds."""
        if self.rate is not None:
            self._level = self.level(now) - cost
