"""Alerts over HTTP: made, listed, taken on, ended, silenced and explained, in a real server that routes and sends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from .conftest import Running, running

ROUTES = """
route:
  receiver: people
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - matchers: [team="nobody"]
      receiver: nobody
receivers:
  - name: people
    console_configs: [{}]
  - name: nobody
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning", cluster=~".+"]
    equal: [cluster]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("alerts")
    (folder / "config" / "routes").mkdir(parents=True)
    (folder / "config" / "routes" / "routes.yml").write_text(ROUTES)
    (folder / "config" / "rules").mkdir()
    (folder / "config" / "slos").mkdir()
    with running(folder / "home", config=folder / "config") as it:
        yield it


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("read", "alert", name="sam")) as client:
        yield client


def until(look: Callable[[], Any], seconds: float = 20) -> Any:
    """What `look` gives as soon as it is something; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def made(client: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    body = {"name": name, "summary": f"{name} happened", **more}
    response = client.post("/api/monitoring/alerts", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


def why(client: httpx.Client, alert: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(f"/api/monitoring/alerts/{alert['id']}/why").json())


def listed(client: httpx.Client, **params: Any) -> list[str]:
    answer = client.get("/api/monitoring/alerts", params=params)
    assert answer.status_code == 200, answer.text
    return [a["name"] for a in answer.json()["alerts"]]


def test_an_alert_is_made_routed_sent_and_explained(client: httpx.Client) -> None:
    alert = made(client, "Disk <b>full</b>", severity="critical", labels={"host": "db 1"}, minutes=5)
    assert (alert["state"], alert["labels"]["host"]) == ("firing", "db 1")
    told = until(lambda: (w := why(client, alert)) and any(n["state"] == "sent" for n in w["notifications"]) and w)
    kinds = [d["kind"] for d in told["decisions"]]
    assert kinds[0] == "state" and {"routed", "queued", "sent"} <= set(kinds)
    assert [d["at"] for d in told["decisions"]] == sorted(d["at"] for d in told["decisions"])
    assert "people by console was told first" in told["sentence"]
    assert told["notifications"][0]["channel"] == "console/0"
    seen = client.get(f"/api/monitoring/alerts/{alert['fingerprint']}").json()
    assert (seen["id"], seen["receivers"], seen["silenced_by"]) == (alert["id"], ["people"], [])
    assert "Disk <b>full</b>" in listed(client)


def test_taking_on_and_ending(client: httpx.Client) -> None:
    alert = made(client, "Queue grows")
    done = client.post(f"/api/monitoring/alerts/{alert['id']}/ack", json={"comment": "looking"}).json()
    assert done["acked_by"] == "sam"
    assert any(d["kind"] == "acked" and "looking" in d["text"] for d in why(client, alert)["decisions"])
    ended = client.post(f"/api/monitoring/alerts/{alert['id']}/resolve", json={"by": "kim"}).json()
    assert ended["state"] == "resolved" and ended["resolved_at"]
    assert "Queue grows" not in listed(client)
    assert "Queue grows" in listed(client, state="resolved")
    assert listed(client, state="all", filter='alertname=~"Queue.*"') == ["Queue grows"]


def test_a_silence_keeps_an_alert_from_being_told_and_lists_what_it_hid(client: httpx.Client) -> None:
    body = {"matchers": ['job="backup"'], "comment": "maintenance", "minutes": 60}
    silence = client.post("/api/monitoring/silences", json=body).json()
    assert (silence["created_by"], silence["matchers"]) == ("sam", ['job="backup"'])
    alert = made(client, "Backup late", labels={"job": "backup"})
    told = until(lambda: (w := why(client, alert)) and any(d["kind"] == "silenced" for d in w["decisions"]) and w)
    assert "nobody was told" in told["sentence"] and "maintenance" in told["sentence"]
    assert client.get(f"/api/monitoring/alerts/{alert['id']}").json()["silenced_by"] == [silence["id"]]
    hid = client.get(f"/api/monitoring/silences/{silence['id']}/hid").json()["hid"]
    assert [h["name"] for h in hid] == ["Backup late"] and len(hid[0]["hidden"]) == 1
    assert client.delete(f"/api/monitoring/silences/{silence['id']}").json()["expired_at"]
    until(lambda: why(client, alert)["notifications"])  # a silence that ends while it fires tells
    assert client.delete(f"/api/monitoring/silences/{silence['id']}").status_code == 400
    statuses = {s["id"]: s["status"] for s in client.get("/api/monitoring/silences").json()["silences"]}
    assert statuses[silence["id"]] == "expired"


def test_inhibition_is_shown(client: httpx.Client) -> None:
    source = made(client, "Cluster down", severity="critical", labels={"cluster": "c1"})
    made(client, "Pod down", severity="warning", labels={"cluster": "c1"})
    found = {a["name"]: a for a in client.get("/api/monitoring/alerts").json()["alerts"]}
    assert found["Pod down"]["inhibited_by"] == [source["fingerprint"]]
    assert found["Cluster down"]["inhibited_by"] == []


def test_a_receiver_without_channels_is_said(client: httpx.Client) -> None:
    alert = made(client, "Nobody hears", labels={"team": "nobody"})
    told = until(lambda: (w := why(client, alert)) and any(d["kind"] == "unreachable" for d in w["decisions"]) and w)
    assert "nobody was told" in told["sentence"] and "no channel" in told["sentence"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("alerts", {"name": "x"}, "summary"),
        ("alerts", {"name": "x", "summary": "y", "severity": "bad"}, "critical"),
        ("alerts", {"name": "x", "summary": "y", "minutes": -1}, "minutes"),
        ("silences", {"matchers": ["a=b"], "comment": "c"}, "minutes"),
        ("silences", {"matchers": ["a=b"], "comment": "", "minutes": 5}, "comment"),
        ("silences", {"matchers": ["a=~("], "comment": "c", "minutes": 5}, "matchers"),
        ("silences", {"matchers": ["a=~.*"], "comment": "c", "minutes": 5}, "matchers"),
        ("silences", {"matchers": ["a=b"], "comment": "c", "minutes": 5, "rrule": "FREQ=DAILY"}, "end"),
        ("silences", {"matchers": ["a=b"], "comment": "c", "end": "2020-01-01T00:00:00Z"}, "over|after"),
    ],
)
def test_bad_input_says_what_would_work(client: httpx.Client, path: str, body: dict[str, Any], words: str) -> None:
    response = client.post(f"/api/monitoring/{path}", json=body)
    assert response.status_code == 400, response.text
    assert any(word in response.json()["error"]["message"] for word in words.split("|"))


def test_unknown_ids_and_parameters(client: httpx.Client) -> None:
    for path in ("alerts/nope", "alerts/nope/why", "silences/nope/hid"):
        assert client.get(f"/api/monitoring/{path}").status_code == 404
    assert client.post("/api/monitoring/alerts/nope/ack").status_code == 404
    assert client.get("/api/monitoring/alerts", params={"stat": "all"}).status_code == 400
    assert client.get("/api/monitoring/alerts", params={"state": "gone"}).status_code == 400
    assert client.get("/api/monitoring/alerts", params={"filter": "a=~("}).status_code == 400


def test_reading_does_not_allow_changing(server: Running) -> None:
    with server.client(server.token("read")) as reader:
        assert reader.get("/api/monitoring/alerts").status_code == 200
        for method, path in (
            ("POST", "alerts"),
            ("POST", "alerts/x/ack"),
            ("POST", "silences"),
            ("DELETE", "silences/x"),
        ):
            assert reader.request(method, f"/api/monitoring/{path}").status_code == 403
        assert reader.post("/api/v2/alerts", json=[]).status_code == 403


def test_alertmanagers_api(client: httpx.Client) -> None:
    start = datetime.now(UTC) - timedelta(minutes=2)
    labels = {"alertname": "FromPrometheus", "severity": "warning", "instance": "a:9100"}
    sent = {
        "labels": labels,
        "annotations": {"summary": "s"},
        "startsAt": start.isoformat(),
        "generatorURL": "http://p/",
    }
    assert client.post("/api/v2/alerts", json=[sent]).status_code == 200
    found = client.get("/api/v2/alerts", params={"filter": 'alertname="FromPrometheus"'}).json()
    assert [(a["labels"], a["status"]["state"], a["receivers"]) for a in found] == [
        (labels, "active", [{"name": "people"}])
    ]
    assert found[0]["startsAt"][:19] == start.isoformat()[:19]
    matcher = {"name": "instance", "value": "a:9100", "isRegex": False, "isEqual": True}
    now = datetime.now(UTC)
    body = {"matchers": [matcher], "startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    key = client.post("/api/v2/silences", json=body | {"createdBy": "sam", "comment": "why"}).json()["silenceID"]
    assert client.get(f"/api/v2/silence/{key}").json()["status"] == {"state": "active"}
    silenced = client.get("/api/v2/alerts", params={"filter": 'instance="a:9100"'}).json()[0]["status"]
    assert (silenced["state"], silenced["silencedBy"]) == ("suppressed", [key])
    assert client.get("/api/v2/alerts", params={"filter": 'instance="a:9100"', "silenced": "false"}).json() == []
    groups = client.get("/api/v2/alerts/groups").json()
    assert any(g["labels"] == {"alertname": "FromPrometheus"} and g["receiver"]["name"] == "people" for g in groups)
    assert client.delete(f"/api/v2/silence/{key}").status_code == 200
    over = sent | {"endsAt": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}
    assert client.post("/api/v2/alerts", json=[over]).status_code == 200
    assert client.get("/api/v2/alerts", params={"filter": 'alertname="FromPrometheus"'}).json() == []
    assert [r["name"] for r in client.get("/api/v2/receivers").json()] == ["nobody", "people"]
    state = client.get("/api/v2/status").json()
    assert "group_wait" in state["config"]["original"] and state["cluster"]["status"] == "disabled"
    for bad in ({"labels": {}}, [{"labels": {"a": 1}}], [{"labels": {"a": "b"}, "startsAt": "soon"}], [{"labels": {}}]):
        assert client.post("/api/v2/alerts", json=bad).status_code == 400


def test_the_command_line(server: Running, client: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    from pitchey_slo.cli import build

    def run(*argv: str) -> str:
        build(["alerts"])(args=["alerts", *argv, "--home", str(server.settings.home)], standalone_mode=False)
        return capsys.readouterr().out

    key = run(
        "create", "By hand", "somebody saw it", "--severity", "critical", "-l", "team=nobody", "--by", "kim"
    ).strip()
    assert "somebody saw it" in run("list")
    assert "By hand" in run("why", key[:10])
    assert "is taken on by kim" in run("ack", key, "--by", "kim")
    silence = run("silence", "team=nobody", "-m", "known", "--for", "30m").strip().splitlines()[0]
    assert silence in run("silences")
    run("unsilence", silence)
    assert "resolved" in run("resolve", key, "-m", "fixed")
    assert "By hand" not in run("list")
    assert "By hand" in run("list", "--all")
