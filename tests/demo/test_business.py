def test_each_event_shares_time_user_and_trace_with_one_request(db):
    assert db.one(
        "SELECT count(*) FROM business_events b ANTI JOIN requests r "
        "ON r.trace_id = b.trace_id AND r.ts = b.ts AND r.user_hash = b.user_hash"
    ) == (0,)


def test_every_success_that_matters_is_an_event(db):
    """The slow obvious way: join, then count by route and status."""
    expected = {
        "pitch_viewed": "method = 'GET' AND route = '/api/pitches/:id' AND status = 200",
        "pitch_created": "method = 'POST' AND route = '/api/pitches' AND status = 201",
        "signup_completed": "route = '/api/auth/signup' AND status = 201",
        "nda_requested": "route = '/api/ndas/:id/request' AND status = 201",
        "nda_signed": "route = '/api/ndas/:id/sign' AND status = 200",
        "investment_requested": "method = 'POST' AND route = '/api/investments' AND status = 201",
        "payment_succeeded": "route = '/api/payments' AND status = 200",
        "payment_failed": "route = '/api/payments' AND (status = 402 OR status >= 500)",
    }
    found = dict(db.all("SELECT event, count(*) FROM business_events GROUP BY 1"))
    assert found == {
        event: db.one(f"SELECT count(*) FROM requests WHERE user_hash IS NOT NULL AND {where}")[0]
        for event, where in expected.items()
    }


def test_the_funnel_narrows(db):
    count = dict(db.all("SELECT event, count(*) FROM business_events GROUP BY 1"))
    funnel = [count[e] for e in ("pitch_viewed", "nda_requested", "nda_signed", "investment_requested")]
    assert funnel == sorted(funnel, reverse=True)
    assert 0.5 < count["nda_signed"] / count["nda_requested"] < 0.8
    assert count["payment_failed"] < 0.1 * count["payment_succeeded"]


def test_money_has_a_currency_and_nothing_else_has(db):
    assert db.one(
        "SELECT count(*) FROM business_events "
        "WHERE (value IS NULL) <> (currency IS NULL) OR value <= 0 OR NOT isfinite(value)"
    ) == (0,)
    assert db.one("SELECT list(DISTINCT event ORDER BY event) FROM business_events WHERE value IS NOT NULL") == (
        ["investment_requested", "payment_failed", "payment_succeeded"],
    )
    assert db.all("SELECT DISTINCT currency FROM business_events WHERE location = 'JP' AND value IS NOT NULL") == [
        ("JPY",)
    ]


def test_properties_are_json(db):
    assert db.one("SELECT count(*) FROM business_events WHERE NOT json_valid(properties)") == (0,)
