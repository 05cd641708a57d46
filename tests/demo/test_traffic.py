"""Shares, rhythm and people, each by a query that knows nothing of how they were made."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pitchey_slo.demo import make_plan
from pitchey_slo.demo.people import People, _mix
from pitchey_slo.demo.places import _DAYS, _HOURS, PLACES, rhythm
from pitchey_slo.demo.routes import ROUTES
from tests.demo.conftest import END


def test_each_route_has_its_share(db):
    total = sum(r.share for r in ROUTES)
    found = dict(
        db.all(
            "SELECT method || ' ' || route, count(*) / sum(count(*)) OVER () FROM requests GROUP BY 1, method, route"
        )
    )
    assert len(found) == len(ROUTES)
    for route in ROUTES:
        if route.pattern == "/wp-login.php":  # the scanner adds to it
            continue
        assert found[f"{route.method} {route.pattern}"] == pytest.approx(route.share / total, rel=0.1), route.pattern


def test_each_place_has_its_share(db):
    total = sum(p.share for p in PLACES)
    found = dict(db.all("SELECT location, count(*) / sum(count(*)) OVER () FROM requests GROUP BY 1"))
    for place in PLACES:
        assert found[place.code] == pytest.approx(place.share / total, rel=0.08)


@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.code)
def test_people_sleep_at_night_where_they_live(db, place):
    hours = dict(
        db.all(
            "SELECT hour(ts AT TIME ZONE $1), count(*) FROM requests WHERE location = $2 GROUP BY 1",
            [place.zone, place.code],
        )
    )
    assert hours[3] < 0.2 * hours[10]
    assert min(hours, key=hours.get) in (2, 3, 4)


def test_weekends_are_quieter(db):
    days = dict(
        db.all(
            "SELECT isodow(ts AT TIME ZONE 'Europe/London'), count(*) / count(DISTINCT ts::date) "
            "FROM requests WHERE location = 'LHR' GROUP BY 1"
        )
    )
    assert days[6] < 0.75 * days[2]
    assert days[7] < 0.75 * days[2]


def test_one_static_route_stands_for_ten_and_the_rest_for_itself(db):
    found = db.all("SELECT DISTINCT route, sample_interval FROM requests WHERE sample_interval <> 1")
    assert found == [("/static/:file", 10.0)]


def test_latency_is_log_normal_with_the_median_of_its_route(db):
    # FRA, uncached, outside all trouble: the median of the route plus the way to the database
    away = next(p.away_ms for p in PLACES if p.code == "FRA")
    for route in ROUTES:
        if route.median_ms is None or route.share < 0.02 or not route.database:
            continue
        found = db.one(
            "SELECT median(duration_ms), stddev_samp(ln(duration_ms - $3)) FROM requests "
            "WHERE method = $1 AND route = $2 "
            "AND location = 'FRA' AND cache_status <> 'HIT' AND status < 300 AND duration_ms > $3 AND NOT EXISTS "
            "(FROM incidents i WHERE ts >= i.started_at AND ts < i.ended_at) AND hour(ts) <> 2",
            [route.method, route.pattern, away],
        )
        assert found[0] == pytest.approx(route.median_ms + away, rel=0.06), route.pattern
        assert found[1] == pytest.approx(route.sigma, rel=0.06), route.pattern


def test_only_cacheable_routes_are_cached_and_no_error_is_a_hit(db):
    cached = {r.pattern for r in ROUTES if r.hits is not None}
    found = db.all("SELECT DISTINCT route FROM requests WHERE cache_status = 'HIT'")
    assert {r for (r,) in found} == cached
    assert db.one("SELECT count(*) FROM requests WHERE cache_status = 'HIT' AND status >= 400") == (0,)
    assert db.one("SELECT count(*) FROM requests WHERE cache_status = 'HIT' AND method <> 'GET'") == (0,)


def test_only_sockets_have_no_duration(db):
    assert db.all("SELECT DISTINCT route FROM requests WHERE duration_ms IS NULL") == [("/ws",)]
    assert db.one("SELECT count(*) FROM requests WHERE NOT isfinite(duration_ms) OR duration_ms <= 0") == (0,)


def test_people_come_back_and_stay_for_a_while(db):
    users, on_days, per_session = db.one(
        "WITH u AS (SELECT user_hash, ts, ts - lag(ts) OVER (PARTITION BY user_hash ORDER BY ts) AS gap FROM requests "
        "WHERE user_hash IS NOT NULL AND route <> '/api/auth/signup') "
        "SELECT count(DISTINCT user_hash), count(DISTINCT (user_hash, ts::date)) / count(DISTINCT user_hash), "
        "count(*) / count(*) FILTER (WHERE gap IS NULL OR gap > INTERVAL 30 MINUTE) FROM u"
    )
    assert 4_000 < users < 7_000
    assert on_days > 3
    assert 3 < per_session < 40


def test_roles_keep_to_their_routes(db):
    assert db.one(
        "SELECT count(*) FROM (SELECT user_hash FROM requests WHERE method = 'POST' AND route = '/api/pitches' "
        "INTERSECT SELECT user_hash FROM requests WHERE method = 'POST' AND route = '/api/investments')"
    ) == (0,)


def test_nobody_signs_up_twice(db):
    assert db.one("SELECT count(*) - count(DISTINCT user_hash) FROM requests WHERE route = '/api/auth/signup'") == (0,)


def test_a_seat_changes_hands_every_twenty_minutes():
    people = People.make(7, 20_000)
    at = np.arange(0, 86_400_000_000, 60_000_000)
    seat = np.full(len(at), 3)
    who = people.seated(at, np.zeros(len(at), dtype=np.int8), seat, np.ones(len(at), dtype=bool))
    changes = np.flatnonzero(np.diff(who))
    assert set(np.diff(changes) % 20) == {0}
    assert 60 < len(changes) <= 72
    assert set(who % 2) == {1}


def test_seats_do_not_all_change_hands_at_once():
    people = People.make(7, 20_000)
    at = np.arange(0, 86_400_000_000, 60_000_000)
    nothing = np.zeros(len(at), dtype=np.int8)
    moments = set()
    for seat in range(20):
        who = people.seated(at, nothing, np.full(len(at), seat), nothing.astype(bool))
        moments |= set(np.flatnonzero(np.diff(who)) % 20)
    assert len(moments) > 8


def test_pages_of_a_role_are_never_read_by_strangers(db):
    assert db.one("SELECT count(*) FROM requests WHERE route = '/api/investments' AND user_hash IS NULL") == (0,)
    assert db.one("SELECT count(*) > 1000 FROM requests WHERE route = '/api/pitches' AND user_hash IS NULL") == (True,)
    assert db.one("SELECT count(*) FROM requests WHERE method <> 'GET' AND user_hash IS NULL") == (0,)


@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.code)
@pytest.mark.parametrize("start", [datetime(2026, 3, 28, 22, 37, tzinfo=UTC), datetime(2026, 10, 24, 0, 0, tzinfo=UTC)])
def test_the_rhythm_follows_the_wall_clock_minute_by_minute(place, start):
    """Both periods contain a change to or from summer time in Europe, the first begins within an hour."""
    found = rhythm(place, start, 2 * 1_440)

    def slow(minute):
        local = (start + timedelta(minutes=minute)).astimezone(ZoneInfo(place.zone))
        at = local.hour + local.minute / 60
        low, high = _HOURS[local.hour], _HOURS[(local.hour + 1) % 24]
        curve = low + (high - low) * (at - local.hour)
        return curve / _HOURS.mean() * _DAYS[local.weekday()] / _DAYS.mean() * place.share

    assert found == pytest.approx([slow(m) for m in range(2 * 1_440)])


def test_the_mixer_is_splitmix64():
    def slow(x, salt):
        mask = 2**64 - 1
        z = (x * 0x9E3779B97F4A7C15 + salt) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    given = [0, 1, 2, 12_345, 2**63, 2**64 - 1]
    assert _mix(np.array(given, dtype=np.uint64), 9).tolist() == [slow(x, 9) for x in given]


def test_the_clock_change_moves_the_rhythm():
    # London leaves summer time on 25 October 2026 at 01:00 UTC: the same local hour is one UTC hour later afterwards
    plan = make_plan(seed=1, days=40, end=END)
    day = 1_440
    first = (END.replace(hour=12).timestamp() - 40 * 86_400) % 86_400 // 60
    london = plan.weights[:, 0].reshape(-1, day)
    hour_of_low = [((np.argmin(london[d : d + 5].mean(axis=0)) + first) % day) / 60 for d in (0, 30)]
    assert hour_of_low[1] - hour_of_low[0] == pytest.approx(1, abs=0.75)
