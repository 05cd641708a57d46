"""Requests to this machine that a definition, an answer or a name server could try to have made: none arrives."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from pitchey_slo.guard import Guard, system_lookup
from pitchey_slo.probe.synthetic.definition import Definition, Extract, Request, Retries, Step
from tests.probe.synthetic.servers import Socket, check, go, js, look, site

#: What is written, and whether it means this machine to a reader that follows every custom: then it is reached once
#: loopback is allowed. {p} is the canary's port.
ATTACKS: list[tuple[str, bool]] = [
    ("http://127.0.0.1:{p}/", True),
    ("http://localhost:{p}/", True),
    ("http://LOCALHOST:{p}/", True),
    ("http://localhost.:{p}/", False),
    ("http://127.1:{p}/", True),
    ("http://127.0.1:{p}/", True),
    ("http://2130706433:{p}/", True),
    ("http://0x7f000001:{p}/", True),
    ("http://0x7f.0.0.1:{p}/", True),
    ("http://0177.0.0.1:{p}/", True),
    ("http://017700000001:{p}/", True),
    ("http://①②⑦.⓪.⓪.①:{p}/", True),
    ("http://127。0。0。1:{p}/", True),
    ("http://１２７.0.0.1:{p}/", True),
    ("http://[::1]:{p}/", True),
    ("http://[0:0:0:0:0:0:0:1]:{p}/", True),
    ("http://[::ffff:127.0.0.1]:{p}/", True),
    ("http://[::ffff:7f00:1]:{p}/", True),
    ("http://rebind.test:{p}/", True),
    ("http://both.test:{p}/", True),
    ("http://inside.test:{p}/", True),
    ("http://0:{p}/", False),
    ("http://0.0.0.0:{p}/", False),
    ("http://[::]:{p}/", False),
    ("http://[::127.0.0.1]:{p}/", False),
    ("http://[64:ff9b::7f00:1]:{p}/", False),
    ("http://[2002:7f00:1::]:{p}/", False),
    ("http://[fe80::1%25lo]:{p}/", False),
    ("http://[::1%25lo]:{p}/", False),
    ("http://127.0.0.1%00.example.com:{p}/", False),
    ("http://user:pw@127.0.0.1:{p}/", False),
    ("http://example.com@127.0.0.1:{p}/", False),
    ("http://127.0.0.1:{p}\\@example.com/", False),
    ("http:\\\\127.0.0.1:{p}\\", False),
    ("http://127.0.0.1\t:{p}/", False),
    ("http://127.0.0.1:{p}/\r\nX-Injected: 1", False),
    ("http://127.0.0.1:{p}/ HTTP/1.1\r\n\r\nGET /", False),
    ("file:///etc/passwd", False),
    ("gopher://127.0.0.1:{p}/_GET", False),
    ("//127.0.0.1:{p}/", False),
    ("http:///127.0.0.1:{p}/", False),
    ("http://127.0.0.1:{p}:80/", False),
]


class Canary:
    """Listens on the same port of both loopbacks; counts who came."""

    def __init__(self) -> None:
        self._four = Socket(self._answer)
        self.port = self._four.port
        self._sockets = [self._four]
        with contextlib.suppress(OSError):  # a machine without IPv6 has nothing to reach there
            self._sockets.append(Socket(self._answer, address="::1", port=self.port))

    @property
    def accepted(self) -> int:
        return sum(each.accepted for each in self._sockets)

    @property
    def six(self) -> bool:
        return len(self._sockets) == 2

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    @staticmethod
    def _answer(held: socket.socket) -> None:
        held.recv(65_536)
        held.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    found = Canary()
    yield found
    found.close()


def names(asked: list[str]) -> Guard:
    """A name server that lies: rebind.test is elsewhere when it is first asked, both.test is in two places at once."""

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        if host == "rebind.test":
            return ["127.0.0.2"] if asked.count(host) == 1 else ["127.0.0.1"]
        known = {"both.test": ["127.0.0.2", "127.0.0.1"], "inside.test": ["127.0.0.1"]}
        return known[host] if host in known else system_lookup(host, port)

    return Guard(("127.0.0.2",), lookup)  # 127.0.0.2 stands for the internet: it is allowed, and nobody listens there


def test_there_are_forty_of_them() -> None:
    assert len(ATTACKS) >= 40
    assert len({url for url, _ in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize(("attack", "means_us"), ATTACKS)
def test_no_address_reaches_this_machine_unless_it_is_allowed(canary: Canary, attack: str, means_us: bool) -> None:
    if means_us and "::1" in attack and not canary.six:
        pytest.skip("this machine has no IPv6 loopback")
    url, before, asked = attack.replace("{p}", str(canary.port)), canary.accepted, list[str]()
    refused = look(url, guard=names(asked), timeout=2)
    assert canary.accepted == before
    assert refused.failure in ("dns", "probe_error", "connect"), refused.reason
    assert len(asked) <= 1, "a name is resolved once"
    if not means_us:
        return
    open_guard = names(["rebind.test"]).widened(("127.0.0.0/8", "::1"))
    assert look(url, guard=open_guard, timeout=2).state == "healthy"
    assert canary.accepted == before + 1


@pytest.mark.parametrize("attack", [url for url, _ in ATTACKS if "\r" not in url])
def test_no_redirect_leads_to_this_machine(canary: Canary, attack: str) -> None:
    url, before = attack.replace("{p}", str(canary.port)).encode("utf-8").decode("latin-1"), canary.accepted
    with site({"GET /": (302, {"Location": url}, b"")}) as there:
        verdict = go(check(timeout=2, allow=("base",)), there.url, guard=names([]))[0]
        assert there.seen
    assert canary.accepted == before
    assert verdict.state == "unhealthy", verdict


def test_no_answer_can_name_the_next_address(canary: Canary) -> None:
    before = canary.accepted
    with site({"GET /": js({"next": f"http://127.0.0.1:{canary.port}/"})}) as there:
        steps = (
            Step("first", Request("{{ base }}/"), extracts=(Extract("next", "json", "$.next"),)),
            Step("second", Request("{{ steps.first.next }}")),
        )
        given = Definition("t", "journey", "api", steps, allow=("base",), retries=Retries(0))
        verdict = go(given, there.url, guard=Guard())[0]
    assert (verdict.failure, verdict.step) == ("dns", "second")
    assert canary.accepted == before


def test_allowing_the_base_allows_its_port_only(canary: Canary) -> None:
    with site({"GET /": js({})}) as there:
        assert go(check(allow=("base",)), there.url, guard=Guard())[0].state == "healthy"
        other = go(check(f"http://127.0.0.1:{canary.port}/", allow=("base",)), there.url, guard=Guard())[0]
    assert (other.failure, other.phase) == ("dns", "dns")
    assert "not on the internet" in (other.reason or "")


def test_values_in_addresses_cannot_become_other_requests() -> None:
    given = "../../admin?x=1#\r\nX-Injected: 1\r\n\r\nDELETE /all"
    with site({"GET /": js({"id": given}), "GET /api/x": js({})}) as there:
        steps = (
            Step("first", Request("{{ base }}/"), extracts=(Extract("id", "json", "$.id"),)),
            Step("second", Request("{{ base }}/api/{{ steps.first.id }}")),
            Step("third", Request("{{ base }}/", headers={"x-id": "{{ steps.first.id }}"}), always=True),
        )
        rows = go(Definition("t", "journey", "api", steps, retries=Retries(0)), there.url)
        asked = there.asked()
    assert len(asked) == 2
    assert asked[1].startswith("GET /api/..%2F..%2Fadmin%3Fx%3D1%23%0D%0A")
    assert next(r for r in rows if r.step == "third").failure == "probe_error"


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, canary: Canary, proxy: str) -> None:
    monkeypatch.setenv(proxy, f"http://127.0.0.1:{canary.port}")
    before = canary.accepted
    with site({"GET /": js({})}) as there:
        assert look("{{ base }}/", there.url).state == "healthy"
    assert canary.accepted == before
