"""Log lines a second: fingerprints on one core, text logs read from a file, patterns of a lake:
`python benchmarks/logs.py [lines]`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import machine
import pyarrow as pa

from pitchey_slo.analyse.logs import log_patterns
from pitchey_slo.collect.files import read_file
from pitchey_slo.logs.fingerprint import fill
from pitchey_slo.store import LakeReader
from pitchey_slo.tables import LOGS
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

ROUTES = ("/api/pitches", "/api/search", "/api/ndas/:id/sign", "/api/payments")
STACK = "TypeError: no genre {0}\n    at validate (src/pitch.ts:{0}:21)\n    at create (src/pitch.ts:41:9)"


def message(i: int) -> str:
    """Nine lines of requests for one of a failure; every hundredth is a stack trace."""
    if i % 100 == 50:
        return STACK.format(i)
    if i % 10 == 0:
        return f"no answer from 10.0.{i % 256}.7:5432 within {i % 977} ms for user u{i}x9: try {i % 3} of 3"
    return f"GET {ROUTES[i % 4]}/{i} 200 in {i % 977}.{i % 10} ms trace 4bf92f3577b34da6a3ce929d0e{i:06x}"


def best(work: Callable[[], object], times: int = 3) -> float:
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def main(count: int) -> None:
    print(machine.line())
    messages = [message(i) for i in range(count)]
    table = rows("logs", count, start=NOON - timedelta(days=1), step=86_400 / count, message=messages)
    ordinary = table.filter(pa.array(["\n" not in text for text in messages]))
    print(f"{'fingerprints, ordinary lines':40} {ordinary.num_rows / best(lambda: fill(ordinary)):12,.0f} lines/s")
    print(f"{'fingerprints, 1 % stack traces':40} {count / best(lambda: fill(table)):12,.0f} lines/s")
    with tempfile.TemporaryDirectory() as folder:
        log, now = Path(folder) / "app.log", datetime.now(UTC)
        log.write_text("".join(f"2026-05-01 12:00:00,123 - shop - INFO - {text}\n" for text in messages))
        took = best(lambda: sum(part.lines for part in read_file(log, table=LOGS, now=now)), 1)
        print(f"{'text log, read and conformed':40} {count / took:12,.0f} lines/s")
        with fresh_store(Path(folder) / "home", clock=FixedClock(NOON)) as store:
            store.append("logs", table)
            store.flush()
            reader = LakeReader(store.settings.lake_uri)
            began = time.perf_counter()
            found = log_patterns(reader, NOON - timedelta(hours=1), NOON)
            print(f"{'patterns of a day':40} {time.perf_counter() - began:12.2f} s, {len(found)} patterns")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
