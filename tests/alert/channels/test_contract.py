"""What every registered channel promises, whatever it speaks."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from pitchey_slo.alert.channels import CHANNELS, Channel, House, build
from pitchey_slo.alert.model import Message
from pitchey_slo.errors import ChannelError
from pitchey_slo.testing import NOON, FixedClock

from .collector import Answering, Collector, collecting
from .made import alert, message, note
from .mailbox import PASSWORD, USER, Mailbox, receiving

HOUSE = House("http://here", clock=FixedClock())
SECRET = "SECRETsecretSECRETsecretSECRETsecret"
SETTINGS: dict[str, Callable[[str], dict[str, Any]]] = {
    "apprise": lambda url: {"url": url.replace("http://", f"json://user:{SECRET}@") + f"/{SECRET}"},
    "pagerduty": lambda url: {"url": f"{url}/v2/enqueue", "routing_key": SECRET},
    "slack": lambda url: {"api_url": f"{url}/services/T0/B0/{SECRET}"},
    "sms": lambda url: {
        "url": url, "account_sid": "AC" + SECRET, "auth_token": SECRET, "from": "+447700900001", "to": "+447700900123",
    },
    "webhook": lambda url: {"url": f"{url}/{SECRET}", "secret": "whsec_" + "QUJD" * 10},
}  # fmt: skip
ACCEPTED = {
    "apprise": Answering(200, b"{}"),
    "pagerduty": Answering(202, b'{"status":"success"}'),
    "slack": Answering(200, b"ok"),
    "sms": Answering(201, b'{"sid":"SM1","status":"queued"}'),
    "webhook": Answering(204, b""),
}
REMOTE = sorted([*SETTINGS, "email"])


class Bench:
    """One channel and the real server it speaks to."""

    def __init__(self, kind: str, collector: Collector, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]) -> None:
        self.kind, self.collector, self.mailbox, self.capfd = kind, collector, mailbox, capfd
        if kind in ACCEPTED:
            collector.answers = [ACCEPTED[kind]]

    def channel(self, **more: Any) -> Channel:
        given: dict[str, Any] = {"timeout_seconds": 5, "allow_private": True}
        if self.kind == "email":
            given |= {
                "smarthost": self.mailbox.address, "from": "a@example.com", "to": "b@example.com",
                "tls_config": {"ca_file": self.mailbox.ca}, "auth_username": USER, "auth_password": PASSWORD,
            }  # fmt: skip
        elif self.kind != "console":
            given |= SETTINGS[self.kind](self.collector.url)
        return build(self.kind, {**given, **more}, HOUSE)

    def said(self) -> str:
        """All that was received, as a person or a program would read it after decoding."""
        if self.kind == "console":
            return self.capfd.readouterr().out
        if self.kind == "email":
            return "\n".join(
                "\n".join([str(m["Subject"]), *(str(p.get_content()) for p in m.walk() if not p.is_multipart())])
                for m in self.mailbox.mails
            )
        bodies = [r.body.decode() for r in self.collector.requests]
        if self.kind == "sms":
            return "\n".join(parse_qs(body)["Body"][0] for body in bodies)
        return "\n".join(_texts(json.loads(body)) for body in bodies)

    def size(self) -> int:
        if self.kind == "email":
            return max(map(len, self.mailbox.raw))
        return max((len(r.body) for r in self.collector.requests), default=0)

    def refuse(self, *, permanent: bool) -> None:
        self.mailbox.answer = "554 no" if permanent else "451 later"
        self.collector.answers = [Answering(400 if permanent else 503, b"no")]

    def hang(self) -> None:
        self.mailbox.hang = True
        self.collector.answers = [Answering(hang=True)]


def _texts(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{k}\n{_texts(v)}" for k, v in value.items())
    return "\n".join(map(_texts, value)) if isinstance(value, list) else str(value)


@pytest.fixture(params=sorted(CHANNELS))
def bench(request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    with collecting() as collector, receiving(tmp_path, login=True) as mailbox:
        yield Bench(request.param, collector, mailbox, capfd)


remote = pytest.mark.parametrize("bench", REMOTE, indirect=True)


def test_every_kind_is_tested_here() -> None:
    assert sorted(CHANNELS) == sorted([*REMOTE, "console"])


def test_a_minimal_message(bench: Bench) -> None:
    said = message(title="Just a word", action="message")
    assert bench.channel().send(note(said=said)).text
    assert "Just a word" in bench.said()


def test_a_firing_one_says_what_how_much_and_since_when(bench: Bench) -> None:
    bench.channel(max_segments=4).send(note(said=message(alert(labels={"route": "/api/pitches"}))))
    said = bench.said()
    for words in ("HighErrorRate", "312 of 4,100 requests failed", "http://here/alerts/"):
        assert words in said
    if bench.kind != "webhook":  # programs read the number and the time from the alert
        assert "since 11:48 UTC (12 min)" in said


def test_a_resolved_one_says_how_long_it_lasted(bench: Bench) -> None:
    bench.channel(max_segments=4).send(note(said=message(alert(state="resolved"), action="resolved")))
    said = bench.said()
    if bench.kind == "pagerduty":
        assert "resolve" in said
    else:
        assert "[RESOLVED:1]" in said
        assert bench.kind == "webhook" or "over after 10 min: 11:50 UTC to 12:00 UTC" in said


def test_a_hundred_alerts(bench: Bench) -> None:
    many = [alert(labels={"route": f"/api/{i}"}, annotations={"summary": "x" * 2_000}) for i in range(100)]
    bench.channel().send(note(said=message(*many)))
    said = bench.said()
    assert "FIRING:100" in said
    assert bench.size() < 512_000
    assert bench.kind in ("webhook", "sms") or "80 more" in said or "'more'" in said or "more\n80" in said


HOSTILE = (
    "<!channel> <@U123> <https://evil.example|bank> <img src=x onerror=alert(1)></td><script>alert(2)</script> "
    "[red]markup[/red] \r\nBcc: victim@example.com\r\n\r\nSecond mail "
    "\x00\x07\x1b[31m \u202etxt.exe\u2066 \u200b& 'q' \"d\" `b`"
)


def test_hostile_text_is_neutral(bench: Bench) -> None:
    huge = alert(
        HOSTILE,
        labels={"route": HOSTILE, "big": "B" * 1_000_000, HOSTILE: "v"},
        annotations={"summary": HOSTILE, "runbook_url": "javascript:alert(3)", "dashboard_url": "https://d.example/|>"},
    )
    if bench.kind == "webhook":  # a program's own business: all of it comes, correctly escaped as JSON
        bench.channel().send(note(said=message(huge, group_labels={"route": HOSTILE})))
        assert bench.collector.requests[0].json["alerts"][0]["labels"]["route"] == HOSTILE
        assert "\u202e" not in bench.collector.requests[0].json["pitchey"]["title"]
        return
    bench.channel(max_segments=10).send(note(said=message(huge, group_labels={"route": HOSTILE}, lines=(HOSTILE,))))
    said = bench.said()
    assert "javascript:" not in said.replace("Runbook: javascript:alert(3)", ""), "never as a link"
    assert not [c for c in said if c in "\u202e\u2066\u200b\x00\x07\x1b"]
    assert len(said) < 60_000
    assert "B" * 1_000 not in said
    if bench.kind == "slack":
        assert "<!" not in said
        assert "<@" not in said
        assert "<https://evil" not in said
    if bench.kind == "email":
        mail = bench.mailbox.mails[0]
        assert mail["Bcc"] is None
        page = str(mail.get_body(("html",)).get_content())  # type: ignore[union-attr]
        assert not [tag for tag in ("<img", "<script", "</td><") if tag in page.replace("</td></tr>", "")]
        assert 'href="javascript' not in page
    if bench.kind == "console":
        assert "[red]markup[/red]" in said
    if bench.kind == "sms":
        assert len(said) <= 1_600


@remote
@pytest.mark.parametrize("permanent", [True, False])
def test_errors_say_try_again_or_give_up(bench: Bench, permanent: bool) -> None:
    bench.refuse(permanent=permanent)
    with pytest.raises(ChannelError) as error:
        bench.channel().send(note())
    assert error.value.permanent is permanent


@remote
def test_a_hanging_server_is_left_in_time(bench: Bench) -> None:
    bench.hang()
    channel = bench.channel(timeout_seconds=0.4)
    begun = time.monotonic()
    with pytest.raises(ChannelError, match=r"no answer within 0\.4 s") as error:
        channel.send(note())
    assert time.monotonic() - begun < 5
    assert not error.value.permanent


@pytest.mark.parametrize("bench", sorted(SETTINGS), indirect=True)
def test_a_server_that_drips_is_left_in_time(bench: Bench) -> None:
    bench.collector.answers = [Answering(drip=True)]
    begun = time.monotonic()
    with pytest.raises(ChannelError) as error:
        bench.channel(timeout_seconds=0.5).send(note())
    assert time.monotonic() - begun < 5
    assert not error.value.permanent


@pytest.mark.parametrize("bench", sorted(SETTINGS), indirect=True)
@pytest.mark.parametrize(
    "answer",
    [Answering(reset=True), Answering(raw=b"\xff\x00garbage\r\n\r\n"), Answering(raw=b""), Answering(500, b"\xff" * 9)],
    ids=["reset", "garbage", "nothing", "binary"],
)
def test_answers_that_are_none_are_tried_again(bench: Bench, answer: Answering) -> None:
    bench.collector.answers = [answer]
    with pytest.raises(ChannelError) as error:
        bench.channel().send(note())
    assert not error.value.permanent


@pytest.mark.parametrize("bench", sorted(SETTINGS), indirect=True)
def test_redirects_are_not_followed(bench: Bench) -> None:
    bench.collector.answers = [Answering(307, headers={"Location": f"{bench.collector.url}/elsewhere"})]
    with pytest.raises(ChannelError):
        bench.channel().send(note())
    assert len(bench.collector.requests) == 1


@pytest.mark.parametrize("bench", sorted(SETTINGS), indirect=True)
def test_an_endless_answer_is_cut(bench: Bench) -> None:
    bench.collector.answers = [Answering(500, b"x" * 20_000_000)]
    with pytest.raises(ChannelError) as error:
        bench.channel().send(note())
    assert len(error.value.message) < 2_000


@pytest.mark.parametrize("bench", sorted(SETTINGS), indirect=True)
def test_private_addresses_need_permission(bench: Bench) -> None:
    with pytest.raises(ChannelError, match="not on the internet") as error:
        bench.channel(allow_private=False).send(note())
    assert error.value.permanent
    assert not bench.collector.requests


@remote
def test_secrets_stay_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The server repeats all it was sent, the log is at debug, and still nobody reads them."""
    caplog.set_level(logging.DEBUG)
    bench.collector.judge = lambda r: Answering(500, f"{r.path} {dict(r.headers)} {r.body!r}".encode())
    bench.mailbox.answer = f"451 you are {USER} with {PASSWORD}"
    channel = bench.channel()
    with pytest.raises(ChannelError) as error:
        channel.send(note())
    shown = f"{error.value!r} {error.value.message} {error.value.as_dict()} {caplog.text} {channel!r}"
    assert "SECRET" not in shown
    import base64

    assert base64.b64encode(f"user:{SECRET}".encode()).decode()[:30] not in shown


@remote
def test_what_cannot_even_be_written_is_given_up_at_once(bench: Bench) -> None:
    broken = dataclasses.replace(note(), message=Message("firing", "oncall", "t", (None,)))  # type: ignore[arg-type]
    with pytest.raises(ChannelError, match="cannot be written") as error:
        bench.channel().send(broken)
    assert error.value.permanent


def test_a_wrong_template_loses_no_alert(bench: Bench) -> None:
    keys = [key for key in CHANNELS[bench.kind].templated if key in ("text", "description", "title")]
    bench.channel(**dict.fromkeys(keys, "{{ .CommonLabels.alertname | noSuchThing }}"), max_segments=4).send(note())
    said = bench.said()
    assert "HighErrorRate" in said
    if keys:
        assert "The template of" in said


def test_it_says_when_it_is_late(bench: Bench) -> None:
    channel = bench.channel(max_segments=6)
    channel.house = House("http://here", clock=FixedClock(NOON.replace(hour=13)))
    channel.send(note(attempts=3))
    assert "Late: this is from 12:00 UTC, 1 h ago; 3 attempts failed." in bench.said()


def test_one_channel_may_be_used_by_several_threads(bench: Bench) -> None:
    channel = bench.channel()
    failures: list[BaseException] = []

    def send(number: int) -> None:
        try:
            channel.send(note(f"n-{number}"))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
