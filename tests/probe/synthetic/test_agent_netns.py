"""Three locations as hosts of their own: network namespaces, each with an agent process. One is cut off from what it
looks at: it is excluded, nobody is paged. Then a target really goes away: somebody is.

    api network 10.87.0.0/24     server (this host, .1)    eu .11   us .12   asia .13
    target network 10.87.1.0/24  two targets (.2, .3)      eu .11   us .12   asia .13
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from pitchey_slo.client import HttpDoor, find_server
from tests.probe.synthetic.target import definition

LOCATIONS = ("eu", "us", "asia")
HOSTS = {"one": "10.87.1.2", "two": "10.87.1.3"}
SHIPPED = Path(__file__).resolve().parents[3] / "config" / "rules"
COMMAND = [sys.executable, "-m", "pitchey_slo"]


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=10)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def space(name: str) -> str:
    return f"pslo{os.getpid()}-{name}"


@contextlib.contextmanager
def networks() -> Iterator[None]:
    """Two bridges and a namespace per location and one for the targets; gone afterwards, whatever happened."""
    bridges = {"a": "10.87.0", "t": "10.87.1"}
    made: list[Sequence[str]] = []
    try:
        for net, prefix in bridges.items():
            ip("link", "add", f"pslo-{net}", "type", "bridge")
            made.append(("link", "del", f"pslo-{net}"))
            ip("link", "set", f"pslo-{net}", "up")
            ip("addr", "add", f"{prefix}.1/24", "dev", f"pslo-{net}")
        for i, name in enumerate(("targets", *LOCATIONS)):
            ip("netns", "add", space(name))
            made.append(("netns", "del", space(name)))
            ip("-n", space(name), "link", "set", "lo", "up")
            for net, prefix in bridges.items():
                if (name, net) == ("targets", "a"):
                    continue
                ip("link", "add", f"pslo-{net}{i}", "type", "veth", "peer", "name", f"v{net}", "netns", space(name))
                ip("link", "set", f"pslo-{net}{i}", "master", f"pslo-{net}", "up")
                addresses = HOSTS.values() if name == "targets" else (f"{prefix}.{10 + i}",)
                for address in addresses:
                    ip("-n", space(name), "addr", "add", f"{address}/24", "dev", f"v{net}")
                ip("-n", space(name), "link", "set", f"v{net}", "up")
        yield
    finally:
        for words in reversed(made):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                ip(*words)


@contextlib.contextmanager
def process(*words: str, where: str | None = None, log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    inside = ["ip", "netns", "exec", space(where)] if where else []
    with log.open("wb") as out:
        made = subprocess.Popen([*inside, *words], stdout=out, stderr=out, env={**os.environ, **env})
        try:
            yield made
        finally:
            made.terminate()
            try:
                made.wait(20)
            except subprocess.TimeoutExpired:
                made.kill()
                made.wait(5)


def until(what: Callable[[], Any], seconds: float, said: Callable[[], Any]) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, said()
        time.sleep(0.3)
    return found


@pytest.fixture
def possible() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if shutil.which("ip") is None:
        pytest.skip("the command ip (Debian package iproute2) is not here")
    try:
        with networks():
            yield
    except OSError as error:
        pytest.skip(f"this machine makes no network namespaces: {error}")


def test_a_location_that_is_cut_off_pages_nobody_and_a_target_that_is_gone_does(possible: None, tmp_path: Path) -> None:
    files = tmp_path / "config" / "synthetics"
    files.mkdir(parents=True)
    rules = tmp_path / "config" / "rules"
    rules.mkdir()
    text = (SHIPPED / "alert_rules.yml").read_text()
    (rules / "alert_rules.yml").write_text(re.sub(r"(  - name: \w+\n)", r"\1    interval: 3s\n", text))  # sooner done
    for name, host in HOSTS.items():
        text = definition(name, f"http://{host}:8080/", component=name, interval="5s").replace(
            "timeout: 2s", "timeout: 1s"
        )
        (files / f"{name}.yaml").write_text(text)
    home = tmp_path / "home"
    env = {"PITCHEY_CONFIG": str(tmp_path / "config"), "PITCHEY_LOCATION": "", "PITCHEY_INVESTIGATE": ""}
    with contextlib.ExitStack() as stack:
        targets = {
            name: stack.enter_context(
                process(sys.executable, "-m", "http.server", "8080", "--bind", host, "--directory", str(files),
                        where="targets", log=tmp_path / f"{name}.log")
            )
            for name, host in HOSTS.items()
        }  # fmt: skip
        serve = ("serve", "--host", "10.87.0.1", "--port", "0", "--home", str(home))
        stack.enter_context(process(*COMMAND, *serve, log=tmp_path / "server.log", **env))
        info = until(lambda: find_server(home), 40, (tmp_path / "server.log").read_text)
        with HttpDoor(info) as door:
            token = tmp_path / "token"
            token.write_text(door.create_token("agents", ["ingest"]))
        for where in LOCATIONS:
            run = ("synthetic", "run", "--location", where, "--api", info.url, "--token-file", str(token))
            run += ("--home", str(tmp_path / where))
            stack.enter_context(process(*COMMAND, *run, where=where, log=tmp_path / f"{where}.log", **env))
        headers = {"Authorization": f"Bearer {info.token}"}
        client = stack.enter_context(httpx.Client(base_url=info.url, headers=headers, trust_env=False, timeout=20))

        def tests() -> dict[str, Any]:
            return {t["name"]: t for t in client.get("/api/monitoring/synthetic").json()["tests"]}

        def alerts() -> set[tuple[str, str, str]]:
            found = client.get("/api/monitoring/alerts").json()["alerts"]
            return {
                (a["name"], a["labels"].get("test") or a["labels"].get("location") or "", a["state"]) for a in found
            }

        def logs() -> str:
            return str(tests()) + "".join(p.read_text()[-2_000:] for p in tmp_path.glob("*.log"))

        until(lambda: all(t["quorum"]["counting"] == sorted(LOCATIONS) and t["up"] for t in tests().values()), 40, logs)

        # the way from asia to what it looks at is cut; the way to the API is not
        ip("-n", space("asia"), "link", "set", "vt", "down")
        until(lambda: all(t["quorum"]["excluded"] == ["asia"] for t in tests().values()), 40, logs)
        told = tests()["one"]
        assert told["sentence"] == "0 of 2 locations fail; left out: asia (excluded)"

        def failures_at_asia() -> int:
            return min(
                next(p for p in t["locations"] if p["location"] == "asia")["consecutive_failures"]
                for t in tests().values()
            )

        until(lambda: failures_at_asia() >= 3, 40, logs)
        until(lambda: ("ProbeLocationBlind", "asia", "pending") in alerts(), 30, logs)
        assert not [a for a in alerts() if a[0].startswith("SyntheticTest")], "a false page"
        assert all(t["up"] for t in tests().values())

        # a target really goes away: everybody fails on it, and on it alone
        targets["one"].terminate()
        until(lambda: ("SyntheticTestFailing", "one", "firing") in alerts(), 60, logs)
        told = tests()
        assert told["one"]["up"] is False and told["two"]["up"] is True
        assert ("SyntheticTestFailing", "two", "firing") not in alerts()
