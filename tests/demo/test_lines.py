"""Log lines belong to requests, say what went wrong, and stand for as many lines as there would have been."""

from __future__ import annotations

import re

import pytest

from pitchey_slo.demo import make_plan
from pitchey_slo.demo.lines import SAMPLED, SLOW_MS
from pitchey_slo.demo.plan import moment
from tests.demo.conftest import END, REQUESTS

PLAN = make_plan(seed=7, days=30, end=END)


def test_each_line_shares_time_route_user_and_trace_with_its_request(db):
    assert db.one(
        "SELECT count(*) FROM logs l ANTI JOIN requests r ON r.trace_id = l.trace_id AND r.ts = l.ts "
        "AND r.route = l.route AND r.user_hash IS NOT DISTINCT FROM l.user_hash AND r.status = l.status "
        "WHERE l.trace_id IS NOT NULL"
    ) == (0,)


def test_every_failure_and_every_slow_answer_has_a_line(db):
    found = dict(db.all("SELECT level, count(*) FROM logs WHERE trace_id IS NOT NULL GROUP BY 1"))
    assert found["error"] == db.one("SELECT count(*) FROM requests WHERE status >= 500")[0]
    slow = f"SELECT count(*) FROM requests WHERE status < 500 AND (duration_ms > {SLOW_MS} OR status = 0)"
    assert found["warning"] == db.one(slow)[0]
    assert set(found) == {"info", "warning", "error"}


def test_weights_add_up_to_all_requests(db):
    ((weight, rows),) = db.all("SELECT sum(sample_interval), count(*) FROM logs WHERE trace_id IS NOT NULL")
    assert weight == pytest.approx(REQUESTS, rel=0.02)
    assert rows < 1.3 * REQUESTS / SAMPLED


@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        ("slow_database", {"QueryTimeout", "PoolExhausted"}),
        ("regional_outage", {"OriginUnreachable"}),
        ("bad_deployment", {"TypeError", "TemplateError", "WorkerCrashed"}),
        ("slow_leak", {"PoolExhausted"}),
        ("error_burst", {"ReplicaRefused", "ReadOnlyStore"}),
        ("flapping", {"ProviderUnavailable", "SearchNodeDown"}),
    ],
)
def test_an_incident_says_what_it_is(db, kind, errors):
    """Most errors of an incident name its cause, and nobody else's errors do."""
    spans = [(moment(t.start), moment(t.end)) for t in PLAN.troubles if t.kind == kind]
    inside = " OR ".join(f"(ts >= '{a.isoformat()}' AND ts < '{b.isoformat()}')" for a, b in spans)
    count = dict(db.all(f"SELECT error_type, count(*) FROM logs WHERE level = 'error' AND ({inside}) GROUP BY 1"))
    assert sum(count.get(e, 0) for e in errors) > 0.6 * sum(count.values())
    own = errors - {"QueryTimeout", "PoolExhausted"}  # queries time out on other days too
    listed = ", ".join(f"'{e}'" for e in own) or "''"
    assert db.one(f"SELECT count(*) FROM logs WHERE error_type IN ({listed}) AND NOT ({inside})") == (0,)


def test_an_exception_brings_its_stack(db):
    (message,) = db.one("SELECT any_value(message) FROM logs WHERE error_type = 'TypeError'")
    assert re.search(r"\n    at validatePitch \(src/pitches/validate\.ts:\d+:\d+\)", message)


def test_one_saying_has_one_fingerprint(db):
    rows = db.all("SELECT error_type, location, count(DISTINCT fingerprint), count(*) FROM logs "
                  "WHERE error_type = 'ReplicaRefused' GROUP BY ALL")  # fmt: skip
    assert rows
    assert {n for *_, n, _ in rows} == {1}
    assert db.one("SELECT count(*) FROM logs WHERE NOT regexp_full_match(fingerprint, '[0-9a-f]{16}')") == (0,)


def test_releases_and_a_full_pool_speak_for_themselves(db):
    started = "SELECT count(*) FROM logs WHERE logger = 'start'"
    assert db.one(started) == db.one("SELECT count(*) FROM deployments")
    minutes = sum((t.end - t.start) // 60_000_000 for t in PLAN.troubles if t.kind == "slow_database")
    assert db.one("SELECT count(*) FROM logs WHERE error_type = 'PoolNearlyFull'") == (minutes,)


def test_no_line_holds_anything_personal(db):
    """No address, no mail, no amount: only routes with their placeholders."""
    assert db.one(
        r"SELECT count(*) FROM logs WHERE regexp_matches(message, '[\w.]+@[\w.]+|\d+\.\d+\.\d+\.\d+|/\d{3,}')"
    ) == (0,)
