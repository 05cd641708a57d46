"""Splitting filters and putting them together again must never change what passes."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.slo.filters import columns_in, conjuncts, masks

COLUMNS = ["route", "status", "duration_ms"]
ATOMS = [
    "status >= 500",
    "status BETWEEN 200 AND 299",
    "status NOT BETWEEN 400 AND 499",
    "route = '/a AND b'",
    "route LIKE '/a%' ",
    "NOT route = 'it''s' ",
    "duration_ms > 5",
    "duration_ms IS NULL",
    "CASE WHEN status = 500 AND route = 'x' THEN true ELSE duration_ms > 1 END",
    "(status = 200 OR duration_ms < 3)",
    "status BETWEEN 200 AND CASE WHEN route = 'x' AND true THEN 300 ELSE 400 END",
    "coalesce(duration_ms, 0) + status > 205",
    "route IN ('x', '/a AND b')",
    "true",
    "NULL",
    "route = 'x' -- AND status = 1",
    "route = $$x AND y$$",
]


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE t AS SELECT * FROM (VALUES ('/a AND b', 200, 1.0::DOUBLE), ('x', 500, 9.0), "
        "('it''s', 404, NULL), (NULL, 500, 4.0), ('x', NULL, 2.0), ('/abc', 250, 'nan'), ('x', 301, 0.5)) "
        "AS v(route, status, duration_ms)"
    )
    return connection


@st.composite
def texts(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=4))
    joins = [draw(st.sampled_from([" AND ", " and ", "\nAND\t", " OR "])) for _ in parts[1:]]
    return parts[0] + "".join(j + p for j, p in zip(joins, parts[1:], strict=True))


@settings(max_examples=150, deadline=None)
@given(st.lists(texts(), min_size=1, max_size=5))
def test_masks_say_what_filter_says(connection: duckdb.DuckDBPyConnection, filters: list[str]) -> None:
    (sql,) = masks([conjuncts(f) for f in filters], COLUMNS)
    fast = [row[0] for row in connection.sql(f"SELECT {sql} FROM t").fetchall()]
    for i, text in enumerate(filters):
        slow = connection.sql(f"SELECT CASE WHEN ({text}\n) THEN 1 ELSE 0 END FROM t").fetchall()
        assert [(m >> i) & 1 for m in fast] == [row[0] for row in slow], text


@pytest.mark.parametrize(
    "text",
    ["a = 1 OR b = 2 AND c = 3", "a -> 'x' AND b", "f(x := 1) /* AND */ AND b", "a = $$ AND $$", "list[1] AND b"],
)
def test_what_needs_a_real_parser_is_left_whole(text: str) -> None:
    assert conjuncts(text) == [text]


def test_columns_are_found_outside_texts() -> None:
    assert columns_in("Status = 5 AND \"route\" = 'duration_ms'", COLUMNS) == {"status", "route"}
