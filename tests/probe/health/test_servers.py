"""PostgreSQL, Redis and S3 themselves: well, full, slow, locked out, hanging and dead."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
from collections.abc import Iterator

import asyncpg
import pytest
import redis
from moto.server import ThreadedMotoServer

from pitchey_slo.probe import Result

from .servers import Postgres, Server, eventually, free_port, looked, planned, redis_server, replica_of, silent

PG = '{pg: {check: postgres, url: "${URL}", timeout: 5s}}'
RD = '{cache-1: {check: redis, url: "${URL}", timeout: 5s}}'
S3 = (
    '{bucket: {check: storage, url: "${URL}", bucket: pitches, access_key_id: some-key, secret_access_key: "${KEY}", '
    "timeout: 5s}}"
)


def values(result: Result) -> dict[str, float]:
    return dict(result.details["values"])


def test_a_database_that_is_well(postgres: Postgres) -> None:
    result = looked(PG, URL=postgres.url())
    assert (result.state, result.reason, result.component) == ("healthy", None, "database")
    seen = values(result)
    assert 0 < seen["query_seconds"] < 1
    assert seen["connections_max"] == 17  # 20, of which 3 are kept for the superuser
    assert seen["connections_used"] >= 1 and seen["connections_active"] >= 1
    assert seen["connections_share"] == seen["connections_used"] / 17
    assert seen["locks_waiting"] == 0 and seen["lock_wait_seconds"] == 0
    assert result.details["role"] == "primary" and result.details["up"] is True
    assert set(result.phases) == {"connect", "first_byte", "transfer"}
    assert sum(result.phases.values()) <= (result.duration_ms or 0)


def test_waits_for_locks_and_used_connections_are_counted_and_judged(postgres: Postgres) -> None:
    async def with_three_waiting() -> Result:
        clients = [await asyncpg.connect(postgres.url()) for _ in range(4)]
        try:
            await clients[0].execute("CREATE TABLE IF NOT EXISTS pitches (id int)")
            holding = clients[0].transaction()
            await holding.start()
            await clients[0].execute("LOCK TABLE pitches")
            waiting = [asyncio.ensure_future(c.fetch("SELECT * FROM pitches")) for c in clients[1:]]
            text = PG.replace("timeout", "degraded: {locks_waiting: 2, connections_share: 0.2}, timeout")
            async with asyncio.timeout(20):
                while True:
                    result = await asyncio.to_thread(looked, text, URL=postgres.url())
                    if values(result)["locks_waiting"] == 3:
                        break
            await holding.rollback()
            await asyncio.gather(*waiting)
            return result
        finally:
            for client in clients:
                client.terminate()

    result = asyncio.run(with_three_waiting())
    assert result.state == "degraded" and result.details["up"] is True
    assert "the number of waits for a lock is 3, at most 2 is good" in (result.reason or "")
    assert "the share of connections in use is" in (result.reason or "")
    assert values(result)["lock_wait_seconds"] > 0 and values(result)["connections_used"] >= 5
    assert values(result)["connections_active"] >= 4


def test_a_database_without_a_connection_left_is_down(postgres: Postgres) -> None:
    async def full() -> Result:
        admin = await asyncpg.connect(postgres.url())
        await admin.execute("CREATE ROLE app LOGIN PASSWORD 'app-pass-1'")
        clients = []
        try:
            with pytest.raises(asyncpg.TooManyConnectionsError):
                for _ in range(30):
                    clients += [await asyncpg.connect(postgres.url("app", "app-pass-1"))]
            return await asyncio.to_thread(looked, PG, URL=postgres.url("app", "app-pass-1"))
        finally:
            for client in [*clients, admin]:
                client.terminate()

    result = asyncio.run(full())
    assert (result.state, result.failure, result.phase) == ("unhealthy", "connect", "connect")
    assert "no connection is left" in (result.reason or "") and result.details["up"] is False


async def make_user(postgres: Postgres, name: str) -> None:
    admin = await asyncpg.connect(postgres.url())
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pass-of-{name}'")
    await admin.close()


def test_a_plain_user_sees_enough(postgres: Postgres) -> None:
    asyncio.run(make_user(postgres, "plain"))
    result = eventually(lambda: (r := looked(PG, URL=postgres.url("plain", "pass-of-plain"))).ok and r)
    assert values(result)["connections_used"] >= 1 and values(result)["connections_max"] == 17


def test_a_wrong_password_is_our_fault_and_shown_nowhere(postgres: Postgres) -> None:
    result = looked(PG, URL=postgres.url(password="wr0ng-pass"))
    assert (result.state, result.failure) == ("unknown", "probe_error")
    assert "does not let this check in" in (result.reason or "")
    assert result.details["up"] is None
    assert "wr0ng-pass" not in json.dumps(result.row(), default=str)
    assert result.details["target"] == f"postgresql://127.0.0.1:{postgres.port}/postgres"


def test_a_replica_lags_only_while_it_follows_nobody_or_is_behind(postgres: Postgres) -> None:
    with replica_of(postgres) as copy:
        check = planned(PG, URL=copy.url())
        primary = PG.replace("timeout", "replicas: 2, timeout")
        well = eventually(lambda: (r := looked(check)).ok and "notes" not in r.details and r)
        assert well.details["role"] == "replica" and values(well)["replication_lag_seconds"] == 0
        told = eventually(lambda: "replication_lag_bytes" in values(r := looked(primary, URL=postgres.url())) and r)
        assert told.state == "degraded" and "the number of missing replicas is 1" in (told.reason or "")
        assert values(told)["replication_lag_bytes"] >= 0
        asyncio.run(make_user(postgres, "stranger"))
        hidden = looked(PG, URL=postgres.url("stranger", "pass-of-stranger"))
        assert "GRANT pg_monitor" in hidden.details["notes"][0] and "replication_lag_bytes" not in values(hidden)
        # replayed all it received, and yet behind: it receives nothing any more
        assert postgres.process is not None
        postgres.process.send_signal(signal.SIGQUIT)
        postgres.process.wait(30)
        try:
            alone = eventually(lambda: (r := looked(check)).state == "degraded" and r)
            assert alone.details["notes"] == ["this replica receives nothing from a primary"]
            assert "links to a primary that are down is 1" in (alone.reason or "") and alone.details["up"] is True
            assert values(alone).get("replication_lag_seconds", 1.0) > 0
        finally:
            postgres.start()


def test_a_killed_database_is_down_and_comes_back(postgres: Postgres) -> None:
    check = planned(PG, URL=postgres.url())
    assert looked(check).ok
    assert postgres.process is not None
    postgres.process.send_signal(signal.SIGQUIT)
    postgres.process.wait(30)
    dead = looked(check)
    assert (dead.state, dead.failure, dead.phase) == ("unhealthy", "connect", "connect")
    assert "connection refused" in (dead.reason or "") and dead.details["up"] is False
    postgres.start()
    assert eventually(lambda: looked(check).ok)


def test_a_stopped_database_hangs_and_is_unknown(postgres: Postgres) -> None:
    assert postgres.process is not None
    check = planned(PG.replace("5s", "500ms"), URL=postgres.url())
    assert looked(check).ok
    postgres.process.send_signal(signal.SIGSTOP)  # the kernel still takes connections for it
    try:
        hung = looked(check)
    finally:
        postgres.process.send_signal(signal.SIGCONT)
    assert (hung.state, hung.failure, hung.phase) == ("unknown", "timeout", "connect")
    assert "did not answer within 0.5 s while connecting" in (hung.reason or "")
    assert 500 <= (hung.duration_ms or 0) < 2_000


@pytest.fixture(scope="module")
def cache() -> Iterator[Server]:
    with redis_server("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru") as server:
        yield server


def test_a_cache_that_is_well_and_its_hit_rate(cache: Server) -> None:
    check = planned(RD, URL=f"redis://127.0.0.1:{cache.port}/0")
    client = redis.Redis(port=cache.port)
    client.set("a", 1)
    first = looked(check)
    assert (first.state, first.component) == ("healthy", "cache")
    assert "hit_rate" not in values(first)  # there was no look before it
    for i in range(200):
        client.get("a" if i % 4 else "missing")
    second = looked(check)
    assert values(second)["hit_rate"] == pytest.approx(0.75, abs=0.01)
    assert values(second)["hits"] - values(first)["hits"] == 150
    assert 0 < values(second)["memory_share"] < 1 and values(second)["memory_max_bytes"] == 4 << 20
    assert second.details["role"] == "master"
    for _ in range(300):
        client.get("missing")
    bad = looked(check)
    assert bad.state == "degraded" and "the share of reads that hit since the last look is 0 %" in (bad.reason or "")


def test_no_look_leaves_a_client_behind(cache: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert looked(planned(RD, URL=f"redis://127.0.0.1:{cache.port}/0")).ok
    gc.collect()
    assert "Unclosed" not in caplog.text


def test_evictions_are_seen_and_memory_is_judged(cache: Server) -> None:
    check = planned(RD, URL=f"redis://127.0.0.1:{cache.port}/0")
    looked(check)
    client = redis.Redis(port=cache.port)
    for i in range(400):
        client.set(f"k{i}", b"x" * 20_000)
    result = looked(check)
    assert values(result)["evictions_per_second"] > 100 and values(result)["evicted"] > 0
    assert result.state in ("degraded", "unhealthy")
    assert "keys are thrown out" in (result.reason or "") and "memory in use" in (result.reason or "")
    client.flushall()


def test_a_replica_is_followed_and_one_that_is_cut_off_is_told(cache: Server) -> None:
    with redis_server("--replicaof", "127.0.0.1", str(cache.port)) as replica:
        check = planned(RD, URL=f"redis://127.0.0.1:{replica.port}/0")
        eventually(lambda: redis.Redis(port=replica.port).info()["master_link_status"] == "up")
        well = looked(check)
        assert well.details["role"] == "slave" and values(well)["replication_lag_bytes"] >= 0
        master = looked(RD, URL=f"redis://127.0.0.1:{cache.port}/0")
        assert values(master)["replication_lag_bytes"] >= 0
        redis.Redis(port=replica.port).replicaof("127.0.0.1", free_port())
        cut = eventually(lambda: (r := looked(check)).state != "healthy" and r)
        assert "links to a master that are down" in (cut.reason or "")
        assert cut.details["notes"] == ["this replica is cut off from its master"]


def test_a_cache_that_wants_a_password_and_gets_another() -> None:
    with redis_server("--requirepass", "right-pass") as server:
        at = f"127.0.0.1:{server.port}/0"
        assert looked(RD, URL=f"redis://:right-pass@{at}").ok
        for url in (f"redis://:wrong-pass@{at}", f"redis://{at}"):
            result = looked(RD, URL=url)
            assert (result.state, result.failure) == ("unknown", "probe_error"), result
            assert "wrong-pass" not in json.dumps(result.row(), default=str)


def test_a_cache_that_hangs_is_unknown_one_that_is_dead_is_down(cache: Server) -> None:
    assert cache.process is not None
    check = planned(RD.replace("5s", "400ms"), URL=f"redis://127.0.0.1:{cache.port}/0")
    cache.process.send_signal(signal.SIGSTOP)
    try:
        hung = looked(check)
    finally:
        cache.process.send_signal(signal.SIGCONT)
    assert (hung.state, hung.failure) == ("unknown", "timeout") and (hung.duration_ms or 0) < 2_000
    assert looked(check).ok
    cache.kill()
    dead = looked(check)
    assert (dead.state, dead.failure) == ("unhealthy", "connect") and "connection refused" in (dead.reason or "")
    cache.start()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def test_a_bucket_takes_gives_and_removes_the_canary(s3: str) -> None:
    import boto3

    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="pitches")
    result = looked(S3, URL=s3, KEY="k3y-of-storage")
    assert (result.state, result.component, result.reason) == ("healthy", "storage", None)
    seen = values(result)
    assert [seen[f"{what}_ok"] for what in ("put", "get", "delete")] == [1, 1, 1]
    assert all(0 < seen[f"{what}_seconds"] < 5 for what in ("put", "get", "delete"))
    assert client.list_objects_v2(Bucket="pitches")["KeyCount"] == 0
    assert "k3y-of-storage" not in json.dumps(result.row(), default=str)


def test_a_bucket_that_is_not_there(s3: str) -> None:
    result = looked(S3.replace("pitches", "nowhere"), URL=s3, KEY="k3y-of-storage")
    assert (result.state, result.failure, result.details["up"]) == ("unhealthy", "assertion", True)
    assert "not there" in (result.reason or "") and values(result)["put_ok"] == 0


def test_a_storage_that_hangs_or_is_dead() -> None:
    with silent() as port:
        hung = looked(S3.replace("5s", "400ms"), URL=f"http://127.0.0.1:{port}", KEY="k3y")
    assert (hung.state, hung.failure) == ("unknown", "timeout") and (hung.duration_ms or 0) < 2_000
    dead = looked(S3, URL=f"http://127.0.0.1:{free_port()}", KEY="k3y")
    assert (dead.state, dead.failure) == ("unhealthy", "connect"), dead
    nowhere = looked(S3, URL="http://storage.invalid", KEY="k3y")
    assert (nowhere.state, nowhere.failure) == ("unhealthy", "dns"), nowhere
