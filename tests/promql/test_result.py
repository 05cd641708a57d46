"""Results: kinds, missing points, frames; and the scan over memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pitchey_slo.promql import STALE, Matcher, MemoryScan, evaluate, instant
from pitchey_slo.promql.functions import FUNCTIONS
from pitchey_slo.promql.scan import block_of
from pitchey_slo.series import STALE_BITS


@pytest.fixture
def scan() -> MemoryScan:
    made = MemoryScan()
    made.add({"__name__": "x", "i": "b"}, [0, 60_000], [1.0, np.nan])
    made.add({"__name__": "x", "i": "a"}, [60_000], [2.0])
    return made


def test_kinds(scan: MemoryScan) -> None:
    assert instant("x", scan, 0).kind == "vector"
    assert instant("1 + 1", scan, 0).values.tolist() == [[2.0]]
    assert instant("time()", scan, 1500).kind == "scalar"
    assert evaluate("time()", scan, 0, 60_000, 60_000).kind == "matrix"
    assert instant('"text"', scan, 0).text == "text"
    samples = instant("x[2m]", scan, 60_000)
    assert (samples.kind, samples.times.tolist()) == ("matrix", [0, 60_000])


def test_missing_is_not_nan(scan: MemoryScan) -> None:
    """Series are sorted by labels; each has its own points."""
    found = [(labels["i"], times.tolist(), values.tolist()) for labels, times, values in
             evaluate("x", scan, 0, 60_000, 60_000).series()]  # fmt: skip
    assert found[0] == ("a", [60_000], [2.0])
    assert found[1][1] == [0, 60_000]
    assert np.isnan(found[1][2][1])


def test_to_pandas(scan: MemoryScan) -> None:
    frame = evaluate("x", scan, 0, 60_000, 60_000).to_pandas()
    assert list(frame.columns) == ['x{i="a"}', 'x{i="b"}']
    assert str(frame.index.tz) == "UTC"
    assert frame['x{i="b"}'].tolist()[0] == 1.0


def test_memory_scan_merges_and_cuts() -> None:
    scan = MemoryScan()
    scan.add({"__name__": "x"}, [10, 20], [1, 2])
    scan.add({"__name__": "x", "empty": ""}, [15, 20], [5, 6])
    block = scan.select([Matcher("__name__", "=~", "x|y"), Matcher("empty", "=", "")], 10, 20)
    assert (block.ts.tolist(), block.values.tolist()) == ([10, 15, 20], [1, 5, 6])
    assert scan.select([Matcher("empty", "!=", "")], 0, 99).labels == []
    assert len(scan.select([], 16, 99).ts) == 1


def test_stale_markers_keep_their_bits() -> None:
    block = block_of([((), np.array([1, 2]), np.array([STALE, 1.0]))])
    assert block.values.view(np.int64)[0] == STALE_BITS
    assert block.fresh().ts.tolist() == [2]


def test_every_function_of_the_grammar_is_here() -> None:
    """All that the documentation lists, and nothing else."""
    from .test_conformance import DOCS

    listed = DOCS.read_text().split("Functions: `", 1)[1].split("`", 1)[0].split()
    assert sorted(listed) == sorted(FUNCTIONS)


@pytest.mark.parametrize("function", ["rate", "sum_over_time", "max_over_time", "stddev_over_time", "deriv"])
def test_a_longer_range_does_not_cost_more(function: str) -> None:
    """Samples and steps stay; windows grow from 20 samples to 5,000. A product would be 250 times slower."""
    scan = MemoryScan()
    ts = np.arange(0, 40_000) * 15_000
    scan.add({"__name__": "x"}, ts, np.random.default_rng(1).poisson(3, len(ts)).cumsum())

    def cost(text: str) -> float:
        begin = time.process_time()
        evaluate(text, scan, int(ts[5000]), int(ts[-1]), 15_000)
        return time.process_time() - begin

    short = min(cost(f"{function}(x[5m])") for _ in range(3))
    long = min(cost(f"{function}(x[75000])") for _ in range(3))
    assert long < 8 * short
