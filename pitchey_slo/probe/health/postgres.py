"""PostgreSQL: a client gets in, a query is answered, and there is room: connections, locks, replication.

Every look connects anew, as an application does that lost its pool: a database that is full or restarting says so.
Works with the rights of any user; `GRANT pg_monitor` shows it more (docs/health.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pitchey_slo.probe.health.model import CheckKind, Context, Key, Measure, Seen, Trouble

#: Without pg_monitor the backends of others show neither kind nor state: whoever has a user is a client then.
_CONNECTIONS: Final = """
SELECT count(*) FILTER (WHERE coalesce(backend_type, 'client backend') = 'client backend' AND usename IS NOT NULL)
           AS used,
       count(*) FILTER (WHERE state = 'active') AS active,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
       max(extract(epoch FROM clock_timestamp() - xact_start))
           FILTER (WHERE backend_type = 'client backend')::float8 AS oldest_transaction,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most
FROM pg_stat_activity
"""
_LOCKS: Final = "SELECT count(*) AS waiting, NULL::float8 AS longest FROM pg_locks WHERE NOT granted"
#: `waitstart` came with PostgreSQL 14.
_LOCKS_14: Final = """
SELECT count(*) AS waiting, extract(epoch FROM clock_timestamp() - min(waitstart))::float8 AS longest
FROM pg_locks WHERE NOT granted
"""
#: A replica that lost its primary has replayed all it received, which looks like no lag at all: only while something
#: is being received does "all replayed" mean "up to date". On a quiet primary the last transaction may be old.
_REPLICA: Final = """
SELECT (SELECT count(*) FROM pg_stat_wal_receiver) > 0 AS receiving,
       CASE WHEN (SELECT count(*) FROM pg_stat_wal_receiver) > 0
                 AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8 AS lag
"""
_PRIMARY: Final = """
SELECT count(*) AS replicas, count(*) FILTER (WHERE state IS NULL) AS hidden,
       max(extract(epoch FROM replay_lag))::float8 AS lag,
       max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::float8 AS bytes
FROM pg_stat_replication
"""
#: SQLSTATE -> what it means for somebody who looks (PostgreSQL's appendix A).
_REFUSED: Final = {
    "53300": "no connection is left (too many clients)",
    "57P03": "it is starting up or shutting down",
    "57P01": "it is being shut down",
    "57P02": "it crashed and restarts",
    "53200": "it is out of memory",
    "53100": "its disk is full",
    "58030": "it cannot read or write its files",
}
_NOT_LET_IN: Final = ("28000", "28P01", "3D000", "42501")


@dataclass(frozen=True)
class Postgres:
    """`replicas`: how many standbys a primary should have; fewer is told."""

    url: str
    replicas: int | None = None

    async def look(self, context: Context) -> Seen:
        import asyncpg

        connection = None
        try:
            with context.phase("connect"):
                connection = await asyncpg.connect(
                    self.url, timeout=None, statement_cache_size=0, server_settings={"application_name": "pitchey-slo"}
                )
            with context.phase("first_byte"):
                begin = context.monotonic()
                await connection.fetchval("SELECT 1")
                seconds = context.monotonic() - begin
            with context.phase("transfer"):
                return await self._measured(connection, seconds)
        except asyncpg.PostgresError as error:
            raise _refused(error, context.now_in) from error
        except asyncpg.InterfaceError as error:
            raise Trouble("probe_error", f"the address or its options cannot be used: {error}") from error
        finally:
            if connection is not None:
                connection.terminate()  # a server that hangs would never say goodbye

    async def _measured(self, connection: Any, seconds: float) -> Seen:
        used = await connection.fetchrow(_CONNECTIONS)
        locks = await connection.fetchrow(_LOCKS_14 if connection.get_server_version() >= (14, 0) else _LOCKS)
        values = {
            "query_seconds": seconds,
            "connections_used": float(used["used"]),
            "connections_active": float(used["active"]),
            "connections_max": float(used["most"]),
            "connections_share": used["used"] / max(1, used["most"]),
            "locks_waiting": float(locks["waiting"]),
            "lock_wait_seconds": locks["longest"] or 0.0,
        }
        if used["oldest_transaction"] is not None:
            values["transaction_seconds"] = max(0.0, used["oldest_transaction"])
        more = {"role": "replica" if await connection.fetchval("SELECT pg_is_in_recovery()") else "primary"}
        found, notes = await (_replica if more["role"] == "replica" else self._primary)(connection)
        version = ".".join(map(str, connection.get_server_version()[:2]))
        return Seen(values | found, notes=notes, more={**more, "version": version})

    async def _primary(self, connection: Any) -> tuple[dict[str, float], tuple[str, ...]]:
        row = await connection.fetchrow(_PRIMARY)
        values = {"replication_lag_seconds": row["lag"], "replication_lag_bytes": row["bytes"]}
        found = {name: max(0.0, value) for name, value in values.items() if value is not None}
        if self.replicas is not None:
            found["replicas_missing"] = float(max(0, self.replicas - row["replicas"]))
        if row["hidden"]:
            return found, ("lag of the replicas is not shown to this user; GRANT pg_monitor shows it",)
        return found, ()


async def _replica(connection: Any) -> tuple[dict[str, float], tuple[str, ...]]:
    row = await connection.fetchrow(_REPLICA)
    notes = () if row["receiving"] else ("this replica receives nothing from a primary",)
    found = {"replication_down": float(not row["receiving"])}
    if row["lag"] is not None:  # null when no transaction came since it was started
        found["replication_lag_seconds"] = max(0.0, row["lag"])
    return found, notes


def _refused(error: Any, phase: str | None) -> Trouble:
    """Refused by a server that speaks: it is broken, or it is us whom it does not let in."""
    code = str(getattr(error, "sqlstate", "") or "")
    if code in _NOT_LET_IN:
        return Trouble("probe_error", f"the database answers and does not let this check in: {error}", phase=phase)
    said = _REFUSED.get(code)
    return Trouble("connect" if phase == "connect" else "assertion", f"{said}: {error}" if said else f"{error}",
                   phase=phase)  # fmt: skip


POSTGRES: Final = CheckKind(
    "postgres",
    Postgres,
    "a PostgreSQL database lets clients in, answers, and has room",
    "database",
    keys={
        "url": Key("url", "postgresql://user:password@host:port/database", required=True),
        "replicas": Key("integer", "how many replicas a primary should have", low=0, high=1_000),
    },
    measures={
        "query_seconds": Measure("s", "the plainest query", 0.25, 2.0, series="pitchey_db_query_seconds"),
        "connections_share": Measure("share", "the share of connections in use", 0.8, 0.95),
        "connections_used": Measure("", "the number of connections in use", series="pitchey_db_connections_used"),
        "connections_active": Measure("", "the number of connections at work", series="pitchey_db_connections_active"),
        "connections_max": Measure("", "the number of connections allowed", series="pitchey_db_connections_max"),
        "locks_waiting": Measure("", "the number of waits for a lock", 10.0, 50.0, series="pitchey_db_locks_waiting"),
        "lock_wait_seconds": Measure("s", "the longest wait for a lock", 5.0, 60.0,
                                     series="pitchey_db_lock_wait_seconds"),
        "transaction_seconds": Measure("s", "the oldest transaction", 900.0, None,
                                       series="pitchey_db_transaction_seconds"),
        "replication_lag_seconds": Measure("s", "the lag of replication", 10.0, 120.0,
                                           series="pitchey_db_replication_lag_seconds"),
        "replication_lag_bytes": Measure("B", "the lag of replication", series="pitchey_db_replication_lag_bytes"),
        "replication_down": Measure("", "the number of links to a primary that are down", 0.0, None),
        "replicas_missing": Measure("", "the number of missing replicas", 0.0, None),
    },
    needs=("asyncpg",),
    up={"database": ("pitchey_db_up", "instance")},
)  # fmt: skip
