"""`demo --live --serve` as a person runs it: a server of its own, an alert that arrives here, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pitchey_slo.client import find_server

#: Fires as soon as there is traffic, so that the test need not wait for the shipped rules' two minutes.
RULES = """
groups:
  - name: traffic
    interval: 1s
    query_offset: 0s
    rules:
      - alert: Traffic
        expr: sum(increase(pitchey_http_requests_total[1m])) > 5
        labels: {severity: critical, service: api}
        annotations: {summary: requests come in}
"""


def test_a_person_sees_an_alert_arrive_and_stops_everything_with_one_key(tmp_path: Path) -> None:
    (tmp_path / "config" / "rules").mkdir(parents=True)
    (tmp_path / "config" / "rules" / "traffic.yml").write_text(RULES)
    env = {k: v for k, v in os.environ.items() if not k.startswith("PITCHEY_")}
    env |= {
        "PITCHEY_CONFIG": str(tmp_path / "config"),
        "PITCHEY_PORT": "0",
        "PITCHEY_INVESTIGATE": "",
        "PITCHEY_DASHBOARDS": "off",
    }
    command = [sys.executable, "-m", "pitchey_slo", "demo", "--home", "home", "--live", "40", "--serve"]
    out = tmp_path / "out"
    with out.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 120
        while "[FIRING:1] critical Traffic" not in out.read_text():
            assert process.poll() is None, out.read_text()
            assert time.monotonic() < deadline, out.read_text()
            time.sleep(0.1)
        server = find_server(tmp_path / "home")
        assert server is not None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, out.read_text()
    finally:
        process.kill()
    text = out.read_text()
    assert "on-call" in text
    assert "requests come in" in text
    assert "alerts why ID --home home" in text
    assert find_server(tmp_path / "home") is None
    assert "stopped; everything acknowledged is stored" in (tmp_path / "home" / "demo-server.log").read_text()
