"""E-mail by SMTP: STARTTLS or TLS from the start, text and HTML, one thread per group.

Message-ID is made of the notification's id, so a repeat is recognised as one; References name the group's dedup key,
so mail programs show a group's messages as one conversation. Nothing is sent in the clear unless
`require_tls: false` says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from pathlib import Path
from typing import Final

from pitchey_slo.alert.channels.base import Answer, Channel, House
from pitchey_slo.alert.channels.given import Given
from pitchey_slo.alert.channels.http import trust_of
from pitchey_slo.alert.channels.mail_page import page
from pitchey_slo.alert.clean import clean, clean_lines
from pitchey_slo.alert.model import Notification, utc
from pitchey_slo.alert.text import Told
from pitchey_slo.errors import ChannelError, ConfigError

_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_OWN: Final = frozenset({"subject", "from", "to", "message-id", "date", "references", "in-reply-to", "content-type",
                         "content-transfer-encoding", "mime-version"})  # fmt: skip


#: Bytes of a page that mail servers take: most stop at 10 or 25 MB, and base64 makes a third more of it.
LARGEST: Final = 7 << 20


class Email(Channel):
    kind = "email"
    deadline = 30.0
    can_merge = True
    templated = ("html", "text", "subject")

    def __init__(self, given: Given, house: House) -> None:
        super().__init__(given, house)
        self.host, self.port = _host(given.needed("smarthost"), given.where)
        self.sender = _addresses(given.needed("from"), "from", given.where)[0]
        self.to = _addresses(given.needed("to"), "to", given.where)
        implicit = given.flag("force_implicit_tls", given.flag("implicit_tls", self.port == 465))
        self.implicit_tls = implicit
        self.require_tls = given.flag("require_tls", True)
        self.trust = trust_of(given.part("tls_config"))
        conversation = given.get("threading")  # true or false; Alertmanager: {enabled: true}
        part, key = (given.part("threading"), "enabled") if isinstance(conversation, Mapping) else (given, "threading")
        self.threads = part.flag(key, part is given)
        for name in given.get("headers") or {}:
            if not _HEADER.fullmatch(str(name)):
                raise ConfigError(f"{name!r} is no name of a header", key=f"{given.where}: headers")

    def templates(self) -> dict[str, str]:
        headers = {
            f"headers.{'Subject' if str(name).lower() == 'subject' else name}": str(text)
            for name, text in (self.given.get("headers") or {}).items()
        }
        return super().templates() | headers

    def deliver(self, notification: Notification, told: Told) -> Answer:
        message = self.mail(notification, told)
        try:
            refused = self._send(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(error) from None
        except smtplib.SMTPResponseException as error:
            text = f"the mail server answered {error.smtp_code}: {_text(error.smtp_error)}"
            raise ChannelError(text, permanent=500 <= error.smtp_code < 600) from None
        except smtplib.SMTPNotSupportedError as error:
            raise ChannelError(f"the mail server cannot do it: {error}", permanent=True) from None
        except (smtplib.SMTPException, OSError, EOFError) as error:
            raise ChannelError(f"the mail server: {type(error).__name__}: {error}") from None
        taken = len(self.to) - len(refused)
        some = f"; refused: {', '.join(f'{who}: {code}' for who, (code, _) in refused.items())}" if refused else ""
        return Answer(f"taken for {taken} of {len(self.to)} addresses{some}" if refused else "taken")

    def mail(self, notification: Notification, told: Told) -> EmailMessage:
        """The message as it goes out."""
        mail = EmailMessage()
        headers = {key.removeprefix("headers."): text for key, text in told.custom.items() if "headers." in key}
        subject = told.custom.get("subject") or headers.get("Subject") or told.title
        mail["Subject"] = clean(subject, 200)
        mail["From"] = self.sender
        mail["To"] = self.to
        mail["Date"] = format_datetime(utc(notification.created_at))
        domain = self.sender.domain or "pitchey-slo.invalid"
        mail["Message-ID"] = f"<{_id(notification.id)}@{domain}>"
        if self.threads:
            root = f"<{_id(notification.dedup_key)}.group@{domain}>"
            mail["In-Reply-To"] = root
            mail["References"] = root
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Pitchey-Notification"] = clean(notification.id, 100)
        if told.mood == "critical":
            mail["Importance"] = "high"
        for name, value in headers.items():
            if name.lower() not in _OWN:
                mail[name] = clean(value, 500)
        told = _enclosed(told, files := [_file(path) for path in notification.message.files])
        mail.set_content(clean_lines(told.custom.get("text") or f"{told.title}\n\n{told.plain()}", 200_000) + "\n")
        mail.add_alternative(told.custom.get("html") or page(told), subtype="html")
        for name, body in files:
            if body is not None:
                mail.add_attachment(body, maintype="text", subtype="html", filename=name)
        return mail

    def _send(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """One conversation with the server, within `deadline` altogether; returns who was refused."""
        late = threading.Event()
        server = self._server()

        def hang_up() -> None:  # smtplib limits each line, not the whole: a server may drip for hours
            late.set()
            with contextlib.suppress(OSError, AttributeError):
                server.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

        watch = threading.Timer(self.deadline, hang_up)
        watch.daemon = True
        watch.start()
        try:
            server.connect(self.host, self.port)
            self._start_tls(server)
            self._log_in(server)
            refused = server.send_message(message, self.sender.addr_spec, [a.addr_spec for a in self.to])
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                raise ChannelError(f"no answer within {self.deadline:g} s") from None
            raise
        finally:
            watch.cancel()
            _part(server)
        return refused

    def _server(self) -> smtplib.SMTP:
        name = self.given.text("hello") or "pitchey-slo.invalid"
        if self.implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(local_hostname=name, timeout=self.deadline, context=self.trust)
        else:
            server = smtplib.SMTP(local_hostname=name, timeout=self.deadline)
        server._host = self.host  # type: ignore[attr-defined]  # whose certificate it is; only the constructor sets it
        return server

    def _start_tls(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if self.implicit_tls:
            return
        if server.has_extn("starttls"):
            server.starttls(context=self.trust)
            server.ehlo()
        elif self.require_tls:
            raise ChannelError(
                "the mail server offers no STARTTLS; require_tls: false sends in the clear", permanent=True
            )

    def _log_in(self, server: smtplib.SMTP) -> None:
        user = self.given.text("auth_username")
        if not user:
            return
        if not isinstance(server.sock, ssl.SSLSocket) and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ChannelError("the password is not sent over a connection in the clear", permanent=True)
        password = self.given.secret("auth_password") or self.given.secret("auth_secret")
        server.login(user, password)


def _part(server: smtplib.SMTP) -> None:
    """Say goodbye; what the server makes of it changes nothing any more."""
    with contextlib.suppress(smtplib.SMTPException, OSError):
        if server.sock is not None:
            server.sock.settimeout(2.0)
            server.quit()
    server.close()


def _host(text: str, where: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":") if ":" in text else (text.strip(), "", "587")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError(f"{text!r} is not host:port", key=f"{where}: smarthost", hint="such as smtp.example.net:587")
    return host.strip("[]"), int(port)


def _addresses(text: str, key: str, where: str) -> list[Address]:
    """The addresses of a comma-separated list."""
    found = []
    for name, spec in getaddresses([text]):
        try:
            found.append(Address(display_name=clean(name, 100), addr_spec=spec))
        except (ValueError, IndexError) as error:
            raise ConfigError(f"{text!r}: {error}", key=f"{where}: {key}", hint="such as oncall@example.com") from None
        if not found[-1].domain:
            raise ConfigError(f"{spec!r} is no address", key=f"{where}: {key}", hint="such as oncall@example.com")
    return found


def _id(key: str) -> str:
    """A key as the left part of a message id."""
    plain = "".join(c for c in key if c.isascii() and (c.isalnum() or c in "._-"))
    return plain if plain == key and len(key) <= 64 else hashlib.sha256(key.encode()).hexdigest()[:40]


def _refusal(error: smtplib.SMTPRecipientsRefused) -> ChannelError:
    codes = [code for code, _ in error.recipients.values()]
    said = "; ".join(f"{who}: {code} {_text(text)}" for who, (code, text) in list(error.recipients.items())[:5])
    final = all(500 <= code < 600 for code in codes)
    return ChannelError(f"the mail server refused all addresses: {said}", permanent=final)


def _text(raw: bytes | str) -> str:
    return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else raw


def _file(path: str) -> tuple[str, bytes | None]:
    """(name, content) of a page to enclose; None when it is gone or too large, which the text then says."""
    file = Path(path)
    try:
        body = file.read_bytes() if file.stat().st_size <= LARGEST else None
    except OSError:
        body = None
    return clean(file.name, 100), body


def _enclosed(told: Told, files: list[tuple[str, bytes | None]]) -> Told:
    lost = [name for name, body in files if body is None]
    if not lost:
        return told
    line = (
        f"Not enclosed, since it is gone or larger than {LARGEST >> 20} MiB: {', '.join(lost)}; the link leads to it."
    )
    return replace(told, lines=(*told.lines, line))
