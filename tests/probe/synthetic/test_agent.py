"""An agent against a real server: results waiting on disk while the API is away, definitions that outlive it, nothing
lost and nothing twice. And the spool by itself: torn writes, damage, the bound."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from pitchey_slo.errors import StoreUnavailable
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.agent import Agent, Api, Told
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.probe.synthetic.reader import read
from pitchey_slo.probe.synthetic.run import run
from pitchey_slo.probe.synthetic.schedule import Scheduler
from pitchey_slo.probe.synthetic.secrets import Secrets
from pitchey_slo.probe.synthetic.spool import Spool
from tests.probe.synthetic.target import Target, definition, target
from tests.web.conftest import Running, running, stored


def row(i: int, pad: int = 0) -> dict[str, Any]:
    return {"test": "t", "ts": "2026-03-02T12:00:00+00:00", "state": "healthy", "event_id": str(i), "reason": "x" * pad}


def drained(spool: Spool, most: int = 500) -> list[str]:
    found = []
    while (waiting := spool.waiting(most)) is not None:
        found += [r["event_id"] for r in waiting.rows]
        spool.delivered(waiting)
    return found


def test_what_was_appended_waits_over_restarts_until_it_is_delivered(tmp_path: Path) -> None:
    random_ = random.Random(7)
    wanted: list[str] = []
    got: list[str] = []
    number = 0
    for _ in range(60):
        spool = Spool(tmp_path, limit=4 << 20)
        for _ in range(random_.randint(0, 4)):
            rows = [row(number + i, random_.randint(0, 2_000)) for i in range(random_.randint(1, 40))]
            number += len(rows)
            wanted += [r["event_id"] for r in rows]
            spool.append(rows)
        if random_.random() < 0.8 and (waiting := spool.waiting(random_.randint(1, 60))) is not None:
            got += [r["event_id"] for r in waiting.rows]
            spool.delivered(waiting)
    got += drained(Spool(tmp_path, limit=4 << 20), 13)
    assert got == wanted
    assert Spool(tmp_path).empty and Spool(tmp_path).bytes == 0


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_line_costs_itself_alone(tmp_path: Path, cut: int) -> None:
    Spool(tmp_path).append([row(1), row(2), row(3)])
    [segment] = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-cut])
    spool = Spool(tmp_path)
    spool.append([row(4)])
    assert drained(spool) == ["1", "2", "4"]


def test_a_damaged_line_is_left_out_and_the_rest_is_delivered(tmp_path: Path) -> None:
    Spool(tmp_path).append([row(1), row(2), row(3)])
    [segment] = tmp_path.glob("*.jsonl")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    spool = Spool(tmp_path)
    assert spool.damaged == 1
    assert drained(spool) == ["1", "3"]
    assert spool.empty


def test_at_its_bound_the_oldest_goes_and_is_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=64_000)
    for i in range(200):
        spool.append([row(i, 1_000)])
        assert spool.bytes <= 64_000
    dropped = spool.dropped
    found = drained(spool)
    assert found == [str(i) for i in range(dropped, 200)] and dropped > 100
    assert Spool(tmp_path).dropped == dropped
    spool.told(dropped)
    assert Spool(tmp_path).dropped == 0


WRITES = """
import sys
from pathlib import Path
from pitchey_slo.probe.synthetic.spool import Spool
spool, n = Spool(Path(sys.argv[1])), int(sys.argv[2])
while True:
    spool.append([{"event_id": str(n + i), "reason": "x" * 300} for i in range(7)])
    n += 7
    print(n, flush=True)
    if n % 3 == 0 and (waiting := spool.waiting(5)):
        print(*(r["event_id"] for r in waiting.rows), flush=True)
        spool.delivered(waiting)
"""


def test_what_was_kept_outlives_a_kill(tmp_path: Path) -> None:
    """Killed three times while it writes and delivers: nothing that `append` returned for is lost."""
    kept, sent = 0, list[str]()
    for _ in range(3):
        words = [sys.executable, "-c", WRITES, str(tmp_path), str(kept)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(random.randint(5, 40)):
                told = process.stdout.readline().split()
                sent += told if len(told) > 1 else []
                kept = int(told[0]) if len(told) == 1 else kept
            process.kill()
            for line in process.stdout:  # what it said before it died
                told = line.split()
                sent += told if len(told) > 1 else []
                kept = int(told[0]) if len(told) == 1 else kept
    found = [int(i) for i in sent + drained(Spool(tmp_path))]
    assert set(range(kept)) <= set(found)  # some are sent twice: killed between sending and noting it
    assert len(found) - len(set(found)) <= 3 * (5 + 7)


@pytest.fixture(scope="module")
def platform() -> Iterator[Target]:
    with target() as made:
        yield made


async def engine(test: Definition, base: str | None) -> Sequence[Result]:
    return await run(test, base=base or "", location="x", clock=lambda: datetime.now(UTC), secrets=Secrets({}))


def agent_of(url: str, token: str | None, folder: Path, location: str = "moon", **given: Any) -> Agent:
    return Agent(location, Api(url, token, location, seconds=5), Spool(folder), engine, read, **given)


def config(folder: Path, *texts: str) -> Path:
    files = folder / "config" / "synthetics"
    files.mkdir(parents=True)
    for i, text in enumerate(texts):
        (files / f"{i}.yaml").write_text(text)
    return folder / "config"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, platform: Target) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("agent")
    platform.status["/bad"] = 500
    texts = (definition("good", interval="10s"), definition("bad", "/bad", interval="10s"))
    given = {"config": config(home, *texts), "api_base_url": platform.url, "location": ""}
    with running(home, **given) as it:
        yield it


def listed(server: Running) -> dict[str, Any]:
    with server.client(server.token("read")) as client:
        return {t["name"]: t for t in client.get("/api/monitoring/synthetic").json()["tests"]}


def test_it_pulls_runs_and_delivers(server: Running, tmp_path: Path) -> None:
    agent = agent_of(server.url, server.token("ingest"), tmp_path)
    found = {r.test: r.state for r in asyncio.run(agent.once()) if r.scope == "verdict"}
    assert found == {"good": "healthy", "bad": "unhealthy"}
    assert agent.spool.empty and agent.away is None
    tests = listed(server)
    assert [p["location"] for p in tests["good"]["locations"]] == ["moon"]
    [place] = tests["bad"]["locations"]
    assert (place["failure"], place["source"], place["status"]) == ("http_status", "agent:moon", 500)


def test_a_bad_token_is_told_and_keeps_what_was_found(server: Running, platform: Target, tmp_path: Path) -> None:
    agent = agent_of(server.url, server.token("read"), tmp_path, base=platform.url)
    with pytest.raises(StoreUnavailable, match="ingest"):
        asyncio.run(agent.once())  # knows no tests, and cannot ask
    (tmp_path / "tests.json").write_bytes(orjson.dumps({"tests": {"good": definition("good")}, "base": platform.url}))
    agent = agent_of(server.url, server.token("read"), tmp_path)
    asyncio.run(agent.once())
    assert not agent.spool.empty and "ingest" in str(agent.away)


def test_while_the_api_is_away_it_goes_on_and_delivers_later_with_its_own_times(
    platform: Target, tmp_path: Path
) -> None:
    """The server stops, the agent is started anew meanwhile, and then the server is there again."""
    given = {"config": config(tmp_path, definition("t", interval="10s")), "api_base_url": platform.url, "location": ""}
    spool = tmp_path / "spool"
    with running(tmp_path / "home", **given) as it:
        token, port = it.token("ingest"), httpx.URL(it.url).port
        asyncio.run(agent_of(it.url, token, spool).once())
    away = agent_of(f"http://127.0.0.1:{port}", token, spool)
    asyncio.run(away.once())  # from what it remembers
    assert away.away is not None and not away.spool.empty
    ran_at = datetime.now(UTC)
    with running(tmp_path / "home", **given) as it:
        back = agent_of(it.url, token, spool, only=["nothing"])
        assert asyncio.run(back.once()) == []
        assert back.spool.empty
    verdicts = [r for r in stored(tmp_path / "home", "probes") if r["scope"] == "verdict"]
    assert len(verdicts) == 2
    assert all(r["ts"] < ran_at and r["location"] == "moon" for r in verdicts)


class Forgetful(Api):
    """Every other answer is lost on the way back."""

    lost = 0

    async def deliver(self, rows: Sequence[Any], dropped: int) -> dict[str, Any]:
        answer = await super().deliver(rows, dropped)
        self.lost += 1
        if self.lost % 2:
            raise StoreUnavailable("the answer was lost")
        return answer


def test_a_lost_answer_stores_nothing_twice(platform: Target, tmp_path: Path) -> None:
    given = {"config": config(tmp_path, definition("t")), "api_base_url": platform.url, "location": ""}
    with running(tmp_path / "home", **given) as it:
        spool = Spool(tmp_path / "spool")
        agent = Agent("moon", Forgetful(it.url, it.token("ingest"), "moon"), spool, engine, read)

        async def several() -> None:
            await agent.pull()
            for _ in range(3):
                await agent.scheduler.now("t")
                await agent.push()
                await agent.push()

        asyncio.run(several())
        assert spool.empty
    assert len(stored(tmp_path / "home", "probes")) == 3


def test_it_runs_until_it_is_told_to_stop_and_delivers_the_last(platform: Target, tmp_path: Path) -> None:
    given = {"config": config(tmp_path, definition("t", interval="10s")), "api_base_url": platform.url, "location": ""}
    with running(tmp_path / "home", **given) as it:
        agent = agent_of(it.url, it.token("ingest"), tmp_path / "spool")

        async def live() -> int:
            stop = asyncio.Event()
            work = asyncio.create_task(agent.work(stop))
            async with asyncio.timeout(20):
                while agent.scheduler.lateness.started.total() == 0:
                    await asyncio.sleep(0.05)
            stop.set()
            await work
            return agent.scheduler.lateness.started.total()

        assert asyncio.run(live()) == 1
        assert agent.spool.empty


def test_a_thousand_checks_a_minute_start_in_time(platform: Target, tmp_path: Path) -> None:
    """Six seconds of it, with the real engine and spool; benchmarks/synthetic.py measures two minutes."""
    one_test = read(definition("t", interval="1m"), "t.yaml")
    tests = {f"t{i}": replace(one_test, name=f"t{i}") for i in range(1_000)}
    spool, kept = Spool(tmp_path), list[str]()

    async def one(name: str) -> Sequence[Result]:
        return await engine(tests[name], platform.url)

    async def keep(results: Sequence[Result]) -> None:
        await asyncio.to_thread(spool.append, [r.row() for r in results])
        kept.extend(r.state for r in results if r.scope == "verdict")

    async def live() -> Scheduler:
        scheduler = Scheduler("eu", one, keep)
        scheduler.use({name: d.interval for name, d in tests.items()})
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(6, stop.set)
        await scheduler.work(stop)
        return scheduler

    scheduler = asyncio.run(live())
    assert 50 <= len(kept) <= 160 and set(kept) == {"healthy"}
    late = scheduler.lateness.quantile(0.95)
    assert late is not None and late < 1.0
    assert scheduler.lateness.skipped.total() == 0


def test_a_definition_nobody_here_understands_stops_no_other(tmp_path: Path) -> None:
    agent = agent_of("http://127.0.0.1:9", None, tmp_path, base="http://127.0.0.1:9")
    agent._use(Told({"new": "name: new\nkind: quantum", "old": definition("old")}, None))
    assert set(agent.tests) == {"old"}


def test_without_an_address_nothing_begins_there(tmp_path: Path) -> None:
    agent = agent_of("http://127.0.0.1:9", None, tmp_path)
    agent._use(Told({"based": definition("based"), "whole": definition("whole", "http://10.1.1.1/x")}, None))
    assert set(agent.tests) == {"whole"}
    agent._use(Told({"based": definition("based")}, "http://10.1.1.1"))
    assert set(agent.tests) == {"based"}
