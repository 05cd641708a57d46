"""Apprise: any of its URLs, several at once, and what its log says of a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from pitchey_slo.alert.channels import Channel, House, build
from pitchey_slo.errors import ChannelError, ConfigError
from pitchey_slo.testing import FixedClock

from .collector import Answering, Collector, collecting
from .made import alert, message, note


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def apprise(**settings: Any) -> Channel:
    return build("apprise", {"allow_private": True, **settings}, House("http://here", clock=FixedClock()))


def test_a_local_json_endpoint(collector: Collector) -> None:
    url = SecretStr(collector.url.replace("http", "json", 1) + "/hook")
    apprise(url=url).send(note(said=message(alert(state="resolved"), action="resolved")))
    request = collector.requests[0]
    assert request.path == "/hook"
    assert request.json["title"] == "[RESOLVED:1] critical HighErrorRate"
    assert request.json["type"] == "success"
    assert "over after 10 min" in request.json["message"]


@pytest.mark.parametrize(("status", "permanent"), [(404, True), (401, True), (429, False), (500, False)])
def test_the_status_in_its_log_decides(collector: Collector, status: int, permanent: bool) -> None:
    collector.answers = [Answering(status)]
    with pytest.raises(ChannelError, match=str(status)) as error:
        apprise(url=collector.url.replace("http", "json", 1)).send(note())
    assert error.value.permanent is permanent


def test_of_several_only_those_that_failed_are_tried_again(collector: Collector) -> None:
    collector.judge = lambda r: Answering(503) if r.path == "/b" and len(collector.requests) < 3 else None
    base = collector.url.replace("http", "json", 1)
    channel = apprise(urls=[f"{base}/a", f"{base}/b"])
    with pytest.raises(ChannelError) as error:
        channel.send(note())
    assert not error.value.permanent
    assert channel.send(note()).text == "taken by 2 services"
    assert [r.path for r in collector.requests] == ["/a", "/b", "/b"]


def test_a_service_nobody_knows_is_named_without_its_secret() -> None:
    with pytest.raises(ConfigError, match="knows no such service") as error:
        apprise(url="nosuch://SECRET@host")
    assert "SECRET" not in str(error.value)
    with pytest.raises(ConfigError, match="url: is missing"):
        apprise()


@pytest.mark.parametrize(
    "url",
    ["discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "tgram://123456789:abcdefg_hijklmnop/12315544/",
     "pover://uuuuuuuuuuuuuuuuuuuuuuuuuuuuuu@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "opsgenie://apikeyapikey/"],
)  # fmt: skip
def test_urls_the_routing_file_makes_of_alertmanager_s_receivers_are_understood(url: str) -> None:
    assert apprise(url=url).kind == "apprise"
