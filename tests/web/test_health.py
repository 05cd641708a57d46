"""Liveness, readiness, and the API document."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx

from pitchey_slo.names import REASONS, SCOPES
from pitchey_slo.settings import Settings
from pitchey_slo.web import create_app
from pitchey_slo.web.auth import api_routes

from .conftest import Running
from .test_events import EVENTS, refused


def test_alive_but_not_ready_while_the_store_opens() -> None:
    app = create_app(None, Settings.load(env_file=None))

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return [
                await client.get("/api/health/live"),
                await client.get("/api/health/ready"),
                await client.post(EVENTS, headers={"Authorization": "Bearer pslo_a_b"}, json=[]),
            ]

    live, ready, event = asyncio.run(ask())
    assert live.status_code == 200 and live.json()["status"] == "live"
    refused(ready, 503, "store_unavailable")
    refused(event, 503, "store_unavailable")


def test_ready_says_how_far_the_store_is(server: Running) -> None:
    with server.client() as client:
        told = client.get("/api/health/ready").json()
    assert told["status"] == "ready" and told["gaps"] == []
    assert 0 <= told["flushed_seq"] <= told["commit_seq"]


def test_the_document_lists_every_route(server: Running) -> None:
    with server.client() as client:
        document = client.get("/openapi.json").json()
    app = create_app(None, Settings.load(env_file=None))
    paths = {route.path for route in api_routes(app)} - {"/openapi.json", "/docs"}
    assert set(document["paths"]) == paths
    for path, methods in document["paths"].items():
        for what in methods.values():
            assert what["description"], path
            assert what["x-scope"] in {*SCOPES, "public"}


def test_the_page_needs_no_network_and_tells_everything(server: Running) -> None:
    with server.client() as client:
        answer = client.get("/docs")
        paths = client.get("/openapi.json").json()["paths"]
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r"https?://|<script|<img|@import|url\(", answer.text)
    for name in [*paths, *REASONS, *SCOPES]:
        assert name in answer.text


def test_the_manual_names_every_path_and_reason() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    app = create_app(None, Settings.load(env_file=None))
    for route in api_routes(app):
        path = route.path.replace("{token_id}", "{id}")
        assert f"{path}`" in manual, path
    for reason, text in REASONS.items():
        assert re.search(rf"^\| {text[:3]} \|.*`{reason}`", manual, re.M), reason
    for scope in SCOPES:
        assert f"`{scope}`" in manual
