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

GATES: Final = (
    r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    r"::",
    r"(?:[0-9A-Fa-f]{1,4}:){7}",
    r"(?:[0-9A-Fa-f]{1,4}:){6}[0-9]{1,3}\.",
)
KEEP: Final = ("127.0.0.0/8", "0.0.0.0/32", "255.255.255.255/32", "::1/128", "::/128")

#: Begins with a dot, since `re` looks for a single letter quickly; what stands left of it is read by hand.
_THREE: Final = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_SIX: Final = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})?(?:%[\w.\-]{1,16})?(?![\w:]|\.[0-9])"
)
#: Read backwards from the address: what stands between it and the word before, and that word.
_BEFORE: Final = re.compile(r"[\"' ]{0,2}[:= ]{0,2}[\"'. ]{0,2}([A-Za-z]{1,16})")
_PRODUCT: Final = re.compile(r"/[\w.+\-]{0,30}[A-Za-z](?=[\s(\"';,]|$)")
_WORDS: Final = frozenset({"v", "ver", "version", "versions", "release", "build", "rev", "revision", "firmware", "tag"})


def find(text: str, keep: tuple[str, ...] = KEEP) -> Iterator[Found]:
    for match in _THREE.finditer(text):
        start, end = _start(text, match.start()), match.end()
        if start is None or not _stands_alone(text, start, end):
            continue
        value = _read(text[start:end])
        if value and not _kept(value, keep) and not _version(text[max(0, start - 32) : start][::-1]):
            yield Found(start, end, "ip", value)
    if "::" not in text and text.count(":") < 6:
        return
    for match in _SIX.finditer(text):
        value = _read(match.group()) if match.group().count(":") >= 2 else None
        if value and not _kept(value, keep):
            yield Found(match.start(), match.end(), "ip", value)


def _start(text: str, dot: int) -> int | None:
    """Where the one to three digits before the dot begin."""
    start = dot
    while start > 0 and dot - start < 3 and "0" <= text[start - 1] <= "9":
        start -= 1
    return start if start < dot else None


def _stands_alone(text: str, start: int, end: int) -> bool:
    """False for a part of a longer number, of a word, or of a version such as 1.2.3.4-rc1."""
    before, after, following = text[start - 1 : start], text[end : end + 1], text[end + 1 : end + 2]
    return not (
        before.isalnum()
        or before in ("_", ".")
        or (before == "-" and text[start - 2 : start - 1].isdigit())
        or after.isalnum()
        or after == "_"
        or (after == "." and following.isdigit())
        or (after == "-" and following.isalpha())
    )


def _version(backwards: str) -> bool:
    """True when what stands before makes a version of it; `backwards`, the last letter first."""
    if backwards[:1] == "/":
        return _PRODUCT.match(backwards) is not None
    if backwards[:1] == "=" and backwards[1:2] in ("=", "<", ">", "~", "!", "^"):
        return True
    word = _BEFORE.match(backwards)
    return word is not None and word[1][::-1].lower() in _WORDS


@functools.lru_cache(maxsize=16_384)
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
