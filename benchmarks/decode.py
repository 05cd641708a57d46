"""Rows per second of decoding and conforming, per format: `python benchmarks/decode.py [rows]`."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import orjson
import pyarrow as pa

from pitchey_slo.collect import decode
from pitchey_slo.tables import REQUESTS


def main(count: int) -> None:
    now = datetime.now(UTC)
    row = {"route": "/api/pitches/:id", "method": "GET", "status": 200, "location": "FRA", "bytes": 512}
    start = int(now.timestamp()) - count
    rows = [row | {"ts": start + i, "duration_ms": i % 977 / 7, "event_id": f"e{i}"} for i in range(count)]
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    bodies = {
        "application/x-ndjson": b"\n".join(map(orjson.dumps, rows)),
        "application/json": orjson.dumps(rows),
        "application/vnd.apache.arrow.stream": bytes(sink.getvalue()),
    }
    for kind, body in bodies.items():
        best = 1e9
        for _ in range(3):
            began = time.perf_counter()
            batch = decode(body, content_type=kind, content_encoding=None, table=REQUESTS, limit=1 << 30, now=now)
            best = min(best, time.perf_counter() - began)
        assert batch.rows.num_rows == count
        print(f"{kind:40} {count / best:12,.0f} rows/s  {len(body) / count:6.0f} bytes/row")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
