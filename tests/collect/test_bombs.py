"""Small bodies that would become large ones: refused quickly, in bounded memory, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MOST = 200 << 20  # memory above the start: the limit of 16 MiB twice over, a window, and the decoders' own needs

PROGRAM = """
import json, resource, sys, time
from datetime import datetime, UTC
from pathlib import Path
from pitchey_slo.collect import decode
from pitchey_slo.errors import CollectError
from pitchey_slo.tables import REQUESTS

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def run(body, kind, encoding):
    try:
        batch = decode(
            body, content_type=kind, content_encoding=encoding, table=REQUESTS, limit=1 << 24, now=datetime.now(UTC)
        )
        return f"{batch.rows.num_rows} rows"
    except CollectError as error:
        return error.reason

run(b'{"ts":1,"route":"/","status":200}', "application/json", None)  # imports are not what we measure
before = peak()
for line in sys.stdin:
    name, kind, encoding = json.loads(line)
    body = Path(sys.argv[1], name).read_bytes()
    start = time.process_time()
    said = run(body, kind, encoding)
    print(json.dumps([name, said, peak() - before, time.process_time() - start]))
"""
NDJSON, JSON, ARROW = "application/x-ndjson", "application/json", "application/vnd.apache.arrow.stream"
ZEROS = 256  # MiB


def make(name: str) -> bytes:
    """The bomb of that name; 1 GiB where a codec allows it."""
    import gzip
    import zlib

    import pyarrow as pa
    import zstandard

    def stream(table: pa.Table, **options: object) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())

    zeros = bytes(1 << 20)
    if name == "gzip":
        pack = zlib.compressobj(9, wbits=31)
        return b"".join(pack.compress(zeros) for _ in range(ZEROS)) + pack.flush()
    if name == "gzip members":
        return gzip.compress(zeros) * ZEROS
    if name == "zstd":
        pack = zstandard.ZstdCompressor().compressobj(size=ZEROS << 20)
        return b"".join(pack.compress(zeros) for _ in range(ZEROS)) + pack.flush()
    if name == "zstd unsized":
        pack = zstandard.ZstdCompressor().compressobj()
        return b"".join(pack.compress(zeros) for _ in range(ZEROS)) + pack.flush()
    if name == "zstd window":
        options = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
        pack = zstandard.ZstdCompressor(compression_params=options).compressobj()
        return b"".join(pack.compress(zeros) for _ in range(64)) + pack.flush()
    if name == "nested":
        return gzip.compress(gzip.compress(zeros))
    if name == "empty objects":
        return b"[" + b"{}," * ((1 << 24) // 3 - 2) + b"{}]"
    if name == "empty arrays":
        return b"[" + b"[]," * ((1 << 24) // 3 - 2) + b"[]]"
    if name == "deep":
        return b"[" * (1 << 20)
    if name == "empty lines":
        return b"{}\n" * ((1 << 24) // 3)
    if name == "fields":
        return b"".join(b'{"f%d":1}\n' % i for i in range(200_000))
    if name.startswith("arrow body"):
        return stream(pa.table({"route": [bytes(1 << 27)]}), compression=name.split()[-1])
    if name == "arrow dictionary":
        coded = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int8()), pa.array(["x" * 1_000_000]))
        return stream(pa.table({"route": coded}), compression="zstd")
    if name == "arrow view":
        text = pa.array(["x" * 1_000_000]).cast(pa.string_view())
        views = pa.Array.from_buffers(
            pa.string_view(),
            500_000,
            [None, pa.py_buffer(text.buffers()[1].to_pybytes()[:16] * 500_000), text.buffers()[2]],
        )
        return stream(pa.table({"route": views}), compression="zstd")
    if name == "arrow nulls":
        return stream(pa.table({"route": pa.nulls(100_000_000)}))
    if name == "arrow runs":
        runs = pa.RunEndEncodedArray.from_arrays(pa.array([2**31 - 1], pa.int32()), pa.array(["x"]))
        return stream(pa.table({"route": runs}))
    raise AssertionError(name)


LARGE = "payload_too_large"
BOMBS = {
    "gzip": (NDJSON, "gzip", LARGE),
    "gzip members": (NDJSON, "gzip", LARGE),
    "zstd": (NDJSON, "zstd", LARGE),
    "zstd unsized": (NDJSON, "zstd", LARGE),
    "zstd window": (NDJSON, "zstd", "malformed_body"),
    "nested": (NDJSON, "gzip", "0 rows"),
    "empty objects": (JSON, None, LARGE),
    "empty arrays": (JSON, None, LARGE),
    "empty lines": (NDJSON, None, LARGE),
    "deep": (JSON, None, "malformed_body"),
    "fields": (NDJSON, None, "0 rows"),
    "arrow body zstd": (ARROW, None, LARGE),
    "arrow body lz4": (ARROW, None, LARGE),
    "arrow dictionary": (ARROW, None, LARGE),
    "arrow view": (ARROW, None, LARGE),
    "arrow nulls": (ARROW, None, LARGE),
    "arrow runs": (ARROW, None, LARGE),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, int, float]]:
    """name -> what was said, memory peak above the start so far in bytes, CPU seconds; one process for all."""
    folder = tmp_path_factory.mktemp("bombs")
    for name in BOMBS:
        (folder / name).write_bytes(make(name))
    asked = "".join(json.dumps([name, kind, encoding]) + "\n" for name, (kind, encoding, _) in BOMBS.items())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], input=asked, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: (said, grown, seconds) for name, said, grown, seconds in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_bounded_memory(name: str, results: dict[str, tuple[str, int, float]]) -> None:
    said, grown, seconds = results[name]
    assert said == BOMBS[name][2]
    assert grown <= MOST
    assert seconds <= 5
