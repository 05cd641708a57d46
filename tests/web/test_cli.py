"""`pitchey-slo serve` and `token` as a person runs them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import orjson
import pytest

from pitchey_slo.cli import main
from pitchey_slo.cli.serve import is_loopback
from pitchey_slo.client import HttpDoor, ServerInfo, find_server

from .conftest import event, running, stored

PROGRAM = str(Path(sys.executable).with_name("pitchey-slo"))
ENV = {k: v for k, v in os.environ.items() if not k.startswith("PITCHEY_")}


def cli(*args: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *map(str, args), "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENV, cwd=home)


def start(home: Path, *args: str) -> subprocess.Popen[str]:
    command = [PROGRAM, "serve", "--port", "0", "--home", str(home), *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV, cwd=home)


def wait_ready(home: Path, process: subprocess.Popen[str]) -> ServerInfo:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (info := find_server(home)) and info.pid == process.pid:
            return info
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.02)
    raise AssertionError("not ready within 60 s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_tells_where_it_is_and_stops_cleanly(tmp_path: Path, number: int) -> None:
    process = start(tmp_path)
    info = wait_ready(tmp_path, process)
    with HttpDoor(info) as door:
        token = door.create_token("t", ["ingest"])
    answer = httpx.post(
        info.url + "/api/monitoring/events",
        json=[event()],
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert answer.json()["stored"] == 1
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out
    assert f"on {info.url}" in out and "pitchey-slo token create" in out and "stopped" in out
    assert "Traceback" not in out
    assert not (tmp_path / "server.json").exists()
    assert len(stored(tmp_path)) == 1


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = cli("serve", "--port", str(port), home=tmp_path)
    assert run.returncode == 1
    assert f"127.0.0.1:{port}" in run.stderr and "Address already in use" in run.stderr and "--port" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_second_server_on_one_home_is_refused_and_the_first_lives_on(tmp_path: Path) -> None:
    process = start(tmp_path)
    try:
        info = wait_ready(tmp_path, process)
        second = cli("serve", "--port", "0", home=tmp_path)
        assert second.returncode == 1
        assert f"process {process.pid} owns this store" in second.stderr and "Traceback" not in second.stderr
        assert find_server(tmp_path) == info
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_home_that_others_can_reach_is_warned_about(tmp_path: Path) -> None:
    process = start(tmp_path, "--host", "0.0.0.0")
    info = wait_ready(tmp_path, process)
    assert info.url.startswith("http://127.0.0.1:")
    process.terminate()
    assert "warning: 0.0.0.0 can be reached from other machines" in process.communicate(timeout=30)[0]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("example.org", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("served", [False, True])
def test_tokens_with_and_without_a_server(tmp_path: Path, served: bool, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*args: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*args, "--home", str(tmp_path)])
        told = capsys.readouterr()
        return told.out if not ended.value.code else f"{ended.value.code}: {told.err}"

    with running(tmp_path) if served else contextlib.nullcontext():
        made = run("token", "create", "--scope", "ingest", "--scope", "read", "--name", "collector", "--days", "30")
        assert re.fullmatch(r"pslo_[0-9a-f]{12}_[\w-]{43}\n", made)
        key = made.split("_")[1]
        listed = orjson.loads(run("token", "list", "--json"))
        assert [(t["id"], t["name"], t["scopes"], t["revoked_at"]) for t in listed] == [
            (key, "collector", ["ingest", "read"], None)
        ]
        assert key in run("token", "list")
        assert key in run("token", "revoke", key)
        assert orjson.loads(run("token", "list", "--json"))[0]["revoked_at"]
        wrong = run("token", "create", "--scope", "ingst")
        assert wrong.startswith("1: ") and 'did you mean "ingest"?' in wrong
        assert run("token", "revoke", "nobody").startswith("1: ")
