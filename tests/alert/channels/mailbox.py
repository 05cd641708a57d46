"""A real mail server on this machine: TLS, login, and whatever refusal a test asks for."""

from __future__ import annotations

import asyncio
import datetime
import email
import email.policy
import ipaddress
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "mailer", "SECRET-mail-password"


class Mailbox:
    """`mails` came; `answer` is given to DATA, `refuse` (address -> answer) to RCPT; `hang` keeps DATA waiting."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.logins: list[bytes] = []
        self.answer = "250 taken"
        self.refuse: dict[str, str] = {}
        self.hang = False
        self.encrypted: list[bool] = []
        self.address = ""
        self.ca = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        while self.hang:
            await asyncio.sleep(0.02)
        if self.answer.startswith("250"):
            self.raw.append(envelope.content)
            self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))  # type: ignore[arg-type]
            self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None)
        return self.answer

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) for 127.0.0.1 and localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@contextmanager
def receiving(folder: Path, *, tls: str = "starttls", login: bool = False) -> Iterator[Mailbox]:
    """A mail server with `tls` "starttls", "implicit" or "none"."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # the server's own log, with all it reads
    box = Mailbox()
    cert_file, key_file = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    given: dict[str, Any] = {"data_size_limit": 1 << 26}
    if tls == "starttls":
        given |= {"tls_context": context, "require_starttls": True}
    if login:
        given |= {"authenticator": box.log_in, "auth_required": True, "auth_require_tls": tls == "starttls"}

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mailbox", daemon=True)
    thread.start()
    made = loop.create_server(
        lambda: SMTP(box, loop=loop, **given), "127.0.0.1", 0, ssl=context if tls == "implicit" else None
    )
    server = asyncio.run_coroutine_threadsafe(made, loop).result(10)
    try:
        box.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        box.ca = str(cert_file)
        yield box
    finally:
        box.hang = False
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    """Close the server and end every conversation, so that nothing is destroyed in the middle of one."""
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
