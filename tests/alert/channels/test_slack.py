"""Slack: blocks within the limits, colours, its own error words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pitchey_slo.alert.channels import Channel, House, build
from pitchey_slo.alert.channels.slack import COLOURS, cut_markup
from pitchey_slo.errors import ChannelError, ConfigError
from pitchey_slo.testing import FixedClock

from .collector import Answering, Collector, collecting
from .made import alert, message, note


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def slack(collector: Collector, **settings: Any) -> Channel:
    given = {"api_url": f"{collector.url}/services/T/B/SECRET-hook", "allow_private": True, **settings}
    return build("slack", given, House("http://here", clock=FixedClock()))


def sent(collector: Collector) -> dict[str, Any]:
    return dict(collector.requests[-1].json)


def blocks(body: dict[str, Any]) -> list[str]:
    return [b["text"]["text"] for b in body["attachments"][0]["blocks"]]


def test_a_message(collector: Collector) -> None:
    one = alert(
        labels={"route": "/a"}, annotations={"summary": "It fails.", "runbook_url": "https://r.example/x?a=1&b=2"}
    )
    two = alert(
        labels={"route": "/b"}, annotations={"summary": "It fails.", "runbook_url": "https://r.example/x?a=1&b=2"}
    )
    answer = slack(collector).send(note(said=message(one, two, group_labels={"service": "api"}, lines=("Level 2",))))
    assert answer.text == "200 ok"
    body = sent(collector)
    assert body["text"] == "*[FIRING:2] critical HighErrorRate (service=api)*"
    assert body["attachments"][0]["color"] == COLOURS["critical"]
    said = blocks(body)
    assert said[0] == "Level 2"
    assert said[1] == "*critical HighErrorRate*\nIt fails.\n`route=/a`\n_value 0.0761, since 11:48 UTC (12 min)_"
    assert said[-1].startswith("<https://r.example/x?a=1&amp;b=2|Runbook> · <http://here/alerts/")


@pytest.mark.parametrize(("severity", "state", "mood"), [
    ("critical", "firing", "critical"), ("warning", "firing", "warning"), ("info", "firing", "info"),
    ("odd", "firing", "warning"), ("critical", "resolved", "resolved"),
])  # fmt: skip
def test_the_colour_is_that_of_the_severity(collector: Collector, severity: str, state: str, mood: str) -> None:
    action = "resolved" if state == "resolved" else "firing"
    slack(collector).send(note(said=message(alert(severity=severity, state=state), action=action)))
    assert sent(collector)["attachments"][0]["color"] == COLOURS[mood]


def test_never_more_than_fifty_blocks_of_three_thousand(collector: Collector) -> None:
    many = [alert(labels={"route": f"/{i}"}, annotations={"summary": "&" * 5_000}) for i in range(100)]
    slack(collector).send(note(said=message(*many, lines=tuple(f"line {i}" for i in range(90)))))
    said = blocks(sent(collector))
    assert len(said) == 50
    assert max(map(len, said)) <= 3_000
    assert any("more lines" in text for text in said)
    assert "Acknowledge" in said[-1]


@pytest.mark.parametrize("text", ["&amp;" * 1_000, "x" * 2_997 + "&lt;" * 9, "<https://e/|l>" * 300, "a\n" * 3_000])
def test_a_cut_breaks_neither_an_escape_nor_a_link(text: str) -> None:
    short = cut_markup(text)
    assert len(short) <= 3_000
    assert short.count("<") == short.count(">")
    assert all(part[:4] in ("amp;",) or part[:3] in ("lt;", "gt;") for part in short.split("&")[1:])


@pytest.mark.parametrize(
    ("status", "said", "permanent"),
    [
        (400, "invalid_payload", True), (400, "invalid_blocks", True), (400, "user_not_found", True),
        (403, "action_prohibited", True), (404, "channel_not_found", True), (404, "no_service", True),
        (404, "no_team", True), (410, "channel_is_archived", True), (500, "rollup_error", False),
        (429, "rate_limited", False), (503, "", False), (200, "<html>login</html>", False), (302, "", True),
    ],
)  # fmt: skip
def test_slack_s_error_words(collector: Collector, status: int, said: str, permanent: bool) -> None:
    collector.answers = [Answering(status, said.encode(), headers={"Retry-After": "30"} if status == 429 else {})]
    with pytest.raises(ChannelError) as error:
        slack(collector).send(note())
    assert error.value.permanent is permanent
    assert error.value.retry_after == (30 if status == 429 else None)
    assert said[:10] in error.value.message
    assert "SECRET" not in error.value.message


def test_an_app_s_token_posts_to_a_channel(collector: Collector) -> None:
    collector.answers = [Answering(200, b'{"ok": true}'), Answering(200, b'{"ok": false, "error": "not_in_channel"}')]
    given = {"api_url": None, "app_token": "xoxb-SECRET", "app_url": f"{collector.url}/api/chat.postMessage"}
    channel = slack(collector, **given, channel="#alerts")
    channel.send(note())
    assert collector.requests[0].headers["authorization"] == "Bearer xoxb-SECRET"
    assert sent(collector)["channel"] == "#alerts"
    with pytest.raises(ChannelError, match="not_in_channel") as error:
        channel.send(note())
    assert error.value.permanent
    with pytest.raises(ConfigError, match="channel"):
        slack(collector, **given)
    with pytest.raises(ConfigError, match="api_url"):
        slack(collector, api_url=None)


def test_templates_of_alertmanager(collector: Collector) -> None:
    """The custom templates of Alertmanager's own documentation of notifications, with a hostile label."""
    channel = slack(
        collector,
        title='{{ template "slack.default.title" . }}',
        text="{{ range .Alerts }}*{{ .Labels.route }}* {{ .Annotations.summary }}\n{{ end }}<!here>",
        color='{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}',
        username="pitchey",
        footer="{{ len .Alerts.Firing }} firing",
    )
    channel.send(note(said=message(alert(labels={"route": "<!channel>"}), alert(labels={"route": "/b"}))))
    body = sent(collector)
    assert body["text"] == "*[FIRING:2] critical HighErrorRate*"
    text = blocks(body)[0]
    assert "*&lt;!channel&gt;* 312 of 4,100" in text
    assert text.endswith("<!here>"), "the author of the routing file may call everybody"
    assert blocks(body)[-1] == "2 firing"
    assert body["username"] == "pitchey"
    assert body["attachments"][0]["color"] == COLOURS["critical"]


def test_the_body_is_json_slack_reads(collector: Collector) -> None:
    slack(collector).send(note())
    assert collector.requests[0].headers["content-type"].startswith("application/json")
    assert json.loads(collector.requests[0].body)["text"]
