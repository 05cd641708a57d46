"""How long a server's certificate lasts, also when it is not to be trusted."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from datetime import datetime
from typing import Final

#: OpenSSL's words for an end that has come (X509_V_ERR_CERT_HAS_EXPIRED).
EXPIRED: Final = 10


@functools.lru_cache(maxsize=64)
def trust_of(ca: str | None) -> ssl.SSLContext:
    """Which certificates are believed: those of `ca` (PEM), else the machine's. Raises ValueError."""
    try:
        context = ssl.create_default_context(cadata=ca)
    except ssl.SSLError as error:
        raise ValueError(f"no certificates in PEM: {error.reason or error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def days_left(der: bytes | None, now: datetime) -> float | None:
    """Days until this certificate ends, negative when it did; None when it cannot be read."""
    if not der:
        return None
    from cryptography import x509

    try:
        end = x509.load_der_x509_certificate(der).not_valid_after_utc
    except ValueError:
        return None
    return (end - now).total_seconds() / 86_400


async def look(address: str, port: int, host: str, seconds: float) -> bytes | None:
    """The certificate a server shows, trusted or not; None when it shows none in time. Nothing is sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    writer = None
    try:
        async with asyncio.timeout(seconds):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host, family=family)
        return peer(writer)
    except (OSError, TimeoutError, ssl.SSLError):
        return None
    finally:
        if writer is not None:
            with contextlib.suppress(Exception):
                writer.transport.abort()


def peer(writer: asyncio.StreamWriter) -> bytes | None:
    """The certificate of the other side in DER; None without TLS."""
    held = writer.get_extra_info("ssl_object")
    return held.getpeercert(binary_form=True) if held is not None else None
