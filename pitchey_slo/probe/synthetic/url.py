"""The address of a request, read strictly: what two readers could understand in two ways is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

_PORTS: Final = {"http": 80, "https": 443}
#: White space, control characters and backslashes: urlsplit drops some, browsers read others as slashes.
_STRANGE: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]")
LONGEST: Final = 8_192


class BadUrl(ValueError):
    """No address that a test may ask; the text says why."""


@dataclass(frozen=True)
class Url:
    """`host` is what is resolved (ASCII, no brackets); `target` the path and query as they are sent."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def netloc(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def shown(self) -> str:
        """Without the query, which may hold what nobody should read."""
        return f"{self.scheme}://{self.netloc}{self.target.partition('?')[0]}"


def parse(text: str) -> Url:
    """Raises BadUrl.

    >>> str(parse("HTTP://Shop.example:80/a?q=ü#top"))
    'http://shop.example/a?q=%C3%BC'
    """
    if len(text) > LONGEST:
        raise BadUrl(f"an address of {len(text)} characters; {LONGEST} at most")
    if strange := _STRANGE.search(text):
        raise BadUrl(f"the address holds {strange.group()!r} at character {strange.start() + 1}; write it as %xx")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadUrl(f"no address: {error}") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise BadUrl(f"{scheme or 'no scheme'!r}: only http and https are asked")
    if "@" in parts.netloc:
        raise BadUrl("a user name in the address; send an Authorization header instead")
    if not parts.hostname or port == 0:
        raise BadUrl("the address names no host" if not parts.hostname else "port 0 is no port")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]|{}^`\"<>")
    return Url(scheme, _host(parts.hostname), port or _PORTS[scheme], target)


def joined(url: Url, location: str) -> Url:
    """Where a redirect leads. Raises BadUrl."""
    if strange := _STRANGE.search(location):
        raise BadUrl(f"the redirect holds {strange.group()!r}")
    return parse(urljoin(str(url), location))


def _host(host: str) -> str:
    if "%" in host:
        raise BadUrl(f"{host!r}: an address with a zone is of this machine only")
    if ":" in host:
        return host.lower()
    try:
        ascii_host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise BadUrl(f"{host!r} is no name of a host") from None
    if not re.fullmatch(r"[a-z0-9._-]+", ascii_host):
        raise BadUrl(f"{host!r} is no name of a host")
    return ascii_host
