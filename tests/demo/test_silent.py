"""The incident that nothing fails in: half of the pitches do not open, and only their number tells."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pitchey_slo.demo import live, make_plan, upcoming
from pitchey_slo.demo.plan import moment
from pitchey_slo.demo.traffic import now as weights_now
from tests.demo.conftest import END

PLAN = make_plan(seed=7, days=30, end=END)
(SILENT,) = [t for t in PLAN.troubles if t.kind == "silent_drop"]
WEEK = timedelta(days=7)


def share(db, start, end, where):
    """Part of the requests in [start, end) that `where` holds for."""
    return db.one(f"SELECT avg(({where})::INT) FROM requests WHERE ts >= $1 AND ts < $2", [start, end])[0]


@pytest.mark.parametrize(
    ("opened", "luck"),
    [
        ("method = 'GET' AND route = '/api/pitches/:id'", 0.04),
        ("route IN ('/api/payments', '/api/ndas/:id/request')", 0.2),
    ],
)
def test_half_of_what_follows_from_opening_a_pitch_is_gone(db, opened, luck):
    begin, end = moment(SILENT.start), moment(SILENT.end)
    usual = [share(db, begin - n * WEEK, end - n * WEEK, opened) for n in (1, 2, 3)]
    assert share(db, begin, end, opened) / (sum(usual) / 3) == pytest.approx(0.5, abs=luck)
    later = share(db, end, end + timedelta(hours=3), opened)
    assert later / share(db, begin, end, opened) > 2 - 4 * luck


def test_nothing_fails_nothing_is_slow_and_as_many_requests_come(db):
    begin, end = moment(SILENT.start), moment(SILENT.end)
    told = "SELECT avg((status >= 500)::INT), quantile_cont(duration_ms, 0.95), count(*) FROM requests WHERE ts >= $1 "
    errors, slow, count = db.one(told + "AND ts < $2", [begin, end])
    _, slow_before, count_before = db.one(told + "AND ts < $2", [begin - WEEK, end - WEEK])
    assert errors < 0.002
    assert slow / slow_before == pytest.approx(1, abs=0.2)
    assert count / count_before == pytest.approx(1, abs=0.2)


def test_the_month_is_otherwise_the_one_without_it():
    """Nothing else is drawn from another place in the stream of chance than before."""
    others = [t for t in PLAN.troubles if t is not SILENT]
    assert [t.kind for t in others][:3] == ["error_burst", "slow_database", "regional_outage"]
    apart = 90 * 60_000_000
    for t in (*others, *PLAN.surges, *PLAN.blind):
        assert t.end + apart <= SILENT.start or SILENT.end + apart <= t.start, t


@pytest.mark.parametrize(("days", "planted"), [(1, 0), (4, 0), (5, 1), (7, 1), (30, 1)])
def test_a_short_history_has_none(days, planted):
    found = make_plan(seed=7, days=days, end=END)
    assert sum(t.kind == "silent_drop" for t in found.troubles) == planted


def test_live_it_halves_the_opened_pitches_while_it_lasts():
    _, silent = (t for t, _ in zip(upcoming(7, END), range(2), strict=False))
    times = iter([moment(silent.start), moment(silent.end)])
    source = live(
        rate=40, start=moment(silent.start) - timedelta(minutes=10), clock=lambda: next(times), troubles=[silent]
    )
    before, during = (next(source) for _ in range(2))

    def views(batch: dict[str, pa.Table]) -> float:
        return pc.mean(pc.equal(batch["requests"]["route"], "/api/pitches/:id").cast("double")).as_py()

    assert views(during) / views(before) == pytest.approx(0.53, abs=0.08)  # changes of a pitch go on
    assert [r["kind"] for r in during["incidents"].to_pylist()] == ["silent_drop"] * 2
    assert weights_now(END).sum() > 0
