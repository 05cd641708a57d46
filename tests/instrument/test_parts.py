"""The small parts: trace headers, JSON of anything, exceptions as data, and what the room imports."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.instrument import encode, routes, trace, trouble


@pytest.mark.parametrize(
    "header",
    [
        "", "00", "00-0-0-0", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
    ],
)  # fmt: skip
def test_headers_that_say_nothing(header: str) -> None:
    assert trace.parse(header) is None


def test_headers_that_do() -> None:
    ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    assert trace.parse(f" 00-{ids}-00 ") == trace.Trace(*ids.split("-"), False)
    assert trace.parse(f"cc-{ids}-03-what-comes-later") == trace.Trace(*ids.split("-"), True)
    made = trace.made()
    assert trace.parse(made.header) == made
    assert trace.child(made).trace_id == made.trace_id
    assert trace.of_opentelemetry() is None


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(ANYTHING)
def test_anything_becomes_one_line_that_the_workbench_reads(value: object) -> None:
    told = encode.line({"value": encode.plain(value)})
    assert b"\n" not in told
    assert b"\\u0000" not in told
    assert orjson.loads(told).keys() == {"value"}


def test_what_cannot_be_told_is_told_so() -> None:
    class Broken:
        def __str__(self) -> str:
            raise OSError("no")

    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    told = encode.plain(
        {"b": Broken(), "deep": deep, "wide": list(range(1_000)), "at": datetime(2026, 1, 2, tzinfo=UTC)}
    )
    assert told["b"] == "(Broken, whose str() raises OSError)"
    assert "nested too deep" in str(told["deep"])
    assert told["wide"][-1] == "(744 more)"
    assert told["at"] == "2026-01-02T00:00:00+00:00"
    assert len(encode.text("x" * 99_999)) == encode.LONGEST
    assert encode.plain(10**5_000) == "(a huge number)"
    assert encode.line({"a": "x\0y\ud800"}) == '{"a":"x\ufffdy?"}'.encode()


def test_exceptions_as_data() -> None:
    def inner() -> None:
        raise KeyError("k")

    try:
        try:
            inner()
        except KeyError as cause:
            raise ValueError("outer") from cause
    except ValueError as error:
        told = trouble.described(error)
    assert (told["type"], told["message"]) == ("ValueError", "outer")
    assert told["cause"]["type"] == "KeyError"
    assert told["cause"]["stack"][-1].endswith(" inner")
    assert "instrument/test_parts.py:" in told["stack"][0]
    try:
        raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])
    except ExceptionGroup as group:
        assert [e["type"] for e in trouble.described(group)["among"]] == ["ValueError", "KeyError"]


def test_a_loop_of_causes_ends() -> None:
    a, b = ValueError("a"), ValueError("b")
    a.__cause__, b.__cause__ = b, a
    assert str(trouble.described(a)).count("message") == trouble.CHAIN


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/api/pitches/42", "/api/pitches/:id"), ("/", "/"), ("", "/"), ("/about-us", "/about-us"),
        ("/u/3f2504e0-4f89-11d3-9a0c-0305e82c3301/x", "/u/:id/x"), ("/c/9b1c2d3e4f", "/c/:id"),
        ("/c/deadbeef", "/c/deadbeef"),
        ("/m/nora@example.org", "/m/:id"), ("/d/2026-11-23", "/d/:id"), ("/o/usr_1a2b3c4d", "/o/:id"),
        ("/v2/things", "/v2/things"),
        ("/k/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/k/:id"), ("/p/how-to-pitch-to-investors", "/p/how-to-pitch-to-investors"),
    ],
)  # fmt: skip
def test_paths_without_a_router(path: str, pattern: str) -> None:
    assert routes.pattern_of(path) == pattern


@given(st.text(alphabet="abc/0123456789-%@_{}:", max_size=200))
def test_paths_never_break_it(path: str) -> None:
    assert len(routes.pattern_of("/" + path)) <= 13 * 65


def test_the_room_is_light_to_import() -> None:
    code = (
        "import sys, pitchey_slo.instrument as i; from pitchey_slo.instrument import clean; "
        "i.monitor(service='x'); print([m for m in "
        "('pandas', 'pyarrow', 'duckdb', 'fastapi', 'starlette', 'httpx', 'numpy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
