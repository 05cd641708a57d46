import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.demo.text import counter, hexadecimal, pick, same


@given(first=st.integers(0, 10**9), rows=st.integers(0, 300))
def test_a_counter_counts_with_leading_zeros(first, rows):
    assert counter("x-", first, rows).to_pylist() == [f"x-{n:010d}" for n in range(first, first + rows)]


def test_hexadecimal_is_the_hex_of_the_bytes_drawn():
    raw = np.random.default_rng(4).bytes(5 * 8)
    found = hexadecimal(np.random.default_rng(4), 5, 16).to_pylist()
    assert found == [raw[i : i + 8].hex() for i in range(0, 40, 8)]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_pick_and_same(rows):
    codes = np.arange(rows) % 2
    assert pick(["a", "b"], codes).to_pylist() == ["a", "b", "a"][:rows]
    assert pick(["a", "b"], codes, codes == 1).to_pylist() == ["a", None, "a"][:rows]
    assert same("demo", rows).to_pylist() == ["demo"] * rows
