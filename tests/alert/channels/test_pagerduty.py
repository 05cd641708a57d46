"""PagerDuty: the life of an incident over one dedup key, and the limits of an event."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from pitchey_slo.alert.channels import Channel, House, build
from pitchey_slo.errors import ChannelError
from pitchey_slo.testing import NOON, FixedClock

from .collector import Answering, Collector, collecting
from .made import alert, message, note

KEY = "SECRETsecretSECRETsecretSECRETse"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        made.answers = [Answering(202, b'{"status":"success"}')]
        yield made


def pagerduty(collector: Collector, **settings: Any) -> Channel:
    given = {"routing_key": KEY, "url": f"{collector.url}/v2/enqueue", "allow_private": True, **settings}
    return build("pagerduty", given, House("http://here", clock=FixedClock()))


def events(collector: Collector) -> list[dict[str, Any]]:
    return [r.json for r in collector.requests]


def test_trigger_acknowledge_and_resolve_share_key_and_routing_key(collector: Collector) -> None:
    channel = pagerduty(collector)
    channel.send(note("n-1", dedup="g"))
    channel.send(note("n-2", message(dataclasses.replace(alert(), acked_at=NOON, acked_by="kim")), dedup="g"))
    channel.send(note("n-3", message(alert(state="resolved"), action="resolved"), dedup="g"))
    found = events(collector)
    assert [e["event_action"] for e in found] == ["trigger", "acknowledge", "resolve"]
    assert {(e["dedup_key"], e["routing_key"]) for e in found} == {("g", KEY)}


def test_an_escalation_triggers_though_somebody_took_it_on(collector: Collector) -> None:
    taken = dataclasses.replace(alert(), acked_at=NOON, acked_by="kim")
    pagerduty(collector).send(note(said=message(taken, action="escalation", level=2)))
    assert events(collector)[0]["event_action"] == "trigger"


def test_what_a_trigger_holds(collector: Collector) -> None:
    one = alert(
        labels={"service": "api", "instance": "w-1"},
        annotations={"summary": "It fails.", "runbook_url": "https://r.example/"},
    )
    pagerduty(collector).send(note(said=message(one, lines=("Level 2",))))
    event = events(collector)[0]
    payload = event["payload"]
    assert payload["summary"] == "[FIRING:1] critical HighErrorRate"
    assert (payload["source"], payload["severity"], payload["component"], payload["class"]) == (
        "w-1", "critical", "api", "HighErrorRate",
    )  # fmt: skip
    assert payload["timestamp"] == "2026-03-02T12:00:00+00:00"
    assert payload["custom_details"]["said"] == ["Level 2"]
    assert "It fails." in payload["custom_details"]["alerts"][0]
    assert event["links"][0] == {"href": "https://r.example/", "text": "Runbook"}
    assert event["client"] == "pitchey-slo"


@pytest.mark.parametrize(("severity", "expected"), [("critical", "critical"), ("warning", "warning"), ("info", "info"),
                                                    ("page-me", "warning"), ("", "warning")])  # fmt: skip
def test_severities_are_theirs(collector: Collector, severity: str, expected: str) -> None:
    pagerduty(collector).send(note(said=message(alert(severity=severity))))
    assert events(collector)[0]["payload"]["severity"] == expected


def test_limits(collector: Collector) -> None:
    long = alert("é" * 5_000, annotations={"summary": "é" * 100_000})
    many = [dataclasses.replace(long, labels={**long.labels, "n": str(i)}) for i in range(100)]
    channel = pagerduty(
        collector, description="{{ .CommonLabels.alertname }}", details={"all": "{{ .CommonLabels.alertname }}"}
    )
    channel.send(note(said=message(*many), dedup="k" * 300))
    event = events(collector)[0]
    assert len(event["payload"]["summary"]) <= 1_024
    assert len(event["dedup_key"]) <= 255
    assert len(collector.requests[0].body) <= 512_000
    channel.send(note(said=message(alert(state="resolved"), action="resolved"), dedup="k" * 300))
    assert events(collector)[1]["dedup_key"] == event["dedup_key"]


def test_too_much_detail_is_left_out_before_the_summary_is(collector: Collector) -> None:
    details = {f"d{i}": "x" * 90_000 for i in range(7)}
    pagerduty(collector, details=details).send(note())
    event = events(collector)[0]
    assert event["payload"]["custom_details"] == {"left out": "too large for PagerDuty"}
    assert event["payload"]["summary"]
    assert event["links"]


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (403, True), (429, False), (500, False), (503, False)])
def test_400_is_never_tried_again(collector: Collector, status: int, permanent: bool) -> None:
    collector.answers = [Answering(status, b'{"status":"invalid event"}')]
    with pytest.raises(ChannelError, match=f"PagerDuty answered {status}") as error:
        pagerduty(collector).send(note())
    assert error.value.permanent is permanent


def test_it_is_never_merged_and_keeps_to_two_a_second(collector: Collector) -> None:
    channel = pagerduty(collector)
    assert not channel.mergeable
    assert channel.rate is not None
    assert channel.rate.per_second == 2.0


def test_a_test_message_opens_and_does_not_page(collector: Collector) -> None:
    pagerduty(collector).send(note(said=message(title="only a test", action="test")))
    event = events(collector)[0]
    assert (event["event_action"], event["payload"]["severity"]) == ("trigger", "info")
    assert event["payload"]["summary"] == "[TEST] only a test"
