"""From a host to an open connection, in three measured phases: dns, connect, tls.

The name is resolved once and judged (pitchey_slo.guard); the connection goes to a judged address, and the name is used
only for SNI and the certificate. Addresses are tried in the order of the answer, as long as they do not even connect.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pitchey_slo.errors import AddressRefused, NameNotResolved
from pitchey_slo.guard import Guard
from pitchey_slo.probe.synthetic import certificate
from pitchey_slo.probe.synthetic.phases import Fault, Phases, span
from pitchey_slo.probe.synthetic.url import Url

#: The machine the probe runs on is out of something: nothing is said about the target.
OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
#: Seconds a second look at an untrusted certificate may take.
LOOK_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Line:
    """An open connection. `cert_days` is None without TLS."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    address: str
    cert_days: float | None

    def close(self) -> None:
        """Drop it at once: what a slow or hostile server still has to say is not waited for."""
        self.writer.transport.abort()


@dataclass(frozen=True)
class Dialler:
    """How connections are made: where they may go, whom they trust, what time it is."""

    guard: Guard
    trust: ssl.SSLContext
    clock: Callable[[], datetime]

    async def dial(self, url: Url, phases: Phases, left: Callable[[], float]) -> Line:
        """Raises Fault of class dns, connect, tls, cert_expiry, timeout or probe_error; `left` gives the seconds that
        remain."""
        held, address = await connect(url, self.guard, phases, left)
        try:
            if not url.secure:
                reader, writer = await asyncio.open_connection(sock=held)
                return Line(reader, writer, address, None)
            return await self._secured(held, url, address, phases, left)
        except BaseException:
            held.close()
            raise

    async def _secured(
        self, held: socket.socket, url: Url, address: str, phases: Phases, left: Callable[[], float]
    ) -> Line:
        with phases.of("tls"):
            try:
                async with asyncio.timeout(left()):
                    reader, writer = await asyncio.open_connection(
                        sock=held, ssl=self.trust, server_hostname=url.host, ssl_handshake_timeout=3_600
                    )
            except TimeoutError:
                raise Fault("timeout", "the TLS handshake did not end in time", phase="tls") from None
            except ssl.SSLCertVerificationError as error:
                trouble: ssl.SSLCertVerificationError = error
            except (ssl.SSLError, OSError) as error:
                raise Fault("tls", f"the TLS handshake failed: {_said(error)}", phase="tls") from None
            else:
                days = certificate.days_left(certificate.peer(writer), self.clock())
                return Line(reader, writer, address, days)
        raise await self._distrusted(trouble, url, address, min(LOOK_SECONDS, left()))

    async def _distrusted(self, error: ssl.SSLCertVerificationError, url: Url, address: str, seconds: float) -> Fault:
        """What is wrong with a certificate; it is looked at once more to say when it ends."""
        der = await certificate.look(address, url.port, url.host, seconds) if seconds > 0 else None
        days = certificate.days_left(der, self.clock())
        if error.verify_code == certificate.EXPIRED:
            when = f" {-days:.1f} days ago" if days is not None and days < 0 else ""
            return Fault("cert_expiry", f"the certificate of {url.host} ended{when}", phase="tls", cert_days=days)
        reason = f"the certificate of {url.host} is not to be trusted: {error.verify_message}"
        return Fault("tls", reason, phase="tls", cert_days=days)


async def connect(url: Url, guard: Guard, phases: Phases, left: Callable[[], float]) -> tuple[socket.socket, str]:
    """A connected socket and its address: the first judged one that connects; each gets its share of the time that
    remains. Raises Fault of class dns, connect, timeout or probe_error."""
    addresses = await _addresses(url, guard, phases, left())
    with phases.of("connect"):
        for position, address in enumerate(addresses, 1):
            try:
                return await _knock(address, url.port, left() / (len(addresses) - position + 1)), address
            except Fault:
                if position == len(addresses):
                    raise
    raise Fault("dns", f"the name {url.host} has no address", phase="dns")


async def _addresses(url: Url, guard: Guard, phases: Phases, seconds: float) -> list[str]:
    with phases.of("dns"):
        try:
            return await guard.addresses(url.host, url.port, seconds=seconds)
        except NameNotResolved as error:
            raise Fault("timeout" if error.timed_out else "dns", error.message, phase="dns") from None
        except AddressRefused as error:
            raise Fault("dns", error.message, phase="dns") from None
        except RuntimeError as error:  # this machine starts no more threads
            raise Fault("probe_error", f"the name {url.host} cannot be asked for: {error}", phase="dns") from None


async def _knock(address: str, port: int, seconds: float) -> socket.socket:
    """A connected socket. Raises Fault of class connect, timeout or probe_error."""
    held = None
    try:
        held = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        held.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(held, (address, port))
        return held
    except BaseException as error:
        if held is not None:
            held.close()
        if isinstance(error, TimeoutError) and error.errno is None:  # ours, not the kernel's
            reason = f"{address} port {port} did not take the connection within {span(seconds)}"
            raise Fault("timeout", reason, phase="connect") from None
        if isinstance(error, OSError):
            failure = "probe_error" if error.errno in OURS else "connect"
            raise Fault(failure, f"{address} port {port}: {_said(error)}", phase="connect") from None
        raise


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason).lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or "the connection broke off"
