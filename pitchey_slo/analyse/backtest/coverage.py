"""At which steps a rule could see anything: whether a sample of any of its selectors lay in the window it looks at.

A rule that is silent because all is well and a rule that is silent because its metric is gone look the same in a list
of firings. Here they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pitchey_slo.analyse.backtest.episodes import Bools, Ints
from pitchey_slo.analyse.backtest.reads import matchers_text
from pitchey_slo.promql import SeriesBlock, tree
from pitchey_slo.series import STALE_BITS

LOOKBACK_MS = 5 * 60_000


@dataclass(frozen=True)
class Window:
    """What a selector looks at: (t - offset - length, t - offset]. `newest`: only its last sample counts, so that a
    stale marker ends it."""

    selector: tree.Selector
    length_ms: int
    offset_ms: int
    newest: bool

    @property
    def text(self) -> str:
        return " or ".join(matchers_text(each) for each in self.selector.alternatives)


def windows(node: tree.Node, length_ms: int = 0, offset_ms: int = 0) -> Iterator[Window]:
    """Of all selectors of an expression; subqueries around them make them wider."""
    match node:
        case tree.Selector():
            newest = length_ms == 0
            yield Window(node, length_ms + LOOKBACK_MS, offset_ms + node.offset_ms, newest)
        case tree.Range():
            yield Window(node.selector, length_ms + node.range_ms, offset_ms + node.selector.offset_ms, False)
        case tree.Subquery():
            yield from windows(node.expr, length_ms + node.range_ms, offset_ms + node.offset_ms)
        case _:
            for child in tree.children(node):
                yield from windows(child, length_ms, offset_ms)


def covered(
    found: Iterator[Window], blocks: Mapping[tree.Selector, SeriesBlock], times: Ints, check: Callable[[], None]
) -> tuple[Bools, frozenset[str]]:
    """(at which steps any selector had data, texts of the selectors that had some at any step); `times` are those of
    the data, in ms."""
    some = np.zeros(len(times), np.bool_)
    seen: dict[str, bool] = {}
    for window in found:
        check()
        block = blocks.get(window.selector)
        there = _has_data(block, window, times) if block is not None else np.zeros(len(times), np.bool_)
        some |= there
        seen[window.text] = seen.get(window.text, False) or bool(there.any())
    return some, frozenset(text for text, any_ in seen.items() if any_)


def _has_data(block: SeriesBlock, window: Window, times: Ints) -> Bools:
    """Series after series, each asked only about steps that none before it covered."""
    if window.selector.at is not None:  # the same samples for all steps
        return np.full(len(times), len(block.ts) > 0)
    there = np.zeros(len(times), np.bool_)
    stale = window.newest and block.has_stale
    if not window.newest:
        block = block.fresh()
    lengths = np.diff(block.offsets)
    for i in np.argsort(-lengths, kind="stable").tolist():
        left = np.flatnonzero(~there)
        if not len(left):
            break
        part = slice(block.offsets[i], block.offsets[i + 1])
        ts, ends = block.ts[part], times[left] - window.offset_ms
        if not len(ts) or ts[-1] <= ends[0] - window.length_ms or ts[0] > ends[-1]:
            continue
        high = np.searchsorted(ts, ends, "right")
        last = np.maximum(high - 1, 0)
        hit = (high > 0) & (ts[last] > ends - window.length_ms)
        if stale:
            hit &= block.values[part].view(np.int64)[last] != STALE_BITS
        there[left[hit]] = True
    return there
