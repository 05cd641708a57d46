"""SMS: what Twilio is asked, what its codes mean, how long a text may be."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from pitchey_slo.alert.channels import Channel, House, build
from pitchey_slo.alert.gsm7 import is_gsm7, size_of
from pitchey_slo.errors import ChannelError, ConfigError
from pitchey_slo.testing import FixedClock

from .collector import Answering, Collector, collecting
from .made import alert, message, note

SID, TOKEN = "AC" + "0" * 32, "SECRET-token"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        made.answers = [Answering(201, b'{"sid": "SM1", "status": "queued"}')]
        yield made


def sms(collector: Collector, **settings: Any) -> Channel:
    given = {
        "url": collector.url, "account_sid": SID, "auth_token": TOKEN, "from": "+447700900001", "to": "+447700900123",
        "allow_private": True, **settings,
    }  # fmt: skip
    return build("sms", given, House("http://here", clock=FixedClock()))


def form(collector: Collector) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(collector.requests[-1].body.decode()).items()}


def test_what_twilio_is_asked(collector: Collector) -> None:
    answer = sms(collector, max_segments=3, validity_period=600).send(note())
    request = collector.requests[0]
    assert request.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
    asked = form(collector)
    assert (asked["To"], asked["From"], asked["ValidityPeriod"]) == ("+447700900123", "+447700900001", "600")
    assert asked["Body"].startswith("[FIRING:1] critical HighErrorRate\nhttp://here/alerts/")
    assert "312 of 4,100 requests failed" in asked["Body"]
    assert answer.text == "201 queued, 2 segments"


def test_an_api_key_and_a_messaging_service(collector: Collector) -> None:
    channel = sms(collector, api_key="SK1", api_secret="SECRET-2", messaging_service_sid="MG1")
    channel.send(note())
    assert collector.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"SK1:SECRET-2").decode()
    assert form(collector)["MessagingServiceSid"] == "MG1"
    assert "From" not in form(collector)


@pytest.mark.parametrize("segments", [1, 2, 4])
def test_never_more_segments_than_allowed_and_all_in_the_sms_alphabet(collector: Collector, segments: int) -> None:
    said = "“Zahlungen” schlagen fehl – 5 € 🔥 Платежи не проходят " * 50
    channel = sms(collector, max_segments=segments)
    sent = note(said=message(alert("Überlast“", annotations={"summary": said}), lines=(said,)))
    channel.send(sent)
    body = form(collector)["Body"]
    assert is_gsm7(body)
    assert size_of(body).segments == segments
    assert channel.cost(sent) == segments
    assert body.endswith("...")


def test_unicode_when_asked_for(collector: Collector) -> None:
    sms(collector, unicode=True, max_segments=1, text="Платежи {{ .CommonLabels.alertname }}").send(note())
    assert form(collector)["Body"] == "Платежи HighErrorRate"


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [
        (400, 21211, True), (400, 21610, True), (400, 21614, True), (400, 21617, True), (400, 21408, True),
        (401, 20003, True), (429, 20429, False), (400, 21611, False), (400, 30001, False), (500, 20500, False),
        (503, 20503, False),
    ],
)  # fmt: skip
def test_twilio_s_codes(collector: Collector, status: int, code: int, permanent: bool) -> None:
    body = orjson.dumps({"code": code, "message": f"no {SID} {TOKEN}", "status": status})
    collector.answers = [Answering(status, body)]
    with pytest.raises(ChannelError, match=str(code)) as error:
        sms(collector).send(note())
    assert error.value.permanent is permanent
    assert SID not in error.value.message
    assert "SECRET" not in error.value.message


@pytest.mark.parametrize("to", ["07700900123", "+0123456789", "447700900123", "+44 7700 900123", "+1234567890123456"])
def test_numbers_are_e164(collector: Collector, to: str) -> None:
    with pytest.raises(ConfigError, match=r"E\.164"):
        sms(collector, to=to)


def test_what_is_missing_is_named(collector: Collector) -> None:
    with pytest.raises(ConfigError, match="from: is missing"):
        sms(collector, **{"from": ""})
    with pytest.raises(ConfigError, match="auth_token: is missing"):
        sms(collector, auth_token=None)
