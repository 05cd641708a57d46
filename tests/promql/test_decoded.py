"""Decoded files are kept within their budget and cut as a filter would cut them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.promql.decoded import BYTES_PER_SAMPLE, Decoded, DecodedFiles

rows = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 20)), max_size=40, unique=True)


def table(samples: list[tuple[int, int]]) -> pa.Table:
    return pa.table(
        {
            "series_id": pa.array([s for s, _ in samples], pa.int64()),
            "ms": pa.array([t for _, t in samples], pa.int64()),
            "value": pa.array([100.0 * s + t for s, t in samples], pa.float64()),
        }
    )


@given(rows, st.lists(st.integers(-5, 5), unique=True), st.integers(-2, 22), st.integers(-2, 22))
def test_a_cut_is_what_a_filter_gives(samples: list[tuple[int, int]], asked: list[int], start: int, end: int) -> None:
    file = Decoded.of(table(samples))
    found = {
        (asked[i], t, v)
        for i, part in file.cut(np.array(asked, np.int64), start, end)
        for t, v in zip(file.ms[part].tolist(), file.value[part].tolist(), strict=True)
    }
    assert found == {(s, t, 100.0 * s + t) for s, t in samples if s in asked and start <= t <= end}


def test_a_file_is_read_once_while_it_is_kept_and_the_least_used_goes_first() -> None:
    reads: list[str] = []

    def get(files: DecodedFiles, path: str) -> None:
        def read() -> pa.Table:
            reads.append(path)
            return table([(0, t) for t in range(100)])

        files.get(path, read)

    files = DecodedFiles(budget=2 * (100 * BYTES_PER_SAMPLE + 100))
    for path in ("a", "b", "a", "c", "a", "b"):
        get(files, path)
    assert reads == ["a", "b", "c", "b"]
    assert files.fits(200)
    assert not files.fits(400)
