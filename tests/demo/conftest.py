from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pitchey_slo.demo import simulate

END = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REQUESTS = 1_000_000


@pytest.fixture(scope="session")
def month() -> dict[str, pa.Table]:
    """Thirty days in one table per name; a million requests, so that the tests stay quick."""
    parts: dict[str, list[pa.Table]] = {}
    for name, rows in simulate(end=END, requests=REQUESTS):
        parts.setdefault(name, []).append(rows)
    return {name: pa.concat_tables(tables) for name, tables in parts.items()}


class Sql:
    """The month under its table names in DuckDB, times in UTC."""

    def __init__(self, month: dict[str, pa.Table]) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        for name, table in month.items():
            self._connection.register(f"{name}_arrow", table)
            self._connection.execute(f"CREATE TABLE {name} AS FROM {name}_arrow")

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        (row,) = self.all(sql, parameters)
        return row


@pytest.fixture(scope="session")
def db(month):
    return Sql(month)
