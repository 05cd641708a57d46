"""Results of checks and tests agree with the register of incidents, and their series with the results."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from pitchey_slo import names
from pitchey_slo.demo import make_plan, probe_gauges
from pitchey_slo.demo.plan import moment
from pitchey_slo.series import is_stale
from tests.demo.conftest import END

PLAN = make_plan(seed=7, days=30, end=END)
FIVE = timedelta(minutes=5)
JOURNEYS = {"signup", "login", "pitch-creation", "nda", "investment"}


def failed(db, start, end, where="true"):
    """{(test, location): (part that failed, classes of failure)} of the verdicts in [start, end)."""
    rows = db.all(
        "SELECT test, location, avg((state = 'unhealthy')::INT), list(DISTINCT failure) FILTER (failure IS NOT NULL) "
        f"FROM probes WHERE scope = 'verdict' AND ts >= $1 AND ts < $2 AND {where} GROUP BY ALL",
        [start, end],
    )
    return {(test, location): (part, set(classes or ())) for test, location, part, classes in rows}


def of_kind(kind):
    return [t for t in PLAN.troubles if t.kind == kind]


def test_every_test_looks_every_five_minutes_from_everywhere(db):
    rows = db.all(
        "SELECT component, test, location, count(*), count(DISTINCT run_id), max(gap) FROM "
        "(SELECT *, ts - lag(ts) OVER (PARTITION BY test, location ORDER BY ts) AS gap FROM probes "
        "WHERE scope = 'verdict') GROUP BY ALL"
    )
    health = {component for component, _, location, *_ in rows if location == "local"}
    assert health == {"api", "worker", "database", "cache", "storage", "websocket"}
    assert {(t, p) for _, t, p, *_ in rows if p != "local"} == {
        (t, p) for t in JOURNEYS | {"api-health"} for p in ("fra", "iad", "sin")
    }
    for *_, count, runs, gap in rows:
        assert count == runs
        assert count in (30 * 288, 30 * 288 - 1)
        assert gap < FIVE + timedelta(seconds=21)


def test_words_are_those_of_the_house(db):
    for column, known in (
        ("state", names.STATES),
        ("failure", names.FAILURES),
        ("phase", names.PHASES),
        ("scope", names.PROBE_SCOPES),
    ):
        assert {w for (w,) in db.all(f"SELECT DISTINCT {column} FROM probes WHERE {column} IS NOT NULL")} <= set(known)
    # whoever is not well says why, and in which phase
    assert db.one(
        "SELECT count(*) FROM probes WHERE (state = 'healthy') <> (reason IS NULL) "
        "OR (state = 'unhealthy') <> (failure IS NOT NULL) OR (state = 'healthy') <> (phase IS NULL)"
    ) == (0,)
    for (details,) in db.all("SELECT details FROM probes WHERE details IS NOT NULL LIMIT 500"):
        assert json.loads(details)["attempts"] in (1, 2)


def test_the_phases_add_up(db):
    assert (
        db.one(
            "SELECT max(abs(duration_ms - coalesce(dns_ms, 0) - coalesce(connect_ms, 0) - coalesce(tls_ms, 0) "
            "- coalesce(first_byte_ms, 0) - coalesce(transfer_ms, 0))) FROM probes WHERE scope = 'verdict'"
        )[0]
        < 0.05
    )


def test_a_slow_database_makes_journeys_slow_and_its_own_check_too(db):
    first = of_kind("slow_database")[0]
    start, end = moment(first.start) + FIVE, moment(first.end)
    rows = dict(
        db.all(
            "SELECT test, avg((state <> 'healthy')::INT) FROM probes WHERE scope = 'verdict' AND ts >= $1 AND ts < $2 "
            "GROUP BY 1",
            [start, end],
        )
    )
    assert rows["database"] > 0.7
    assert all(rows[t] > 0.6 for t in JOURNEYS)
    assert rows["api-health"] < 0.2


def test_an_outage_is_felt_from_one_location_as_connections_that_fail(db):
    (outage,) = of_kind("regional_outage")
    found = failed(db, moment(outage.start) + FIVE, moment(outage.end))
    near = {"SIN": "sin", "FRA": "fra", "YYZ": "iad", "GRU": "iad", "BOM": "sin", "CDG": "fra"}[outage.location]
    parts = [part for (_, location), (part, _) in found.items() if location == near]
    assert np.mean(parts) == pytest.approx(0.75, abs=0.15)
    assert {c for (_, location), (_, cs) in found.items() if location == near for c in cs} == {"connect"}
    assert max(part for (_, location), (part, _) in found.items() if location != near) < 0.2


def test_a_bad_deployment_fails_the_journey_through_it_and_no_other(db):
    for trouble, journey in zip(of_kind("bad_deployment"), ("pitch-creation", "nda"), strict=True):
        found = failed(db, moment(trouble.start) + FIVE, moment(trouble.end))
        parts = {t: np.mean([p for (test, _), (p, _) in found.items() if test == t]) for t in JOURNEYS}
        assert parts[journey] > 0.3
        assert max(part for test, part in parts.items() if test != journey) < 0.1
        assert {c for (test, _), (_, cs) in found.items() if test == journey for c in cs} == {"http_status"}


def test_one_location_is_blind_for_an_hour_and_the_others_see(db):
    (blind,) = PLAN.blind
    found = failed(db, moment(blind.start) + FIVE, moment(blind.end))
    assert {classes == {"dns"} and part == 1 for (_, at), (part, classes) in found.items() if at == blind.location} == {
        True
    }
    assert max(part for (_, at), (part, _) in found.items() if at != blind.location) < 0.2


def test_the_silent_incident_is_not_seen(db):
    (silent,) = of_kind("silent_drop")
    assert max(part for part, _ in failed(db, moment(silent.start), moment(silent.end)).values()) < 0.1


def test_a_second_attempt_makes_bad_luck_good(db):
    rows = db.all(
        "SELECT v.state, a.attempt, a.state FROM probes v JOIN probes a USING (run_id) "
        "WHERE v.scope = 'verdict' AND v.attempt = 2 AND v.state = 'healthy' AND a.scope = 'attempt' ORDER BY 2"
    )
    assert set(rows) == {("healthy", 1, "unhealthy"), ("healthy", 2, "healthy")}
    assert 100 < len(rows) / 2 < 1_000


def test_steps_end_where_the_journey_failed(db):
    rows = db.all(
        "SELECT v.run_id, v.reason, list(s.step ORDER BY s.event_id), list(s.state ORDER BY s.event_id) "
        "FROM probes v JOIN probes s USING (run_id) "
        "WHERE v.scope = 'verdict' AND v.failure = 'http_status' AND v.kind = 'journey' AND s.scope = 'step' "
        "GROUP BY ALL"
    )
    assert rows
    for _, reason, steps, states in rows:
        assert reason.startswith(f"step {steps[-1]}: the answer was 5")
        assert states == ["healthy"] * (len(steps) - 1) + ["unhealthy"]


def test_the_series_say_what_the_rows_say(db):
    """At some moments, the slow obvious way: the last verdict before."""
    batch = probe_gauges(end=END)
    series = {frozenset(labels): n for n, labels in enumerate(batch.labels)}
    named = {dict(labels)["__name__"] for labels in batch.labels}
    assert named <= set(names.PROBE_SERIES), named - set(names.PROBE_SERIES)
    order = np.argsort(batch.series, kind="stable")
    cuts = np.searchsorted(batch.series[order], np.arange(len(batch.labels) + 1))

    def value(at, **labels):
        n = series[frozenset({**labels, "job": "demo"}.items())]
        mine = order[cuts[n] : cuts[n + 1]]
        ts = batch.ts[mine]
        i = np.searchsorted(ts, at.timestamp() * 1_000, side="right") - 1
        return batch.value[mine][i] if ts[i] > (at - FIVE).timestamp() * 1_000 else None

    burst = of_kind("error_burst")[1]
    seen = set()
    for minutes in range(-20, 60, 4):
        at = moment(burst.start) + timedelta(minutes=minutes)
        for test in ("login", "api-health"):
            for location in ("fra", "sin"):
                (state, took) = db.one(
                    "SELECT arg_max(state, ts), arg_max(duration_ms, ts) FROM probes WHERE scope = 'verdict' "
                    "AND test = $1 AND location = $2 AND ts <= $3",
                    [test, location, at],
                )
                where = {"test": test, "location": location}
                assert value(at, __name__="pitchey_synthetic_success", **where) == float(state != "unhealthy")
                found = value(at, __name__="pitchey_synthetic_duration_seconds", phase="total", **where)
                assert found == pytest.approx(took / 1_000, abs=1e-4)
                seen.add(state)
    assert seen >= {"healthy", "unhealthy"}


def test_failures_in_a_row_end_with_the_marker_of_an_ended_series():
    batch = probe_gauges(days=7, end=END)
    counted = [n for n, labels in enumerate(batch.labels) if dict(labels)["__name__"].endswith("consecutive_failures")]
    assert counted
    for n in counted:
        values = batch.value[batch.series == n]
        assert np.array_equal(is_stale(values), np.isnan(values))
        assert values[~is_stale(values)].min() >= 1
        assert is_stale(values).sum() >= 1


def test_the_same_arguments_give_the_same_series():
    one, two = (probe_gauges(days=2, end=END) for _ in range(2))
    assert one.labels == two.labels
    assert np.array_equal(one.value, two.value, equal_nan=True)
