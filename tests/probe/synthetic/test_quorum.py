"""Who counts, who is excluded, when a test is down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic import series
from pitchey_slo.probe.synthetic.attribution import Usual, attribute
from pitchey_slo.probe.synthetic.board import Board, in_maintenance
from pitchey_slo.probe.synthetic.quorum import Judgement, Policy, Seen, Target, Word, judge

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TARGETS = {
    t.test: t
    for t in (
        Target("api", 60.0, "api.pitchey.test", "api"),
        Target("login", 60.0, "api.pitchey.test", "auth"),
        Target("web", 60.0, "www.pitchey.test", "web"),
        Target("files", 60.0, "files.pitchey.test", "storage"),
    )
}


def seen(word: Word, *, minutes: float = 10, ago: float = 0.5, failure: str | None = None) -> Seen:
    return Seen(word, NOW - minutes * MINUTE, NOW - ago * MINUTE, failure or ("timeout" if word == "down" else None))


def judged(**words: str | dict[str, Seen]) -> Judgement:
    """`eu="uudu"`: u up, d down, ? unknown, m maintenance, by test in order."""
    named: dict[str, Word] = {"u": "up", "d": "down", "?": "unknown", "m": "maintenance"}
    found = {}
    for where, given in words.items():
        marks = given if isinstance(given, dict) else {t: seen(named[c]) for t, c in zip(TARGETS, given, strict=False)}
        found |= {(test, where): s for test, s in marks.items()}
    return judge(TARGETS, found, NOW)


@pytest.mark.parametrize(
    ("marks", "down"),
    [
        ("uuu", False),
        ("duu", False),
        ("ddu", True),
        ("ddd", True),
        ("du", True),
        ("d", True),
        ("u", False),
        ("?", None),
    ],
)
def test_down_when_at_least_half_of_those_that_count_fail(marks: str, down: bool | None) -> None:
    found = judged(**{f"l{i}": mark for i, mark in enumerate(marks)}).tests["api"]
    assert found.down is down
    assert len(found.counting) == len(marks.replace("?", ""))
    assert len(found.failing) == marks.count("d")


def test_the_share_is_a_choice() -> None:
    marks = {("api", f"l{i}"): seen("down" if i < 2 else "up") for i in range(3)}
    assert judge(TARGETS, marks, NOW, Policy(share=0.7)).tests["api"].down is False
    assert judge(TARGETS, marks, NOW, Policy(share=0.6)).tests["api"].down is True


def test_a_location_that_is_cut_off_is_excluded_and_pages_nobody() -> None:
    found = judged(eu="dddd", us="uuuu")
    assert set(found.excluded) == {"eu"}
    out = found.excluded["eu"]
    assert out.since == NOW - 10 * MINUTE
    assert "4 of its 4 tests" in out.reason and "timeout" in out.reason
    for verdict in found.tests.values():
        assert (verdict.down, verdict.counting, verdict.excluded) == (False, ("us",), ("eu",))
    assert found.tests["api"].sentence() == "0 of 1 location fails; left out: eu (excluded)"


def test_a_platform_that_is_down_for_everybody_excludes_nobody() -> None:
    found = judged(eu="dddd", us="dddd", asia="dddd")
    assert found.excluded == {}
    assert all(v.down for v in found.tests.values())


def test_one_broken_target_is_no_fault_of_the_location() -> None:
    assert judged(eu="duuu", us="uuuu", asia="uuuu").excluded == {}
    # the same host and the same component twice is one target, not two
    same = {name: Target(name, 60.0, "api.pitchey.test", "api") for name in ("api", "login")}
    marks = {(t, w): seen("down" if w == "eu" else "up") for t in same for w in ("eu", "us", "asia")}
    assert judge(same, marks, NOW).excluded == {}


def test_less_than_half_of_its_targets_is_not_enough() -> None:
    more = TARGETS | {f"more{i}": Target(f"more{i}", 60.0, f"h{i}", f"c{i}") for i in range(4)}
    marks = {(t, w): seen("down" if w == "eu" and t in ("api", "web") else "up") for t in more for w in ("eu", "us")}
    assert judge(more, marks, NOW).excluded == {}


def test_alone_nobody_can_contradict() -> None:
    found = judged(eu="dddd")
    assert found.excluded == {}
    assert found.tests["api"].down is True


@pytest.mark.parametrize(("failing", "passing"), [(0.5, 60.0), (60.0, 0.5)])
def test_who_looks_first_when_it_breaks_or_last_when_it_is_mended_is_not_excluded(
    failing: float, passing: float
) -> None:
    eu = {t: seen("down", minutes=failing) for t in TARGETS}
    us = {t: seen("up", minutes=passing) for t in TARGETS}
    assert judged(eu=eu, us=us).excluded == {}


def test_stale_locations_leave_the_denominator() -> None:
    old = {t: seen("down", minutes=30, ago=3.2) for t in TARGETS}
    found = judged(eu=old, us="uuuu", asia="duuu")
    assert found.tests["api"].stale == ("eu",)
    assert found.tests["api"].counting == ("asia", "us")
    assert found.silent == {"eu": NOW - 3.2 * MINUTE}
    nearly = {t: seen("down", minutes=30, ago=2.9) for t in TARGETS}
    assert judged(eu=nearly, us="uuuu").tests["api"].stale == ()


def test_our_own_faults_say_nothing_and_maintenance_counts_for_nobody() -> None:
    found = judged(eu="?uuu", us="uuuu", asia="muuu")
    assert found.tests["api"].down is None and found.tests["api"].maintenance
    assert judged(eu="?uuu", us="uuuu").tests["api"].unknown == ("eu",)


def result(test: str, where: str, state: str, at: datetime, **more: object) -> Result:
    given: dict[str, object] = {"failure": "timeout"} if state == "unhealthy" else {}
    return Result(test, state, at, location=where, **{**given, **more})  # type: ignore[arg-type]


INTERVALS = dict.fromkeys(TARGETS, 60.0)


def test_the_board_counts_failures_in_a_row() -> None:
    board = Board()
    states = ["healthy", "unhealthy", "unhealthy", "unknown", "unhealthy"]
    for i, state in enumerate(states):
        failure = {"failure": "probe_error"} if state == "unknown" else {}
        board.take([result("api", "eu", state, NOW + i * MINUTE, **failure)], INTERVALS)
    last = board.last("api", "eu")
    assert last is not None
    assert (last.failures, last.passed_at) == (3, NOW)  # our own fault neither counts nor ends the row
    board.take([in_maintenance(result("api", "eu", "unhealthy", NOW + 5 * MINUTE), "we move")], INTERVALS)
    assert board.last("api", "eu").failures == 3  # type: ignore[union-attr]
    board.take([result("api", "eu", "degraded", NOW + 6 * MINUTE)], INTERVALS)
    assert board.last("api", "eu").failures == 0  # type: ignore[union-attr]


def test_old_news_and_attempts_change_nothing() -> None:
    board = Board()
    board.take([result("api", "eu", "healthy", NOW)], INTERVALS)
    assert board.take([result("api", "eu", "unhealthy", NOW - MINUTE)], INTERVALS) == []
    assert board.take([result("api", "eu", "unhealthy", NOW + MINUTE, scope="attempt")], INTERVALS) == []
    assert board.last("api", "eu").word == "up"  # type: ignore[union-attr]


def test_what_nobody_knows_and_locations_without_number_are_not_learned() -> None:
    board = Board()
    board.take([result("made-up", "eu", "healthy", NOW)], INTERVALS)
    board.take([result("api", f"place {i}", "healthy", NOW) for i in range(1_000)], INTERVALS)
    assert len(list(board)) == 200
    assert board.keep(TARGETS, NOW + MINUTE) and not list(board)


def test_a_row_of_failures_is_broken_by_silence() -> None:
    board = Board()
    board.take([result("api", "eu", "unhealthy", NOW), result("api", "eu", "unhealthy", NOW + MINUTE)], INTERVALS)
    assert board.last("api", "eu").since == NOW  # type: ignore[union-attr]
    board.take([result("api", "eu", "unhealthy", NOW + 20 * MINUTE)], INTERVALS)
    assert board.last("api", "eu").since == NOW + 20 * MINUTE  # type: ignore[union-attr]


def series_of(board: Board, now: datetime) -> dict[str, float]:
    found = series.values(board, board.judge(TARGETS, now))
    return {
        dict(k)["__name__"].removeprefix("pitchey_synthetic_")
        + "{" + ",".join(f"{n}={v}" for n, v in k if n != "__name__") + "}": v
        for k, v in found.items()
    }  # fmt: skip


def test_series_say_what_the_board_says() -> None:
    board = Board()
    for i in range(3):
        at = NOW + i * MINUTE
        board.take(
            [result("api", "eu", "unhealthy", at, duration_ms=250.0, phases={"tls": 200.0}, cert_days=9.5)], INTERVALS
        )
        board.take([result("api", "us", "degraded", at)], INTERVALS)
    found = series_of(board, NOW + 2 * MINUTE)
    assert found["success{location=eu,test=api}"] == 0
    assert found["success{location=us,test=api}"] == 1
    assert found["consecutive_failures{location=eu,reason=timeout,test=api}"] == 3
    assert found["duration_seconds{location=eu,phase=tls,test=api}"] == 0.2
    assert found["duration_seconds{location=eu,phase=total,test=api}"] == 0.25
    assert found["cert_days{location=eu,test=api}"] == 9.5
    assert found["up{test=api}"] == 0
    assert [found[f"locations{{state={s},test=api}}"] for s in ("counting", "failing", "stale", "excluded")] == [
        2,
        1,
        0,
        0,
    ]
    assert "up{test=web}" not in found  # nobody looked


def test_an_excluded_location_raises_no_alert_on_its_word() -> None:
    board = Board()
    for i in range(3):
        for test in TARGETS:
            board.take([result(test, "eu", "unhealthy", NOW + i * MINUTE)], INTERVALS)
            board.take([result(test, "us", "healthy", NOW + i * MINUTE)], INTERVALS)
    found = series_of(board, NOW + 2.5 * MINUTE)
    assert not [k for k in found if k.startswith("consecutive_failures{location=eu")]
    assert found["location_blind{location=eu,reason=excluded}"] == 1
    assert found["location_blind{location=us,reason=excluded}"] == 0
    assert found["up{test=api}"] == 1
    silent = series_of(board, NOW + 9 * MINUTE)
    assert not [k for k in silent if k.startswith(("success", "up", "consecutive"))]
    assert silent["location_blind{location=us,reason=silent}"] == 1


def test_a_series_that_is_not_said_any_more_ends() -> None:
    from pitchey_slo.series import is_stale, labels_of

    a, b = labels_of({"__name__": "a"}), labels_of({"__name__": "b"})
    ends = series.Ends()
    assert not is_stale(ends.batch(NOW, {a: 1.0, b: 2.0}).value).any()
    batch = ends.batch(NOW + MINUTE, {a: 1.0})
    assert [batch.labels[i] for i in batch.series[is_stale(batch.value)]] == [b]
    assert not is_stale(ends.batch(NOW + 2 * MINUTE, {a: 1.0}).value).any()


def test_slow_in_one_phase_at_some_locations() -> None:
    usual = {w: Usual(100.0, {"tls": 20.0, "first_byte": 60.0}, 500) for w in "abcdef"}
    latest = {w: result("api", w, "healthy", NOW, duration_ms=101.0, phases={"tls": 20.0}) for w in "cdef"}
    latest |= {
        w: result("api", w, "healthy", NOW, duration_ms=510.0, phases={"tls": 397.2, "first_byte": 92.8}) for w in "ab"
    }
    found = attribute(latest, usual)
    assert found is not None
    assert str(found) == "+410 ms, 92 % in TLS, 2 of 6 locations"
    assert attribute({w: latest[w] for w in "cdef"}, usual) is None
    few = {w: Usual(100.0, {}, 3) for w in "abcdef"}
    assert attribute(latest, few) is None  # nothing is usual yet


def test_failing_comes_before_slow() -> None:
    latest = {
        "a": result("api", "a", "unhealthy", NOW, failure="timeout", phase="connect", duration_ms=9_000.0),
        "b": result("api", "b", "healthy", NOW, duration_ms=10.0),
    }
    assert str(attribute(latest, {})) == "timeout in connect, 1 of 2 locations"
