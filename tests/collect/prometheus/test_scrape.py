"""The scraper against real HTTP servers: what Prometheus stores of a target, we store."""

from __future__ import annotations

import gzip
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitchey_slo.collect.prometheus.config import load_scrape_config
from pitchey_slo.collect.prometheus.scrape import Scraper
from pitchey_slo.errors import CollectError, ConfigError
from pitchey_slo.series import SampleBatch, is_stale
from pitchey_slo.testing import FixedClock


class Exporter:
    """A server of metrics: set `text`, `status`, `kind`, `encoding`; read `requests`."""

    def __init__(self) -> None:
        self.text = "a 1\n"
        self.status = 200
        self.kind = "text/plain; version=0.0.4"
        self.gzip = False
        self.wait = 0.0
        self.location = ""
        self.requests: list[tuple[str, dict[str, str]]] = []
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                body = exporter.text.encode()
                if exporter.gzip:
                    body = gzip.compress(body)
                self.send_response(exporter.status)
                self.send_header("Content-Type", exporter.kind)
                if exporter.gzip:
                    self.send_header("Content-Encoding", "gzip")
                if exporter.location:
                    self.send_header("Location", exporter.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for byte in body if exporter.wait else [body]:  # a byte at a time: each arrives, the whole never does
                    self.wfile.write(bytes([byte]) if exporter.wait else body)
                    time.sleep(exporter.wait)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    made = Exporter()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Sink:
    """Takes batches; `newest()` gives the values of the last one by short text."""

    def __init__(self) -> None:
        self.batches: list[SampleBatch] = []

    def __call__(self, batch: SampleBatch) -> None:
        self.batches.append(batch)

    def newest(self) -> dict[str, float | str]:
        batch = self.batches[-1]
        told: dict[str, float | str] = {}
        for series, value, stale in zip(batch.series, batch.value, is_stale(batch.value), strict=True):
            labels = dict(batch.labels[series])
            name = labels.pop("__name__")
            for own in ("job", "instance"):
                labels.pop(own, None)
            inner = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
            told[f"{name}{{{inner}}}" if inner else name] = "stale" if stale else float(value)
        return told

    def own(self) -> dict[str, float | str]:
        """The same without the reports about the scrape."""
        return {k: v for k, v in self.newest().items() if not k.startswith(("up", "scrape_"))}


Make = Callable[..., tuple[Scraper, Sink]]


@pytest.fixture
def make(tmp_path: Path, exporter: Exporter, clock: FixedClock) -> Make:
    def scraper(more: str = "", address: str | None = None) -> tuple[Scraper, Sink]:
        path = tmp_path / "scrape.yml"
        path.write_text(
            "global: {scrape_interval: 8s, scrape_timeout: 8s}\nscrape_configs:\n"
            f"  - job_name: test\n    static_configs: [{{targets: ['{address or exporter.address}']}}]\n{more}"
        )
        sink = Sink()
        return Scraper(load_scrape_config(path), sink, clock=clock), sink

    return scraper


def test_a_scrape_and_its_reports(make: Make, exporter: Exporter, clock: FixedClock) -> None:
    exporter.text = '# TYPE a counter\na{x="1"} 1\na{x="2"} 2 1395066363000\n'
    scraper, sink = make()
    (state,) = scraper.scrape_now()
    assert (state.health, state.error) == ("up", None)
    told = sink.newest()
    assert 0 < told.pop("scrape_duration_seconds") < 8  # type: ignore[operator]
    assert told == {
        "a{x=1}": 1,
        "a{x=2}": 2,
        "up": 1,
        "scrape_samples_scraped": 2,
        "scrape_samples_post_metric_relabeling": 2,
        "scrape_series_added": 1,
    }
    batch = sink.batches[0]
    now = round(clock.now.timestamp() * 1000)
    assert batch.ts.tolist() == [now, 1395066363000] + [now] * 5
    assert all(("job", "test") in labels and ("instance", exporter.address) in labels for labels in batch.labels)
    assert batch.metadata["a"].type == "counter"
    path, headers = exporter.requests[0]
    assert path == "/metrics"
    assert headers["accept"].startswith("application/openmetrics-text")
    assert headers["accept-encoding"] == "gzip"
    assert headers["x-prometheus-scrape-timeout-seconds"] == "8"


def test_series_that_vanish_get_the_stale_marker_once(make: Make, exporter: Exporter) -> None:
    scraper, sink = make()
    exporter.text = "a 1\nb 1\n"
    scraper.scrape_now()
    exporter.text = "a 2\n"
    scraper.scrape_now()
    assert sink.own() == {"a": 2, "b": "stale"}
    assert sink.newest()["scrape_series_added"] == 0
    scraper.scrape_now()
    assert sink.own() == {"a": 2}
    exporter.text = "a 3\nb 3\n"
    scraper.scrape_now()
    assert sink.own() == {"a": 3, "b": 3}
    assert sink.newest()["scrape_series_added"] == 1


def test_a_series_with_its_own_times_is_not_ended(make: Make, exporter: Exporter) -> None:
    scraper, sink = make()
    exporter.text = "a 1 1395066363000\nb 1\n"
    scraper.scrape_now()
    exporter.text = "b 1\n"
    scraper.scrape_now()
    assert sink.own() == {"b": 1}
    scraper, sink = make("    track_timestamps_staleness: true\n")
    exporter.text = "a 1 1395066363000\nb 1\n"
    scraper.scrape_now()
    exporter.text = "b 1\n"
    scraper.scrape_now()
    assert sink.own() == {"a": "stale", "b": 1}


def test_times_may_be_ignored(make: Make, exporter: Exporter, clock: FixedClock) -> None:
    exporter.text = "a 1 1395066363000\n"
    scraper, sink = make("    honor_timestamps: false\n")
    scraper.scrape_now()
    assert set(sink.batches[0].ts.tolist()) == {round(clock.now.timestamp() * 1000)}


def break_status(exporter: Exporter) -> None:
    exporter.status = 500


def break_text(exporter: Exporter) -> None:
    exporter.text = "a 1\nb x\n"


def break_kind(exporter: Exporter) -> None:
    exporter.kind = "text/html"


def break_time(exporter: Exporter) -> None:
    exporter.text, exporter.wait = "a 1\n" * 50, 0.1


def break_size(exporter: Exporter) -> None:
    exporter.text = "a 1\n" * 300


def break_gzip(exporter: Exporter) -> None:
    exporter.text, exporter.gzip = "#" * 1_000_000 + "\n", True


def break_count(exporter: Exporter) -> None:
    exporter.text = "".join(f"a{i} 1\n" for i in range(11))


def break_labels(exporter: Exporter) -> None:
    exporter.text = 'a{b="1",c="2",d="3"} 1\n'


def break_redirect(exporter: Exporter) -> None:
    exporter.status, exporter.location = 302, "file:///etc/passwd"


@pytest.mark.parametrize(
    ("breaks", "word"),
    [
        (break_status, "answered 500"),
        (break_text, "line 2: 'x' is not a value"),
        (break_kind, "text/html"),
        (break_time, "no answer within 1s"),
        (break_size, "more than 1,024 bytes"),
        (break_gzip, "more than 1,024 bytes"),
        (break_count, "11 samples after relabelling, sample_limit is 10"),
        (break_labels, "6 labels, label_limit is 5"),
        (break_redirect, "UnsupportedProtocol"),
    ],
)
def test_a_failed_scrape_ends_the_series_and_says_why(
    make: Make, exporter: Exporter, breaks: Callable[[Exporter], None], word: str
) -> None:
    scraper, sink = make("    scrape_timeout: 1s\n    body_size_limit: 1KB\n    sample_limit: 10\n    label_limit: 5\n")
    exporter.text = "a 1\nc 1\n"
    scraper.scrape_now()
    breaks(exporter)
    start = time.monotonic()
    (state,) = scraper.scrape_now()
    assert time.monotonic() - start < 3
    assert state.health == "down"
    assert word in str(state.error)
    told = sink.newest()
    assert sink.own() == {"a": "stale", "c": "stale"}
    assert (told["up"], told["scrape_samples_scraped"]) == (0, 0)
    scraper.scrape_now()
    assert sink.own() == {}


def test_a_target_that_is_not_there(make: Make) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as gone:
        port = gone.server_address[1]
    scraper, sink = make(address=f"127.0.0.1:{port}")
    (state,) = scraper.scrape_now()
    assert "ConnectError" in str(state.error)
    assert sink.newest()["up"] == 0


def test_gzip_and_openmetrics_are_read(make: Make, exporter: Exporter) -> None:
    exporter.gzip, exporter.kind = True, "application/openmetrics-text; version=1.0.0"
    exporter.text = '# TYPE a counter\na_total 5 # {t="1"} 1\n# EOF\n'
    scraper, sink = make()
    scraper.scrape_now()
    assert sink.own() == {"a_total": 5}


@pytest.mark.parametrize(
    ("honor", "expected"),
    [
        ("false", {"a{exported_job=theirs}": 1, "b{exported_exported_job=theirs,exported_job=kept}": 1}),
        ("true", {"a": 1, "b{exported_job=kept}": 1}),
    ],
)
def test_labels_that_clash(make: Make, exporter: Exporter, honor: str, expected: dict[str, float]) -> None:
    exporter.text = 'a{job="theirs"} 1\nb{job="theirs",exported_job="kept"} 1\n'
    scraper, sink = make(f"    honor_labels: {honor}\n")
    scraper.scrape_now()
    assert sink.own() == expected
    job = "theirs" if honor == "true" else "test"
    assert sum(("job", job) in labels for labels in sink.batches[0].labels) == (2 if honor == "true" else 7)


def test_relabelling_of_targets_and_of_series(make: Make, exporter: Exporter) -> None:
    exporter.text = 'go_threads 5\nhttp_total{path="/x",pod="p"} 1\n'
    scraper, sink = make(
        """    params: {a: [b, c]}
    relabel_configs:
      - {target_label: __metrics_path__, replacement: /other}
      - {target_label: __param_t, replacement: x}
      - {source_labels: [__address__], regex: "([^:]+):.*", target_label: instance}
      - {target_label: env, replacement: prod}
    metric_relabel_configs:
      - {action: drop, source_labels: [__name__], regex: go_.*}
      - {action: labeldrop, regex: pod}
      - {source_labels: [__name__], regex: http_(.*), target_label: __name__, replacement: web_$1}
"""
    )
    scraper.scrape_now()
    told = sink.newest()
    assert sink.own() == {"web_total{env=prod,path=/x}": 1}
    assert (told["scrape_samples_scraped{env=prod}"], told["scrape_samples_post_metric_relabeling{env=prod}"]) == (2, 1)
    assert exporter.requests[0][0] == "/other?a=b&a=c&t=x"
    assert ("instance", "127.0.0.1") in sink.batches[0].labels[0]


def test_dropped_targets_and_bad_schemes(make: Make) -> None:
    scraper, _ = make("    relabel_configs: [{action: drop, source_labels: [job], regex: test}]\n")
    assert scraper.scrape_now() == []
    with pytest.raises(CollectError, match="http or https"):
        make("    relabel_configs: [{target_label: __scheme__, replacement: file}]\n")
    with pytest.raises(CollectError, match="no address"):
        make("    relabel_configs: [{target_label: __address__, replacement: 'x/y'}]\n")


def test_logging_in(make: Make, exporter: Exporter, tmp_path: Path) -> None:
    make("    basic_auth: {username: me, password: pw}\n")[0].scrape_now()
    (tmp_path / "token").write_text("first\n")
    scraper, _ = make("    authorization: {credentials_file: token}\n")
    scraper.scrape_now()
    (tmp_path / "token").write_text("second\n")
    scraper.scrape_now()
    (tmp_path / "token").unlink()
    (state,) = scraper.scrape_now()
    assert [h.get("authorization") for _, h in exporter.requests] == ["Basic bWU6cHc=", "Bearer first", "Bearer second"]
    assert "token: cannot be read" in str(state.error)


def test_a_sink_that_raises_does_not_end_the_scraping(make: Make, exporter: Exporter, caplog: Any) -> None:
    scraper, sink = make()
    scraper._sink = lambda batch: 1 / 0
    scraper.scrape_now()
    assert "could not be stored" in caplog.text
    scraper._sink = sink
    scraper.scrape_now()
    assert sink.own() == {"a": 1}


def test_series_that_come_and_go_for_ever_are_forgotten(make: Make, exporter: Exporter) -> None:
    scraper, sink = make()
    (asked,) = scraper._asked.values()
    for i in range(6):
        exporter.text = "same 1\n" + "".join(f'churn{{i="{i}_{k}"}} 1\n' for k in range(800))
        scraper.scrape_now()
        own = sink.own()
        assert own["same"] == 1
        assert sum(v == "stale" for v in own.values()) == (800 if i else 0)
        assert asked.series._parser.remembered < 4000


@pytest.mark.parametrize("rule", ["{action: drop, source_labels: [i], regex: .+}", "{action: labeldrop, regex: i}"])
def test_texts_of_series_that_relabelling_removes_are_forgotten(make: Make, exporter: Exporter, rule: str) -> None:
    scraper, sink = make(f"    metric_relabel_configs: [{rule}]\n")
    (asked,) = scraper._asked.values()
    for i in range(8):
        exporter.text = "same 1\n" + "".join(f'churn{{i="{i}_{k}",k="{k}"}} 1\n' for k in range(500))
        scraper.scrape_now()
        assert asked.series._parser.remembered < 3000
        own = sink.own()
        assert own["same"] == 1
        assert "stale" not in own.values()
        assert len(own) == (501 if "labeldrop" in rule else 1)


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_it_runs_until_stopped_and_follows_files_of_targets(
    exporter: Exporter, tmp_path: Path, clock: FixedClock
) -> None:
    targets = tmp_path / "targets.yml"
    targets.write_text(f"- targets: ['{exporter.address}']\n  labels: {{zone: a}}\n")
    (tmp_path / "scrape.yml").write_text(
        "scrape_configs:\n  - job_name: files\n    scrape_interval: 100ms\n"
        "    file_sd_configs: [{files: [targets.yml], refresh_interval: 100ms}]\n"
    )
    sink = Sink()
    scraper = Scraper(load_scrape_config(tmp_path / "scrape.yml"), sink, clock=clock)
    scraper.start()
    try:
        wait_until(lambda: len(sink.batches) >= 3)
        assert ("__meta_filepath", str(targets)) not in sink.batches[0].labels[0]
        targets.write_text("- targets: [5\n")  # broken: the targets stay
        time.sleep(0.2)
        assert len(scraper.states) == 1
        targets.write_text("[]\n")
        wait_until(lambda: not scraper.states)
        wait_until(lambda: "stale" in sink.newest().values())
        assert set(sink.newest().values()) == {"stale"}
        assert "up{zone=a}" in sink.newest()
        count = len(sink.batches)
        targets.write_text(f"- targets: ['{exporter.address}']\n")
        wait_until(lambda: len(sink.batches) > count)
    finally:
        scraper.stop()
    count = len(sink.batches)
    time.sleep(0.25)
    assert len(sink.batches) == count
    scraper.stop()


def test_certificates_are_believed_as_told(tmp_path: Path, exporter: Exporter, clock: FixedClock) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    exporter.server.socket = context.wrap_socket(exporter.server.socket, server_side=True)
    jobs = {"plain": "", "told": "tls_config: {ca_file: cert.pem}", "blind": "tls_config: {insecure_skip_verify: true}"}
    (tmp_path / "scrape.yml").write_text(
        "scrape_configs:\n"
        + "".join(
            f"  - job_name: {name}\n    scheme: https\n    {more}\n"
            f"    static_configs: [{{targets: ['{exporter.address}']}}]\n"
            for name, more in jobs.items()
        )
    )
    states = Scraper(load_scrape_config(tmp_path / "scrape.yml"), Sink(), clock=clock).scrape_now()
    assert {s.job: s.health for s in states} == {"plain": "down", "told": "up", "blind": "up"}
    assert "CERTIFICATE_VERIFY_FAILED" in str(states[0].error)
    cert.write_text("nonsense")
    with pytest.raises(ConfigError, match="job told: certificates"):
        Scraper(load_scrape_config(tmp_path / "scrape.yml"), Sink(), clock=clock)


def test_offsets_differ_and_stay(make: Make) -> None:
    offsets = {make(address=f"host{i}:80")[0]._asked.popitem()[1].target.offset() for i in range(20)}
    assert len(offsets) == 20
    assert all(0 <= o < 8 for o in offsets)
    assert offsets == {make(address=f"host{i}:80")[0]._asked.popitem()[1].target.offset() for i in range(20)}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_a_real_node_exporter(make: Make, tmp_path: Path) -> None:
    program = shutil.which("prometheus-node-exporter")
    if program is None:
        pytest.skip("needs Debian's prometheus-node-exporter")
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([program, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        scraper, sink = make(address=f"127.0.0.1:{port}")
        wait_until(lambda: scraper.scrape_now()[0].health == "up")
        first, second = (scraper.scrape_now()[0], scraper.scrape_now()[0])
        assert first.error is None and second.error is None
        batch = sink.batches[-1]
        assert len(batch) > 300
        assert batch.metadata["node_cpu_seconds_total"].type == "counter"
        own = sink.own()
        assert own["node_load1"] >= 0  # type: ignore[operator]
        assert own["node_cpu_seconds_total{cpu=0,mode=idle}"] > 0  # type: ignore[operator]
        assert sink.newest()["scrape_samples_scraped"] == len(batch) - 5 - np.count_nonzero(is_stale(batch.value))
    finally:
        process.terminate()
        process.wait(10)
