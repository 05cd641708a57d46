"""The real `amtool` and a real Prometheus against our Alertmanager API: what they show, silence and send."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .conftest import Running, running
from .test_alerts import ROUTES, made, until

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("amtool", "prometheus")),
    reason="needs the Debian packages prometheus and prometheus-alertmanager",
)

PROMETHEUS = """
global: {{evaluation_interval: 1s, scrape_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - authorization: {{credentials: {token}}}
      static_configs: [{{targets: ["{server}"]}}]
"""
RULES = """
groups:
  - name: always
    rules:
      - alert: PrometheusSaysSo
        expr: vector(7) > 5
        labels: {severity: warning, team: prometheus}
        annotations: {summary: "the value is {{ $value }}"}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("alertmanager")
    for name, text in (("routes/routes.yml", ROUTES), ("rules/none.yml", "groups: []"), ("slos/none.yaml", "")):
        (folder / "config" / name).parent.mkdir(parents=True)
        (folder / "config" / name).write_text(text)
    with running(folder / "home", config=folder / "config") as it:
        yield it


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("read", "alert", name="sam")) as client:
        yield client


@pytest.fixture(scope="module")
def amtool(server: Running, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    config = tmp_path_factory.mktemp("amtool") / "http.yml"
    config.write_text(f"authorization: {{credentials: {server.token('read', 'alert', name='amtool')}}}\n")
    return ["amtool", f"--alertmanager.url={server.url}", f"--http.config.file={config}"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def run(command: list[str], *more: str) -> str:
    done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_amtool_shows_adds_silences_and_expires(client: httpx.Client, amtool: list[str]) -> None:
    made(client, "ShownByAmtool", labels={"zone": "eu"}, severity="critical")
    assert "ShownByAmtool" in run(amtool, "alert", "query")
    run(amtool, "alert", "add", "AddedByAmtool", "severity=info", "--annotation=summary=added by hand")
    found = client.get("/api/monitoring/alerts", params={"filter": "alertname=AddedByAmtool"}).json()["alerts"]
    assert [(a["severity"], a["annotations"]["summary"]) for a in found] == [("info", "added by hand")]
    key = run(amtool, "silence", "add", "zone=eu", "--comment=planned", "--author=kim", "--duration=1h").strip()
    silences = client.get("/api/monitoring/silences").json()["silences"]
    assert [(s["id"], s["created_by"], s["comment"]) for s in silences] == [(key, "kim", "planned")]
    assert key[:8] in run(amtool, "silence", "query", "zone=eu")
    shown = json.loads(run(amtool, "-o", "json", "alert", "query", "zone=eu", "--silenced"))
    assert shown[0]["status"]["silencedBy"] == [key]
    assert "ShownByAmtool" not in run(amtool, "alert", "query")
    run(amtool, "silence", "expire", key)
    assert key[:8] not in run(amtool, "silence", "query")
    assert "receiver: people" in run(amtool, "config", "show")


def test_a_real_prometheus_sends_its_alerts_and_their_end(
    server: Running, client: httpx.Client, tmp_path: Path
) -> None:
    token = server.token("alert", name="prometheus")
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS.format(token=token, server=server.url.removeprefix("http://")))
    (tmp_path / "rules.yml").write_text(RULES)
    port = free_port()
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle", "--log.level=error"]
    command += ["--rules.alert.resend-delay=2s"]  # what it sends before it has found us is lost

    def found() -> list[dict[str, object]]:
        return list(client.get("/api/v2/alerts", params={"filter": "team=prometheus"}).json())

    with subprocess.Popen(command) as prometheus:
        try:
            (alert,) = until(found, 40)
            assert alert["annotations"] == {"summary": "the value is 7"}
            assert alert["labels"] == {"alertname": "PrometheusSaysSo", "severity": "warning", "team": "prometheus"}
            assert f":{port}/graph" in str(alert["generatorURL"])
            (tmp_path / "rules.yml").write_text(RULES.replace("> 5", "> 50"))
            httpx.post(f"http://127.0.0.1:{port}/-/reload", trust_env=False).raise_for_status()
            until(lambda: not found(), 40)
        finally:
            prometheus.terminate()
    history = client.get("/api/monitoring/alerts", params={"state": "resolved", "filter": "team=prometheus"}).json()
    assert [a["source"] for a in history["alerts"]] == ["prometheus"]
