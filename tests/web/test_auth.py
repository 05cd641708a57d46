"""Who may do what: every route by every kind of token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter

from pitchey_slo.names import SCOPES
from pitchey_slo.settings import Settings
from pitchey_slo.web import app as app_module
from pitchey_slo.web import create_app, events
from pitchey_slo.web.auth import api_routes, scope_of

from .conftest import Running, running
from .test_events import EVENTS, refused

#: The pages hold no data: they ask the API with the token of their tab.
PAGES = {"/", "/show/page.js", "/show/{name}", "/alerts/page.js", "/alerts/{id}", "/docs/runbooks/{name}.md"}
PAGES |= {"/reports", "/reports/page.js", "/reports/{id}"}
#: One report's page, by a ticket that takes the place of a token.
BY_TICKET = {"/reports/{id}/page/{ticket}"}
HEALTH = {f"/api/health/{name}" for name in ("live", "ready", "all", "db")}
#: Each dashboard names the role it needs; the list has those that the asker may see.
BY_ROLE = {"/api/monitoring/dashboards/{id}", "/api/monitoring/dashboards/{id}/definition"}
#: Open to all, and say more to a token that may read; another token is refused.
MORE_WITH_READ = {"/api/monitoring/dashboards", "/api/health/all", "/api/health/db"}
#: What they answer where nothing is checked and no status page is written.
ANSWERS = {"/": {302}, "/api/health/all": {200, 503}, "/api/health/db": {404}, "/status": {404}, "/status.json": {404}}
ANSWERS |= {path: {401} for path in BY_TICKET}
STATUS = {"/status", "/status.json"}
PUBLIC = (
    {"/openapi.json", "/docs", "/-/healthy", "/api/monitoring/dashboards"}
    | PAGES
    | HEALTH
    | BY_ROLE
    | STATUS
    | BY_TICKET
)


def routes() -> list:
    return api_routes(create_app(None, Settings.load(env_file=None)))


def test_every_route_names_its_scope_and_only_these_are_public() -> None:
    assert len(routes()) >= 12
    assert all(scope_of(route) is not None for route in routes())
    assert {route.path for route in routes() if scope_of(route).scope is None} == PUBLIC


def test_a_route_without_a_scope_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    careless = APIRouter()
    careless.add_api_route("/api/careless", lambda: {})

    class Section:
        router = careless

    monkeypatch.setattr(app_module, "SECTIONS", (events, Section))
    with pytest.raises(ValueError, match="careless"):
        create_app(None, Settings.load(env_file=None))


def denied(answer: httpx.Response, path: str, status: int, reason: str) -> str:
    """The message of a refusal; OpenTelemetry's paths have its own shape."""
    if not path.startswith("/v1/"):
        return str(refused(answer, status, reason)["message"])
    assert answer.status_code == status and answer.json()["code"] == {401: 16, 403: 7}[status]
    return str(answer.json()["message"])


def test_every_route_by_every_scope(server: Running) -> None:
    tokens = {scope: server.token(scope) for scope in SCOPES}
    for route in routes():
        need = scope_of(route).scope
        path = route.path.replace("{table}", "requests").replace("{token_id}", "nobody")
        path = path.replace("{name}.md", "high-error-rate.md")
        by_role = need is None and route.path in BY_ROLE
        if by_role:
            need, path = "read", path.replace("{id}", "system")
        for method in route.methods:
            for scope, token in {**tokens, None: None}.items():
                with server.client(token) as client:
                    answer = client.request(method, path)
                if need is None and path in MORE_WITH_READ and scope in ("ingest", "alert"):
                    refused(answer, 403, "forbidden")
                elif need is None:
                    wanted = ANSWERS.get(path, {200})
                    assert answer.status_code in wanted, (method, path, scope)
                elif by_role:
                    allowed = {None: 401, "ingest": 403, "alert": 403}.get(scope, 200)
                    assert answer.status_code == allowed, (method, path, scope, answer.text)
                elif scope is None:
                    denied(answer, path, 401, "unauthorized")
                elif scope in (need, "admin"):
                    assert answer.status_code not in (401, 403, 500), (method, path, scope, answer.text)
                else:
                    assert scope not in denied(answer, path, 403, "forbidden").split("needs")[1].split(";")[0]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer pslo_",
        "Bearer pslo_nobody_secret",
        "Bearer pslo_local_secret",
        "Bearer " + "x" * 5000,
        "Bearer pslo_\xe9\xff_\xfe",
    ],
)
def test_what_is_not_a_token_opens_nothing(server: Running, value: str) -> None:
    with server.client() as client:
        answer = client.post(EVENTS, content=b"[]", headers={"Authorization": value.encode("latin-1")})
    refused(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_with_one_letter_changed_opens_nothing(server: Running) -> None:
    token = server.token("ingest")
    for i in (len(token) - 1, len(token) - 20):
        wrong = token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :]
        with server.client(wrong) as client:
            refused(client.post(EVENTS, json=[]), 401, "unauthorized")


def test_two_tokens_at_once_are_refused(server: Running) -> None:
    token = server.token("ingest")
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    refused(httpx.post(server.url + EVENTS, json=[], headers=headers, trust_env=False), 401, "unauthorized")


def test_a_token_in_the_address_is_never_read(server: Running, ingest: httpx.Client) -> None:
    token = server.token("ingest")
    with server.client() as client:
        refused(client.post(f"{EVENTS}?token={token}", json=[]), 401, "unauthorized")
    refused(ingest.post(f"{EVENTS}?token={token}", json=[]), 401, "unauthorized")


def test_a_revoked_token_opens_nothing_from_the_answer_on(server: Running) -> None:
    token = server.token("ingest")
    with server.client(token) as client, server.client(server.info.token) as admin:
        assert client.post(EVENTS, json=[]).status_code == 200
        assert admin.delete(f"/api/monitoring/tokens/{token.split('_')[1]}").status_code == 200
        refused(client.post(EVENTS, json=[]), 401, "unauthorized")
        refused(admin.delete("/api/monitoring/tokens/nobody"), 404, "not_found")


def test_an_expired_token_opens_nothing(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 5, tzinfo=UTC)]
    with running(tmp_path, clock=lambda: now[0]) as server:
        with server.client(server.info.token) as admin:
            made = admin.post("/api/monitoring/tokens", json={"scopes": ["ingest"], "days": 7}).json()
        assert made["expires_at"].startswith("2026-01-12T00:00:00")
        with server.client(made["token"]) as client:
            now[0] += timedelta(days=7) - timedelta(seconds=1)
            assert client.post(EVENTS, json=[]).status_code == 200
            now[0] += timedelta(seconds=1)
            refused(client.post(EVENTS, json=[]), 401, "unauthorized")


def test_the_local_token_is_of_this_run_only(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        before = server.info.token
        with server.client(before) as client:
            assert "local" not in {t["id"] for t in client.get("/api/monitoring/tokens").json()["tokens"]}
    with running(tmp_path) as server, server.client(before) as client:
        refused(client.get("/api/monitoring/tokens"), 401, "unauthorized")
