"""One HTTP POST after another to one address, on a connection that is kept; of the standard library alone.

A service that sends its logs should not need an HTTP library of ours, nor pay a quarter of a second to import one.
No redirect is followed and no proxy of the environment is asked: neither must see the token.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from pitchey_slo.errors import ConfigError

#: Bytes of an answer that are read; the rest is thrown away with the connection.
ANSWER_BYTES: Final = 16 << 20
#: Longest wait an answer may ask for, in seconds.
LONGEST_WAIT: Final = 300.0
#: Shorter bodies are sent as they are.
WORTH_PACKING: Final = 512


@dataclass(frozen=True)
class Answer:
    """What came back: `wait` is `Retry-After` in seconds, 0 when it was not said."""

    status: int
    body: bytes = b""
    wait: float = 0.0


@dataclass
class Post:
    """Posts to `url`. Used by one thread at a time. `timeout`: seconds of silence until an answer is given up.

    Raises ConfigError when `url` is not an http or https address.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    packed: bool = True

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{shown(self.url)!r} is no address; write http://host:port or https://host")
        if parts.username or parts.password:
            raise ConfigError(f"{shown(self.url)!r} holds a password; addresses end up in logs, give it separately")
        for name, value in self.headers.items():
            if not value.isascii() or any(c in value for c in "\r\n\0"):  # the value may be a secret: it is not shown
                raise ConfigError(f"the header {name} takes one line of ASCII; is there a line break in the token?")
        self._parts = parts
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes, **headers: str) -> Answer:
        """The answer, whatever its status. Raises OSError or http.client.HTTPException when there is none.

        Words of `headers` are joined by hyphens: `content_type` is `content-type`.
        """
        asked = {"accept-encoding": "identity", **self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.packed and len(body) >= WORTH_PACKING:
            body, asked["content-encoding"] = gzip.compress(body, 1, mtime=0), "gzip"
        fresh = self._connection is None
        try:
            return self._exchange(body, asked)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # a kept connection that the server closed meanwhile says nothing of the server
            if fresh or isinstance(error, TimeoutError):
                raise
        try:
            return self._exchange(body, asked)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def forget(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._connection = None

    def _exchange(self, body: bytes, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = self._made()
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        content = response.read(ANSWER_BYTES)
        if response.will_close or response.read(1):
            self.close()
        return Answer(response.status, content, seconds(response.headers.get("retry-after")))

    def _made(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self.timeout)
        return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=ssl.create_default_context())


def seconds(text: str | None) -> float:
    """`Retry-After` in seconds: a number, or a date of HTTP; 0 for anything else."""
    if not text:
        return 0.0
    try:
        wait = float(text) if text.isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(wait, 0.0), LONGEST_WAIT)


def shown(url: str) -> str:
    """An address as it may be shown: without password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
