"""Redis: a command is answered in time, memory has room, reads hit, little is thrown out, replicas follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pitchey_slo.probe.health.model import CheckKind, Context, Key, Measure, Seen, Trouble

#: A hit rate of fewer reads than this says nothing.
LEAST_READS: Final = 100


@dataclass
class Counted:
    """Counters at the last look, to tell what came since; a restart begins them anew."""

    at: float = 0.0
    run_id: str = ""
    hits: float = 0.0
    misses: float = 0.0
    evicted: float = 0.0


@dataclass(frozen=True)
class Redis:
    url: str
    ca_file: str | None = None
    before: Counted = field(default_factory=Counted, compare=False)

    async def look(self, context: Context) -> Seen:
        import redis.asyncio as client
        from redis import exceptions
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options: dict[str, Any] = {"ssl_ca_certs": self.ca_file} if self.ca_file else {}
        server = client.Redis.from_url(
            self.url, socket_timeout=None, socket_connect_timeout=None, single_connection_client=True,
            retry=Retry(NoBackoff(), 0), decode_responses=True, client_name="pitchey-slo", protocol=2, **options,
        )  # fmt: skip
        try:
            with context.phase("connect"):
                await server.initialize()
                assert server.connection is not None
                await server.connection.connect()  # type: ignore[no-untyped-call]
            with context.phase("first_byte"):
                begin = context.monotonic()
                await server.ping()
                seconds = context.monotonic() - begin
            with context.phase("transfer"):
                info = await server.info()
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
            raise Trouble("probe_error", f"the cache answers and does not let this check in: {error}") from error
        except exceptions.BusyLoadingError as error:
            raise Trouble("assertion", f"it is reading its data back and takes no commands yet: {error}",
                          phase="first_byte") from error  # fmt: skip
        except exceptions.ResponseError as error:
            raise _refused(str(error), context.now_in) from error
        finally:
            connection, server.connection = server.connection, None  # one that is kept is told as unclosed
            if connection is not None:
                await connection.disconnect(nowait=True)
        return self._seen(info, seconds, context.monotonic())

    def _seen(self, info: Mapping[str, Any], seconds: float, now: float) -> Seen:
        most = float(info.get("maxmemory") or 0)
        values = {
            "latency_seconds": seconds,
            "hits": float(info.get("keyspace_hits", 0)),
            "misses": float(info.get("keyspace_misses", 0)),
            "evicted": float(info.get("evicted_keys", 0)),
            "memory_bytes": float(info.get("used_memory", 0)),
        }
        if most:
            values |= {"memory_max_bytes": most, "memory_share": values["memory_bytes"] / most}
        values |= self._since(values, str(info.get("run_id", "")), now)
        replication, notes = _replication(info)
        version = str(info.get("redis_version", ""))
        return Seen(values | replication, notes=notes, more={"role": info.get("role"), "version": version})

    def _since(self, values: Mapping[str, float], run_id: str, now: float) -> dict[str, float]:
        """What came since the last look; nothing at the first one, and after a restart of the server."""
        before = Counted(self.before.at, self.before.run_id, self.before.hits, self.before.misses, self.before.evicted)
        self.before.at, self.before.run_id = now, run_id
        self.before.hits, self.before.misses, self.before.evicted = values["hits"], values["misses"], values["evicted"]
        if before.run_id != run_id or now <= before.at or values["evicted"] < before.evicted:
            return {}
        found = {"evictions_per_second": (values["evicted"] - before.evicted) / (now - before.at)}
        hits, misses = values["hits"] - before.hits, values["misses"] - before.misses
        if hits >= 0 and misses >= 0 and hits + misses >= LEAST_READS:
            found["hit_rate"] = hits / (hits + misses)
        return found


def _replication(info: Mapping[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Lag in bytes of the slowest replica of a master, or of this replica; seconds a replica has been cut off."""
    if info.get("role") == "slave":
        down = info.get("master_link_status") != "up"
        # -1 when it never was connected
        cut_off = max(0.0, float(info.get("master_link_down_since_seconds", 0))) if down else 0.0
        read, done = info.get("slave_read_repl_offset"), info.get("slave_repl_offset")
        lag = {} if read is None or done is None else {"replication_lag_bytes": max(0.0, float(read) - float(done))}
        notes = ("this replica is cut off from its master",) if down else ()
        return {**lag, "replication_down": float(down), "replication_down_seconds": cut_off}, notes
    offset = info.get("master_repl_offset")
    replicas = [info.get(f"slave{i}") for i in range(int(info.get("connected_slaves", 0)))]
    lags = [float(offset) - float(r["offset"]) for r in replicas if isinstance(r, Mapping) and offset is not None]
    return ({"replication_lag_bytes": max(0.0, *lags)} if lags else {}), ()


def _refused(said: str, phase: str | None) -> Trouble:
    if said.startswith(("NOAUTH", "WRONGPASS", "NOPERM")) or "invalid password" in said:
        return Trouble("probe_error", f"the cache answers and does not let this check in: {said}", phase=phase)
    if said.startswith("max number of clients"):
        return Trouble("connect", f"no connection is left: {said}", phase="connect")
    return Trouble("assertion", said, phase=phase)


REDIS: Final = CheckKind(
    "redis",
    Redis,
    "a Redis cache answers, has room, and answers most reads itself",
    "cache",
    keys={
        "url": Key("url", "redis://user:password@host:port/0, or rediss:// with TLS", required=True),
        "ca_file": Key("text", "certificates to trust instead of the usual ones"),
    },
    needs=("redis.asyncio",),
    measures={
        "latency_seconds": Measure("s", "the answer to PING", 0.1, 1.0),
        "memory_share": Measure("share", "the share of memory in use", 0.85, 0.98),
        "memory_bytes": Measure("B", "memory in use", series="pitchey_cache_memory_bytes"),
        "memory_max_bytes": Measure("B", "memory allowed", series="pitchey_cache_memory_max_bytes"),
        "hit_rate": Measure("share", "the share of reads that hit since the last look", 0.7, None, low=True,
                            series="pitchey_cache_hit_rate"),
        "evictions_per_second": Measure("/s", "the rate at which keys are thrown out", 100.0, None),
        "hits": Measure("", "reads that hit", series="pitchey_cache_hits_total"),
        "misses": Measure("", "reads that missed", series="pitchey_cache_misses_total"),
        "evicted": Measure("", "keys that were thrown out", series="pitchey_cache_evicted_total"),
        "replication_lag_bytes": Measure("B", "the lag of replication", 1 << 20, 64 << 20,
                                         series="pitchey_cache_replication_lag_bytes"),
        "replication_down": Measure("", "the number of links to a master that are down", 0.0, None),
        "replication_down_seconds": Measure("s", "the time this replica has been cut off", None, 60.0),
    },
)  # fmt: skip
