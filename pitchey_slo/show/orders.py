"""What the process of the dashboards is told when it starts: one line of JSON on its standard input.

Not on the command line and not in the environment, since both can be read by others for as long as the process lives.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import orjson

#: Seconds a sign-in link works, once.
LINK_SECONDS = 600.0


@dataclass(frozen=True)
class Orders:
    """`api` is the server's address and `token` what the boards are asked with; `fd` is the socket to listen on (it
    stays open in the parent, so that viewers wait while the process is started again). `secret` signs cookies and
    sessions. `anonymous` is the role of whoever has not signed in, "none" for no look at all. `once` is the code of
    the sign-in link; `watch` says that standard input stays open for as long as the parent lives."""

    api: str
    token: str
    fd: int
    url: str
    anonymous: str = "public"
    origins: tuple[str, ...] = ()
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    once: str = ""
    watch: bool = False
    log_level: str = "info"

    @property
    def secure(self) -> bool:
        """Whether people come by TLS, so that cookies are for TLS alone."""
        return urlsplit(self.url).scheme == "https"

    def line(self) -> bytes:
        return orjson.dumps(asdict(self)) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Orders:
        """Raises ValueError or TypeError when `line` is not what `line()` writes."""
        given = orjson.loads(line)
        return cls(**{**given, "origins": tuple(given["origins"])})


def origins_of(url: str, host: str, port: int) -> tuple[str, ...]:
    """host:port pairs a page may come from, exactly: the address people use, and this machine's own names."""
    import socket

    own = {host.lower()}
    if host in ("127.0.0.1", "::1", "localhost"):
        own |= {"127.0.0.1", "localhost"}
    if host in ("0.0.0.0", "::"):
        own |= {"127.0.0.1", "localhost", socket.gethostname().lower()}
    parts = urlsplit(url)
    named = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    return tuple(sorted({named, parts.netloc.lower(), *(f"{name}:{port}" for name in own)}))
