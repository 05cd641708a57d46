"""Each thing that can break is told apart: by its class, the phase it happened in, the component, and the alert."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.demo_platform.conftest import HOST
from tests.demo_platform.stage import PLACES, Stage, staged
from tests.probe.health.servers import Postgres, Server
from tests.probe.synthetic.servers import Authority


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Server, authority: Authority,
    certificates: dict[str, tuple[Path, Path]],
) -> Iterator[Stage]:  # fmt: skip
    home = tmp_path_factory.mktemp("faults")
    with staged(
        home, host=HOST, ca=authority.pem, certificates=certificates, database=postgres.url(),
        redis=f"redis://127.0.0.1:{redis.port}/0",
    ) as found:  # fmt: skip
        yield found


@dataclass(frozen=True)
class Case:
    """A fault, and how it must be told. `test`: (failure, phase) of the synthetic tests, from everywhere; `check`:
    (name, state, failure, phase, component) of the health check that must see it; `alert`: name and labels of what
    must fire within `ticks`."""

    fault: str
    options: dict[str, Any] = field(default_factory=dict)
    looked: tuple[str, ...] = ("api-health", "login")
    test: tuple[str, str] | None = None
    check: tuple[str, str, str | None, str | None, str] | None = None
    alert: tuple[str, dict[str, str]] = ("SyntheticTestFailing", {})
    ticks: int = 7
    seconds: float = 15.0
    quiet: tuple[str, ...] = ()


def failing(reason: str) -> tuple[str, dict[str, str]]:
    return "SyntheticTestFailing", {"service": "synthetic", "severity": "critical", "reason": reason}


#: Where a journey would only tell the same.
HTTP = ("api-health",)
CASES = [
    Case("dns", test=("dns", "dns"), alert=failing("dns"), quiet=("WorkerUnresponsive", "DatabaseUnavailable")),
    Case("refused", looked=HTTP, test=("connect", "connect"), check=("api", "unhealthy", "connect", "connect", "api"),
         alert=("WorkerUnresponsive", {"service": "worker", "worker": "api"}), ticks=9, seconds=30.0),
    Case("wrong_host", looked=HTTP, test=("tls", "tls"), check=("api", "unhealthy", "tls", "tls", "api"),
         alert=failing("tls")),
    Case("self_signed", looked=HTTP, test=("tls", "tls"), check=("api", "unhealthy", "tls", "tls", "api"),
         alert=failing("tls")),
    Case("expired", looked=HTTP, test=("cert_expiry", "tls"), check=("api", "unhealthy", "cert_expiry", "tls", "api"),
         alert=failing("cert_expiry")),
    Case("slow", {"seconds": 3.0}, looked=HTTP, test=("timeout", "first_byte"),
         check=("api", "unknown", "timeout", "first_byte", "api"), alert=failing("timeout")),
    Case("errors", {"status": 500}, test=("http_status", "first_byte"),
         check=("api", "unhealthy", "http_status", "first_byte", "api"),
         alert=("HighErrorRate", {"service": "api", "severity": "critical"}), ticks=8, seconds=30.0),
    Case("wrong_body", looked=HTTP, test=("assertion", "first_byte"), alert=failing("assertion")),
    Case("cut_body", looked=HTTP, test=("body", "transfer"),
         check=("api", "unhealthy", "body", "transfer", "api"), alert=failing("body")),
    Case("dead_database", test=("http_status", "first_byte"),
         check=("database", "unhealthy", "connect", "connect", "database"),
         alert=("DatabaseUnavailable", {"service": "database", "severity": "critical"}), ticks=8,
         quiet=("WorkerUnresponsive",)),
    Case("hanging_cache", check=("cache", "unknown", "timeout", "connect", "cache"),
         alert=("ComponentUnavailable", {"service": "cache", "component": "cache"}), ticks=8, seconds=30.0,
         quiet=("SyntheticTestFailing", "DatabaseUnavailable")),
]  # fmt: skip


def test_every_journey_passes_from_everywhere_and_cleans_up(stage: Stage, postgres: Postgres) -> None:
    names = ("api-health", "signup", "login", "pitch-creation", "nda", "investment")
    verdicts = [result for name in names for result in stage.tick(name)]
    assert {(r.test, r.location) for r in verdicts if r.kind != "health"} == {
        (name, place) for name in names for place in PLACES
    }
    assert [(r.test, r.state, r.reason) for r in verdicts if not r.ok] == []
    assert all("clean_up" not in r.details for r in verdicts)
    assert {r.component for r in verdicts if r.kind == "health"} == {"api", "database", "cache", "websocket"}
    assert all(80 < (r.cert_days or 0) < 91 for r in verdicts if r.location in PLACES)
    assert _rows(postgres) == {"users": 1, "sessions": 0, "pitches": 3, "ndas": 0, "investments": 0}  # the furniture
    assert stage.firing() == {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_a_fault_is_told_by_class_phase_and_component_raises_its_alert_and_recovers(stage: Stage, case: Case) -> None:
    _break(stage, case)
    fired: dict[str, dict[str, str]] = {}
    for number in range(case.ticks):
        stage.tick(*case.looked, seconds=case.seconds)
        if number == 1:  # whatever was cached is known to be gone
            _told(stage, case)
        fired = stage.firing()
        if case.alert[0] in fired:
            break
    name, labels = case.alert
    assert name in fired, (sorted(fired), [(r.test, r.location, r.reason) for r in stage.verdicts()])
    assert labels.items() <= fired[name].items()
    assert not set(case.quiet) & set(fired)
    _recover(stage)


def test_a_name_that_one_location_cannot_resolve_is_no_reason_to_wake_anybody(stage: Stage) -> None:
    stage.resolvers["sin"].broken = True
    for _ in range(6):
        stage.tick()
    assert {(r.location, r.failure) for r in stage.verdicts(state="unhealthy")} == {("sin", "dns")}
    assert stage.judgement is not None
    assert stage.judgement.tests["login"].sentence() == "1 of 3 locations fail"
    assert "SyntheticTestFailing" not in stage.firing()
    _recover(stage)


def test_slow_is_degraded_not_failed(stage: Stage) -> None:
    stage.platform.faults.on("slow", seconds=0.4, routes=["/api/health"])
    for _ in range(15):  # a longer step would be an outage of the rules
        stage.tick("api-health", seconds=60)
        if "ComponentDegraded" in stage.firing():
            break
    (check,) = stage.verdicts(test="api", kind="health")
    assert (check.state, check.failure, check.component) == ("degraded", None, "api")
    assert "latency" in (check.reason or "") or "answer" in (check.reason or "")
    assert {r.state for r in stage.verdicts(test="api-health")} == {"healthy"}
    fired = stage.firing()
    assert fired["ComponentDegraded"]["component"] == "api"
    assert not {"SyntheticTestFailing", "WorkerUnresponsive"} & set(fired)


def _break(stage: Stage, case: Case) -> None:
    if case.fault == "dns":  # a name is broken where it is asked for
        for resolver in stage.resolvers.values():
            resolver.broken = True
    else:
        stage.platform.faults.on(case.fault, **case.options)


def _mend(stage: Stage) -> None:
    for resolver in stage.resolvers.values():
        resolver.broken = False
    stage.platform.faults.off()


def _told(stage: Stage, case: Case) -> None:
    if case.test is not None:
        for name in case.looked:
            found = stage.verdicts(test=name)
            assert {r.location for r in found} == set(PLACES)
            told = {(r.state, r.failure, r.phase) for r in found}
            assert told == {("unhealthy", *case.test)}, [(r.test, r.step, r.reason) for r in found]
    if case.check is not None:
        name, state, failure, phase, component = case.check
        (check,) = stage.verdicts(test=name, kind="health")
        assert (check.state, check.failure, check.phase, check.component) == (state, failure, phase, component)
        assert check.reason


def _recover(stage: Stage) -> None:
    """Once it is mended everything passes again, and no alert stays when it is out of every window."""
    _mend(stage)
    stage.tick(*HTTP, seconds=600)
    stage.tick()
    assert [(r.test, r.location, r.reason) for r in stage.verdicts() if not r.ok] == []
    assert stage.firing() == {}


def _rows(postgres: Postgres) -> dict[str, int]:
    async def count() -> dict[str, int]:
        connection = await asyncpg.connect(postgres.url())
        try:
            names = ("users", "sessions", "pitches", "ndas", "investments")
            return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in names}
        finally:
            await connection.close()

    return asyncio.run(count())
