"""Deliveries: content types, encodings, limits, rows that are refused, and the two ways of reading NDJSON."""

from __future__ import annotations

import contextlib
import gzip
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pitchey_slo.collect import Batch, decode
from pitchey_slo.collect.decode import _exactly
from pitchey_slo.collect.json_rows import read_clean
from pitchey_slo.errors import BodyTooLarge, CollectError, UnknownFormat
from pitchey_slo.tables import BUSINESS_EVENTS, REQUESTS, TABLES, Table
from tests.depth import examples

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LIMIT = 1 << 20
ARROW = "application/vnd.apache.arrow.stream"
ROW: dict[str, Any] = {"ts": "2026-05-01T10:00:00Z", "route": "/api/pitches", "status": 200, "duration_ms": 12.5}


def read(body: bytes, kind: str = "application/x-ndjson", encoding: str | None = None, **options: Any) -> Batch:
    options = {"table": REQUESTS, "limit": LIMIT, "now": NOW, **options}
    batch = decode(body, content_type=kind, content_encoding=encoding, **options)
    assert batch.rows.schema == options["table"].schema
    batch.rows.validate(full=True)
    return batch


def ndjson(*rows: Any) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def stream(rows: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


TABLE = pa.Table.from_pylist([ROW, ROW | {"status": 500}])

BODIES = {
    "array": (orjson.dumps([ROW, ROW | {"status": 500}]), "application/json"),
    "events": (orjson.dumps({"events": [ROW, ROW | {"status": 500}]}), "application/json; charset=utf-8"),
    "ndjson": (ndjson(ROW, ROW | {"status": 500}), "application/x-ndjson"),
    "no last newline": (ndjson(ROW, ROW | {"status": 500})[:-1], "application/jsonl"),
    "blank lines": (b"\n" + ndjson(ROW) + b" \r\n\n" + ndjson(ROW | {"status": 500}), "application/json-lines"),
    "arrow": (stream(TABLE), ARROW),
    "arrow lz4": (stream(TABLE, compression="lz4"), ARROW),
    "arrow zstd": (stream(TABLE, compression="zstd"), ARROW),
    "arrow dictionaries": (stream(TABLE.set_column(1, "route", TABLE["route"].dictionary_encode())), ARROW),
}


@pytest.mark.parametrize("encoding", [None, "identity", "gzip", "zstd"])
@pytest.mark.parametrize("name", BODIES)
def test_every_way_gives_the_same_rows(name: str, encoding: str | None) -> None:
    body, kind = BODIES[name]
    body = {"gzip": gzip.compress, "zstd": zstandard.compress}.get(encoding or "", lambda b: b)(body)
    batch = read(body, kind, encoding)
    assert batch.rows["status"].to_pylist() == [200, 500]
    assert batch.rows["duration_ms"].to_pylist() == [12.5, 12.5]
    assert (batch.rejected, batch.warnings) == ([], [])


def test_one_object_is_one_row() -> None:
    assert read(orjson.dumps(ROW), "application/json").rows.num_rows == 1


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_unknown_content_types_name_the_known_ones(kind: str | None) -> None:
    with pytest.raises(UnknownFormat, match=r"application/x-ndjson|UTF-8"):
        decode(b"{}", content_type=kind, content_encoding=None, table=REQUESTS, limit=LIMIT, now=NOW)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate", "zstd,gzip", "gzip,"])
def test_other_or_several_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UnknownFormat, match="identity, gzip, zstd"):
        read(gzip.compress(gzip.compress(ndjson(ROW))), encoding=encoding)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_damaged_compression_is_malformed(encoding: str) -> None:
    good = (gzip.compress if encoding == "gzip" else zstandard.compress)(ndjson(*[ROW] * 100))
    for bad in (b"", good[:-1], good[: len(good) // 2], good + b"junk", b"junk", good[:10] + b"\xff\xff" + good[12:]):
        with pytest.raises(CollectError):
            read(bad, encoding=encoding)
    assert read(good + good, encoding=encoding).rows.num_rows == 200  # several members or frames are one body


def test_limit_is_inclusive_and_counts_what_comes_out() -> None:
    body = ndjson(*[ROW] * 50)
    for encoding, packed in ((None, body), ("gzip", gzip.compress(body)), ("zstd", zstandard.compress(body))):
        assert read(packed, encoding=encoding, limit=len(body)).rows.num_rows == 50
        with pytest.raises(BodyTooLarge, match="after decompression"):
            read(packed, encoding=encoding, limit=len(body) - 1)


def test_bad_lines_cost_only_themselves() -> None:
    lines = [
        orjson.dumps(ROW),
        b"{not json",
        b"[1, 2]",
        b"null",
        b'{"ts": NaN}',
        b'{"ts":"2026-05-01T10:00:00Z","route":"/\\ud800","status":200}',
        b'{"ts":"2026-05-01T10:00:00Z","route":"/\xff","status":200}',
        b'{"ts":"2026-05-01T10:00:00Z","route":"/\\u0000","status":200}',
        b'{"ts":"2026-05-01T10:00:00Z","route":"/","status":{"code":200}}',
        b'{"ts":"2026-05-01T10:00:00Z","route":"/"}',
        b"[" * 5_000,
        orjson.dumps(ROW | {"status": "404"}),
    ]
    batch = read(b"\n".join(lines))
    assert batch.rows["status"].to_pylist() == [200, 404]
    assert [(r.row, r.reason) for r in batch.rejected] == [
        (1, "malformed_line"),
        (2, "not_an_object"),
        (3, "not_an_object"),
        (4, "malformed_line"),
        (5, "invalid_utf8"),
        (6, "invalid_utf8"),
        (7, "invalid_utf8"),
        (8, "wrong_type"),
        (9, "missing_field"),
        (10, "malformed_line"),
    ]


def test_a_body_that_is_no_json_at_all() -> None:
    for body in (b"", b"nonsense", b"3", b'"text"', b"[{}", b"\xff", b'[{"a": NaN}]'):
        with pytest.raises(CollectError):
            read(body, "application/json")


def test_array_keeps_good_rows() -> None:
    batch = read(orjson.dumps([ROW, 3, ROW | {"status": None}, ROW]), "application/json")
    assert batch.rows.num_rows == 2
    assert [(r.row, r.reason) for r in batch.rejected] == [(1, "not_an_object"), (2, "missing_field")]


def test_batch_key_names_rows_that_have_no_id() -> None:
    rows = [ROW, ROW | {"status": None}, ROW | {"event_id": "mine"}, ROW]
    for body, kind in ((ndjson(*rows), "application/x-ndjson"), (orjson.dumps(rows), "application/json")):
        assert read(body, kind, batch_key="k").rows["event_id"].to_pylist() == ["k:0", "mine", "k:3"]
    assert read(stream(TABLE), ARROW, batch_key="k").rows["event_id"].to_pylist() == ["k:0", "k:1"]
    assert read(ndjson(ROW)).rows["event_id"].to_pylist() == [None]


def test_properties_may_be_an_object() -> None:
    event = {"ts": "2026-05-01T10:00:00Z", "event": "nda_signed"}
    rows = [event | {"properties": {"b": [1, None], "a": "é"}}, event | {"properties": "text"}, event]
    batch = read(ndjson(*rows), table=BUSINESS_EVENTS)
    assert batch.rows["properties"].to_pylist() == ['{"b":[1,null],"a":"é"}', "text", None]


def test_mixed_types_in_one_column() -> None:
    times = ["2026-05-01T10:00:00Z", 1777629600, 1777629600000.0, 1777629600000000000, None, {}]
    batch = read(ndjson(*[ROW | {"ts": t} for t in times]))
    assert set(batch.rows["ts"].to_pylist()) == {datetime(2026, 5, 1, 10, tzinfo=UTC)}
    assert [(r.row, r.reason) for r in batch.rejected] == [(4, "missing_field"), (5, "bad_time")]


# ---- the fast and the exact way agree

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), texts
)
rows_like_the_first = st.fixed_dictionaries(
    {
        "ts": st.one_of(st.integers(0, 2 * 10**18), st.sampled_from(["2026-05-01T10:00:00Z", "2026-05-01 10:00", "x"])),
        "route": texts,
        "status": st.integers(-5, 1_100),
    },
    optional={
        "duration_ms": st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**60) | st.none(),
        "location": texts | st.none(),
        "eventId": texts | st.integers(0, 2**63),
        "extra": scalars,
    },
)


def same(body: bytes, table: Table = REQUESTS) -> bool:
    """Whether the fast way was taken; if so, it must agree with the exact one."""
    if read_clean(body, table) is None:
        return False
    fast = read(body, table=table, limit=1 << 30)
    exact = _exactly(body, table, NOW, None)
    assert fast.rows.equals(exact.rows)
    assert [(r.row, r.reason) for r in fast.rejected] == [(r.row, r.reason) for r in exact.rejected]
    assert fast.warnings == exact.warnings
    return True


@settings(deadline=None, max_examples=300)
@given(st.lists(rows_like_the_first, min_size=1, max_size=6))
@example([{"ts": 0, "route": "/", "status": 1, "duration_ms": 2**60 + 1}, {"ts": 1, "route": "/", "status": 2}])
@example([{"ts": "2026-05-01T10:00:00Z", "route": "\u2028{}\\n", "status": 200}])
def test_both_ways_agree(rows: list[dict[str, Any]]) -> None:
    same(ndjson(*rows))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [b'{"a":1}', b"{", b"}", b",", b"\n", b'"', b"[", b" ", b"\\", b'{"ts":1,"route":"/","status":2}']
        ),
        max_size=12,
    )
)
def test_both_ways_agree_on_nonsense(parts: list[bytes]) -> None:
    same(b"".join(parts))


def test_clean_bodies_do_take_the_fast_way() -> None:
    rows = [ROW | {"route": f"/{{id}}/é{i}", "durationMs": None} for i in range(100)]
    assert same(ndjson(*rows))
    assert not same(ndjson(*rows, rows[0] | {"another": 1}))
    assert not same(ndjson(*rows).replace(b"}\n{", b"}{", 1))


# ---- whatever comes, only CollectError goes out

SEEDS = [body for body, _ in BODIES.values()]
KINDS = ["application/json", "application/x-ndjson", ARROW]


@settings(deadline=None, max_examples=examples(250))
@given(
    body=st.sampled_from(SEEDS),
    kind=st.sampled_from(KINDS),
    encoding=st.sampled_from([None, "gzip", "zstd"]),
    packed=st.booleans(),
    table=st.sampled_from(list(TABLES.values())),
    edits=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 3), st.integers(0, 255)), max_size=6),
)
def test_mutations_never_crash(
    body: bytes, kind: str, encoding: str | None, packed: bool, table: Table, edits: list[tuple[int, int, int]]
) -> None:
    if packed and encoding:
        body = (gzip.compress if encoding == "gzip" else zstandard.compress)(body)
    data = bytearray(body)
    for place, what, value in edits:
        at = place % max(len(data), 1)
        if what == 0 and data:
            data[at] = value
        elif what == 1:
            data.insert(at, value)
        elif what == 2:
            del data[at : at + value]
        else:
            data[at:at] = data[at : at + value]
    try:
        batch = decode(bytes(data), content_type=kind, content_encoding=encoding, table=table, limit=LIMIT, now=NOW)
    except CollectError:
        return
    batch.rows.validate(full=True)
    assert batch.rows.schema == table.schema
    orjson.dumps([[r.row, r.reason, r.message] for r in batch.rejected])  # what the API will do with them


@settings(deadline=None, max_examples=200)
@given(body=st.binary(max_size=200), kind=st.sampled_from(KINDS), encoding=st.sampled_from([None, "gzip", "zstd"]))
def test_noise_never_crashes(body: bytes, kind: str, encoding: str | None) -> None:
    with contextlib.suppress(CollectError):
        read(body, kind, encoding)
