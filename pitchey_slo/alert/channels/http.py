"""One HTTP request of a channel: to a judged address, within its time, no redirects, no proxies, a bounded answer."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import functools
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.guard import addresses_of
from pitchey_slo.errors import ChannelError, ConfigError

if TYPE_CHECKING:
    import httpx

BODY_LIMIT: Final = 64 * 1024
#: Statuses that another attempt may change; every other 4xx will be the same tomorrow.
TRY_AGAIN: Final = frozenset({408, 425, 429})
_KNOWN: Final = {"authorization", "basic_auth", "http_headers", "tls_config", "follow_redirects", "enable_http2"}


@dataclass(frozen=True)
class Reply:
    """status, the first 64 KiB of the answer as text, and the seconds it asks us to wait."""

    status: int
    text: str
    retry_after: float | None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def error(self, what: str, *, permanent: bool | None = None) -> ChannelError:
        """The error this reply is; by its status unless `permanent` is given."""
        if permanent is None:
            permanent = self.status < 500 and self.status not in TRY_AGAIN
        said = f": {self.text[:300]}" if self.text.strip() else ""
        return ChannelError(f"{what} answered {self.status}{said}", permanent=permanent, retry_after=self.retry_after)


class Http:
    """How one channel makes its requests: `http_config` as Alertmanager has it, and `allow_private`."""

    def __init__(self, given: Given, deadline: float, *, allow_private: bool = False) -> None:
        self._given = given.part("http_config")
        self._deadline = deadline
        self._allow_private = given.flag("allow_private", allow_private)
        config = given.get("http_config") or {}
        for key in config:
            if key not in _KNOWN:
                raise ConfigError("is not supported", key=f"{self._given.where}: {key}", hint=", ".join(sorted(_KNOWN)))
        self._trust = trust_of(self._given.part("tls_config"))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """POST `body`. Raises ChannelError when there is no answer; an answer of any status is returned."""
        parts = urlsplit(url)
        try:
            port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or not port:
            raise ChannelError("its address is not a http:// or https:// one", permanent=True)
        addresses = addresses_of(parts.hostname, port, allow_private=self._allow_private)
        login = (
            {"Authorization": basic(unquote(parts.username), unquote(parts.password or ""))} if parts.username else {}
        )
        sent = {"User-Agent": "pitchey-slo", **login, **self._headers(), **headers}
        _quiet()
        return asyncio.run(self._post(url, addresses, body, sent))

    async def _post(self, url: str, addresses: list[str], body: bytes, headers: dict[str, str]) -> Reply:
        import httpx

        host = httpx.URL(url).netloc.decode()
        try:
            async with asyncio.timeout(self._deadline):
                for position, address in enumerate(addresses):
                    try:
                        return await self._once(httpx.URL(url), host, address, body, headers)
                    except httpx.ConnectError:
                        if position == len(addresses) - 1:
                            raise
        except (TimeoutError, httpx.TimeoutException):
            raise ChannelError(f"no answer within {self._deadline:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            raise ChannelError(f"{type(error).__name__}: {error}") from None
        raise ChannelError("the name has no address")

    async def _once(self, url: httpx.URL, host: str, address: str, body: bytes, headers: dict[str, str]) -> Reply:
        """The request to one judged address; name and certificate are still those of the host."""
        import httpx

        trust = self._trust if url.scheme == "https" else False
        async with (
            httpx.AsyncClient(verify=trust, timeout=self._deadline, trust_env=False) as client,
            client.stream(
                "POST",
                url.copy_with(host=address, userinfo=b""),
                content=body,
                headers={**headers, "Host": host, "Accept-Encoding": "identity", "Connection": "close"},
                extensions={"sni_hostname": url.host},
            ) as answer,
        ):
            got = b""
            async for part in answer.aiter_raw():
                got += part
                if len(got) >= BODY_LIMIT:
                    break
            text = got[:BODY_LIMIT].decode("utf-8", errors="replace")
            return Reply(answer.status_code, text, retry_after(answer.headers.get("Retry-After")))

    def _headers(self) -> dict[str, str]:
        headers = {str(name): _value(values) for name, values in (self._given.get("http_headers") or {}).items()}
        if login := self._given.get("authorization"):
            part = self._given.part("authorization")
            headers["Authorization"] = f"{login.get('type') or 'Bearer'} {part.secret('credentials')}"
        elif "basic_auth" in self._given:
            part = self._given.part("basic_auth")
            headers["Authorization"] = basic(part.text("username"), part.secret("password"))
        return headers


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None when it is absent or neither.

    >>> retry_after("7")
    7.0
    """
    if not header:
        return None
    if header.strip().isdecimal() and len(header.strip()) < 10:
        return float(header)
    try:
        date = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds()) if date.tzinfo else None


def _value(values: object) -> str:
    if isinstance(values, Mapping):  # Alertmanager: {values: [...], secrets: [...], files: [...]}
        values = values.get("values") or [""]
    return str(values[0] if isinstance(values, list) else values)


def trust_of(given: Given) -> ssl.SSLContext:
    """Which certificates are believed: `tls_config` as Alertmanager has it. Raises ConfigError."""
    try:
        if not any(key in given for key in ("ca", "ca_file", "cert_file", "insecure_skip_verify")):
            return _usual()
        context = ssl.create_default_context(cafile=given.text("ca_file") or None, cadata=given.text("ca") or None)
        if "cert_file" in given:
            context.load_cert_chain(given.text("cert_file"), given.text("key_file") or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"certificates cannot be read: {error}", key=given.where) from None
    if given.flag("insecure_skip_verify", False):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@functools.cache
def _usual() -> ssl.SSLContext:
    return ssl.create_default_context()


@functools.cache
def _quiet() -> None:
    """httpx tells every address it asks at level info, and the address of a webhook is its secret."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
