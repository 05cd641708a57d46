"""Where the time of a request goes, and why a step failed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class Fault(Exception):
    """Why a step is not as it should be: `failure` of names.FAILURES, `phase` of names.PHASES where it makes sense,
    `reason` in plain words. `status` is the HTTP status when there was one; `cert_days` when a certificate was seen."""

    def __init__(
        self,
        failure: str,
        reason: str,
        *,
        phase: str | None = None,
        status: int | None = None,
        cert_days: float | None = None,
        degraded: bool = False,
    ) -> None:
        super().__init__(reason)
        self.failure, self.reason, self.phase = failure, reason, phase
        self.status, self.cert_days, self.degraded = status, cert_days, degraded


#: What a phase that ran out of time was waiting for.
WAITED_FOR: Final = {
    "dns": "an answer of the name server",
    "connect": "the connection",
    "tls": "the TLS handshake",
    "first_byte": "the first byte of the answer",
    "transfer": "the rest of the answer",
}


class Phases:
    """Milliseconds per phase, added up over the requests of a step; `now` is the phase that is going on."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self.now = "dns"

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Measure a phase, also when it ends in an error."""
        self.now, started = phase, time.perf_counter()
        try:
            yield
        finally:
            self.ms[phase] = self.ms.get(phase, 0.0) + (time.perf_counter() - started) * 1_000

    @property
    def slowest(self) -> str | None:
        """The phase that took longest; None before anything was measured."""
        return max(self.ms, key=self.ms.__getitem__, default=None)


def span(seconds: float) -> str:
    """A length of time as people read it.

    >>> span(0.0123), span(2.5)
    ('12 ms', '2.5 s')
    """
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
