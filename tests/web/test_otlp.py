"""OTLP over HTTP: OpenTelemetry's own exporters send, and the numbers come back by SQL and PromQL."""

from __future__ import annotations

import gzip
import logging
import random
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

import pitchey_slo as ps
from pitchey_slo.errors import DiskFull, StoreBusy
from tests.collect.otlp.messages import DATA, as_json, logs, metrics, spans

from .conftest import Running, running

JSON, PROTOBUF = "application/json", "application/x-protobuf"
RESPONSES: dict[str, Any] = {
    "logs": ExportLogsServiceResponse,
    "traces": ExportTraceServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}
ALLOWED = {200, 400, 413, 415, 429, 503}
GOOD = {
    "logs": logs({}),
    "traces": spans({"attributes": {"http.request.method": "GET", "url.path": "/", "http.response.status_code": 200}}),
    "metrics": metrics({"name": "g", "gauge": {"points": [{"as_int": 1}]}}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home"), rate_limit=0, body_limit=1 << 21) as it:
        yield it


@pytest.fixture(scope="module")
def sender(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("ingest")) as client:
        yield client


def send(client: httpx.Client, signal: str, body: bytes, media: str = PROTOBUF, **headers: str) -> httpx.Response:
    told = {"Content-Type": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.post(f"/v1/{signal}", content=body, headers=told)


def flushed(server: Running) -> Any:
    """The workbench, once all that was acknowledged lies in the lake."""
    with server.client(server.info.token) as client:
        assert client.post("/api/monitoring/admin/flush").status_code < 300
    return ps.connect(server.settings.home)


def newest(server: Running, expr: str) -> dict[tuple[tuple[str, str], ...], float]:
    with server.client(server.info.token) as client:
        found = client.get("/api/v1/query", params={"query": expr, "time": time.time() + 1}).json()["data"]["result"]
    return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in found}


@pytest.fixture
def exporters(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user sets, and nothing else."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"Authorization=Bearer%20{server.token('ingest')}")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,service.instance.id=a1,cloud.region=fra")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.filterwarnings("ignore:`LoggingHandler` in `opentelemetry-sdk`")
@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_the_sdks_logs_come_back_by_sql(
    server: Running, exporters: None, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
    exporter = OTLPLogExporter()
    if compression == "deflate":  # not of OTLP's: a plain refusal that nobody repeats
        from opentelemetry.sdk._logs import ReadableLogRecord
        from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

        kept, provider = InMemoryLogRecordExporter(), LoggerProvider()
        provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
        provider.get_logger("x").emit(body="m")
        found: tuple[ReadableLogRecord, ...] = kept.get_finished_logs()
        begun = time.monotonic()
        assert exporter.export(list(found)) is LogRecordExportResult.FAILURE and time.monotonic() - begun < 5
        return
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.getLogger(f"shop.{compression}")
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=provider))
    try:
        logger.warning("stock of %s is low", "pitches", extra={"http.response.status_code": 429, "enduser.id": "ada"})
        try:
            raise ValueError("bad offer")
        except ValueError:
            logger.exception("not saved")
    finally:
        provider.shutdown()
    query = f"""SELECT level, message, service, location, status, error_type, user_hash IS NOT NULL, attributes
                FROM logs WHERE logger = '{logger.name}' ORDER BY ts"""
    first, second = flushed(server).sql(query).fetchall()
    assert first[:7] == ("warning", "stock of pitches is low", "shop", "fra", 429, None, True)
    assert "ada" not in first[7]
    assert second[:7] == ("error", "not saved", "shop", "fra", None, "ValueError", False)
    assert "bad offer" in second[7]


def test_the_sdks_spans_become_requests_and_sampled_ones_are_weighed(server: Running, exporters: None) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace._sampling_experimental import composable_traceid_ratio_based, composite_sampler
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode

    provider = TracerProvider(sampler=composite_sampler(composable_traceid_ratio_based(0.25)))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=10_000))
    tracer = provider.get_tracer("shop")
    many = 2_000
    for i in range(many):
        told = {"http.request.method": "GET", "http.route": "/otlp/{id}", "http.response.status_code": 200}
        if i % 10 == 0:
            told["http.response.status_code"] = 500
        with tracer.start_as_current_span("GET /otlp/{id}", kind=SpanKind.SERVER) as span:
            span.set_attributes(told)  # this sampler leaves out those given at the start
            with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT):
                pass
            if i % 10 == 0:
                span.record_exception(RuntimeError("pool is empty"))
                span.set_status(StatusCode.ERROR)
    provider.shutdown()
    wb = flushed(server)
    (found,) = wb.sql(
        """SELECT count(*), sum(sample_interval), min(sample_interval), max(sample_interval),
                  sum(sample_interval) FILTER (status = 500), min(duration_ms) >= 0, any_value(source)
           FROM requests WHERE route = '/otlp/:id'"""
    ).fetchall()
    rows, weight, low, high, failed, timed, source = found
    assert low == high == 4 and weight == 4 * rows and timed and source == "otlp:shop"
    assert weight == pytest.approx(many, rel=0.25) and failed == pytest.approx(many / 10, rel=0.6)  # six sigma
    joined = """SELECT count(*), count(DISTINCT l.trace_id) FROM logs l JOIN requests r ON l.trace_id = r.trace_id
                WHERE l.error_type = 'RuntimeError' AND l.message = 'RuntimeError: pool is empty' AND r.status = 500"""
    assert wb.sql(joined).fetchall() == [(failed / 4, failed / 4)]
    with server.client(server.info.token) as client:
        assert "pitchey_slo_otlp_spans_not_kept_total" in client.get("/api/monitoring/metrics").text


def test_the_sdks_metrics_answer_promql(server: Running, exporters: None) -> None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.metrics import Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=3_600_000)
    bounds = ExplicitBucketHistogramAggregation(boundaries=[0.1, 0.5, 1])
    provider = MeterProvider([reader], views=[View(instrument_name="checkout.duration", aggregation=bounds)])
    meter = provider.get_meter("shop")
    orders = meter.create_counter("orders", unit="{order}", description="Orders placed")
    duration = meter.create_histogram("checkout.duration", unit="s")
    meter.create_up_down_counter("open.carts").add(-3)
    meter.create_observable_gauge("queue.size", callbacks=[lambda _: [Observation(7, {"queue": "mail"})]])
    orders.add(5, {"currency": "EUR"})
    for seconds in (0.05, 0.2, 0.3, 0.9, 7):
        duration.record(seconds)
    provider.force_flush()
    base = {"job": "shop", "instance": "a1"}
    named = tuple(sorted({**base, "__name__": "orders_total", "currency": "EUR"}.items()))
    assert newest(server, "orders_total") == {named: 5}
    assert list(newest(server, 'queue_size{queue="mail"}').values()) == [7]
    assert list(newest(server, "open_carts").values()) == [-3]
    buckets = newest(server, "checkout_duration_seconds_bucket")
    assert {dict(k)["le"]: v for k, v in buckets.items()} == {"0.1": 1, "0.5": 3, "1": 4, "+Inf": 5}
    ((quantile),) = newest(server, "histogram_quantile(0.4, checkout_duration_seconds_bucket)").values()
    assert quantile == pytest.approx(0.1 + 0.4 * 0.5)
    ((info, _),) = newest(server, "target_info").items()
    assert dict(info)["cloud_region"] == "fra" and dict(info)["telemetry_sdk_language"] == "python"
    time.sleep(0.01)  # another millisecond: a sample of the same time with another value would be refused
    orders.add(2, {"currency": "EUR"})
    provider.shutdown()
    assert newest(server, "orders_total") == {named: 7}
    with server.client(server.info.token) as client:
        told = client.get("/api/v1/metadata?metric=orders_total").json()["data"]["orders_total"]
    assert told == [{"type": "counter", "help": "Orders placed", "unit": ""}]


@pytest.mark.parametrize("media", [JSON, PROTOBUF])
@pytest.mark.parametrize("signal", list(RESPONSES))
def test_answers_come_in_the_encoding_of_the_request(sender: httpx.Client, signal: str, media: str) -> None:
    good = as_json(GOOD[signal]) if media == JSON else GOOD[signal].SerializeToString()
    for body, headers in (
        (good, {}),
        (gzip.compress(good), {"Content_Encoding": "gzip"}),
        (zstandard.compress(good), {"Content_Encoding": "zstd"}),
        (b"{}" if media == JSON else b"", {}),
        (b"", {}),
    ):
        answer = send(sender, signal, body, media, **headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, media)
        assert answer.content == (b"{}" if media == JSON else b"")
        assert RESPONSES[signal].FromString(b"" if media == JSON else answer.content) == RESPONSES[signal]()
    for body, headers, status, code in (
        (b"\x0a\xff" if media == PROTOBUF else b"{", {}, 400, 3),
        (good, {"Content_Encoding": "gzip"}, 400, 3),
        (good, {"Content_Encoding": "br"}, 415, 3),
        *([(good, {"x_head_sampling_rate": "7"}, 400, 3)] if signal != "metrics" else []),
        (gzip.compress(bytes(3 << 20)), {"Content_Encoding": "gzip"}, 413, 3),
        (bytes(3 << 20), {}, 413, 3),
    ):
        answer = send(sender, signal, body, media, **headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, media), answer.text
        told = answer.json() if media == JSON else Status.FromString(answer.content)
        assert (told["code"] if media == JSON else told.code) == code
        assert told["message"] if media == JSON else told.message


def test_no_token_no_scope_no_type(server: Running, sender: httpx.Client) -> None:
    body = GOOD["logs"].SerializeToString()
    with server.client() as nobody, server.client(server.token("read")) as reader:
        answer = send(nobody, "logs", body)
        assert answer.status_code == 401 and Status.FromString(answer.content).code == 16
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answer = send(reader, "logs", body, JSON)
        assert answer.status_code == 403 and answer.json()["code"] == 7
    for media in ("text/plain", "application/x-ndjson"):
        answer = send(sender, "logs", body, media)
        assert answer.status_code == 415 and answer.json()["code"] == 3
    assert sender.post("/v1/logs", content=body).status_code == 415
    assert sender.post("/v1/logs").json() == {}  # a knock at the door
    assert sender.get("/v1/logs").status_code == 405


@pytest.mark.parametrize("media", [JSON, PROTOBUF])
def test_partial_success(server: Running, sender: httpx.Client, media: str) -> None:
    def told(signal: str, message: Any) -> tuple[int, str]:
        body = as_json(message) if media == JSON else message.SerializeToString()
        answer = send(sender, signal, body, media)
        assert answer.status_code == 200
        kind = {"logs": "log_records", "traces": "spans", "metrics": "data_points"}[signal]
        if media == PROTOBUF:
            part = RESPONSES[signal].FromString(answer.content).partial_success
            return getattr(part, f"rejected_{kind}"), part.error_message
        part = answer.json()["partialSuccess"]
        assert isinstance(part[f"rejected{kind.title().replace('_', '')}"], str)  # ProtoJSON: 64 bits as a text
        return int(part[f"rejected{kind.title().replace('_', '')}"]), part["errorMessage"]

    count, why = told("logs", logs({}, {"body": None}))
    assert count == 1 and "missing_field" in why
    count, why = told("traces", spans({"attributes": {"http.request.method": "GET"}}, {"kind": 3}))
    assert count == 1 and "http.route" in why
    delta = {"name": "d", "sum": {"aggregation_temporality": 1, "points": [{"as_int": 1}, {"as_int": 2}]}}
    count, why = told("metrics", metrics(delta, {"name": "good", "gauge": {"points": [{"as_int": 1}]}}))
    assert count == 2 and "TEMPORALITY_PREFERENCE=cumulative" in why
    # the store refuses too: another value for the same time, of one point that is four samples
    points = [{"count": 2, "sum": 1.0, "bucket_counts": [1, 1], "explicit_bounds": [1.0]}]
    first = metrics({"name": f"h.{media[-4:]}", "histogram": {"aggregation_temporality": 2, "points": points}})
    assert send(sender, "metrics", first.SerializeToString()).content == b""
    points[0] |= {"count": 3, "sum": 5.0, "bucket_counts": [2, 1]}
    again = metrics({"name": f"h.{media[-4:]}", "histogram": {"aggregation_temporality": 2, "points": points}})
    count, why = told("metrics", again)
    assert count == 1 and "duplicate_timestamp" in why


def test_the_same_bytes_again_are_stored_once(server: Running, sender: httpx.Client) -> None:
    line, span = {"body": "again and again"}, GOOD["traces"]
    bodies = {"logs": logs(line, line), "traces": span, "metrics": GOOD["metrics"]}
    for _ in range(3):
        for signal, message in bodies.items():
            assert send(sender, signal, message.SerializeToString()).content == b""
    wb = flushed(server)
    assert wb.sql("SELECT count(*) FROM logs WHERE message = 'again and again'").fetchall() == [(2,)]
    assert wb.sql("SELECT count(*) FROM requests WHERE route = '/'").fetchall() == [(1,)]


def test_what_cloudflare_sends(server: Running, sender: httpx.Client) -> None:
    for signal in ("traces", "logs"):
        body = (DATA / f"cloudflare_{signal}.json").read_bytes()
        answer = send(sender, signal, body, JSON, x_head_sampling_rate="0.05")
        assert (answer.status_code, answer.json()) == (200, {})
    found = flushed(server).sql(
        """SELECT sum(sample_interval), sum(sample_interval) FILTER (status >= 500), count(*) FILTER (status = 0)
           FROM requests WHERE source = 'otlp:pitchey-api'"""
    )
    assert found.fetchall() == [(160, 80, 1)]
    story = """SELECT r.status, l.message FROM logs l JOIN requests r USING (trace_id)
               WHERE l.level = 'error' AND r.route = '/api/investments'"""
    assert flushed(server).sql(story).fetchall() == [(500, "investment failed")]


@pytest.mark.parametrize(
    ("error", "wait"), [(StoreBusy("too much waits to be written"), 1), (DiskFull("3 MB are free"), 30)]
)
def test_what_may_succeed_later_is_503_with_a_time(
    server: Running, sender: httpx.Client, monkeypatch: pytest.MonkeyPatch, error: Exception, wait: int
) -> None:
    def refuse(*_: object, **__: object) -> Future[Any]:
        raise error

    for method in ("submit", "samples"):
        monkeypatch.setattr(f"pitchey_slo.store.Store.{method}", refuse)
    for signal, message in GOOD.items():
        answer = send(sender, signal, message.SerializeToString())
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) == wait
        assert Status.FromString(answer.content).code == 14


def test_what_nobody_foresaw_is_503_too(sender: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pitchey_slo.collect.otlp.body.log_rows", broken)
    answer = send(sender, "logs", GOOD["logs"].SerializeToString())
    assert answer.status_code == 503 and "retry-after" in answer.headers


def test_a_sender_that_is_too_fast_is_429(tmp_path: Path) -> None:
    body = logs(*({"body": f"line {i}"} for i in range(30))).SerializeToString()
    with running(tmp_path, rate_limit=20) as server, server.client(server.token("ingest")) as client:
        assert send(client, "logs", body).status_code == 200
        answer = send(client, "logs", body)
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
        assert Status.FromString(answer.content).code == 8


def test_mutations_over_the_wire(sender: httpx.Client) -> None:
    dice = random.Random(10)
    seen = set()
    for _ in range(250):
        signal, media = dice.choice(list(GOOD)), dice.choice([JSON, PROTOBUF])
        body = bytearray(as_json(GOOD[signal]) if media == JSON else GOOD[signal].SerializeToString())
        for _ in range(dice.randint(1, 5)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        encoding = dice.choice([{}, {}, {"Content_Encoding": "gzip"}, {"Content_Encoding": "zstd"}])
        answer = send(sender, signal, bytes(body), media, **encoding)
        seen.add(answer.status_code)
        assert answer.status_code in ALLOWED - {503}, (bytes(body), answer.text)
    assert {200, 400} <= seen


def test_many_senders_at_once_lose_nothing(tmp_path: Path) -> None:
    """Every acknowledged record is there once; what waits fills the queue with two deliveries, the others get 503."""
    with running(tmp_path, queue_limit=40_000, body_limit=1 << 20) as server:
        _crowd(server)


def _crowd(server: Running) -> None:
    token, each, senders = server.token("ingest"), 40, 8

    def work(who: int) -> int:
        taken = 0
        with server.client(token) as client:
            for turn in range(5):
                named = [{"body": f"{who}/{turn}/{i}", "attributes": {"crowd": True}} for i in range(each)]
                body = logs(*named).SerializeToString()
                while (answer := send(client, "logs", body)).status_code == 503:
                    time.sleep(0.05)
                assert answer.status_code == 200
                points = [{"as_int": turn, "time_unix_nano": (1_777_000_000 + turn) * 10**9}]
                gauge = metrics({"name": "crowd", "gauge": {"points": points}}, resource={"service.name": f"s{who}"})
                while (answer := send(client, "metrics", gauge.SerializeToString())).status_code == 503:
                    time.sleep(0.05)
                assert answer.status_code == 200
                taken += each
        return taken

    with ThreadPoolExecutor(senders) as pool:
        total = sum(pool.map(work, range(senders)))
    found = flushed(server).sql("SELECT count(*), count(DISTINCT message) FROM logs WHERE attributes LIKE '%crowd%'")
    assert found.fetchall() == [(total, total)] == [(each * 5 * senders,) * 2]


def test_a_person_is_nowhere(tmp_path: Path) -> None:
    """Neither as an id, nor in text: rows by SQL, and the bytes of every file of the home, WAL included."""
    planted = ("user-zq4711", "ada.zq@example.com", "203.0.113.77")
    told = {"enduser.id": planted[0], "mail": f"to {planted[1]}", "client.address": planted[2], "note": "zq-kept"}
    error = ("exception", {"exception.message": f"no mail for {planted[1]}"})
    get = {"http.request.method": "GET", "url.path": f"/u/{planted[1]}", "http.response.status_code": 200}
    points = [{"as_int": 1, "attributes": told}]
    bodies = {
        "logs": logs({"body": f"{planted[1]} from {planted[2]} zq-kept", "attributes": told}),
        "traces": spans({"attributes": {**get, **told}, "events": [error]}),
        "metrics": metrics({"name": "zq_kept", "gauge": {"points": points}}, resource={"service.name": planted[1]}),
    }
    with running(tmp_path) as server, server.client(server.token("ingest")) as client:
        for signal, message in bodies.items():
            assert send(client, signal, message.SerializeToString()).content == b""
        files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        wb = flushed(server)
        rows = [str(wb.sql(f"FROM {table}").fetchall()) for table in ("logs", "requests", "series")]
    for place in (files.decode("latin-1"), *rows):
        assert not any(person in place for person in planted)
    assert b"zq-kept" in files and "zq-kept" in rows[0] and "zq_kept" in rows[2]
