"""The real Prometheus and the real node exporter, as Debian ships them: what they send, what they scrape, what they
answer.

Prometheus scrapes this server, a node exporter and itself, and writes all of it here: both then hold the same samples
and are asked the same. Debian's Prometheus 2.42 takes windows closed on the left, so moments are chosen where no sample
sits on an edge.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from .conftest import Running, running
from .series_made import METRICS

PROGRAMS = ("prometheus", "promtool", "prometheus-node-exporter")
pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in PROGRAMS), reason="needs the Debian packages prometheus*"
)

#: Seconds of scraping, once a second, before anything is asked.
WHILE = 10
DEADLINE = 60.0

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{node}"]}}]
  - job_name: prometheus
    static_configs: [{{targets: ["127.0.0.1:{prometheus}"]}}]
  - job_name: pitchey
    metrics_path: /api/monitoring/metrics
    params: {{"match[]": ['{{__name__=~"shop_.*", job=""}}']}}  # not what comes back by remote write
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{server}"]}}]
remote_write:
  - url: http://{server}/api/v1/write
    authorization: {{credentials: {token}}}
    queue_config: {{batch_send_deadline: 300ms}}
    metadata_config: {{send_interval: 1s}}
"""

SCRAPE = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node-scraped-here
    static_configs: [{{targets: ["127.0.0.1:{node}", "127.0.0.1:{closed}"]}}]
"""


@dataclass
class Town:
    """Everything that runs: our server, Prometheus, a node exporter that can be stopped."""

    server: Running
    ours: httpx.Client
    theirs: httpx.Client
    node: subprocess.Popen[bytes]
    closed: int

    def instant(self, who: httpx.Client, expr: str, at: float) -> dict[str, float | list[Any]]:
        answer = who.post("/api/v1/query", data={"query": expr, "time": f"{at:.3f}"})
        assert answer.status_code == 200, (expr, answer.text)
        found = answer.json()["data"]
        if found["resultType"] == "scalar":
            return {"": float(found["result"][1])}
        return {
            orjson.dumps(each["metric"], option=orjson.OPT_SORT_KEYS).decode(): each["values"]
            if "values" in each
            else float(each["value"][1])
            for each in found["result"]
        }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait(what: str, ready: Callable[[], object]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            if found := ready():
                return found
        except (httpx.HTTPError, KeyError, IndexError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"not within {DEADLINE:g} s: {what}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    node, prometheus, closed = free_port(), free_port(), free_port()
    (folder / "config").mkdir()
    (folder / "config" / "scrape.yml").write_text(SCRAPE.format(node=node, closed=closed))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": (folder / "log").open("wb"), "cwd": folder}
    exporter = subprocess.Popen(["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{node}"], **quiet)
    processes = [exporter]
    try:
        with running(folder / "home", config=folder / "config") as server:
            token = server.token("ingest", "read", name="prometheus")
            given = {"node": node, "prometheus": prometheus, "token": token}
            text = CONFIG.format(server=server.url.removeprefix("http://"), **given)
            (folder / "prometheus.yml").write_text(text)
            command = [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ]
            processes.append(subprocess.Popen(command, **quiet))
            theirs = httpx.Client(base_url=f"http://127.0.0.1:{prometheus}", trust_env=False, timeout=30)
            with theirs, server.client(token) as ours:
                wait("Prometheus is ready", lambda: theirs.get("/-/ready").status_code == 200)
                began = time.time()
                while time.time() < began + WHILE:
                    push(ours)
                    time.sleep(0.5)
                yield Town(server, ours, theirs, exporter, closed)
            stop(processes.pop())
    finally:
        for process in processes:
            stop(process)


def push(client: httpx.Client) -> None:
    count = int(time.time() * 10) % 100_000
    answer = client.post(
        METRICS,
        json={
            "metrics": [
                {"name": "shop_orders_total", "type": "counter", "value": count, "help": "Orders."},
                {"name": "shop_open", "type": "gauge", "value": count % 7, "labels": {"city": 'A "b" \\ ü'}},
            ]
        },
    )
    assert answer.status_code == 200


def quiet_moment(town: Town, expr: str, *windows: float) -> float:
    """A moment of which neither it nor the start of its windows is a sample's time, and which ours has passed."""
    raw = town.instant(town.theirs, expr, time.time())
    stamps = {round(point[0] * 1000) for points in raw.values() for point in points}  # type: ignore[union-attr]
    at = max(stamps) - 2_000
    while any((at - round(w * 1000)) in stamps for w in (0.0, *windows)):
        at += 1
    newest = f"max(timestamp({{job=~'node|prometheus|pitchey', __name__='up'}})) > {at / 1000:.3f}"
    wait("the same samples here", lambda: town.instant(town.ours, newest, time.time()))
    return at / 1000


QUERIES = [
    'up{job=~"node|prometheus|pitchey"}',
    '{job=~"node|pitchey"}',
    'rate(node_cpu_seconds_total{job="node"}[6s])',
    'sum by (mode) (increase(node_cpu_seconds_total{job="node"}[6s]))',
    '1 - avg(irate(node_cpu_seconds_total{job="node",mode="idle"}[6s]))',
    'node_memory_MemAvailable_bytes{job="node"} / node_memory_MemTotal_bytes{job="node"}',
    'topk(3, node_filesystem_size_bytes{job="node"})',
    'histogram_quantile(0.9, sum by (le, handler) (rate(prometheus_http_request_duration_seconds_bucket[6s])))',
    'count by (job) ({job=~"node|prometheus|pitchey"})',
    'avg_over_time(node_load1{job="node"}[6s])',
    'stddev_over_time(node_memory_MemFree_bytes{job="node"}[6s])',
    'quantile_over_time(0.5, scrape_duration_seconds{job=~"node|prometheus"}[6s])',
    'deriv(process_resident_memory_bytes{job="prometheus"}[6s])',
    'changes(shop_open{job="pitchey"}[6s])',
    'resets(shop_orders_total{job="pitchey"}[6s])',
    'label_replace(shop_open{job="pitchey"}, "town", "$1", "city", "(.).*")',
    'max_over_time(rate(node_cpu_seconds_total{job="node",cpu="0"}[3s])[4s:1s])',
    'absent(nothing_here)',
    'scalar(shop_orders_total{job="pitchey"}) * 2',
    'node_uname_info{job="node"} * on (instance) group_left () node_time_seconds{job="node"}',
    'sort_desc(node_network_receive_bytes_total{job="node"})',
]  # fmt: skip


def test_both_answer_the_same(town: Town) -> None:
    at = quiet_moment(town, '{job=~"node|prometheus|pitchey"}[30s]', 6, 3, 300)
    compared = 0
    for expr in QUERIES:
        theirs, ours = town.instant(town.theirs, expr, at), town.instant(town.ours, expr, at)
        assert set(ours) == set(theirs), expr
        assert ours == pytest.approx(theirs, rel=1e-9, nan_ok=True), expr
        compared += len(ours)
    assert compared > 300


def test_both_hold_the_same_samples(town: Town) -> None:
    at = quiet_moment(town, '{job=~"node|prometheus|pitchey"}[30s]', 5)
    expr = '{job=~"node|pitchey"}[5s]'
    theirs, ours = town.instant(town.theirs, expr, at), town.instant(town.ours, expr, at)
    assert len(ours) > 100 and ours == theirs


def test_a_range_and_the_lists_are_the_same(town: Town) -> None:
    at = quiet_moment(town, '{job=~"node|prometheus|pitchey"}[30s]', 2)
    params = {"query": 'node_load1{job="node"}', "start": f"{at - 4:.3f}", "end": f"{at:.3f}", "step": "0.5"}
    theirs, ours = (who.get("/api/v1/query_range", params=params).json() for who in (town.theirs, town.ours))
    assert ours == theirs and len(ours["data"]["result"][0]["values"]) >= 6
    match = {"match[]": '{job="node"}'}
    for path in ("labels", "label/__name__/values", "label/mode/values", "series"):
        theirs, ours = (who.get(f"/api/v1/{path}", params=match).json() for who in (town.theirs, town.ours))
        key = (lambda d: sorted(d.items())) if path == "series" else None
        assert sorted(ours["data"], key=key) == sorted(theirs["data"], key=key), path


def test_what_scraped_metrics_mean_comes_with_them(town: Town) -> None:
    found = wait(
        "metadata", lambda: town.ours.get("/api/v1/metadata?metric=node_load1").json()["data"].get("node_load1")
    )
    theirs = town.theirs.get("/api/v1/metadata?metric=node_load1").json()["data"]["node_load1"]
    assert found == theirs


def test_errors_are_told_alike(town: Town) -> None:
    for path, params in (
        ("query", {"query": "up{"}),
        ("query", {"query": "up", "time": "noon"}),
        ("query_range", {"query": "up", "start": 0, "end": 1, "step": 0}),
        ("query_range", {"query": "up", "start": 5, "end": 1, "step": 1}),
        ("query_range", {"query": "up", "start": 0, "end": 11_001, "step": 1}),
        ("query_range", {"query": "up[5m]", "start": 0, "end": 1, "step": 1}),
        ("series", {}),
        ("series", {"match[]": '{job=~".*"}'}),
        ("query", {"query": "node_load1 + on() group_left() node_cpu_seconds_total"}),
    ):
        theirs, ours = (who.get(f"/api/v1/{path}", params=params) for who in (town.theirs, town.ours))
        assert (ours.status_code, ours.json()["errorType"]) == (theirs.status_code, theirs.json()["errorType"]), params


def test_prometheus_counts_no_failed_write(town: Town) -> None:
    now = time.time()
    for name in ("samples_failed_total", "samples_retried_total", "metadata_failed_total"):
        found = town.instant(town.theirs, f"sum(prometheus_remote_storage_{name})", now)
        assert list(found.values()) == [0.0], name
    sent = town.instant(town.theirs, "sum(prometheus_remote_storage_samples_total)", now)
    assert next(iter(sent.values())) > 1_000  # type: ignore[operator]


def test_promtool_asks_us(town: Town, tmp_path: Path) -> None:
    config = tmp_path / "http.yml"
    config.write_text(f"authorization: {{credentials: {town.server.token('read')}}}\n")
    command = ["promtool", "query", "instant", "-o", "json", town.server.url, "sum(up)"]
    # 2.42 knows no --http.config.file: then only the refusal can be looked at
    knows = "http.config.file" in subprocess.run(["promtool", "query", "--help"], capture_output=True, text=True).stdout
    done = subprocess.run(
        [*command[:3], *([f"--http.config.file={config}"] if knows else []), *command[3:]],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode == 0) is knows, done.stderr


def test_our_own_scraper_saw_the_same_exporter(town: Town) -> None:
    here = '{job="node-scraped-here"}'
    found = wait("a scrape", lambda: town.instant(town.ours, f"up{here}", time.time()))
    up = {orjson.loads(key)["instance"]: value for key, value in found.items()}
    assert up[f"127.0.0.1:{town.closed}"] == 0.0 and 1.0 in up.values()
    names = "count(count by (__name__) ({job='%s', __name__=~'node_.*'}))"
    ours, theirs = (town.instant(town.ours, names % job, time.time()) for job in ("node-scraped-here", "node"))
    assert ours == theirs and next(iter(ours.values())) > 50  # type: ignore[operator]
    targets = town.ours.get("/api/v1/targets").json()["data"]["activeTargets"]
    by_health = {each["health"]: each for each in targets}
    assert by_health["up"]["lastError"] == "" and "onnect" in by_health["down"]["lastError"]


def test_an_exporter_that_dies_is_down_and_its_series_end(town: Town) -> None:
    stop(town.node)
    here = f'job="node-scraped-here",instance!="127.0.0.1:{town.closed}"'
    wait("up is 0", lambda: list(town.instant(town.ours, f"up{{{here}}}", time.time()).values()) == [0.0])
    assert town.instant(town.ours, f"node_load1{{{here}}}", time.time()) == {}
    assert town.instant(town.ours, f"last_over_time(node_load1{{{here}}}[1m])", time.time()) != {}
