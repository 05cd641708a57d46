"""Mail as a real server receives it: encrypted, logged in, threaded, text and HTML."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.alert.channels import Channel, House, build
from pitchey_slo.errors import ChannelError, ConfigError
from pitchey_slo.testing import FixedClock

from .made import alert, message, note
from .mailbox import PASSWORD, USER, Mailbox, receiving


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Mailbox]:
    with receiving(tmp_path) as made:
        yield made


def mailer(box: Mailbox, **settings: Any) -> Channel:
    given = {
        "smarthost": box.address,
        "from": "Pitchey <alerts@example.com>",
        "to": "oncall@example.com",
        "tls_config": {"ca_file": box.ca},
        "timeout_seconds": 5,
        **settings,
    }
    return build("email", given, House("http://here", clock=FixedClock()))


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_a_mail_has_text_and_html_and_goes_encrypted(box: Mailbox) -> None:
    answer = mailer(box, to="a@example.com, B <b@example.com>").send(note())
    assert answer.text == "taken"
    mail = box.mails[0]
    assert box.encrypted == [True]
    assert mail["Subject"] == "[FIRING:1] critical HighErrorRate"
    assert mail["To"] == "a@example.com, B <b@example.com>"
    assert mail["Date"].datetime.isoformat() == "2026-03-02T12:00:00+00:00"
    assert "312 of 4,100 requests failed" in part(mail, "plain")
    assert "value 0.0761, since 11:48 UTC (12 min)" in part(mail, "plain")
    page = part(mail, "html")
    assert 'name="color-scheme" content="light dark"' in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert "http://here/alerts/" in page


def test_the_message_id_is_that_of_the_notification_and_the_thread_that_of_the_group(box: Mailbox) -> None:
    channel = mailer(box)
    channel.send(note("n-1", dedup="g"))
    channel.send(note("n-1", dedup="g"))
    channel.send(note("n-2", message(alert(state="resolved"), action="resolved"), dedup="g"))
    first, again, end = box.mails
    assert first["Message-ID"] == again["Message-ID"] == "<n-1@example.com>"
    assert end["Message-ID"] == "<n-2@example.com>"
    roots = {mail[name] for mail in box.mails for name in ("References", "In-Reply-To")}
    assert roots == {"<g.group@example.com>"}
    assert end["Subject"] == "[RESOLVED:1] critical HighErrorRate"


def test_login_after_starttls(tmp_path: Path) -> None:
    with receiving(tmp_path, login=True) as box:
        mailer(box, auth_username=USER, auth_password=PASSWORD).send(note())
        assert box.logins == [USER.encode()]
        with pytest.raises(ChannelError, match="535") as wrong:
            mailer(box, auth_username=USER, auth_password="SECRET-other").send(note())
        assert wrong.value.permanent
        assert "SECRET" not in str(wrong.value)


def test_tls_from_the_start(tmp_path: Path) -> None:
    with receiving(tmp_path, tls="implicit") as box:
        mailer(box, implicit_tls=True).send(note())
        assert box.encrypted == [True]


def test_a_certificate_of_somebody_else_is_refused(box: Mailbox) -> None:
    with pytest.raises(ChannelError, match="certificate"):
        mailer(box, tls_config={}).send(note())
    assert not box.mails


def test_nothing_goes_in_the_clear_unless_asked(tmp_path: Path) -> None:
    with receiving(tmp_path, tls="none") as box:
        with pytest.raises(ChannelError, match="no STARTTLS") as refused:
            mailer(box).send(note())
        assert refused.value.permanent
        mailer(box, require_tls=False).send(note())
        assert box.encrypted == [False]


@pytest.mark.parametrize(("answer", "permanent"), [("451 later", False), ("552 big", True), ("554 spam", True)])
def test_what_the_server_answers_decides(box: Mailbox, answer: str, permanent: bool) -> None:
    box.answer = answer
    with pytest.raises(ChannelError, match=answer.replace(" ", ": ")) as error:
        mailer(box).send(note())
    assert error.value.permanent is permanent


def test_addresses_that_are_refused(box: Mailbox) -> None:
    box.refuse = {"gone@example.com": "550 no such user"}
    answer = mailer(box, to="oncall@example.com, gone@example.com").send(note())
    assert answer.text == "taken for 1 of 2 addresses; refused: gone@example.com: 550"
    with pytest.raises(ChannelError, match="no such user") as error:
        mailer(box, to="gone@example.com").send(note())
    assert error.value.permanent
    box.refuse = {"gone@example.com": "450 mailbox busy"}
    with pytest.raises(ChannelError) as later:
        mailer(box, to="gone@example.com").send(note())
    assert not later.value.permanent


def test_an_end_that_comes_after_the_mail_was_taken_changes_nothing(box: Mailbox) -> None:
    """The server takes the mail, then hangs at QUIT."""
    channel = mailer(box)
    assert channel.send(note()).text == "taken"


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("smarthost", "mail.example.com:smtp", "host:port"),
        ("to", "nobody", "no domain"),
        ("from", "", "missing"),
        ("headers", {"X-A: b\r\nBcc": "x"}, "no name of a header"),
        ("require_tls", "perhaps", "neither true nor false"),
        ("tls_config", {"ca_file": "/nowhere"}, "certificates cannot be read"),
    ],
)
def test_settings_that_make_no_sense(box: Mailbox, key: str, value: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        mailer(box, **{key: value})


def test_templates_of_the_routing_file(box: Mailbox) -> None:
    mailer(
        box,
        html="<b>{{ .CommonLabels.alertname }}</b>",
        headers={"subject": "{{ .Status | toUpper }} {{ .CommonLabels.alertname }}", "X-Team": "payments", "To": "x"},
    ).send(note(said=message(alert("<i>Odd</i>"))))
    mail = box.mails[0]
    assert part(mail, "html").strip() == "<b>&lt;i&gt;Odd&lt;/i&gt;</b>"
    assert mail["Subject"] == "FIRING <i>Odd</i>"
    assert mail["X-Team"] == "payments"
    assert mail.get_all("To") == ["oncall@example.com"]


def test_conversations_may_be_switched_off(box: Mailbox) -> None:
    mailer(box, threading=False).send(note())
    mailer(box, threading={"enabled": True}).send(note())
    assert [mail["References"] is None for mail in box.mails] == [True, False]
