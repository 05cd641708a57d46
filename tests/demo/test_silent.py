"""The incident that nothing fails in: half of the pitches do not open, and only their number tells."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pitchey_slo.analyse.anomaly import score
from pitchey_slo.demo import live, make_plan, simulate, upcoming
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


def test_live_hardly_a_pitch_opens_while_it_lasts():
    _, silent = (t for t, _ in zip(upcoming(7, END), range(2), strict=False))
    times = iter([moment(silent.start), moment(silent.end)])
    source = live(
        rate=40, start=moment(silent.start) - timedelta(minutes=10), clock=lambda: next(times), troubles=[silent]
    )
    before, during = (next(source) for _ in range(2))

    def views(batch: dict[str, pa.Table]) -> float:
        return pc.mean(pc.equal(batch["requests"]["route"], "/api/pitches/:id").cast("double")).as_py()

    assert views(during) / views(before) == pytest.approx(0.1, abs=0.05)  # changes of a pitch go on
    assert [r["kind"] for r in during["incidents"].to_pylist()] == ["silent_drop"] * 2
    assert weights_now(END).sum() > 0


def per_minute(rows: pa.Table, start: int, minutes: int, chosen: pa.ChunkedArray) -> np.ndarray:
    at = rows["ts"].filter(chosen).cast(pa.int64()).to_numpy()
    return np.bincount((at - start) // 60_000_000, minlength=minutes)[:minutes].astype(float)


def test_the_live_one_is_unlike_its_past_within_minutes_and_nothing_before_it_is():
    """What the live demo's anomalies.yml watches, counted from rows: two weeks of history, then 25 minutes live."""
    days, live_minutes, window = 14, 25, 5
    history = days * 1_440
    start = round((END - timedelta(days=days)).timestamp() * 1e6)
    begun = round(END.timestamp() * 1e6)
    times = iter([END + timedelta(minutes=live_minutes)])
    now = next(live(rate=40, start=END, clock=lambda: next(times), troubles=upcoming(7, END)))
    past = simulate(end=END, days=days, requests=1_400_000)
    views, asked = np.zeros(history), np.zeros(history)
    for name, rows in past:
        if name == "requests":
            asked += per_minute(rows, start, history, pc.starts_with(rows["route"], "/api/"))
        elif name == "business_events":
            views += per_minute(rows, start, history, pc.equal(rows["event"], "pitch_viewed"))
    requests, events = now["requests"], now["business_events"]
    asked = np.append(asked, per_minute(requests, begun, live_minutes, pc.starts_with(requests["route"], "/api/")))
    views = np.append(views, per_minute(events, begun, live_minutes, pc.equal(events["event"], "pitch_viewed")))
    lately = np.ones(window)
    share = np.convolve(views, lately)[: len(views)] / np.convolve(asked, lately)[: len(asked)]
    minutes = start // 1_000 + 60_000 * np.arange(1, len(share) + 1)
    scores = score(minutes, share).scores[history:]
    _, silent = islice(upcoming(7, END), 2)
    begin = int((silent.start - begun) // 60_000_000)
    assert np.nanmax(scores[:begin]) < 0.9999  # not even while the error burst lasts
    first = int(np.flatnonzero(scores > 0.9999)[0])
    assert begin < first <= begin + 6
