"""Each label is true: inside it the data is bad as its kind says, outside it is not."""

import pytest

from pitchey_slo.demo import make_plan
from pitchey_slo.demo.plan import moment
from pitchey_slo.demo.routes import ROUTES
from tests.demo.conftest import END

PLAN = make_plan(seed=7, days=30, end=END)
BY_KIND = {kind: [t for t in PLAN.troubles if t.kind == kind] for kind in {t.kind for t in PLAN.troubles}}


def ids(trouble):
    return f"{trouble.kind}-{moment(trouble.start):%d}"


def reached(trouble) -> str:
    """SQL for the requests a trouble reaches, by method and pattern, not by the numbers the simulation uses."""
    pairs = ", ".join(f"('{ROUTES[r].method}', '{ROUTES[r].pattern}')" for r in trouble.routes)
    where = f"(method, route) IN ({pairs}) AND cache_status <> 'HIT'"
    return where + (f" AND location = '{trouble.location}'" if trouble.location else "")


def measure(db, trouble, start, end, where="true"):
    """(rows, error ratio, median ms) of what the trouble reaches in [start, end)."""
    return db.one(
        f"SELECT count(*), avg((status >= 500)::INT), median(duration_ms) FROM requests "
        f"WHERE {reached(trouble)} AND ts >= $1 AND ts < $2 AND {where}",
        [start, end],
    )


def inside(db, trouble, where="true"):
    return measure(db, trouble, moment(trouble.start), moment(trouble.end), where)


def outside(db, trouble):
    """The same routes and place while nothing at all is labelled."""
    return measure(
        db, trouble, moment(PLAN.start), moment(PLAN.end),
        "NOT EXISTS (FROM incidents i WHERE ts >= i.started_at AND ts < i.ended_at)",
    )  # fmt: skip


def test_thirty_days_have_all_kinds_and_at_least_eight_incidents(db):
    kinds = db.all("SELECT kind FROM incidents")
    assert len(kinds) >= 8
    assert {k for (k,) in kinds} == {
        "error_burst", "slow_database", "bad_deployment", "regional_outage", "slow_leak", "flapping",
        "silent_drop",
    }  # fmt: skip


def test_the_register_says_what_the_plan_did(db):
    rows = db.all("SELECT kind, started_at, ended_at, location, routes FROM incidents ORDER BY started_at")
    assert len(rows) == len(PLAN.troubles)
    for (kind, start, end, location, routes), trouble in zip(rows, PLAN.troubles, strict=True):
        assert (kind, start, end, location) == (
            trouble.kind,
            moment(trouble.start),
            moment(trouble.end),
            trouble.location,
        )
        patterns = {ROUTES[r].pattern for r in trouble.routes}
        assert set(routes.split(",")) == patterns if routes else len(patterns) > 10


def test_incidents_do_not_overlap():
    ends = [t.end for t in PLAN.troubles]
    assert all(end <= t.start for end, t in zip(ends, PLAN.troubles[1:], strict=False))


@pytest.mark.parametrize("days", [1, 7, 30, 90])
def test_their_number_follows_the_days(days):
    count = len(make_plan(seed=7, days=days, end=END).troubles)
    assert count == {1: 3, 7: 4, 30: 11, 90: 31}[days]  # with the silent one, which needs days to compare with


@pytest.mark.parametrize("trouble", BY_KIND["error_burst"] + BY_KIND["bad_deployment"], ids=ids)
def test_bursts_and_bad_deployments_fail_many_requests(db, trouble):
    rows, errors, _ = inside(db, trouble)
    assert rows >= 10
    assert errors == pytest.approx(trouble.errors, abs=3 * (0.25 / rows) ** 0.5)
    assert errors > 50 * outside(db, trouble)[1]


@pytest.mark.parametrize("trouble", BY_KIND["slow_database"], ids=ids)
def test_a_slow_database_takes_six_times_as_long_and_times_out(db, trouble):
    rows, errors, took = inside(db, trouble)
    assert rows > 100
    assert took / outside(db, trouble)[2] == pytest.approx(6, rel=0.25)
    assert errors > 3 * outside(db, trouble)[1]
    assert inside(db, trouble, "status = 504 AND duration_ms >= 10000")[0] >= 0.8 * rows * errors


@pytest.mark.parametrize("trouble", BY_KIND["regional_outage"], ids=ids)
def test_an_outage_is_bad_in_its_region_only(db, trouble):
    rows, errors, _ = inside(db, trouble)
    assert rows > 30
    assert 0.5 < errors < 0.95
    elsewhere = db.one(
        "SELECT avg((status >= 500)::INT) FROM requests WHERE ts >= $1 AND ts < $2 AND location <> $3",
        [moment(trouble.start), moment(trouble.end), trouble.location],
    )
    assert elsewhere[0] < 0.01


@pytest.mark.parametrize("trouble", BY_KIND["bad_deployment"], ids=ids)
def test_a_bad_deployment_begins_with_one_and_ends_with_its_roll_back(db, trouble):
    found = db.all(
        "SELECT description FROM deployments WHERE ts IN ($1, $2) ORDER BY ts",
        [moment(trouble.start), moment(trouble.end)],
    )
    assert [d.split()[0] for (d,) in found] == ["Release", "Roll"]


@pytest.mark.parametrize("trouble", BY_KIND["slow_leak"], ids=ids)
def test_a_leak_gets_slower_for_hours_then_fails_and_a_restart_ends_it(db, trouble):
    quarter = (trouble.end - trouble.start) // 4
    steps = [
        measure(db, trouble, moment(trouble.start + i * quarter), moment(trouble.start + (i + 1) * quarter))
        for i in range(4)
    ]
    took = [s[2] for s in steps]
    assert took == sorted(took)
    assert took[3] > 1.8 * took[0]
    assert steps[3][1] > 5 * steps[0][1]
    after = measure(db, trouble, moment(trouble.end), moment(trouble.end + 3 * 3_600_000_000))
    assert after[2] < 0.6 * took[3]


@pytest.mark.parametrize("trouble", BY_KIND["flapping"], ids=ids)
def test_flapping_is_five_minutes_bad_and_ten_good(db, trouble):
    phase = f"(epoch_us(ts) - {trouble.start}) // 60000000 % 15"
    bad, good = inside(db, trouble, f"{phase} < 5"), inside(db, trouble, f"{phase} >= 5")
    assert bad[1] > max(0.5 * trouble.errors, 5 * good[1])
    assert good[1] < 0.03


def test_deployments_are_in_working_hours_about_twelve_a_month(db):
    rows = db.all("SELECT ts AT TIME ZONE 'Europe/London' FROM deployments WHERE NOT starts_with(description, 'Roll')")
    assert 8 <= db.one("SELECT count(*) FROM deployments")[0] <= 16
    assert all(t.weekday() < 5 and 9 <= t.hour < 16 for (t,) in rows)


def test_oddities_look_unusual_but_nothing_fails(db):
    assert {what.split()[0] for what, _, _ in PLAN.oddities} == {"nightly", "a", "the"}
    labelled = [(moment(t.start), moment(t.end)) for t in PLAN.troubles]
    for what, start, end in PLAN.oddities:
        if any(a < end and start < b for a, b in labelled):
            assert what.startswith("nightly")  # the batch runs every night, whatever else goes on
            continue
        errors = db.one("SELECT avg((status >= 500)::INT) FROM requests WHERE ts >= $1 AND ts < $2", [start, end])[0]
        assert errors < 0.01, what


def test_a_press_mention_is_a_spike_and_a_scanner_a_wave_of_404(db):
    surges = {s.title: s for s in PLAN.surges}
    press = surges["a newspaper mentions Pitchey"]
    rate = "SELECT count(*) FROM requests WHERE epoch_us(ts) >= $1 AND epoch_us(ts) < $2"
    ten = 10 * 60_000_000
    before = db.one(rate, [press.start - ten, press.start])[0]
    after = db.one(rate, [press.start, press.start + ten])[0]
    assert after > 2.5 * before
    scan = surges["a scanner asks for pages that do not exist"]
    missed = "SELECT avg((status = 404)::INT) FROM requests WHERE epoch_us(ts) >= $1 AND epoch_us(ts) < $2"
    assert db.one(missed, [scan.start, scan.end])[0] > 0.25


def test_the_nightly_batch_slows_the_dashboard_for_ten_minutes(db):
    took = dict(
        db.all(
            "SELECT hour(ts) = 2 AND minute(ts) BETWEEN 30 AND 39, median(duration_ms) FROM requests "
            "WHERE route = '/api/dashboard' "
            "AND NOT EXISTS (FROM incidents i WHERE ts >= i.started_at AND ts < i.ended_at) "
            "GROUP BY 1"
        )
    )
    assert took[True] > 3.5 * took[False]


def test_budgets_come_out_interesting(db):
    """Some are healthy, the API's is at risk, payments have used up theirs (99.5 %) - over 28 days."""
    spent = db.one(
        "WITH r AS (FROM requests WHERE ts >= (SELECT max(ts) FROM requests) - INTERVAL 28 DAY) SELECT "
        "avg((status >= 500)::INT) FILTER (WHERE starts_with(route, '/api/')) / 0.001, "
        "avg((duration_ms >= 500)::INT) FILTER (WHERE starts_with(route, '/api/')) / 0.05, "
        "avg((status >= 500)::INT) FILTER (WHERE route = '/api/payments') / 0.005, "
        "avg((status >= 500)::INT) FILTER (WHERE route = '/api/auth/signup') / 0.005 FROM r"
    )
    availability, latency, payments, signup = spent
    assert 0.5 < availability < 1
    assert 0.4 < latency < 0.9
    assert payments > 0.9
    assert signup < 0.6
