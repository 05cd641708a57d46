"""What is damaged, and what is made to hurt: a CollectError, in bounded memory, and nothing else."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.collect.otlp import JSON, PROTOBUF, decode_logs, decode_metrics, decode_traces
from pitchey_slo.errors import CollectError

from .messages import SPAN, TRACE, as_json, delivery, logs, metrics, spans

SAMPLES: dict[Callable[..., Any], Any] = {
    decode_logs: logs(
        {"severity_number": 9, "trace_id": TRACE, "span_id": SPAN, "attributes": {"a": [1, {"b": "c"}], "d": 2.5}},
        {"body": {"message": "m", "n": 1}},
        resource={"service.name": "shop"},
    ),
    decode_traces: spans(
        {
            "attributes": {"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 200},
            "trace_state": "ot=th:8",
            "events": [("exception", {"exception.type": "E"})],
        },
        {"kind": 3},
    ),
    decode_metrics: metrics(
        {"name": "g", "unit": "s", "gauge": {"points": [{"as_double": 1.5, "attributes": {"a": "b"}}]}},
        {
            "name": "h",
            "histogram": {
                "aggregation_temporality": 2,
                "points": [{"count": 3, "sum": 2.0, "bucket_counts": [1, 2], "explicit_bounds": [1.0]}],
            },
        },
        {"name": "s", "summary": {"points": [{"count": 1, "quantile_values": [(0.5, 1.0)]}]}},
        resource={"service.name": "shop"},
    ),
}


INSERTS = (b"null", b'"x"', b"1e999", b"[[", b"true", b"\\ud800", b"-1", b"\x08\x96\x01")


@settings(max_examples=300)
@given(st.sampled_from(list(SAMPLES)), st.sampled_from([JSON, PROTOBUF]), st.randoms(use_true_random=False))
def test_mutations(decode: Callable[..., Any], media: str, dice: random.Random) -> None:
    """The statuses are 400, 413 and 415, or it is read; no other error whatever is changed."""
    body = bytearray(as_json(SAMPLES[decode]) if media == JSON else SAMPLES[decode].SerializeToString())
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(body))
        match dice.randrange(5):
            case 0:
                body[at] ^= 1 << dice.randrange(8)
            case 1:
                body[at] = dice.choice(b'\0\xff"{}[]0-9eE,:\\u\x80\x7f')
            case 2:
                del body[at : at + dice.randint(1, 9)]
            case 3:
                body[at:at] = body[: dice.randint(1, 40)]
            case _:
                body[at:at] = dice.choice(
                    [b"null", b'"x"', b"1e999", b"[[", b"true", b"\\ud800", b"-1", b"\x08\x96\x01"]
                )
        if not body:
            break
    try:
        decode(delivery(bytes(body), media))
    except CollectError as error:
        assert error.status in (400, 413, 415)


ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e300, 2**64, 2**70, -(2**63), "", "x", "NaN", "1e999", "-9223372036854775808", "\0"),
    *([], {}, [[]], [None], [{}], "0" * 32, "ot=th:f;rv:", "1000", {"stringValue": 5}, {"intValue": "9" * 20}),
    {"arrayValue": {"values": [{"kvlistValue": {"values": None}}]}},
    [{"key": "http.response.status_code", "value": {"doubleValue": "Infinity"}}],
    [{"key": None, "value": None}, {"key": "a"}, {"key": "a", "value": {"bytesValue": "AA=="}}],
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a tree of JSON."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@settings(max_examples=300)
@given(st.sampled_from(list(SAMPLES)), st.data())
def test_another_kind_of_value_anywhere(decode: Callable[..., Any], data: st.DataObject) -> None:
    tree = {"": json.loads(as_json(SAMPLES[decode]))}
    path = data.draw(st.sampled_from(places(tree)[1:]))
    inner: Any = tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = data.draw(st.sampled_from(ODD))
    try:
        decode(delivery(json.dumps(tree[""]).encode(), JSON))
    except CollectError as error:
        assert error.status == 400


@settings(max_examples=100)
@given(st.sampled_from(list(SAMPLES)), st.sampled_from([JSON, PROTOBUF]), st.binary(max_size=60))
def test_anything_at_all(decode: Callable[..., Any], media: str, body: bytes) -> None:
    try:
        decode(delivery(body, media))
    except CollectError as error:
        assert error.status in (400, 413, 415)


def test_one_record_that_is_not_utf8_costs_that_record() -> None:
    body = logs({"body": "good"}, {"body": "bad!"}).SerializeToString().replace(b"bad!", b"b\xff\xfe!")
    batch = decode_logs(delivery(body))
    assert [r["message"] for r in batch.rows.to_pylist()] == ["good"]
    assert [(r.row, r.reason) for r in batch.rejected] == [(1, "invalid_utf8")]
    batch = decode_logs(delivery(logs({"body": "good"}, {"body": "nul\0"})))
    assert [(r.row, r.reason) for r in batch.rejected] == [(1, "invalid_utf8")]


@pytest.mark.parametrize("levels", [10, 30, 90, 1_000, 100_000])
def test_nesting(levels: int) -> None:
    """Beyond sixteen levels it is that record that is refused; beyond what a parser takes, all of it."""
    value = b'{"arrayValue":{"values":[' * levels + b'{"intValue":1}' + b"]}}" * levels
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":%s},{"body":{"stringValue":"b"}}]}]}]}' % value
    try:
        batch = decode_logs(delivery(body, JSON))
    except CollectError as error:
        assert levels >= 1_000 and error.status == 400
        return
    assert levels < 1_000
    assert batch.rows.num_rows == 2 - (levels > 16) and len(batch.rejected) == (levels > 16)
    nested: Any = 1
    for _ in range(min(levels, 40)):
        nested = [nested]
    batch = decode_logs(delivery(logs({"body": nested}, {"body": "b"})))
    assert batch.rows.num_rows == 2 - (levels > 16)


MOST = 160 << 20
PROGRAM = """
import json, re, sys, time
from datetime import datetime, UTC
from pathlib import Path
from pitchey_slo.collect.otlp import Delivery, decode_logs, decode_metrics, decode_traces
from pitchey_slo.errors import CollectError

def peak():
    # not ru_maxrss, which begins with what the parent had
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def run(decode, body, media, encoding):
    try:
        decode(Delivery(body, media, encoding, None, 1 << 24, b"k" * 32, datetime.now(UTC)))
        return 200
    except CollectError as error:
        return error.status

for decode in (decode_logs, decode_traces, decode_metrics):
    run(decode, b"{}", "application/json", None)
before = peak()
for line in sys.stdin:
    name, signal, media, encoding = json.loads(line)
    start = time.process_time()
    said = run(globals()["decode_" + signal], Path(sys.argv[1], name).read_bytes(), media, encoding)
    used = peak() - before
    print(json.dumps([name, said, used * 1024, time.process_time() - start]), flush=True)
"""


def _nested(*numbers: int, inside: bytes) -> bytes:
    """`inside` as the message of these fields, the outermost first."""
    for number in reversed(numbers):
        size, length = len(inside), b""
        while size > 0x7F:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        inside = bytes([number << 3 | 2]) + length + bytes([size]) + inside
    return inside


def bombs() -> dict[str, tuple[str, str, str | None, int, bytes]]:
    """name -> (signal, media, encoding, status, body); each fills the limit of 16 MiB with as many things as it can."""
    import gzip

    import zstandard

    empty = b"\x12\x00" * ((1 << 23) - 100)
    values = b"\x32\x00" * ((1 << 19) - 9)
    wide = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 5_000_000 + b"{}]}]}]}"
    many = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 200_000 + b"{}]}]}]}"
    zeros = bytes(64 << 20)
    return {
        "records": ("logs", PROTOBUF, None, 413, _nested(1, 2, inside=empty)),
        "scopes": ("traces", PROTOBUF, None, 413, _nested(1, inside=empty)),
        "attributes": ("logs", PROTOBUF, None, 200, _nested(1, 2, inside=_nested(2, inside=values) * 15)),
        "one large record": ("logs", PROTOBUF, None, 200, _nested(1, 2, 2, inside=values * 15)),
        "large resource": ("logs", PROTOBUF, None, 400, _nested(1, 1, inside=b"\x0a\x00" * (1 << 22))),
        "points": ("metrics", PROTOBUF, None, 413, _nested(1, 2, 2, 5, inside=b"\x0a\x00" * (1 << 22))),
        "objects": ("logs", JSON, None, 413, wide),
        "json records": ("logs", JSON, None, 413, many),
        "gzip": ("logs", PROTOBUF, "gzip", 413, gzip.compress(zeros)),
        "zstd": ("logs", JSON, "zstd", 413, zstandard.compress(zeros)),
        "twice": ("logs", JSON, "gzip, gzip", 415, gzip.compress(gzip.compress(b"{}"))),
    }


def test_bombs(tmp_path: Any) -> None:
    """Measured in a process of its own: memory above the start, seconds of processor time."""
    made = bombs()
    for name, (*_, body) in made.items():
        (tmp_path / name).write_bytes(body)
    lines = "".join(json.dumps([name, *told[:3]]) + "\n" for name, told in made.items())
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {name: said for name, said, _, _ in told} == {name: each[3] for name, each in made.items()}
    for name, _, used, seconds in told:
        assert used < MOST, f"{name}: {used >> 20} MiB"
        assert seconds < 8, f"{name}: {seconds:.1f} s"
