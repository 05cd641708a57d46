"""The latency sketch: its buckets, its promise of 1 %, its agreement with Prometheus' bounds."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.names import RESPONSE_TIME_BOUNDS
from pitchey_slo.store import sketch


def in_sql(values: np.ndarray) -> list[int | None]:
    with duckdb.connect(":memory:") as connection:
        sql = f"SELECT {sketch.bucket_sql('v')} FROM (SELECT unnest(?::DOUBLE[]) AS v)"
        return [row[0] for row in connection.execute(sql, [values.tolist()]).fetchall()]


def test_every_bucket_is_narrow_enough_for_one_percent() -> None:
    for edge in (sketch.LOWER_MS[1:], sketch.UPPER_MS[1:]):
        assert (np.abs(sketch.ESTIMATE_MS[1:] - edge) / edge < sketch.RELATIVE_ERROR).all()
    assert len(sketch.UPPER_MS) < np.iinfo(np.int16).max
    assert sketch.ESTIMATE_MS[0] == 0


def test_the_bounds_of_the_histogram_are_edges() -> None:
    assert sketch.UPPER_MS[sketch.LAST_BUCKET].tolist() == [1_000 * bound for bound in RESPONSE_TIME_BOUNDS]
    just_above = np.nextafter(np.array(RESPONSE_TIME_BOUNDS) * 1_000, np.inf)
    at = np.array(in_sql(np.array(RESPONSE_TIME_BOUNDS) * 1_000))
    assert at.tolist() == sketch.LAST_BUCKET
    assert in_sql(just_above) == [bucket + 1 for bucket in sketch.LAST_BUCKET]
    assert sketch.bounds_of(at).tolist() == list(range(len(at)))


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=200))
def test_sql_puts_a_latency_where_search_puts_it(values: list[float]) -> None:
    ms = np.array(values)
    found = np.array(in_sql(ms))
    # at an inner edge `ln` may round to the other side; there both buckets' estimates are within the promise
    assert (np.abs(found - sketch.buckets_of(ms)) <= 1).all()
    told = ms > sketch.LOWEST_MS
    assert (np.abs(sketch.ESTIMATE_MS[found] - ms)[told] <= sketch.RELATIVE_ERROR * ms[told]).all()
    assert (found[~told] == 0).all()
    # Prometheus' bounds are exact, not within a percent
    bounds = np.array(RESPONSE_TIME_BOUNDS) * 1_000
    assert sketch.bounds_of(found).tolist() == np.searchsorted(bounds, ms, side="left").tolist()


def test_edges_and_their_neighbours_keep_the_promise() -> None:
    edges = sketch.UPPER_MS[1:]
    for values in (edges, np.nextafter(edges, 0), np.nextafter(edges[:-1], np.inf)):
        found = np.array(in_sql(values))
        assert (np.abs(sketch.ESTIMATE_MS[found] - values) <= sketch.RELATIVE_ERROR * values).all()


def test_what_is_no_number_is_not_measured() -> None:
    assert in_sql(np.array([np.nan, np.inf, -np.inf])) == [None, None, None]


@pytest.mark.parametrize("value", [0.0, -1.0, 5e-324])
def test_zero_and_less_is_bucket_zero(value: float) -> None:
    assert in_sql(np.array([value])) == [0]
