"""The time a dashboard shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.board.span import POINTS, TICK_MS, between, last, seconds_of
from pitchey_slo.errors import RequestError

NOW = 1_795_459_017_419


@given(st.integers(60, 400 * 86_400), st.integers(1_500_000_000_000, 2_000_000_000_000))
def test_points_are_few_and_stand_on_multiples_of_the_step(seconds: int, now: int) -> None:
    span = last(seconds, now)
    assert span.step % TICK_MS == 0
    assert span.start % span.step == span.end % span.step == 0
    assert span.length // span.step <= POINTS
    assert now - span.step < span.end <= now
    assert span.length <= seconds * 1_000


def test_ranges_people_choose_have_steps_people_expect() -> None:
    steps = {text: last(seconds_of(text), NOW).step // 1_000 for text in ("15m", "1h", "6h", "24h", "7d", "30d", "90d")}
    assert steps == {"15m": 15, "1h": 15, "6h": 120, "24h": 300, "7d": 2_700, "30d": 10_800, "90d": 28_800}


def test_the_next_tick_shows_the_same_points() -> None:
    first, then = last(3_600, NOW), last(3_600, NOW + 5_000)
    assert (then.start - first.start) % first.step == 0


def test_a_given_time_is_covered_whole() -> None:
    span = between(NOW, NOW + 3_600_000)
    assert span.start <= NOW and span.end >= NOW + 3_600_000


@pytest.mark.parametrize("text", ["", "1", "1y", "0m", "30s", "500d", "-1h", "1h; drop"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="such as 15m, 1h or 7d"):
        seconds_of(text)


def test_what_is_no_time_to_show_is_refused() -> None:
    with pytest.raises(RequestError, match="not after start"):
        between(NOW, NOW)
    with pytest.raises(RequestError, match="at most 400"):
        between(0, NOW)
