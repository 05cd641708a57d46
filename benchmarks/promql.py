"""Debian's Prometheus and this workbench on the same samples, the same questions, the answers compared.

    python benchmarks/promql.py                        # small: 2 days, about a minute
    python benchmarks/promql.py --days 30 --settle     # 50 series, 30 days, every 15 s: 8.6 M samples

Both hold two counters of 25 series each. Prometheus gets them as blocks from `promtool tsdb create-blocks-from` (with
--settle it has merged them before it is asked), we as history that is flushed to the lake and sorted as the server
does it. Asked over HTTP in pieces of 11,000 steps, which is all that Prometheus answers at once; ours again through the
notebook's `promql` in one piece. Samples lie between the steps, so that Debian's 2.42 (windows closed on the left) and
ours see the same. Each figure is the best of --runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from crash import start
from deltalake import DeltaTable
from machine import line

from pitchey_slo.client import HttpDoor
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.workbench import connect

STEP_MS, BLOCK_MS, DAY_MS = 15_000, 7_200_000, 86_400_000
SHIFT_MS = 7_300  # samples lie between the steps of any query
PIECE = 10_999  # steps of one request
NAMES = ("http_errors_total", "http_requests_total")

RATIO = "sum by (route) (rate(http_errors_total[5m])) / sum by (route) (rate(http_requests_total[5m]))"
CASES = [
    ("sum(rate(http_requests_total[5m]))", 60),
    ("sum(rate(http_requests_total[5m]))", 15),
    (RATIO, 60),
    (RATIO, 15),
    ("sum(rate(http_requests_total[1d]))", 3_600),
    ("max_over_time(http_requests_total[1h])", 300),
    ("quantile_over_time(0.9, http_requests_total[1h])", 300),
]


def make(days: int, series: int) -> tuple[SampleBatch, int]:
    """Counters of two metrics that reset about once a week, and the time of the first step in ms."""
    rng = np.random.default_rng(7)
    begin = (int(time.time() * 1000) // DAY_MS - days - 1) * DAY_MS
    ts = begin + SHIFT_MS + STEP_MS * np.arange(days * DAY_MS // STEP_MS, dtype=np.int64)
    labels, values = [], []
    for name in NAMES:
        for i in range(series // 2):
            labels.append(labels_of({"__name__": name, "route": f"/r{i % 5}", "instance": f"i{i // 5}", "job": "api"}))
            counter = np.cumsum(rng.poisson(1 if "errors" in name else 20, len(ts))).astype(np.float64)
            for reset in rng.integers(0, len(ts), max(1, days // 7)):
                counter[reset:] -= counter[reset]
            values.append(counter)
    owner = np.repeat(np.arange(len(labels), dtype=np.int64), len(ts))
    return SampleBatch(labels, owner, np.tile(ts, len(labels)), np.concatenate(values)), begin


def load_prometheus(batch: SampleBatch, days: int, folder: Path) -> None:
    """One OpenMetrics file per block of two hours: promtool reads its whole input again for every block."""
    many, per_block = len(batch.labels), BLOCK_MS // STEP_MS
    value = batch.value.reshape(many, -1).astype(np.int64)
    ts = batch.ts.reshape(many, -1)[0]
    texts = ["{" + ",".join(f'{k}="{v}"' for k, v in labels if k != "__name__") + "}" for labels in batch.labels]
    names = [dict(labels)["__name__"] for labels in batch.labels]
    for block in range(days * DAY_MS // BLOCK_MS):
        part = slice(block * per_block, (block + 1) * per_block)
        stamps = [f"{ms // 1000}.{ms % 1000:03d}" for ms in ts[part].tolist()]
        lines = []
        for name in NAMES:
            lines.append(f"# TYPE {name.removesuffix('_total')} counter")
            for i in (i for i in range(many) if names[i] == name):
                head = f"{name}{texts[i]} "
                lines += [f"{head}{v} {at}" for v, at in zip(value[i, part].tolist(), stamps, strict=True)]
        file = folder / "block.om"
        file.write_text("\n".join([*lines, "# EOF", ""]))
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(file), str(folder / "tsdb")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)


def load_ours(batch: SampleBatch, days: int, home: Path) -> None:
    """As history, a day at a time; then what the server's background work does."""
    day = DAY_MS // STEP_MS
    many = len(batch.labels)
    ts, value = batch.ts.reshape(many, -1), batch.value.reshape(many, -1)
    settings = Settings.load(env_file=None, home=home, hot_days=1)
    with Store.open(settings, background=False) as store:
        for i in range(days):
            part = slice(i * day, (i + 1) * day)
            owner = np.repeat(np.arange(many), day)
            receipt = store.samples(
                SampleBatch(batch.labels, owner, ts[:, part].ravel(), value[:, part].ravel()), backfill=True
            ).result()
            assert receipt.stored == many * day, receipt
            store.flush()
            store.compact()
        for _ in range(3):
            store.compact()
        store.trim()
        store.vacuum()


@contextmanager
def prometheus(folder: Path, settle: bool) -> Iterator[httpx.Client]:
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=120) as client:
            until("Prometheus is ready", lambda: client.get("/-/ready").status_code == 200, 120)
            if settle:
                wait_settled(folder / "tsdb")
            yield client
    finally:
        process.terminate()
        process.wait(60)


def until(what: str, ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"not within {seconds:g} s: {what}")


def wait_settled(tsdb: Path) -> None:
    """Blocks are merged once a minute: wait until two minutes bring nothing new."""
    seen, since, deadline = -1, time.monotonic(), time.monotonic() + 900
    while time.monotonic() - since < 130 and time.monotonic() < deadline:
        count = len([p for p in tsdb.iterdir() if (p / "meta.json").exists()])
        if count != seen:
            seen, since = count, time.monotonic()
        time.sleep(1)


def ask(client: httpx.Client, expr: str, begin: int, end: int, step: int) -> dict[bytes, dict[float, float]]:
    """All points of a range, series by labels, asked in pieces."""
    found: dict[bytes, dict[float, float]] = {}
    for data in pieces(client, expr, begin, end, step):
        for series in orjson.loads(data)["data"]["result"]:
            key = orjson.dumps(series["metric"], option=orjson.OPT_SORT_KEYS)
            found.setdefault(key, {}).update((at, float(value)) for at, value in series["values"])
    return found


def pieces(client: httpx.Client, expr: str, begin: int, end: int, step: int) -> Iterator[bytes]:
    while begin <= end:
        last = min(end, begin + PIECE * step)
        answer = client.post("/api/v1/query_range", data={"query": expr, "start": begin, "end": last, "step": step})
        if answer.status_code != 200:
            raise SystemExit(f"{client.base_url}: {answer.status_code}: {answer.text[:500]}")
        yield answer.content
        begin = last + step


def best(run: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def differences(theirs: dict[bytes, dict[float, float]], ours: dict[bytes, dict[float, float]]) -> tuple[int, float]:
    """(points compared, largest relative difference); raises when one has a point the other lacks."""
    points, worst = 0, 0.0
    assert theirs.keys() == ours.keys(), (list(theirs)[:3], list(ours)[:3])
    for key, series in theirs.items():
        assert series.keys() == ours[key].keys(), (key, len(series), len(ours[key]))
        for at, value in series.items():
            mine = ours[key][at]
            points += 1
            if not (np.isnan(value) and np.isnan(mine)) and value != mine:
                worst = max(worst, abs(value - mine) / max(abs(value), abs(mine)))
    return points, worst


def size(folder: Path, pattern: str) -> int:
    return sum(p.stat().st_size for p in folder.glob(pattern) if p.is_file())


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    batch, begin = make(given.days, given.series)
    samples = len(batch)
    print(f"{samples:,} samples, {given.series} series, {given.days} days; {line()}", flush=True)
    load_seconds = [
        best(lambda: load_ours(batch, given.days, folder / "home"), 1),
        best(lambda: load_prometheus(batch, given.days, folder), 1),
    ]
    print(f"loaded in {load_seconds[0]:.1f} s (ours), {load_seconds[1]:.1f} s (promtool)", flush=True)
    first, last = begin // 1000 + 300, (begin + given.days * DAY_MS) // 1000 - 60
    results = []
    process, info, _ = start(folder / "home", 0, 10.0)
    try:
        with HttpDoor(info) as door:
            token = door.create_token("bench", ["read"])
        headers = {"Authorization": f"Bearer {token}"}
        wb = connect(folder / "home")
        with (
            prometheus(folder, given.settle) as theirs,
            httpx.Client(base_url=info.url, headers=headers, trust_env=False, timeout=120) as ours,
        ):
            live = DeltaTable(str(folder / "home" / "lake" / "samples")).file_uris()
            blocks = [p for p in (folder / "tsdb").iterdir() if (p / "meta.json").exists()]
            stored = {
                "prometheus_bytes": round(size(folder / "tsdb", "0*/chunks/*") / samples, 2),
                "ours_bytes": round(sum(Path(f.removeprefix("file://")).stat().st_size for f in live) / samples, 2),
                "prometheus_blocks": len(blocks),
            }
            for expr, step in CASES:
                # a window longer than the data is extrapolated otherwise since Prometheus 2.53: begin a day later
                span = (expr, first + 86_400 * ("[1d]" in expr), last, step)
                points, worst = differences(ask(theirs, *span), ask(ours, *span))
                times = {
                    "prometheus": best(lambda s=span: list(pieces(theirs, *s)), given.runs),
                    "http": best(lambda s=span: list(pieces(ours, *s)), given.runs),
                    "notebook": best(lambda s=span: wb.promql(s[0], *map(utc, s[1:3]), s[3]), given.runs),
                }
                results.append({"expr": expr, "step": step, "points": points, "difference": worst, **times})
                tell(results[-1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    print(
        f"bytes per sample: {stored['prometheus_bytes']} in Prometheus' chunks ({stored['prometheus_blocks']} blocks), "
        f"{stored['ours_bytes']} in our lake"
    )
    return {"samples": samples, "load": load_seconds, **stored, "results": results}


def utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def tell(found: dict[str, Any]) -> None:
    shown = "ratio of two sum by (route) (rate[5m])" if found["expr"] == RATIO else found["expr"]
    base = found["prometheus"]
    print(
        f"{shown:50} {found['step']:>5} s  {found['points']:>9,} points  largest difference {found['difference']:.0e}  "
        f"Prometheus {base:7.3f} s  http {found['http']:7.3f} s ({base / found['http']:4.1f} x)  "
        f"notebook {found['notebook']:7.3f} s ({base / found['notebook']:4.1f} x)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--series", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--settle", action="store_true", help="wait until Prometheus has merged its blocks (minutes)")
    given = parser.parse_args()
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        sys.exit("install Debian's prometheus first: apt-get install prometheus")
    with tempfile.TemporaryDirectory(prefix="pitchey-promql-", dir=os.environ.get("PITCHEY_BENCH_DIR")) as folder:
        found = measure(given, Path(folder))
    print(orjson.dumps({"benchmark": "promql", **vars(given), **found}).decode())


if __name__ == "__main__":
    main()
