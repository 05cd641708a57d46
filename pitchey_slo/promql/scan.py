"""Where samples come from: the `Scan` protocol, the block of samples it returns, and a scan over memory.

A scan is asked once per selector. It answers with every series that fulfils the matchers and all their samples from
`start_ms` to `end_ms`, both included (more does no harm), as one concatenated layout. Staleness, lookback and windows
are the evaluator's business.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.tree import Matcher
from pitchey_slo.series import STALE_BITS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SeriesBlock:
    """Samples of several series: those of series `i` are `ts[offsets[i]:offsets[i + 1]]`, by increasing time.

    `ts` is in ms since 1970 (int64), `values` float64 with stale markers kept bit by bit, `offsets` has one entry more
    than `labels`. `unnamed` marks series whose metric name goes away at the end (results of subqueries).
    """

    labels: list[Labels]
    ts: Ints
    values: Floats
    offsets: Ints
    unnamed: Bools | None = None

    @functools.cached_property
    def has_stale(self) -> bool:
        return bool((self.values.view(np.int64) == STALE_BITS).any())

    def fresh(self) -> SeriesBlock:
        """The same block without stale markers, as range selectors see it."""
        if not self.has_stale:
            return self
        keep = self.values.view(np.int64) != STALE_BITS
        kept = np.concatenate([[0], np.cumsum(keep)])
        return SeriesBlock(self.labels, self.ts[keep], self.values[keep], kept[self.offsets], self.unnamed)


class Scan(Protocol):
    """The seam to the store: one verb."""

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """Series for which all matchers hold, with their samples in [start_ms, end_ms], sorted by labels.

        `needs`: the only labels the caller will look at (None: all). A scan may add up series that differ in others
        only, where that is cheaper and their samples stand at the same times; it need not.
        """
        ...


def block_of(series: Iterable[tuple[Labels, Ints, Floats]]) -> SeriesBlock:
    """One block from separate series, sorted by labels."""
    parts = sorted(series, key=lambda part: part[0])
    lengths = [len(part[1]) for part in parts]
    return SeriesBlock(
        [part[0] for part in parts],
        np.concatenate([part[1] for part in parts]) if parts else np.empty(0, np.int64),
        np.concatenate([part[2] for part in parts]) if parts else np.empty(0, np.float64),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
    )


def select_any(
    scan: Scan,
    alternatives: Sequence[Sequence[Matcher]],
    start_ms: int,
    end_ms: int,
    needs: Collection[str] | None = None,
) -> SeriesBlock:
    """The block of a selector; `{a="1" or b="2"}` has several alternatives, a series found twice counts once (so that
    nothing may be added up before)."""
    if len(alternatives) == 1:
        return scan.select(alternatives[0], start_ms, end_ms, needs=needs)
    blocks = [scan.select(matchers, start_ms, end_ms) for matchers in alternatives]
    found: dict[Labels, tuple[Labels, Ints, Floats]] = {}
    for block in blocks:
        for i, labels in enumerate(block.labels):
            rows = slice(block.offsets[i], block.offsets[i + 1])
            found.setdefault(labels, (labels, block.ts[rows], block.values[rows]))
    return block_of(found.values())


def matching(matcher: Matcher, values: Sequence[str]) -> Bools:
    """Which of `values` fulfil one matcher. Patterns are RE2, so no pattern can take exponential time."""
    if matcher.op in ("=", "!="):
        equal = np.fromiter((value == matcher.value for value in values), np.bool_, len(values))
        return equal if matcher.op == "=" else ~equal
    distinct = list(dict.fromkeys(values))
    hits = dict(zip(distinct, _full_match(matcher.value, distinct), strict=True))
    found = np.fromiter((hits[value] for value in values), np.bool_, len(values))
    return found if matcher.op == "=~" else ~found


def _full_match(pattern: str, values: list[str]) -> list[bool]:
    if re.fullmatch(r"[\w:|-]*", pattern):  # only literals and alternation
        return [value in set(pattern.split("|")) for value in values]
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return list(pc.match_substring_regex(pa.array(values, pa.string()), f"^(?s:{pattern})$").to_pylist())
    except pa.ArrowInvalid as error:
        raise QueryError(f"invalid regular expression {pattern!r}: {error}") from None


def filter_labels(matchers: Sequence[Matcher], labels: Sequence[Labels]) -> list[int]:
    """Positions of the label sets for which all matchers hold; a missing label counts as empty."""
    left = list(range(len(labels)))
    for matcher in matchers:
        if not left:
            break
        hits = matching(matcher, [lb.get(labels[i], matcher.name) for i in left])
        left = [i for i, hit in zip(left, hits, strict=True) if hit]
    return left


@dataclass
class MemoryScan:
    """Series kept in memory, for tests, notebooks and results that are queried again.

    >>> scan = MemoryScan()
    >>> scan.add({"__name__": "up", "job": "api"}, [0, 15_000], [1.0, 0.0])
    >>> scan.select([Matcher("job", "=", "api")], 0, 10_000).values.tolist()
    [1.0]
    """

    series: dict[Labels, tuple[Ints, Floats]] = field(default_factory=dict)

    def add(self, labels: Mapping[str, str] | Labels, ts: Any, values: Any) -> None:
        """Add samples (times in ms, increasing) to one series; the last value given for a time wins."""
        key = lb.make(labels)
        times, numbers = np.asarray(ts, np.int64), np.asarray(values, np.float64)
        if key in self.series:
            times = np.concatenate([self.series[key][0], times])
            numbers = np.concatenate([self.series[key][1], numbers])
            order = np.argsort(times, kind="stable")
            times, numbers = times[order], numbers[order]
            last = np.append(times[1:] != times[:-1], True)
            times, numbers = times[last], numbers[last]
        self.series[key] = (times, numbers)

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        *,
        needs: Collection[str] | None = None,  # noqa: ARG002  # the protocol's; adding up would save nothing here
    ) -> SeriesBlock:
        known = list(self.series)
        found = []
        for i in filter_labels(matchers, known):
            ts, values = self.series[known[i]]
            rows = slice(np.searchsorted(ts, start_ms), np.searchsorted(ts, end_ms, "right"))
            if rows.stop > rows.start:
                found.append((known[i], ts[rows], values[rows]))
        return block_of(found)
