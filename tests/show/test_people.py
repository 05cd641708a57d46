"""Sessions, roles, the link that works once; and where somebody is led after signing in."""

from __future__ import annotations

import itertools

import pytest

from pitchey_slo.show.doors import local
from pitchey_slo.show.orders import Orders, origins_of
from pitchey_slo.show.people import IDLE_SECONDS, LIFE_SECONDS, ROLES, Once, Patience, Person, Sessions, anonymous


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("has", "needs"), list(itertools.product(ROLES, ROLES)))
def test_a_role_may_what_those_below_it_may(has: str, needs: str) -> None:
    assert Person("x", has).may(needs) == (ROLES.index(has) >= ROLES.index(needs))


def test_unknown_roles_may_nothing() -> None:
    assert not Person("x", "root").may("public") and not Person("x", "admin").may("root")
    assert anonymous("none") is None and anonymous("viewer") == Person("not signed in", "viewer")


def test_a_session_ends_when_nobody_uses_it_and_after_its_life() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    sam = sessions.begin(Person("sam", "viewer", "pslo_a_b"))
    assert len(sam.session) > 40 and "pslo_a_b" not in repr(sam) and sam.session not in repr(sam)
    for _ in range(int(LIFE_SECONDS / IDLE_SECONDS) * 2):
        clock.now += IDLE_SECONDS / 2
        assert sessions.find(sam.session) == sam
    clock.now += IDLE_SECONDS / 2
    assert sessions.find(sam.session) is None  # a week is over, though it was used all the time
    kim = sessions.begin(Person("kim", "viewer"))
    clock.now += IDLE_SECONDS + 1
    assert sessions.find(kim.session) is None
    assert sessions.find(None) is None and sessions.find("guess") is None


def test_a_revoked_token_ends_all_its_sessions() -> None:
    sessions = Sessions(Clock())
    first, second = (sessions.begin(Person("sam", "viewer", "pslo_a_b")) for _ in range(2))
    other = sessions.begin(Person("kim", "viewer", "pslo_c_d"))
    assert sessions.tokens() == {"pslo_a_b", "pslo_c_d"}
    sessions.end_all_of("pslo_a_b")
    assert sessions.find(first.session) is None and sessions.find(second.session) is None
    assert sessions.find(other.session) == other


def test_the_link_works_once_and_not_for_ever() -> None:
    clock = Clock()
    once = Once("secret", 600, clock)
    assert not once.take("") and not once.take("secret2") and once.take("secret") and not once.take("secret")
    late = Once("secret", 600, clock)
    clock.now += 601
    assert not late.take("secret")
    assert not Once("", 600, clock).take("")


def test_patience_is_for_a_time() -> None:
    clock = Clock()
    patience = Patience(2, 60, clock)
    assert [patience.try_once() for _ in range(3)] == [True, True, False]
    clock.now += 60
    assert patience.try_once()


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\r\nSet-Cookie: x"]
)
def test_nobody_is_led_elsewhere(path: str) -> None:
    assert local(path) == "/"


def test_origins_are_exact_and_orders_are_read_as_they_are_written() -> None:
    assert origins_of("https://dash.example", "127.0.0.1", 8002) == (
        "127.0.0.1:8002", "dash.example", "dash.example:443", "localhost:8002",
    )  # fmt: skip
    orders = Orders(api="http://a", token="pslo_x_y", fd=5, url="https://dash.example", origins=("a:1",), watch=True)
    assert Orders.read(orders.line()) == orders and orders.secure and len(orders.secret) >= 32
