"""Addresses of the internet, versions 4 and 6, as `ipaddress` reads them.

Four numbers with dots after `v`, `version`, `release`, `==` or a product's name and a slash (`Chrome/120.0.0.0`) are a
version. Networks that `keep` names are nobody's: loopback and the unspecified address, unless told otherwise."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found

GATES: Final = (r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", r"::", r"(?:[0-9A-Fa-f]{1,4}:){6}")
KEEP: Final = ("127.0.0.0/8", "0.0.0.0/32", "255.255.255.255/32", "::1/128", "::/128")

_FOUR: Final = re.compile(r"(?<![\w.])(?<![0-9]-)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9]|-[A-Za-z])")
_SIX: Final = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})?(?:%[\w.\-]{1,16})?(?![\w:])"
)
_VERSION: Final = re.compile(
    r"(?:(?:\bv|version|\bver|release|build|\brev|firmware|tag)[\"']?\.?[ ]?[:= ]?[ ]?[\"']?"
    r"|[=<>~!^]=|(?:^|[\s(\"';,])[A-Za-z][\w.+\-]*/)$",
    re.IGNORECASE,
)


def find(text: str, keep: tuple[str, ...] = KEEP) -> Iterator[Found]:
    for match in _FOUR.finditer(text):
        start = match.start()
        value = _read(match.group())
        if value and not _kept(value, keep) and not _VERSION.search(text[max(0, start - 32) : start]):
            yield Found(start, match.end(), "ip", value)
    for match in _SIX.finditer(text):
        value = _read(match.group()) if match.group().count(":") >= 2 else None
        if value and not _kept(value, keep):
            yield Found(match.start(), match.end(), "ip", value)


def _read(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


@functools.lru_cache(maxsize=4_096)
def _kept(value: str, keep: tuple[str, ...]) -> bool:
    address = ipaddress.ip_address(value)
    return any(address in network for network in _networks(keep) if network.version == address.version)


@functools.lru_cache(maxsize=64)
def _networks(keep: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in keep)
