"""Where the demo's alerts arrive: what is sent is kept once, shown, and shown harmlessly."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from pitchey_slo import demo
from pitchey_slo.alert.config import load_routes
from pitchey_slo.alert.simulate import route_of
from pitchey_slo.demo import Collector
from pitchey_slo.demo.collector_page import Step
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
    assert page.text.count("<script") == 1  # its own, whose nonce the policy names
    (nonce,) = re.findall(r'<script nonce="([^"]+)">', page.text)
    assert f"script-src 'nonce-{nonce}'" in page.headers["content-security-policy"]
    assert nonce not in httpx.get(collector.url, trust_env=False).text
    assert "&lt;b&gt;2 %" in page.text
    assert "<b>2 %" not in page.text
    for word in ("https:", "src=", "@import", "url("):
        assert word not in page.text  # it loads nothing from anywhere
    lanes = httpx.get(f"{collector.url}/lanes", trust_env=False).text
    assert lanes in page.text
    assert "<script" not in lanes


def test_links_lead_to_this_machine_or_nowhere(collector):
    links = {
        "Why": "http://127.0.0.1:8001/alerts/a1",
        "Runbook": "javascript:alert(1)",
        "<b>": 'http://127.0.0.1:8001/"><img src=x onerror=alert(1)>',
        "Out": "http://example.org/",
        "Odd": ["x"],
    }
    post(collector, "team-chat", BODY | {"pitchey": BODY["pitchey"] | {"links": links}})
    post(collector, "on-call", BODY | {"pitchey": BODY["pitchey"] | {"id": "n2", "links": "none"}})
    lanes = httpx.get(f"{collector.url}/lanes", trust_env=False).text
    hrefs = re.findall(r'href="([^"]*)"', lanes)
    assert hrefs[0] == "http://127.0.0.1:8001/alerts/a1"
    assert len(hrefs) == 2
    assert "<img" not in lanes
    assert "javascript" not in lanes


def test_who_is_told_decides_how_it_is_shown(collector):
    for number, to in enumerate(("on-call", "head-of-engineering", "team-chat", "somebody-else")):
        post(collector, to, BODY | {"pitchey": BODY["pitchey"] | {"id": f"m{number}", "title": f"to {to}"}})
    lanes = httpx.get(f"{collector.url}/lanes", trust_env=False).text
    pager, mail, chat = re.findall(r'<section class="(?:pager|mail|chat)">.*?</section>', lanes)
    assert "to on-call" in pager
    assert "to head-of-engineering" in mail
    assert "to team-chat" in chat
    assert "to somebody-else" in chat


def test_what_to_look_at_stands_on_top(collector):
    collector.steps = [
        Step("Look <here>", "and there", "http://127.0.0.1:1/", "pitchey-slo x"),
        Step("No", "y", "ftp:x"),
    ]
    text = httpx.get(collector.url, trust_env=False).text
    assert '<a href="http://127.0.0.1:1/">Look &lt;here&gt;</a>' in text
    assert "<code>pitchey-slo x</code>" in text
    assert "ftp:x" not in text


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
