"""Which addresses we may reach when somebody else names the target: the internet, not our own network.

Webhooks and synthetic tests go to addresses that people, and the targets' redirects, choose (server-side request
forgery). A name is resolved once, every address is judged, and the connection goes to a judged address, so a second
answer of the name server changes nothing. What is private is reached by opt-in only: `allow` lists it.

Python's own `is_global` is not enough: it lets multicast, NAT64, 6to4 and Teredo pass (facts part two 3.3, measured on
3.11). Nor is looking at the text of a host: `getaddrinfo` reads 2130706433, 0x7f000001, 127.1 and other digits than
ASCII as loopback.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from pitchey_slo.errors import AddressRefused, NameNotResolved

#: Ranges that carry an IPv4 address inside, or are not the internet though Python says so.
_HIDDEN: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10", "192.0.0.0/24")
)
DNS_SECONDS: Final = 5.0
#: Names that are asked for at once. A question to a dead name server cannot be taken back, only left alone; this many
#: threads wait for such answers at most.
MOST_ASKED: Final = 256
_asking: Final = threading.BoundedSemaphore(MOST_ASKED)

#: What asks the name server: (host, port) -> addresses in digits. May block. Raises OSError or UnicodeError.
Lookup = Callable[[str, int], list[str]]


def is_public(address: str) -> bool:
    """Whether `address` (digits, as a name server answers) is one of the open internet.

    >>> [is_public(a) for a in ("1.1.1.1", "127.0.0.1", "100.64.0.1", "64:ff9b::7f00:1", "::ffff:10.0.0.1")]
    [True, False, False, False, False]
    """
    ip = _ip(address)
    if ip is None or "%" in address:
        return False
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return False
    return not any(ip in network for network in _HIDDEN if network.version == ip.version)


def system_lookup(host: str, port: int) -> list[str]:
    """What this machine's resolver answers, each address once."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def judge(host: str, port: int, addresses: Iterable[str], allow: Iterable[str] = ()) -> list[str]:
    """The same addresses when all of them may be reached. Raises AddressRefused that names the first that may not.

    `allow` has networks (`10.0.0.0/8`), addresses, and names of hosts (`db.internal`), each of the last two with a port
    or without (`127.0.0.1:8080`, `[::1]:80`). A named host may be wherever it is; a network or address permits itself
    whatever name led to it.

    >>> judge("shop.example", 443, ["10.1.2.3"], ["10.0.0.0/8"])
    ['10.1.2.3']
    """
    found, allowed = list(addresses), [_allowed(text) for text in allow]
    if any(name == plain(host) and at in (None, port) for name, at in allowed):
        return found
    for address in found:
        if not is_public(address) and not any(_covers(what, address) and at in (None, port) for what, at in allowed):
            raise AddressRefused(
                f"{host} is {address}, an address that is not on the internet; it may be reached when it is allowed"
            )
    return found


def resolve(
    host: str, port: int, *, seconds: float = DNS_SECONDS, allow: Iterable[str] = (), lookup: Lookup = system_lookup
) -> list[str]:
    """The addresses of `host`, all of them judged. Raises NameNotResolved (transient: the name server may be at
    fault) and AddressRefused. Blocks for `seconds` at most."""
    if _is_digits(host):
        return judge(host, port, [host], allow)
    answer = _Answer()
    _in_thread(host, lambda: _ask(lookup, host, port, answer))
    answer.done.wait(seconds)  # getaddrinfo has no time limit of its own
    return judge(host, port, answer.addresses(host, seconds), allow)


@dataclass(frozen=True)
class Guard:
    """Where requests may go: `allow` as for `judge`, and who is asked for names."""

    allow: tuple[str, ...] = ()
    lookup: Lookup = system_lookup

    def widened(self, allow: Iterable[str]) -> Guard:
        """The same guard that lets these pass too."""
        return replace(self, allow=(*self.allow, *allow))

    async def addresses(self, host: str, port: int, *, seconds: float = DNS_SECONDS) -> list[str]:
        """As `resolve`, without blocking the event loop."""
        if _is_digits(host):
            return judge(host, port, [host], self.allow)
        answer, loop, ready = _Answer(), asyncio.get_running_loop(), asyncio.Event()

        def ask() -> None:
            _ask(self.lookup, host, port, answer)
            try:
                loop.call_soon_threadsafe(ready.set)
            except RuntimeError:  # the loop ended while the name server thought
                return

        _in_thread(host, ask)
        try:
            async with asyncio.timeout(seconds):
                await ready.wait()
        except TimeoutError:
            pass
        return judge(host, port, answer.addresses(host, seconds), self.allow)


def plain(host: str) -> str:
    """A host as it is compared: lower case, no brackets, no dot at the end."""
    return host.strip("[]").removesuffix(".").lower()


def problem_of(allow: str) -> str | None:
    """What is wrong with an entry of `allow`; None when it means something.

    >>> problem_of("10.0.0.0/33")
    "'10.0.0.0/33' is no network; write 10.0.0.0/8, 127.0.0.1, db.internal or db.internal:5432"
    """
    what, _ = _allowed(allow)
    would = "write 10.0.0.0/8, 127.0.0.1, db.internal or db.internal:5432"
    if "/" in allow and isinstance(what, str):
        return f"{allow!r} is no network; {would}"
    if isinstance(what, str) and (not what or not all(c.isalnum() or c in "-._" for c in what)):
        return f"{allow!r} is no host; {would}"
    return None


class _Answer:
    """What the thread that asks found, whenever it comes back."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.trouble: Exception | None = None
        self.done = threading.Event()

    def addresses(self, host: str, seconds: float) -> list[str]:
        if self.trouble:
            raise NameNotResolved(f"the name {host} cannot be resolved: {self.trouble}")
        if not self.done.is_set():
            raise NameNotResolved(f"the name {host} was not resolved within {seconds:g} s", timed_out=True)
        if not self.found:
            raise NameNotResolved(f"the name {host} has no address")
        return self.found


def _in_thread(host: str, ask: Callable[[], None]) -> None:
    """Ask in a thread of its own. Raises NameNotResolved when too many wait already."""
    places = _asking
    if not places.acquire(blocking=False):
        reason = f"the name {host} was not asked for: {MOST_ASKED} questions wait for the name server"
        raise NameNotResolved(reason, timed_out=True)

    def asking() -> None:
        try:
            ask()
        finally:
            places.release()

    try:
        threading.Thread(target=asking, name="dns", daemon=True).start()
    except RuntimeError:  # no more threads
        places.release()
        raise


def _ask(lookup: Lookup, host: str, port: int, answer: _Answer) -> None:
    try:
        answer.found = lookup(host, port)
    except (OSError, UnicodeError) as error:
        answer.trouble = error
    answer.done.set()


def _is_digits(host: str) -> bool:
    """It is an address already: nobody needs to be asked."""
    return "%" not in host and _ip(host) is not None


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _allowed(text: str) -> tuple[_Network | str, int | None]:
    """(network or name, port) of an entry of `allow`."""
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False), None
    except ValueError:
        pass
    host, mark, port = text.rpartition(":")
    if mark and port.isdecimal() and port.isascii() and len(port) <= 5:
        try:
            return ipaddress.ip_network(host.strip("[]"), strict=False), int(port)
        except ValueError:
            return plain(host), int(port)
    return plain(text), None


def _covers(what: _Network | str, address: str) -> bool:
    ip = _ip(address)
    return not isinstance(what, str) and ip is not None and ip.version == what.version and ip in what


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of these digits, an IPv4 one when IPv6 only wraps it; None for anything else."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None) or ip
