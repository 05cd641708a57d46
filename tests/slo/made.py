"""A reader over an in-memory DuckDB, and rows made in one line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from pitchey_slo.errors import QueryError
from pitchey_slo.tables import STREAMS, TABLES

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class MemoryReader:
    """The `Reader` seam over tables in memory."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("SET TimeZone = 'UTC'")
        for table in STREAMS.values():
            self.connection.register("empty", table.schema.empty_table())
            self.connection.execute(f"CREATE TABLE {table.name} AS SELECT * FROM empty")
        self.queries: list[str] = []

    def add(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        self.add_table(table, pa.Table.from_pylist(list(rows), schema=TABLES[table].schema))

    def add_table(self, table: str, rows: pa.Table) -> None:
        self.connection.register("more", rows)
        self.connection.execute(f"INSERT INTO {table} SELECT * FROM more")

    def query(self, sql: str, params: Sequence[Any] | None = None) -> pa.Table:
        self.queries.append(sql)
        try:
            return self.connection.sql(sql, params=list(params or [])).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    def source(self, table: str, start: datetime, end: datetime) -> str:
        time = TABLES[table].time
        return f"(SELECT * FROM {table} WHERE {time} >= TIMESTAMPTZ '{start}' AND {time} < TIMESTAMPTZ '{end}')"

    def check_filter(self, table: str, text: str) -> None:
        try:
            self.connection.execute(f"SELECT CASE WHEN {text} THEN 1 END FROM {table} WHERE false")
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    def watermark(self, table: str) -> datetime | None:
        if table not in STREAMS:
            return None
        time = TABLES[table].time
        found = self.connection.sql(f"SELECT max({time}) AS t FROM {table}").to_arrow_table()
        value: datetime | None = found["t"][0].as_py()
        return value


class EvenReader(MemoryReader):
    """Also tells whether all weights are 1, as the lake's reader does."""

    def uniform_weights(self, table: str, start: datetime, end: datetime) -> bool:
        sql = f"SELECT coalesce(bool_and(sample_interval = 1), true) AS even FROM {self.source(table, start, end)}"
        found = self.connection.sql(sql).to_arrow_table()
        return bool(found["even"][0].as_py())


def request(ts: datetime, **columns: Any) -> dict[str, Any]:
    """One row of `requests` with plain defaults."""
    plain = {"route": "/api/x", "method": "GET", "status": 200, "duration_ms": 10.0, "sample_interval": 1.0}
    return plain | {"source": "test"} | columns | {"ts": ts}


def spec_text(
    *,
    name: str = "x",
    metric: str = "",
    objectives: str = "[{target: 0.9}]",
    window: str = "{duration: 28d, isRolling: true}",
    method: str = "Occurrences",
    extra: str = "",
) -> str:
    """An SLO on requests as YAML; by default bad is status >= 500."""
    metric = metric or (
        'ratioMetric: {bad: {metricSource: {type: pitchey, spec: {table: requests, filter: "status >= 500"}}}, '
        "total: {metricSource: {type: pitchey, spec: {table: requests}}}}"
    )
    return f"""
apiVersion: openslo/v1
kind: SLO
metadata:
  name: {name}
  annotations: {{note: "none"{extra}}}
spec:
  service: test
  indicator:
    metadata: {{name: {name}}}
    spec: {{{metric}}}
  timeWindow: [{window}]
  budgetingMethod: {method}
  objectives: {objectives}
"""
