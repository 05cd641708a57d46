"""Conditions: what is understood is written anew, what is not is refused with its place."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.collect.analytics_engine.when import COLUMNS, WhenError, read_when

DB = duckdb.connect()


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("blob1 = 'request'", "blob1 = 'request'"),
        ("blob1='it''s'and double1>=5e2", "blob1 = 'it''s' AND double1 >= 5e2"),
        ("not(index1 in('a','b')or double2<>-1)", "NOT (index1 IN ('a', 'b') OR double2 <> -1)"),
        ("double20 NOT IN (1, .5)", "double20 NOT IN (1, .5)"),
        ("blob1 = ')--; DROP'", "blob1 = ')--; DROP'"),
    ],
)
def test_a_condition_is_written_anew(text: str, sql: str) -> None:
    assert read_when(text) == sql
    assert read_when(sql) == sql


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("blob1 = 'request' OR 1=1", 21, "a column belongs"),
        ("blob1 = 'a') OR (timestamp > 0", 11, "should be over"),
        ("blob1 = 'a' -- all", 12, "cannot be read"),
        ("blob1 = 'a'; DROP TABLE x", 11, "cannot be read"),
        ("blob21 = 'a'", 0, "a column belongs"),
        ("timestamp > 5", 0, "a column belongs"),
        ("blob1 = 5", 8, "blob1 is compared with '5'"),
        ("double1 = '5'", 10, "double1 is compared with"),
        ("double1 = now()", 10, "compared with 'now'"),
        ("blob1 = blob2", 8, "compared with 'blob2'"),
        (r"blob1 = 'a\' OR 1=1 --'", 8, "cannot be read"),
        ("blob1 LIKE 'a%'", 6, "a comparison belongs"),
        ('blob1 = "a"', 8, "cannot be read"),
        ("double1 = 5x", 10, "cannot be read"),
        ("double1 = 1.2.3", 10, "cannot be read"),
        ("blob1 = 'a' AND", 15, "the end where a column"),
        ("", 0, "the end where a column"),
        ("(" * 30 + "double1 = 1" + ")" * 30, 20, "too many brackets"),
        ("blob1 IN ()", 10, "compared with ')'"),
    ],
)
def test_everything_else_is_refused_where_it_stands(text: str, at: int, says: str) -> None:
    with pytest.raises(WhenError, match=re.escape(says)) as caught:
        read_when(text)
    assert caught.value.at == at


def test_a_misspelt_column_has_a_hint() -> None:
    with pytest.raises(WhenError) as caught:
        read_when("blob01 = 'a'")
    assert caught.value.hint == 'did you mean "blob1"?'


_texts = st.text(st.characters(exclude_characters="\\", exclude_categories=["Cs"]), max_size=8)
_one = st.one_of(
    st.tuples(st.sampled_from(["blob1", "index1"]), st.sampled_from(["=", "!=", "<", ">="]), _texts).map(
        lambda t: f"{t[0]}{t[1]}'{t[2].replace(chr(39), chr(39) * 2)}'"
    ),
    st.tuples(st.sampled_from(["double1", "double2"]), st.integers(-9, 9)).map(lambda t: f"{t[0]} <> {t[1]}"),
)
_conditions = st.recursive(
    _one,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" AND ", " or "]), inner).map(lambda t: f"({t[0]}){t[1]}{t[2]}"),
        inner.map(lambda t: f"NOT ({t})"),
    ),
    max_leaves=5,
)


@given(_conditions)
def test_what_is_written_anew_means_the_same(text: str) -> None:
    written = read_when(text)
    point = "(SELECT 'request' AS blob1, 'b' AS index1, 200.0 AS double1, -1.0 AS double2)"
    same = DB.execute(f"SELECT ({text}) IS NOT DISTINCT FROM ({written}) FROM {point}").fetchone()
    assert same == (True,)


@given(st.text(alphabet="blob1double2index '\"()=<>!,;-ANDORTIN5.\\", max_size=40))
def test_whatever_is_typed_only_comparisons_come_out(text: str) -> None:
    try:
        written = read_when(text)
    except WhenError as error:
        assert 0 <= error.at <= len(text)
        return
    bare = re.sub(r"'(?:[^']|'')*'", "?", written)
    for word in re.findall(r"[A-Za-z_]\w*", re.sub(r"\d[eE][+-]?\d+", "0", bare)):
        assert word in {*COLUMNS, "AND", "OR", "NOT", "IN"}
    assert not re.search(r";|--|\\|\"", bare.replace(" -", " "))
