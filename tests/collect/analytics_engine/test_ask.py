"""Every way an answer can go wrong becomes what may help, and none of them shows the token."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from pitchey_slo.collect.analytics_engine import SqlApi
from pitchey_slo.collect.analytics_engine.ask import _seconds
from pitchey_slo.errors import ConfigError, PullError
from pitchey_slo.testing import NOON, FixedClock
from tests.collect.analytics_engine import engine as made
from tests.collect.analytics_engine.conftest import api_of
from tests.collect.analytics_engine.engine import ACCOUNT, TOKEN, Engine, Fault, request

SQL = "SELECT timestamp, blob2 FROM pitchey_metrics WHERE double1 = 200 ORDER BY timestamp LIMIT 10 FORMAT JSON"


@pytest.fixture(autouse=True)
def points(local: Engine) -> None:
    local.write(*(request(NOON - timedelta(minutes=5, seconds=-i), f"/r/{i}") for i in range(3)))


def ask(local: Engine, **given: Any) -> list[dict[str, Any]]:
    api = api_of(local, **given)
    try:
        return api.ask(SQL)
    finally:
        api.close()


def test_rows_come_as_they_are(local: Engine) -> None:
    assert [row["blob2"] for row in ask(local)] == ["/r/0", "/r/1", "/r/2"]


def _with_token(handler: made.Handler) -> None:
    handler.refuse(400, 6003, f"Invalid request headers: {handler.headers['Authorization']}")


def _moved(handler: made.Handler) -> None:
    handler.reply(302, "text/plain", b"", Location="http://127.0.0.1:9/elsewhere")


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (made.limited(), "limited", "status 429: 10013 More than 1200 requests"),
        (made.broken(), "busy", "status 500: 10001 Internal server error"),
        (made.broken(504), "slow", "status 504"),
        (made.broken(413), "too_big", "status 413"),
        (made.broken(401), "auth", "Account Analytics: Read"),
        (made.page(), "busy", "a web page titled 'api.cloudflare.com | 502: Bad gateway' where rows belong"),
        (made.page(200), "unreadable", "a web page titled"),
        (made.cut, "busy", "RemoteProtocolError"),
        (made.shortened, "unreadable", "cut off or no JSON"),
        (made.fewer, "unreadable", "the answer has 2 rows and says 3"),
        (made.broken(200), "busy", "10001 Internal server error"),
        (lambda h: h.reply(200, "application/json", b"[]"), "unreadable", "without rows"),
        (lambda h: h.reply(200, "application/json", b'{"data": [1]}'), "unreadable", "without rows"),
        (lambda h: h.reply(422, "text/plain", b"Memory limit (for query) exceeded: 10 GiB"), "too_big", "Memory limit"),
        (lambda h: h.reply(422, "text/plain", b"unknown column: blob99"), "refused", "unknown column: blob99"),
        (_moved, "refused", "redirects are not followed"),
        (_with_token, "refused", "headers: Bearer [token]"),
    ],
)
def test_what_goes_wrong_is_told_by_kind(local: Engine, fault: Fault, kind: str, says: str) -> None:
    local.faults.append(fault)
    with pytest.raises(PullError, match=re.escape(says)) as caught:
        ask(local)
    assert caught.value.kind == kind
    assert caught.value.transient == (kind not in ("auth", "refused"))
    assert TOKEN not in str(caught.value)
    assert len(local.asked) == 1  # no redirect was followed, nothing was asked twice


def test_a_wrong_account_and_dataset_are_told_in_cloudflares_words(local: Engine) -> None:
    with pytest.raises(PullError, match="7003 Could not route to the account"):
        SqlApi(local.url, "f" * 32, SecretStr(TOKEN), limit=1_000, clock=local.clock).ask(SQL)
    with pytest.raises(PullError, match="unable to find table nowhere"):
        api_of(local).ask(SQL.replace("pitchey_metrics", "nowhere"))


def test_how_long_to_wait_is_read_as_seconds_and_as_a_date(local: Engine) -> None:
    for header, seconds in (("7", 7.0), ("Mon, 02 Mar 2026 12:01:30 GMT", 90.0), ("soon", None)):
        local.faults.append(made.limited(header))
        with pytest.raises(PullError) as caught:
            ask(local)
        assert caught.value.retry_after == seconds
    assert _seconds("Mon, 02 Mar 2026 11:00:00 GMT", NOON) == 0.0


def test_an_answer_that_is_late_or_never_over_is_slow(local: Engine) -> None:
    local.faults += [made.hanging(2), made.dripping]
    for _ in range(2):
        with pytest.raises(PullError) as caught:
            ask(local, seconds=0.3)
        assert caught.value.kind == "slow"


def test_an_answer_beyond_the_limit_is_given_up_while_it_comes(local: Engine) -> None:
    with pytest.raises(PullError, match="more than 100 bytes") as caught:
        ask(local, limit=100)
    assert caught.value.kind == "too_big"


def test_nobody_listens(clock: FixedClock) -> None:
    with pytest.raises(PullError, match="ConnectError") as caught:
        SqlApi("http://127.0.0.1:1/client/v4", ACCOUNT, SecretStr(TOKEN), limit=1, clock=clock).ask(SQL)
    assert caught.value.kind == "busy"


def test_an_account_cannot_lead_elsewhere(clock: FixedClock) -> None:
    with pytest.raises(ConfigError, match="CLOUDFLARE_ACCOUNT_ID"):
        SqlApi("https://x", "../zones", SecretStr(TOKEN), limit=1, clock=clock)
