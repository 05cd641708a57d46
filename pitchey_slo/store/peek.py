"""A look into a hot file that nobody has open: does it open, which schema, is anything missing. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import duckdb

from pitchey_slo.errors import StoreDamaged, StoreLocked
from pitchey_slo.store.home import Home


@dataclass(frozen=True)
class Peek:
    """schema       number of the newest step it has; `knows` is the newest that this version has
    commit_seq   newest commit it holds, `acknowledged` the newest that a sender was told of
    gaps         ranges of acknowledged commits known to be missing
    wal_bytes    what waits in its log and is replayed at the next start
    """

    schema: int
    knows: int
    commit_seq: int
    acknowledged: int
    gaps: tuple[tuple[int, int], ...]
    wal_bytes: int


def peek(folder: Path) -> Peek:
    """Open the file for reading alone (DuckDB replays the log in memory). Raises StoreDamaged when it does not open,
    StoreLocked when a process has it open for writing."""
    home = Home(folder)
    try:
        with duckdb.connect(str(home.hot), read_only=True) as connection:
            schema, seq = (
                _number(connection, sql)
                for sql in ("SELECT max(number) FROM migrations", "SELECT max(seq) FROM commits")
            )
            gaps = connection.execute("SELECT first_seq, last_seq FROM gaps").fetchall()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        if "lock" in first.lower():
            raise StoreLocked(f"{home.hot} is open in another process: {first}") from None
        raise StoreDamaged(f"{home.hot} does not open: {first}") from None
    wal = home.wal.stat().st_size if home.wal.exists() else 0
    return Peek(schema, newest_schema(), seq, home.acknowledged(), tuple((int(a), int(b)) for a, b in gaps), wal)


def newest_schema() -> int:
    """Number of the newest schema step of this version."""
    files = resources.files(__package__).joinpath("schema").iterdir()
    return max((int(p.name[:4]) for p in files if p.name.endswith(".sql")), default=0)


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0] or 0) if row else 0
