"""The choice of the next message, against what must hold whatever happens."""

from __future__ import annotations

import dataclasses
import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.alert.budget import Bucket, Rate
from pitchey_slo.alert.lane import Merge, Send, Supersede, Wait, Waiting, choose
from pitchey_slo.errors import ConfigError
from pitchey_slo.testing import NOON


def row(key: str, dedup: str, action: str, severity: str, seconds: int, seq: int) -> Waiting:
    due = NOON + timedelta(seconds=seconds)
    return Waiting(key, dedup, action, severity, due, due, NOON, 0, seq)


@dataclasses.dataclass
class Life:
    """What became of each row, in order."""

    sent: list[Waiting] = dataclasses.field(default_factory=list)
    merged: list[Waiting] = dataclasses.field(default_factory=list)
    dropped: list[tuple[Waiting, Waiting]] = dataclasses.field(default_factory=list)


def live(rows: list[Waiting], rng: random.Random, rate: Rate | None, failing: float) -> Life:
    """Run the lane until nothing waits; an attempt fails with probability `failing`; rows come when they are due."""
    life, now, seq = Life(), NOON, len(rows) + 1
    bucket = Bucket(rate)
    waiting = list(rows)
    for _ in range(20_000):
        if not waiting:
            return life
        there = [r for r in waiting if r.created_at <= now]
        step = choose(
            there, now, budget=bucket.level(now), per_second=rate.per_second if rate else 1, mergeable=rate is not None
        )
        if isinstance(step, Wait):
            later = [r.created_at for r in waiting if r.created_at > now]
            until = [t for t in (step.until, *later) if t is not None]
            now = max(now, min(until)) + timedelta(milliseconds=1)
        elif isinstance(step, Supersede):
            life.dropped.append((step.old, step.by))
            waiting.remove(step.old)
        elif isinstance(step, Merge):
            life.merged += step.rows
            waiting = [r for r in waiting if r not in step.rows]
            waiting.append(Waiting(f"d{seq}", f"d{seq}", "digest", "info", now, now, now, 0, seq))
            seq += 1
        else:
            bucket.take(1, now)
            at = waiting.index(step.row)
            if rng.random() < failing:
                again = now + timedelta(seconds=rng.uniform(0, 30))
                waiting[at] = dataclasses.replace(
                    step.row, attempts=step.row.attempts + 1, next_attempt_at=again, updated_at=now, commit_seq=seq
                )
                seq += 1
            else:
                life.sent.append(waiting.pop(at))
    raise AssertionError("it never ends")


events = st.tuples(
    st.sampled_from("abcde"), st.sampled_from(["firing", "resolved", "reminder", "escalation", "message"]),
    st.sampled_from(["critical", "warning", "info", "odd"]), st.integers(0, 120),
)  # fmt: skip


@given(st.lists(events, max_size=40), st.integers(), st.booleans(), st.floats(0, 0.6))
def test_whatever_happens(given_: list[tuple[str, str, str, int]], seed: int, limited: bool, failing: float) -> None:
    given_ = sorted(given_, key=lambda e: e[3])
    rows = [row(f"n{i}", *event, seq=i) for i, event in enumerate(given_)]
    life = live(rows, random.Random(seed), Rate(1.0, 2.0) if limited else None, failing)
    order = {r.id: i for i, r in enumerate(rows)}
    ended = [r.id for r in (*life.sent, *life.merged, *(old for old, _ in life.dropped)) if r.action != "digest"]
    assert sorted(ended) == sorted(order), "each row ends once"
    for key in "abcde":
        told = [order[r.id] for r in life.sent if r.dedup_key == key]
        assert told == sorted(told), "one group's messages keep their order"
    assert not [r for r in life.merged if r.severity == "critical" or r.action in ("escalation", "digest")]
    for old, by in life.dropped:
        assert old.dedup_key == by.dedup_key
        assert order[old.id] < order[by.id]
        assert old.action in ("firing", "reminder"), "an end is never dropped"


def test_the_most_severe_first_then_the_oldest() -> None:
    rows = [
        row("i", "1", "firing", "info", 0, 1),
        row("w2", "2", "firing", "warning", 2, 2),
        row("w1", "3", "firing", "warning", 1, 3),
        row("c", "4", "firing", "critical", 3, 4),
    ]
    order = []
    while rows:
        step = choose(rows, NOON + timedelta(seconds=9), budget=float("inf"))
        assert isinstance(step, Send)
        order.append(step.row.id)
        rows.remove(step.row)
    assert order == ["c", "w1", "w2", "i"]


def test_nothing_to_do() -> None:
    assert choose([], NOON, budget=1) == Wait(None)
    later = row("a", "a", "firing", "info", 30, 1)
    assert choose([later], NOON, budget=1) == Wait(later.next_attempt_at)


def spent(bucket: Bucket, now: datetime, cost: float = 1.0) -> bool:
    """Whether it could be sent."""
    if bucket.wait(cost, now):
        return False
    bucket.take(cost, now)
    return True


@pytest.mark.parametrize(("text", "per_second", "burst"), [("1/s", 1, 1), ("120/m burst 20", 2, 20), ("30/10s", 3, 1)])
def test_rates(text: str, per_second: float, burst: float) -> None:
    rate = Rate.of(text, None)
    assert rate == Rate(per_second, burst)
    bucket = Bucket(rate)
    taken = sum(spent(bucket, NOON + timedelta(seconds=i / 100)) for i in range(10_000))
    # a bucket of one is full for a moment before somebody looks: it never gives more, and hardly less
    assert 0.97 * (100 * per_second + burst) <= taken <= 100 * per_second + burst


@pytest.mark.parametrize("text", ["fast", "0/s", "1/0s", "1/d", "-1/s", "1/s burst"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a rate"):
        Rate.of(text, None)


def test_no_rate_is_no_limit_and_the_default_is_the_default() -> None:
    assert Rate.of("none", Rate(1, 1)) is None
    assert Rate.of("", Rate(1, 1)) == Rate(1, 1)
    assert Bucket(None).wait(1e9, NOON) == 0


def test_a_clock_that_jumps_gives_a_burst_at_most() -> None:
    bucket = Bucket(Rate(1, 3))
    assert sum(spent(bucket, NOON) for _ in range(10)) == 3
    assert not spent(bucket, NOON - timedelta(hours=1))
    assert spent(bucket, NOON - timedelta(hours=1) + timedelta(seconds=1.1))
    assert sum(spent(bucket, NOON + timedelta(hours=1)) for _ in range(10)) == 3


def test_what_costs_more_than_the_burst_goes_when_it_is_full_and_the_average_holds() -> None:
    bucket = Bucket(Rate(1, 3))
    sent = sum(spent(bucket, NOON + timedelta(seconds=s), 5) for s in range(100))
    assert 19 <= sent <= 21
