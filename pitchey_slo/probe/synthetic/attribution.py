"""Where the trouble sits: which phase is slower than usual, or fails, and at how many locations.

"Usual" is each location's own median over the last day: a test that always takes a second from far away is not slow
there. `+410 ms, 92 % in TLS, 2 of 6 locations` means that at two of the six locations that count the newest look took
410 ms longer than usual on average, and that 92 % of it was spent in the TLS handshake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pitchey_slo.probe.result import Result

#: A look is slow when it took this much longer than usual: milliseconds, and as a share of the usual time.
SLOWER_MS: Final = 50.0
SLOWER: Final = 0.3
#: Looks that make something usual.
ENOUGH: Final = 10
SPOKEN: Final = {"dns": "DNS", "connect": "connect", "tls": "TLS", "first_byte": "first byte", "transfer": "transfer"}


@dataclass(frozen=True)
class Usual:
    """Medians of a location: the whole and the phases, in milliseconds, from so many passing looks."""

    duration_ms: float
    phases: Mapping[str, float]
    looks: int


@dataclass(frozen=True)
class Attribution:
    """`kind` fails or slow; `phase` where most of it is, None when nowhere; `share` of the extra time that is there;
    `failure` the most frequent class."""

    kind: str
    phase: str | None
    locations: tuple[str, ...]
    of: int
    failure: str | None = None
    extra_ms: float | None = None
    share: float | None = None

    def __str__(self) -> str:
        where = f"{len(self.locations)} of {self.of} location{'s' if self.of != 1 else ''}"
        phase = SPOKEN.get(self.phase or "", "")
        if self.kind == "fails":
            return ", ".join(filter(None, (f"{self.failure or 'fails'}{f' in {phase}' if phase else ''}", where)))
        share = f"{100 * self.share:.0f} % in {phase}" if phase and self.share is not None else ""
        return ", ".join(filter(None, (f"+{self.extra_ms:,.0f} ms", share, where)))


def attribute(latest: Mapping[str, Result], usual: Mapping[str, Usual]) -> Attribution | None:
    """What the newest verdicts of the locations that count say; None when all is as usual. Failing comes first."""
    failing = {where: r for where, r in latest.items() if r.state == "unhealthy"}
    if failing:
        failure = _most(r.failure for r in failing.values())
        phase = _most(r.phase for r in failing.values() if r.failure == failure)
        return Attribution("fails", phase, tuple(sorted(failing)), len(latest), failure)
    extra = {
        where: r.duration_ms - known.duration_ms
        for where, r in latest.items()
        if r.ok and r.duration_ms is not None and (known := usual.get(where)) is not None and known.looks >= ENOUGH
    }
    slow = {w: ms for w, ms in extra.items() if ms >= SLOWER_MS and ms >= SLOWER * usual[w].duration_ms}
    if not slow:
        return None
    total = sum(slow.values())
    phases: Counter[str] = Counter()
    for where in slow:
        for phase, ms in latest[where].phases.items():
            phases[phase] += max(0.0, ms - usual[where].phases.get(phase, 0.0))  # type: ignore[assignment]  # Counter holds floats too
    top = max(phases, key=phases.__getitem__, default=None)
    share = min(1.0, phases[top] / total) if top is not None else None
    return Attribution("slow", top, tuple(sorted(slow)), len(latest), extra_ms=total / len(slow), share=share)


def _most(words: Iterable[str | None]) -> str | None:
    found = Counter(w for w in words if w)
    return found.most_common(1)[0][0] if found else None
