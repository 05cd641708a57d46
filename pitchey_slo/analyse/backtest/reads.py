"""What the rules of a backtest read, each selector once per stretch of history, and nothing coarser than live.

Live, a rule reads minutes; a backtest reads weeks. Three things differ then, and are undone here:

- Rules share reads: with `plan` known, one read per selector is as wide as the widest of them, kept until the last
  rule had it.
- Series of events are thinned out when a query would get too many of them (`promql.derived`). A rule would then see
  other samples than live, so such a read is refused (`TooMuch`) and the caller asks for a shorter time.
- Stored samples of months do not fit into memory: how many there are is estimated from a few minutes first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pitchey_slo.errors import QueryError
from pitchey_slo.names import TICK_SECONDS
from pitchey_slo.promql import Matcher, Scan, SeriesBlock
from pitchey_slo.promql.derived_metrics import METRICS
from pitchey_slo.slo.series import NAMES as SLO_SERIES

TICK_MS: Final = TICK_SECONDS * 1000
#: Samples that one read may return, and numbers (series by steps) that one evaluation may make of a selector.
SAMPLES: Final = 30_000_000
CELLS: Final = 25_000_000
#: A read longer than this is estimated before it is made.
SHORT_MS: Final = 26 * 3_600_000
_PROBE_MS: Final = 5 * 60_000
#: Series that are counted from events, and say themselves when they are too many.
_COMPUTED: Final = frozenset({*METRICS, *SLO_SERIES})

Key = tuple[Any, ...]
#: selector -> (start, end) in ms, and how many rules want it
Plan = Mapping[Key, tuple[int, int, int]]


class TooMuch(QueryError):
    """A shorter time works."""


def key_of(matchers: Sequence[Matcher], needs: Collection[str] | None) -> Key:
    return tuple(matchers), None if needs is None else frozenset(needs)


@dataclass
class SharedReads:
    """A scan for one stretch of history. `steps` is how many steps the evaluation that asks has."""

    scan: Scan
    plan: Plan = field(default_factory=dict)
    steps: int = 1
    _kept: dict[Key, tuple[int, int, SeriesBlock]] = field(default_factory=dict)
    _asked: dict[Key, int] = field(default_factory=dict)
    _too_wide: set[Key] = field(default_factory=set)

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """As `Scan.select`; more samples than asked for do no harm. Raises TooMuch."""
        key = key_of(matchers, needs)
        block = self._block(key, matchers, start_ms, end_ms, needs)
        if len(block.labels) * self.steps > CELLS and self.steps > 1:
            raise TooMuch(f"{len(block.labels):,} series at {self.steps:,} steps")
        return block

    def done(self, key: Key) -> None:
        """One rule less will ask for this."""
        left = self._asked.get(key, self.plan.get(key, (0, 0, 0))[2]) - 1
        self._asked[key] = left
        if left <= 0:
            self._kept.pop(key, None)

    def _block(
        self, key: Key, matchers: Sequence[Matcher], start_ms: int, end_ms: int, needs: Collection[str] | None
    ) -> SeriesBlock:
        kept = self._kept.get(key)
        if kept is not None and kept[0] <= start_ms and end_ms <= kept[1]:
            return kept[2]
        low, high, _ = self.plan.get(key, (start_ms, end_ms, 0))
        if key in self._too_wide or not (low <= start_ms and end_ms <= high):
            return self._read(matchers, start_ms, end_ms, needs)
        try:
            block = self._read(matchers, low, high, needs)
        except TooMuch:
            self._too_wide.add(key)
            if (low, high) == (start_ms, end_ms):
                raise
            return self._read(matchers, start_ms, end_ms, needs)
        self._kept[key] = (low, high, block)
        return block

    def _read(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, needs: Collection[str] | None
    ) -> SeriesBlock:
        self._check(matchers, start_ms, end_ms)
        block = self.scan.select(matchers, start_ms, end_ms, needs=needs)
        if len(block.ts) > SAMPLES and end_ms - start_ms > SHORT_MS:
            raise TooMuch(f"{len(block.ts):,} samples of {matchers_text(matchers)}")
        if coarse(block):
            raise TooMuch(f"{matchers_text(matchers)} has too many series for so long a time")
        return block

    def _check(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> None:
        """Refuse a read that would be too much, before it is made."""
        length = end_ms - start_ms
        if length <= SHORT_MS or any(m.name == "__name__" and m.op == "=" and m.value in _COMPUTED for m in matchers):
            return
        middle = start_ms + length // 2
        for at in (middle, end_ms):
            few = len(self.scan.select(matchers, at - _PROBE_MS, at).ts)
            if few / _PROBE_MS * length > SAMPLES:
                raise TooMuch(f"about {few / _PROBE_MS * length:,.0f} samples of {matchers_text(matchers)}")


def coarse(block: SeriesBlock) -> bool:
    """Whether series made of events have fewer samples than a short read would have."""
    for i, labels in enumerate(block.labels):
        if dict(labels).get("__name__") in METRICS:
            times = block.ts[block.offsets[i] : block.offsets[i + 1]]
            return len(times) > 1 and int(times[1] - times[0]) > TICK_MS
    return False


def matchers_text(matchers: Sequence[Matcher]) -> str:
    """A selector as it is written.

    >>> matchers_text([Matcher("__name__", "=", "up"), Matcher("job", "=", "api")])
    'up{job="api"}'
    """
    name = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), "")
    rest = ", ".join(str(m) for m in matchers if not (m.name == "__name__" and m.op == "="))
    return f"{name}{{{rest}}}" if rest or not name else name
