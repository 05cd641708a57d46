"""A real Prometheus sends what it scrapes from itself, and reads what we expose."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.collect.prometheus import RemoteWrite, Written, expose, negotiate, parse_text
from pitchey_slo.errors import CollectError
from pitchey_slo.series import is_stale

EXPOSED = b"""# TYPE lat histogram
# HELP lat Latency
lat_bucket{le="0.5"} 1
lat_bucket{le="+Inf"} 2
lat_sum 1.5
lat_count 2
# TYPE orders_total counter
orders_total{shop="a\\"\\n"} 12.5
# TYPE gone gauge
gone NaN
"""


class Here:
    """Answers /metrics with what we expose, and takes /write."""

    def __init__(self) -> None:
        self.written: list[Written] = []
        self.errors: list[CollectError] = []
        here, decoder = self, RemoteWrite()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind = negotiate(self.headers.get("Accept"))
                body = expose(parse_text(EXPOSED, now=0), kind)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    here.written.append(
                        decoder.decode(
                            body,
                            content_type=self.headers["Content-Type"],
                            content_encoding=self.headers["Content-Encoding"],
                        )
                    )
                except CollectError as error:
                    here.errors.append(error)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def here() -> Iterator[Here]:
    made = Here()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def prometheus(here: Here, tmp_path: Path) -> Iterator[str]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("needs Debian's prometheus")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 300ms, scrape_timeout: 300ms}\n"
        f"remote_write: [{{url: 'http://{here.address}/write', queue_config: {{batch_send_deadline: 200ms}},"
        " metadata_config: {send_interval: 300ms}}]\n"
        "scrape_configs:\n"
        f"  - {{job_name: self, static_configs: [{{targets: ['{address}']}}]}}\n"
        f"  - {{job_name: ours, static_configs: [{{targets: ['{here.address}']}}]}}\n"
    )
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/tsdb",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    yield f"http://{address}"
    process.terminate()
    process.wait(20)


def ask(url: str, query: str) -> list[Any]:
    with urllib.request.urlopen(f"{url}/api/v1/query?query={urllib.parse.quote(query)}", timeout=5) as answer:
        return list(json.load(answer)["data"]["result"])


def test_a_real_prometheus_sends_and_scrapes(here: Here, prometheus: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        names = {dict(labels)["__name__"] for w in here.written for labels in w.batch.labels}
        said = {name for w in here.written for name in w.batch.metadata}
        if "orders_total" in names and "prometheus_tsdb_head_series" in names and "prometheus_build_info" in said:
            break
        time.sleep(0.1)
    assert not here.errors
    assert {"up", "orders_total", "lat_bucket", "prometheus_tsdb_head_series"} <= names
    assert all(w.version == 1 and not w.batch.refused for w in here.written)

    # what it sent of ours is what we exposed
    sent: dict[str, float] = {}
    for w in here.written:
        for i in range(len(w.batch)):
            labels = dict(w.batch.labels[w.batch.series[i]])
            if labels["job"] == "ours" and not is_stale(w.batch.value[i : i + 1])[0]:
                sent[labels["__name__"] + labels.get("le", "") + labels.get("shop", "")] = float(w.batch.value[i])
    assert (sent["lat_bucket0.5"], sent["lat_bucket+Inf"], sent["lat_sum"], sent["lat_count"]) == (1, 2, 1.5, 2)
    assert sent['orders_totala"\n'] == 12.5
    assert "nan" in repr(sent["gone"])

    # and it stored the same from our exposition
    (found,) = ask(prometheus, 'orders_total{job="ours"}')
    assert (found["metric"]["shop"], found["value"][1]) == ('a"\n', "12.5")
    (up,) = ask(prometheus, 'up{job="ours"}')
    assert up["value"][1] == "1"
