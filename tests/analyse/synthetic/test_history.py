"""Stretches, phases, failures and attempts out of the store against the same looked up row by row."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from pitchey_slo.analyse.synthetic import history
from pitchey_slo.probe.result import Result, rows_of
from pitchey_slo.probe.synthetic.uptime import ALL
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.store import probe_questions as ask

START = datetime(2026, 3, 1, tzinfo=UTC)
SPAN = timedelta(hours=30)
SPEAKS = 240.0


def looks(seed: int) -> list[Result]:
    random_ = random.Random(seed)
    found = []
    for test in ("a", "b"):
        for place in ("eu", "us"):
            at = START - timedelta(hours=2)
            while at < START + SPAN:
                state = random_.choices(("healthy", "degraded", "unhealthy", "unknown"), (60, 10, 20, 5))[0]
                given: dict[str, Any] = {"failure": None, "details": {"speaks_s": SPEAKS}}
                if state in ("unhealthy", "unknown"):
                    given["failure"] = random_.choice(("timeout", "dns")) if state == "unhealthy" else "probe_error"
                if random_.random() < 0.03:
                    given["details"] = {"speaks_s": SPEAKS, "maintenance": "moved"}
                given |= {"phases": {"tls": random_.uniform(1, 9)}, "duration_ms": random_.uniform(10, 90)}
                found.append(Result(test, state, at, location=place, attempt=random_.choice((1, 1, 2)), **given))  # type: ignore[arg-type]
                if random_.random() < 0.2:
                    found.append(Result(test, "unhealthy", at, location=place, scope="attempt"))
                at += timedelta(seconds=random_.choice((60, 60, 60, 240, 300, 900)))
    found.append(Result("a", "unhealthy", START + timedelta(hours=1), kind="health", location="eu"))
    return found


def word(result: Result) -> str:
    if "maintenance" in result.details:
        return "maintenance"
    return "up" if result.ok else "down" if result.state == "unhealthy" else "unknown"


@pytest.mark.parametrize("seed", [1, 2])
def test_the_store_says_what_the_rows_say(store: Store, seed: int) -> None:
    given = looks(seed)
    random.Random(9).shuffle(given)
    store.append("probes", rows_of(given))
    store.flush()
    reader = LakeReader(store.settings.lake_uri)
    end = START + SPAN
    counted = [r for r in given if r.scope == "verdict" and r.kind != "health"]
    inside = [r for r in counted if START <= r.at < end]

    found = {(u.test, u.location): u for u in history(reader, START, end).uptimes()}
    for test in ("a", "b"):
        for place in ("eu", "us"):
            mine = sorted((r for r in counted if (r.test, r.location) == (test, place)), key=lambda r: r.at)
            seconds: Counter[str] = Counter()
            for one, following in [*pairwise(mine), (mine[-1], None)]:
                until = min(one.at + timedelta(seconds=SPEAKS), following.at if following else end, end)
                if until > START:
                    seconds[word(one)] += (until - max(one.at, START)).total_seconds()  # type: ignore[assignment]
            own = found[test, place]
            assert own.up_seconds == pytest.approx(seconds["up"], abs=0.001)
            assert own.down_seconds == pytest.approx(seconds["down"], abs=0.001)
            assert own.maintenance_seconds == pytest.approx(seconds["maintenance"], abs=0.001)
            words = Counter(word(r) for r in mine if START <= r.at < end)
            assert (own.looks, own.failed) == (words["up"] + words["down"], words["down"])
        assert found[test, ALL].looks == sum(found[test, p].looks for p in ("eu", "us"))

    for row in ask.usual(reader, START, end).to_pylist():
        mine = [r for r in inside if (r.test, r.location) == (row["test"], row["location"]) and r.ok]
        assert row["duration_ms"] == pytest.approx(statistics.median(r.duration_ms or 0 for r in mine))
        assert row["tls_ms"] == pytest.approx(statistics.median(r.phases["tls"] for r in mine))
        assert row["dns_ms"] is None
    buckets = ask.phases(reader, START, end, 3_600, test="a").to_pylist()
    assert sum(b["looks"] for b in buckets) == sum(r.ok for r in inside if r.test == "a")
    assert {b["test"] for b in buckets} == {"a"}

    classes = Counter(
        (r.test, r.location, r.failure) for r in inside if r.failure and "maintenance" not in r.details and not r.ok
    )
    told = {(f["test"], f["location"], f["failure"]): f["looks"] for f in ask.failures(reader, START, end).to_pylist()}
    assert told == dict(classes)

    for row in ask.attempts(reader, START, end).to_pylist():
        mine = sorted((r for r in inside if (r.test, r.location) == (row["test"], row["location"])), key=lambda r: r.at)
        mine = [r for r in mine if word(r) in ("up", "down")]
        assert row["looks"] == len(mine)
        assert row["saved"] == sum(r.ok and (r.attempt or 0) > 1 for r in mine)
        assert row["turns"] == sum(a.ok != b.ok for a, b in pairwise(mine))
        assert row["failed"] == sum(not r.ok for r in mine)


def test_a_history_of_one_test_alone(store: Store) -> None:
    store.append("probes", rows_of(looks(3)))
    store.flush()
    found = history(LakeReader(store.settings.lake_uri), START, START + SPAN, test="b")
    assert {u.test for u in found.uptimes()} == {"b"}
    assert 59 <= found.targets["b"].interval <= 301
