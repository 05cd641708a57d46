"""The administrator's routes: tokens, flush, backup, retention."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from pitchey_slo.store import LakeReader

from .conftest import Running, event, running
from .test_events import EVENTS, refused

TOKENS = "/api/monitoring/tokens"


@pytest.fixture
def admin(server: Running):
    with server.client(server.token("admin")) as client:
        yield client


def test_a_token_is_shown_once_and_its_hash_never(server: Running, admin: httpx.Client) -> None:
    made = admin.post(TOKENS, json={"name": "collector", "scopes": ["read", "ingest"], "days": 30})
    assert made.status_code == 201
    text = made.json()["token"]
    assert text.startswith(f"pslo_{made.json()['id']}_") and len(text.split("_", 2)[2]) == 43
    listed = admin.get(TOKENS)
    assert text not in listed.text and "sha256" not in listed.text
    mine = next(t for t in listed.json()["tokens"] if t["id"] == made.json()["id"])
    assert (mine["name"], mine["scopes"], mine["revoked_at"], mine["last_used_at"]) == (
        "collector",
        ["ingest", "read"],
        None,
        None,
    )


def test_use_is_noted(server: Running, admin: httpx.Client) -> None:
    token = server.token("ingest")
    with server.client(token) as client:
        assert (
            client.post(EVENTS, json=[event()]).status_code == 200
        )  # its commit follows the note in the writer's queue
    mine = next(t for t in admin.get(TOKENS).json()["tokens"] if t["id"] == token.split("_")[1])
    assert mine["last_used_at"] is not None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scopes": []},
        {"scopes": ["ingst"]},
        {"scopes": "ingest"},
        {"scopes": ["ingest"], "days": 0},
        {"scopes": ["ingest"], "days": 1.5},
        {"scopes": ["ingest"], "nam": "x"},
        [],
    ],
)
def test_a_token_nobody_can_mean_is_refused(admin: httpx.Client, body: object) -> None:
    refused(admin.post(TOKENS, json=body), 400, "bad_parameter")


def test_bodies_of_these_routes_are_small_and_json(admin: httpx.Client) -> None:
    refused(admin.post(TOKENS, content=b"{", headers={"Content-Type": "application/json"}), 400, "malformed_body")
    refused(
        admin.post(TOKENS, content=b'{"scopes":["read"]}', headers={"Content-Type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    lone = b'{"scopes":["read"],"name":"\\ud800"}'
    refused(admin.post(TOKENS, content=lone, headers={"Content-Type": "application/json"}), 400, "malformed_body")
    refused(admin.post(TOKENS, json={"name": "x" * 70_000}), 413, "payload_too_large")


def test_flush_brings_rows_to_every_reader(tmp_path: Path) -> None:
    with running(tmp_path, flush_seconds=600) as server, server.client(server.info.token) as client:
        client.post(EVENTS, json=[event(event_id="a"), event(event_id="b")])
        told = client.post("/api/monitoring/admin/flush").json()
        assert told["flushed_seq"] == told["commit_seq"]
        reader = LakeReader(str(tmp_path / "lake"))
        assert reader.query("SELECT count(*) AS n FROM requests").to_pylist() == [{"n": 2}]


def test_backup_only_where_this_sender_may_write(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        with server.client(server.token("admin")) as client:
            refused(client.post("/api/monitoring/admin/backup", json={"folder": str(tmp_path)}), 400, "bad_parameter")
            path = Path(client.post("/api/monitoring/admin/backup").json()["path"])
            assert path.is_dir() and path.parent == tmp_path / "home" / "backups"
        with server.client(server.info.token) as local:
            refused(local.post("/api/monitoring/admin/backup", json={"folder": "here"}), 400, "bad_parameter")
            path = Path(local.post("/api/monitoring/admin/backup", json={"folder": str(tmp_path / "b")}).json()["path"])
            assert path.is_dir() and path.parent == tmp_path / "b"


def test_retention_says_what_would_go_and_removes_it(tmp_path: Path) -> None:
    with running(tmp_path, retention={"requests": 1}) as server, server.client(server.info.token) as client:
        client.post(EVENTS, json=[event(ts="2020-01-01T00:00:00Z")])
        dry = client.post("/api/monitoring/admin/retention", json={"dry_run": True})
        assert dry.status_code == 200 and dry.json()["dry_run"] is True
        assert client.post("/api/monitoring/admin/retention").json()["dry_run"] is False
