"""Metrics pushed as JSON, text and Arrow; the newest values; PromQL as arrays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from pitchey_slo.cli import main
from pitchey_slo.collect.prometheus.sample_rows import decode_samples, encode_samples
from pitchey_slo.collect.prometheus.text import TextParser
from pitchey_slo.errors import CollectError, ConfigError

from .conftest import Running, event, running
from .series_made import ARROW, METRICS, S0, T0, batch, history, load

SHOP = {
    "metrics": [
        {"name": "orders_total", "type": "counter", "value": 12, "labels": {"shop": "a"}, "help": "Orders."},
        {"name": "queue", "type": "gauge", "value": 3},
        {"name": "latency_seconds", "type": "histogram", "buckets": {"0.1": 5, "1": 9, "+Inf": 10}, "sum": 2.5},
        {"name": "size_bytes", "type": "summary", "quantiles": {"0.5": 10, "0.99": 80}, "count": 7, "sum": 300},
    ]
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as it:
        yield it


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.info.token) as it:
        yield it


def exposed(client: httpx.Client, accept: str = "text/plain", **params: str) -> str:
    answer = client.get(METRICS, headers={"Accept": accept}, params=params)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_pushed_metrics_come_back_in_three_formats(client: httpx.Client) -> None:
    answer = client.post(METRICS, json=SHOP)
    assert answer.status_code == 200
    assert (answer.json()["stored"], answer.json()["rejected"]) == (11, 0)
    text = exposed(client)
    assert "# TYPE orders_total counter\n# HELP orders_total Orders.\n" in text
    assert 'orders_total{shop="a"} 12\n' in text
    assert 'latency_seconds_bucket{le="+Inf"} 10\n' in text
    openmetrics = exposed(client, "application/openmetrics-text; version=1.0.0")
    assert "# TYPE orders counter\n" in openmetrics and openmetrics.endswith("# EOF\n")
    for body, strict in ((text, False), (openmetrics, True)):
        assert TextParser().parse(body.encode(), now=0, openmetrics=strict).scraped >= 11
    found = client.get(METRICS, headers={"Accept": "application/json"}).json()["metrics"]
    orders = next(family for family in found if family["name"] == "orders_total")
    assert orders["type"] == "counter" and orders["series"][0]["value"] == "12"


def test_match_chooses(client: httpx.Client) -> None:
    client.post(METRICS, json=SHOP)
    assert "orders_total" not in exposed(client, **{"match[]": "queue"})
    assert "queue 3\n" in exposed(client, **{"match[]": "queue"})
    assert client.get(METRICS, params={"match[]": "queue{"}).status_code == 400


def test_bad_metrics_are_listed_and_good_ones_kept(client: httpx.Client) -> None:
    bad = {"name": "no name!", "type": "gauge", "value": 1}
    answer = client.post(METRICS, json={"metrics": [*SHOP["metrics"][:2], bad]})
    told = answer.json()
    assert answer.status_code == 200
    assert (told["stored"], told["rejected"], told["rows"][0]["row"]) == (2, 1, 2)
    answer = client.post(METRICS, json={"metrics": [bad]})
    assert answer.status_code == 422 and answer.json()["error"]["reason"] == "invalid_rows"
    assert client.post(METRICS, json={"metrics": []}).json()["stored"] == 0
    assert client.post(METRICS, json=[]).status_code == 400
    assert client.post(METRICS, content=b"a,b", headers={"Content-Type": "text/csv"}).status_code == 415
    assert client.post(f"{METRICS}?back=1", json=SHOP).status_code == 400


def test_text_is_taken_and_bad_lines_are_pointed_at(client: httpx.Client) -> None:
    body = b'# TYPE jobs gauge\njobs{kind="a"} 4\njobs{kind="b"} 5\n'
    answer = client.post(METRICS, content=body, headers={"Content-Type": "text/plain"})
    assert answer.json()["stored"] == 2
    assert 'jobs{kind="b"} 5' in exposed(client)
    answer = client.post(METRICS, content=b"jobs{ 4\n", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400 and answer.json()["error"]["reason"] == "malformed_body"


def test_history_needs_backfill(client: httpx.Client) -> None:
    hour = 3_600_000
    news, old = batch(({"__name__": "x"}, [T0], [1])), batch(({"__name__": "x"}, [T0 - 5 * hour], [2]))
    load(client, news)
    refused = client.post(METRICS, content=bytes(encode_samples(old)), headers=ARROW)
    assert refused.status_code == 422
    assert refused.json()["error"]["detail"]["samples"][0]["reason"] == "too_old"
    assert load(client, old)["stored"] == 1
    assert load(client, old) | {"commit_seq": 0} == {
        "stored": 0,
        "duplicates": 1,
        "rejected": 0,
        "reasons": {},
        "rows": [],
        "samples": [],
        "commit_seq": 0,
    }


def test_arrow_samples_round_trip_with_their_bits() -> None:
    from pitchey_slo.series import STALE

    given = batch(({"__name__": "x", "a": "ü\n"}, [1, 2], [float("nan"), 0.1]), ({"__name__": "y"}, [3], [STALE]))
    found = decode_samples(bytes(encode_samples(given)), 1 << 20)
    assert found.labels == given.labels and not found.refused
    assert found.series.tolist() == given.series.tolist() and found.ts.tolist() == given.ts.tolist()
    assert found.value.view("int64").tolist() == given.value.view("int64").tolist()
    with pytest.raises(CollectError):
        decode_samples(b"ARROW?", 1 << 20)


def test_the_workbench_tells_of_itself(client: httpx.Client) -> None:
    client.post("/api/monitoring/events", json=[event(), {"route": "/x"}])
    client.get("/api/v1/query?query=up")
    text = exposed(client)
    assert 'pitchey_slo_rows_total{outcome="stored",table="requests"} 1\n' in text
    assert 'pitchey_slo_rows_refused_total{reason="missing_field",table="requests"} 1\n' in text
    assert 'pitchey_slo_http_requests_total{method="GET",path="/api/v1/query",status="200"} 1\n' in text
    assert "pitchey_slo_ready 1\n" in text
    assert "# TYPE pitchey_slo_http_request_seconds summary" in text


def test_paths_nobody_declared_are_one_series(client: httpx.Client) -> None:
    for i in range(5):
        client.get(f"/random/{i}")
    text = exposed(client)
    assert 'pitchey_slo_http_requests_total{method="GET",path="none",status="404"} 5\n' in text
    assert "/random/" not in text


def test_a_query_as_arrays(client: httpx.Client) -> None:
    load(client, history())
    path = f"{METRICS}/query"
    found = client.get(path, params={"query": "queue", "start": S0, "end": S0 + 45, "step": 15}).json()
    assert found["times"] == [T0, T0 + 15_000, T0 + 30_000, T0 + 45_000]
    assert found["series"] == [
        {
            "name": 'queue{job="api"}',
            "labels": {"__name__": "queue", "job": "api"},
            "values": [0.0, 1 / 3, 2 / 3, 1.0],
        }
    ]
    found = client.get(path, params={"query": "queue / 0", "start": S0 - 15, "end": S0 + 15, "step": 15}).json()
    assert found["series"][0]["values"] == [None, "NaN", "+Inf"]
    found = client.get(path, params={"query": "1 + 1", "time": S0}).json()
    assert (found["kind"], found["series"][0]["values"]) == ("scalar", [2.0])
    assert client.get(path, params={"query": "up", "start": S0, "end": S0 + 3600}).json()["times"][1] == T0 + 15_000


def test_a_bad_query_is_told_in_our_shape(client: httpx.Client) -> None:
    path = f"{METRICS}/query"
    for params in (
        {"query": "up{"},
        {"query": "up", "start": S0, "end": S0 - 1},
        {"query": "up", "start": 0, "end": S0, "step": 1},
        {"query": "up", "time": "noon"},
        {},
    ):
        answer = client.get(path, params=params)
        assert answer.status_code == 400, params
        assert answer.json()["error"]["reason"] == "invalid_query"
    assert client.get(path, params={"query": "up", "stepp": 1}).json()["error"]["reason"] == "bad_parameter"


def test_old_values_are_not_current(client: httpx.Client) -> None:
    now = round(time.time() * 1000)
    load(client, batch(({"__name__": "fresh"}, [now - 60_000], [1]), ({"__name__": "gone"}, [now - 301_000], [1])))
    text = exposed(client)
    assert "fresh 1\n" in text and "gone" not in text


def test_a_file_of_history_goes_through_the_server(
    server: Running, client: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "jobs.om"
    lines = [f"jobs {i} {S0 + 15 * i}" for i in range(40)]
    file.write_text("\n".join(["# TYPE jobs gauge", *lines, "# EOF", ""]))
    for stored, duplicates in ((40, 0), (0, 40)):
        with pytest.raises(SystemExit) as ended:
            main(["ingest", str(file), "--json", "--home", str(server.settings.home)])
        assert not ended.value.code
        told = orjson.loads(capsys.readouterr().out)
        assert (told["stored"], told["duplicates"]) == (stored, duplicates)
    found = client.get("/api/v1/query", params={"query": "sum_over_time(jobs[1h])", "time": S0 + 600}).json()
    assert found["data"]["result"][0]["value"][1] == "780"


def test_a_wrong_scrape_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "scrape.yml").write_text("scrape_configs:\n  - job_name: a\n    scrape_intervall: 5s\n")
    with (
        pytest.raises(ConfigError, match=r"scrape.yml:3: .*scrape_intervall"),
        running(tmp_path / "home", config=tmp_path),
    ):
        pass
