"""Health of the platform over HTTP, and what becomes of results: rows, series, alerts."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from probe.health.servers import Postgres, Server, eventually, postgres_in, redis_server, silent

from .conftest import Running, running
from .test_events import refused

RULES = Path(__file__).parents[2] / "config" / "rules" / "alert_rules.yml"


class Api(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(type(self).status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


class Platform:
    """A platform with an API, a database, a cache, and a server that looks at them every five seconds."""

    def __init__(self, home: Path, api: ThreadingHTTPServer, postgres: Postgres, cache: Server, hanging: int) -> None:
        self.api, self.postgres, self.cache = api, postgres, cache
        self.config = home / "config"
        (self.config / "rules").mkdir(parents=True)
        # as shipped, on a faster clock
        rules = RULES.read_text()
        for length in ("1m", "2m", "3m", "10m"):
            rules = rules.replace(f"for: {length}\n", "for: 0s\n")
        (self.config / "rules" / "alert_rules.yml").write_text(rules.replace("- name: critical\n", FAST))
        self.file = self.config / "health.yml"
        self.file.write_text(
            "defaults: {interval: 5s, timeout: 1s}\n"
            "checks:\n"
            f"  site: {{check: http, url: 'http://127.0.0.1:{api.server_port}', component: api}}\n"
            f"  main: {{check: postgres, url: '{postgres.url()}'}}\n"
            f"  cache: {{check: redis, url: 'redis://:sesame-7@127.0.0.1:{cache.port}/0'}}\n"
            "  workbench: {check: workbench}\n"
            f"  hangs: {{check: redis, component: queue, url: 'redis://127.0.0.1:{hanging}/0', timeout: 300ms}}\n"
        )


FAST = "- name: critical\n    interval: 2s\n    query_offset: 0s\n"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Running]]:
    folder = Path(tempfile.mkdtemp(prefix="pitchey-pg-"))
    home = tmp_path_factory.mktemp("platform")
    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    try:
        with postgres_in(folder) as postgres, redis_server("--requirepass", "sesame-7") as cache, silent() as hanging:
            made = Platform(home, api, postgres, cache, hanging)
            with running(home / "home", config=made.config, routes=home / "none.yml") as server:
                yield made, server
    finally:
        api.shutdown()
        api.server_close()
        shutil.rmtree(folder, ignore_errors=True)


CLIENTS: dict[tuple[str, str | None], httpx.Client] = {}


def get(server: Running, path: str, token: str | None = None, **params: str) -> httpx.Response:
    """One connection per server and token: making a client costs more than the question."""
    key = server.url, token
    if key not in CLIENTS:
        CLIENTS[key] = server.client(token)
    return CLIENTS[key].get(path, params=params or None)


def reader(server: Running) -> str:
    known = next((token for (url, token) in CLIENTS if url == server.url and token is not None), None)
    return known or server.token("read")


def test_everybody_sees_states_and_nothing_else(platform: tuple[Platform, Running]) -> None:
    _, server = platform
    found = eventually(lambda: (r := get(server, "/api/health/all")).json()["components"].get("queue")
                       == {"status": "unhealthy"} and r)  # fmt: skip
    assert found.status_code == 503
    assert found.json() == {
        "status": "unhealthy",
        "components": {
            "api": {"status": "healthy"},
            "cache": {"status": "healthy"},
            "database": {"status": "healthy"},
            "queue": {"status": "unhealthy"},
            "workbench": {"status": "healthy"},
        },
    }
    assert get(server, "/api/health/all?component=database").status_code == 200
    assert "127.0.0.1" not in found.text and "redis" not in found.text


def test_who_may_read_sees_reasons_values_and_no_secret(platform: tuple[Platform, Running]) -> None:
    made, server = platform
    told = get(server, "/api/health/all", reader(server))
    checks = {n: c for component in told.json()["components"].values() for n, c in component["checks"].items()}
    assert checks["main"]["target"] == f"postgresql://127.0.0.1:{made.postgres.port}/postgres"
    assert checks["main"]["values"]["connections_max"] == 17 and checks["main"]["up"] is True
    assert checks["hangs"]["state"] == "unknown" and "did not answer within 0.3 s" in checks["hangs"]["reason"]
    assert checks["hangs"]["out_of_time_in_a_row"] >= 2 and checks["hangs"]["up"] is False
    assert checks["workbench"]["values"]["memory_used_bytes"] > 1e7
    assert not [s for s in (made.postgres.password, "sesame-7") if s in told.text]
    with server.client("pslo_no_token") as client:
        refused(client.get("/api/health/all"), 401, "unauthorized")
    with server.client(server.token("ingest")) as client:
        refused(client.get("/api/health/all"), 403, "forbidden")
    missing = get(server, "/api/health/all?component=databse")
    refused(missing, 404, "not_found")
    assert 'did you mean "database"?' in missing.json()["error"]["message"]


def test_asking_often_costs_the_platform_nothing(platform: tuple[Platform, Running]) -> None:
    _, server = platform
    with server.client() as client:
        begin = time.monotonic()
        for _ in range(50):
            client.get("/api/health/all?component=api")
        seconds = time.monotonic() - begin
    assert seconds < 5  # and no look was made: they would be stored
    rows = query(server, 'count_over_time(pitchey_health_state{test="site"}[5s])')
    assert all(float(r["value"][1]) <= 3 for r in rows)


def query(server: Running, promql: str) -> list[dict[str, Any]]:
    return list(get(server, "/api/v1/query", reader(server), query=promql).json()["data"]["result"])


def firing(server: Running) -> set[str]:
    alerts = get(server, "/api/v1/alerts", reader(server)).json()["data"]["alerts"]
    return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}


def test_series_of_every_check_and_the_alert_of_a_cache_that_hangs(platform: tuple[Platform, Running]) -> None:
    _, server = platform
    eventually(lambda: query(server, 'pitchey_health_up{test="hangs"} == 0'))
    assert {r["metric"]["instance"]: float(r["value"][1]) for r in query(server, "pitchey_db_up")} == {"main": 1.0}
    assert [r["metric"]["worker"] for r in query(server, "pitchey_worker_up == 1")] == ["site"]
    for name in ("pitchey_db_query_seconds", "pitchey_db_connections_max", "pitchey_cache_memory_bytes",
                 "pitchey_memory_used_bytes", "pitchey_cache_hits_total"):  # fmt: skip
        assert query(server, name), name
    assert not query(server, 'pitchey_health_state{test="hangs"}')
    states = {r["metric"]["test"]: float(r["value"][1]) for r in query(server, "pitchey_health_state")}
    assert states == {"site": 2.0, "main": 2.0, "cache": 2.0, "workbench": 2.0}
    eventually(lambda: "ComponentUnavailable" in firing(server))


def test_a_killed_database_raises_its_alert_and_the_alert_ends(platform: tuple[Platform, Running]) -> None:
    made, server = platform
    assert get(server, "/api/health/db").status_code == 200
    assert made.postgres.process is not None
    made.postgres.process.send_signal(signal.SIGQUIT)
    made.postgres.process.wait(20)
    down = eventually(lambda: (r := get(server, "/api/health/db")).status_code == 503 and r)
    assert down.json()["components"] == {"database": {"status": "unhealthy"}}
    eventually(lambda: "DatabaseUnavailable" in firing(server))
    made.postgres.start()
    eventually(lambda: get(server, "/api/health/db").status_code == 200)
    eventually(lambda: "DatabaseUnavailable" not in firing(server))


def test_a_hanging_database_is_down_after_the_second_look(platform: tuple[Platform, Running]) -> None:
    made, server = platform
    assert made.postgres.process is not None
    token = reader(server)
    made.postgres.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: get(server, "/api/health/db").status_code == 503, 30)
        told = get(server, "/api/health/db", token).json()["components"]["database"]["checks"]["main"]
        assert told["state"] == "unknown" and told["failure"] == "timeout" and told["out_of_time_in_a_row"] >= 2
        eventually(lambda: "DatabaseUnavailable" in firing(server))
        assert get(server, "/api/health/all?component=api").json()["components"]["api"]["status"] == "healthy"
    finally:
        made.postgres.process.send_signal(signal.SIGCONT)
    eventually(lambda: get(server, "/api/health/db").status_code == 200)


def test_an_api_that_answers_500_raises_the_alert_of_the_worker(platform: tuple[Platform, Running]) -> None:
    _, server = platform
    Api.status = 500
    try:
        eventually(lambda: get(server, "/api/health/all?component=api").status_code == 503)
        eventually(lambda: "WorkerUnresponsive" in firing(server))
    finally:
        Api.status = 200


def test_a_file_that_is_changed_is_taken_and_a_wrong_one_is_told(platform: tuple[Platform, Running]) -> None:
    made, server = platform
    before = made.file.read_text()
    made.file.write_text(before + "  wrong: {check: http}\n")
    told = eventually(lambda: get(server, "/api/health/all", reader(server)).json().get("problem"))
    assert "url is missing" in told
    assert "problem" not in get(server, "/api/health/all").json()
    made.file.write_text("\n".join(line for line in before.splitlines() if "hangs" not in line))
    eventually(lambda: "queue" not in get(server, "/api/health/all").json()["components"])
    assert get(server, "/api/health/all").status_code == 200
    eventually(lambda: not query(server, 'pitchey_health_up{test="hangs"}'))


def test_rows_of_every_look_are_kept(platform: tuple[Platform, Running]) -> None:
    from pitchey_slo.workbench import Workbench

    made, server = platform
    with server.client(server.token("admin")) as client:
        assert client.post("/api/monitoring/admin/flush").status_code < 300
    rows = Workbench(server.settings).sql("SELECT * FROM probes ORDER BY ts").to_arrow_table().to_pylist()
    assert {r["test"] for r in rows} == {"site", "main", "cache", "workbench", "hangs"}
    assert {r["kind"] for r in rows} == {"health"} and {r["location"] for r in rows} == {server.settings.location}
    assert {"healthy", "unhealthy", "unknown"} <= {r["state"] for r in rows}
    hung = next(r for r in rows if r["test"] == "hangs")
    assert (hung["failure"], hung["phase"]) == ("timeout", "connect")
    assert all(made.postgres.password not in json.dumps(r, default=str) for r in rows)


def test_without_a_file_only_this_workbench_and_only_when_asked(server: Running) -> None:
    answer = get(server, "/api/health/all")
    assert answer.json()["components"] == {"workbench": {"status": "healthy"}} and answer.status_code == 200
    refused(get(server, "/api/health/db"), 404, "not_found")


def test_while_the_store_opens_health_is_told_all_the_same() -> None:
    import asyncio

    from pitchey_slo.settings import Settings
    from pitchey_slo.web import create_app

    app = create_app(None, Settings.load(env_file=None, config=Path("/nowhere")))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get("/api/health/all")

    answer = asyncio.run(ask())
    app.state.health.close()
    assert answer.status_code == 503
    assert answer.json() == {"status": "unhealthy", "components": {"workbench": {"status": "unhealthy"}}}
