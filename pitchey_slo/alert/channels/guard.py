"""Which addresses a webhook may reach: the internet, not our own network (server-side request forgery).

A name is resolved once, every address is judged, and the connection goes to the judged address, so a second answer of
the name server changes nothing. Python's own `is_global` is not enough: it lets multicast, NAT64, 6to4 and Teredo pass
(facts part two 3.3, measured on 3.11).
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Final

from pitchey_slo.errors import ChannelError

#: Ranges that carry an IPv4 address inside, or are not the internet though Python says so.
_HIDDEN: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10", "192.0.0.0/24")
)
DNS_SECONDS: Final = 5.0


def is_public(address: str) -> bool:
    """Whether `address` (digits, as a name server answers) is one of the open internet.

    >>> [is_public(a) for a in ("1.1.1.1", "127.0.0.1", "100.64.0.1", "64:ff9b::7f00:1", "::ffff:10.0.0.1")]
    [True, False, False, False, False]
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if "%" in address or not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return False
    return not any(ip in network for network in _HIDDEN if network.version == ip.version)


def addresses_of(host: str, port: int, *, allow_private: bool, seconds: float = DNS_SECONDS) -> list[str]:
    """The addresses of `host`, all of them judged. Raises ChannelError: transient when the name server is at fault,
    permanent when an address is not allowed."""
    found: list[str] = []
    trouble: list[Exception] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))
        except (OSError, UnicodeError) as error:
            trouble.append(error)

    asking = threading.Thread(target=ask, name="dns", daemon=True)  # getaddrinfo has no time limit of its own
    asking.start()
    asking.join(seconds)
    if trouble:
        raise ChannelError(f"the name {host} cannot be resolved: {trouble[0]}")
    if asking.is_alive() or not found:
        raise ChannelError(f"the name {host} was not resolved within {seconds:g} s")
    refused = [address for address in found if not is_public(address)]
    if refused and not allow_private:
        raise ChannelError(
            f"{host} is {refused[0]}, an address that is not on the internet; allow_private: true permits it",
            permanent=True,
        )
    return found
