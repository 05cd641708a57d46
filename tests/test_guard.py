"""Which addresses may be reached, and how the ones that are private are allowed."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from pitchey_slo.errors import AddressRefused, NameNotResolved
from pitchey_slo.guard import Guard, is_public, judge, problem_of, resolve

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "192.0.0.9", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "fec0::1",
    "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "fe80::1%lo",
    "1.1.1.1%lo", "localhost", "2130706433", "127.1", "", "1.1.1.1\n",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_on_the_internet_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(AddressRefused, match="not on the internet"):
        judge("some.test", 80, [address])
    with pytest.raises(AddressRefused):
        judge("some.test", 80, ["1.1.1.1", address])


@pytest.mark.parametrize(
    ("allow", "address", "port", "yes"),
    [
        ("127.0.0.0/8", "127.9.9.9", 1, True),
        ("127.0.0.0/8", "10.0.0.1", 1, False),
        ("127.0.0.1", "127.0.0.1", 1, True),
        ("127.0.0.1:80", "127.0.0.1", 80, True),
        ("127.0.0.1:80", "127.0.0.1", 81, False),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 1, True),
        ("::1", "::1", 1, True),
        ("[::1]:443", "::1", 443, True),
        ("[::1]:443", "::1", 80, False),
        ("host.test", "10.0.0.1", 80, True),
        ("HOST.test.", "10.0.0.1", 80, True),
        ("host.test:81", "10.0.0.1", 80, False),
        ("test", "10.0.0.1", 80, False),
        ("other.host.test", "10.0.0.1", 80, False),
        ("0.0.0.0/0", "::1", 80, False),
    ],
)
def test_what_allows_what(allow: str, address: str, port: int, yes: bool) -> None:
    if yes:
        assert judge("host.test", port, [address], [allow]) == [address]
    else:
        with pytest.raises(AddressRefused):
            judge("host.test", port, [address], [allow])


@pytest.mark.parametrize("text", ["10.0.0.0/8", "127.0.0.1", "::1", "fd00::/8", "[::1]:80", "db_1.internal", "db:5432"])
def test_entries_that_mean_something(text: str) -> None:
    assert problem_of(text) is None


@pytest.mark.parametrize("text", ["10.0.0.0/33", "http://x", "a b", "", "*", "x/8", "user@host"])
def test_entries_that_mean_nothing_are_told(text: str) -> None:
    assert "write 10.0.0.0/8" in (problem_of(text) or "")


def test_both_ways_of_asking_agree() -> None:
    def lookup(host: str, port: int) -> list[str]:
        if host == "gone.test":
            raise socket.gaierror(-2, "Name or service not known")
        return {"open.test": ["1.1.1.1", "8.8.8.8"], "inside.test": ["10.0.0.1"], "none.test": []}[host]

    async def ask(host: str) -> list[str]:
        return await Guard((), lookup).addresses(host, 80)

    assert resolve("open.test", 80, lookup=lookup) == asyncio.run(ask("open.test")) == ["1.1.1.1", "8.8.8.8"]
    for host, error in (
        ("gone.test", NameNotResolved),
        ("none.test", NameNotResolved),
        ("inside.test", AddressRefused),
    ):
        with pytest.raises(error):
            resolve(host, 80, lookup=lookup)
        with pytest.raises(error):
            asyncio.run(ask(host))


def test_a_name_server_that_hangs_holds_up_nobody_else() -> None:
    stop = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        if host == "slow.test":
            stop.wait(20)
        return ["1.1.1.1"]

    async def both() -> float:
        guard, started = Guard((), lookup), time.perf_counter()
        slow = [asyncio.create_task(guard.addresses("slow.test", 80, seconds=0.5)) for _ in range(50)]
        assert await guard.addresses("quick.test", 80) == ["1.1.1.1"]
        quick = time.perf_counter() - started
        for error in await asyncio.gather(*slow, return_exceptions=True):
            assert isinstance(error, NameNotResolved) and error.timed_out
        return quick

    assert asyncio.run(both()) < 0.5
    with pytest.raises(NameNotResolved, match=r"within 0\.2 s"):
        resolve("slow.test", 80, seconds=0.2, lookup=lookup)
    stop.set()


def test_questions_to_a_dead_name_server_do_not_pile_up_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    monkeypatch.setattr("pitchey_slo.guard._asking", threading.BoundedSemaphore(3))

    def lookup(host: str, port: int) -> list[str]:
        stop.wait(20)
        return ["1.1.1.1"]

    async def ask() -> list[BaseException | list[str]]:
        guard = Guard((), lookup)
        return await asyncio.gather(
            *(guard.addresses("slow.test", 80, seconds=0.1) for _ in range(5)), return_exceptions=True
        )

    said = sorted(str(error) for error in asyncio.run(ask()))
    assert ["not asked for" in text for text in said] == [True, True, False, False, False]
    stop.set()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            assert resolve("slow.test", 80, lookup=lookup) == ["1.1.1.1"]
            break
        except NameNotResolved:
            time.sleep(0.01)
    else:
        pytest.fail("places are given back when answers come")


def test_an_address_is_not_asked_for() -> None:
    def lookup(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    assert resolve("1.1.1.1", 80, lookup=lookup) == ["1.1.1.1"]
    with pytest.raises(AddressRefused):
        resolve("::1", 80, lookup=lookup)
