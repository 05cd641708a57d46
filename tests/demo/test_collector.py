"""Where the demo's alerts arrive: what is sent is kept once, shown, and shown harmlessly."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from pitchey_slo import demo
from pitchey_slo.alert.config import load_routes
from pitchey_slo.alert.simulate import route_of
from pitchey_slo.demo import Collector
from pitchey_slo.settings import Settings
from tests.demo.conftest import END

BODY = {
    "status": "firing",
    "commonLabels": {"severity": "critical"},
    "alerts": [{"labels": {"alertname": "Down"}, "annotations": {"summary": "<b>it</b> is down"}}],
    "pitchey": {"id": "n1", "action": "firing", "severity": "critical", "title": "Down <script>", "lines": ["<b>2 %"]},
}


@pytest.fixture
def collector():
    with Collector() as found:
        yield found


def post(collector, to, body):
    return httpx.post(f"{collector.url}/{to}", json=body, trust_env=False)


def test_a_message_is_kept_once_and_shown(collector):
    assert [post(collector, "on-call", BODY).status_code for _ in range(2)] == [200, 200]
    (message,) = collector.messages
    assert (message.to, message.action, message.mood, message.alerts) == ("on-call", "firing", "critical", ("Down",))
    page = httpx.get(collector.url, trust_env=False)
    assert "on-call" in page.text
    assert "Down &lt;script&gt;" in page.text
    assert "<script" not in page.text
    assert "<b>" not in page.text
    for word in ("http:", "https:", "src=", "href="):
        assert word not in page.text  # it loads nothing from anywhere


def test_alertmanagers_own_body_is_read_too(collector):
    body = {k: v for k, v in BODY.items() if k != "pitchey"}
    assert post(collector, "team-chat", body | {"status": "resolved"}).status_code == 200
    (message,) = collector.messages
    assert (message.title, message.mood, message.lines) == ("[RESOLVED] Down", "resolved", ("<b>it</b> is down",))


def test_what_is_no_message_is_refused(collector):
    assert post(collector, "on-call", {"text": "hello"}).status_code == 400
    assert httpx.post(f"{collector.url}/x", content=b"{", trust_env=False).status_code == 400
    assert httpx.get(f"{collector.url}/other", trust_env=False).status_code == 404
    assert collector.messages == []


def test_the_demos_routes_tell_nobody_outside_and_escalate_within_minutes():
    file = Path(demo.__file__).with_name("alert_routes.yml")
    config = load_routes(
        file, settings=Settings.load(env_file=None), environ={"PITCHEY_DEMO_COLLECTOR": "http://127.0.0.1:9"}
    )
    assert not config.notices
    for receiver in config.receivers.values():
        for channel in receiver.channels:
            assert channel.kind == "webhook"
            assert channel.settings["url"].get_secret_value().startswith("http://127.0.0.1:9/")
    labels = {"alertname": "HighErrorRate", "severity": "critical", "service": "api"}
    trace = route_of(config, labels, END, hours=0.2)
    told = [(n.receiver, round((n.created_at - trace.at).total_seconds())) for n in trace.messages]
    assert told[:3] == [("on-call", 10), ("second-on-call", 70), ("head-of-engineering", 130)]
    warning = route_of(config, labels | {"severity": "warning"}, trace.at, hours=0.1)
    assert {n.receiver for n in warning.messages} == {"team-chat"}
