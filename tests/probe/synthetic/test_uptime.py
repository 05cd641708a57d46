"""Uptime over pieces of time against every second asked by itself."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from pitchey_slo.probe.synthetic.quorum import Policy, Seen, Target, Word, judge
from pitchey_slo.probe.synthetic.uptime import ALL, Stretch, Uptime, uptimes

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def one(found: Sequence[Uptime], location: str = ALL) -> Uptime:
    return next(u for u in found if u.location == location)


def test_time_without_verdicts_is_neither_up_nor_down() -> None:
    stretches = [
        Stretch("api", "eu", "up", at(0), at(600), 10),
        Stretch("api", "eu", "down", at(600), at(660), 1, "timeout", "no answer"),
        Stretch("api", "eu", "up", at(660), at(900), 4),
        # nothing from 900 to 1800
        Stretch("api", "eu", "maintenance", at(1800), at(2000), 3),
        Stretch("api", "eu", "unknown", at(2000), at(2100), 2),
        Stretch("api", "eu", "up", at(2100), at(2400), 5),
    ]
    for where in ("eu", ALL):
        found = one(uptimes(stretches, START, at(3600), targets={}), where)
        assert found.uptime == pytest.approx(1140 / 1200)
        assert found.covered == pytest.approx(1200 / 3400)
        assert found.at_least == pytest.approx(1140 / 3400)
        assert found.maintenance_seconds == 200
        assert (found.looks, found.failed) == (20, 1)
        assert found.reachability == pytest.approx(0.95)
        [outage] = found.outages
        assert (outage.start, outage.end, outage.failure, outage.open) == (at(600), at(660), "timeout", False)
        assert found.mttr_seconds == 60


def test_nothing_known_is_no_number() -> None:
    [alone, both] = uptimes([Stretch("api", "eu", "unknown", at(0), at(60))], START, at(60), targets={})
    assert (alone.uptime, alone.reachability, alone.covered) == (None, None, 0.0)
    assert both.uptime is None
    assert uptimes([], START, at(60), targets={}) == ()


def test_an_outage_that_lasts_is_open_and_no_repair() -> None:
    stretches = [Stretch("api", "eu", "up", at(0), at(100)), Stretch("api", "eu", "down", at(100), at(9_000))]
    found = one(uptimes(stretches, START, at(1_000), targets={}))
    assert [(o.start, o.end, o.open) for o in found.outages] == [(at(100), at(1_000), True)]
    assert found.mttr_seconds is None
    silent = [Stretch("api", "eu", "down", at(0), at(100)), Stretch("api", "eu", "up", at(500), at(600))]
    assert one(uptimes(silent, START, at(1_000), targets={}), "eu").outages[0].open


def test_one_of_three_locations_is_not_down_but_less_reachable() -> None:
    stretches = [Stretch("api", w, "up", at(0), at(600), 10) for w in ("us", "asia")]
    stretches += [Stretch("api", "eu", "down", at(0), at(600), 10)]
    found = one(uptimes(stretches, START, at(600), targets={}))
    assert (found.uptime, found.reachability) == (1.0, pytest.approx(2 / 3))
    assert one(uptimes(stretches, START, at(600), targets={}), "eu").uptime == 0.0


TARGETS = {t.test: t for t in (Target("a", 60, "h1", "c1"), Target("b", 45, "h2", "c2"), Target("c", 90, "h2", "c3"))}
WORDS: tuple[Word, ...] = ("up", "up", "up", "down", "down", "unknown", "maintenance")


def random_history(seed: int) -> list[Stretch]:
    """Words that change at random, with holes; two locations often go down together on everything."""
    random_ = random.Random(seed)
    found = []
    cut = sorted(random_.sample(range(100, 2_900), 2))
    for test in TARGETS:
        for where in ("eu", "us", "asia"):
            now = random_.randint(0, 50)
            while now < 3_000:
                end = now + random_.choice((30, 60, 120, 400, 700))
                word = random_.choice(WORDS)
                if where == "eu" and cut[0] <= now < cut[1]:
                    word = "down"
                found.append(Stretch(test, where, word, at(now), at(end), 1, "dns" if word == "down" else None))
                now = end + (random_.choice((0, 0, 0, 40)))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_moment_is_judged_by_the_quorum_of_live(seed: int) -> None:
    stretches = _joined(random_history(seed))
    policy = Policy(share=random.Random(seed).choice((0.5, 0.34, 1.0)))
    found = {
        u.test: u for u in uptimes(stretches, START, at(3_000), targets=TARGETS, policy=policy) if u.location == ALL
    }
    up, down, kept = (dict.fromkeys(TARGETS, 0) for _ in range(3))
    excluded = 0
    for second in range(3_000):
        now = at(second + 0.5)
        seen = {
            (s.test, s.location): Seen(s.word, s.start, now, s.failure) for s in stretches if s.start <= now < s.end
        }
        judgement = judge(TARGETS, seen, now, policy)
        excluded += len(judgement.excluded)
        for test, verdict in judgement.tests.items():
            kept[test] += verdict.maintenance
            up[test] += verdict.down is False
            down[test] += verdict.down is True
    for test, mine in found.items():
        assert (mine.up_seconds, mine.down_seconds) == pytest.approx((up[test], down[test]), abs=1.0)
        assert mine.maintenance_seconds == pytest.approx(kept[test], abs=1.0)
        assert sum(o.seconds for o in mine.outages) == pytest.approx(mine.down_seconds, abs=1e-6)
    assert excluded > 0 or seed > 0  # the rule was in play


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """What follows without a hole and says the same is one stretch, as the store gives it."""
    found: list[Stretch] = []
    for s in sorted(stretches, key=lambda s: (s.test, s.location, s.start)):
        last = found[-1] if found else None
        same = last and (last.test, last.location, last.word, last.end) == (s.test, s.location, s.word, s.start)
        if last and same:
            found[-1] = Stretch(s.test, s.location, s.word, last.start, s.end, last.looks + s.looks, last.failure)
        else:
            found.append(s)
    return found


def test_a_long_history_is_judged_by_the_minute_and_comes_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stretches = _joined(random_history(3))
    fine = uptimes(stretches, START, at(3_000), targets=TARGETS)
    monkeypatch.setattr("pitchey_slo.probe.synthetic.uptime.MOST_CELLS", 10)
    coarse = uptimes(stretches, START, at(3_000), targets=TARGETS)
    for a, b in zip(fine, coarse, strict=True):
        assert a.up_seconds == pytest.approx(b.up_seconds, abs=400)
