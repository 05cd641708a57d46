"""The engine and a real Prometheus answer the same on the same samples.

Debian's Prometheus is 2.42, whose windows include their left edge; ours, as Prometheus 3's, do not. So the steps are
chosen such that no sample lies on an edge. They start when the longest window is full: Prometheus 3 no longer lets a
counter's way to zero carry it further than half an interval out of its first samples (functions.test has the case).
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from pitchey_slo.promql import MemoryScan, evaluate
from pitchey_slo.promql import labels as lb

T0 = 1_700_000_000_000
START, END, STEP = T0 + 2_467_001, T0 + 7_500_000, 60_000
QUERIES = """
rate(c_total[5m])
increase(c_total[37m])
sum by (job) (irate(c_total[2m]))
sum by (job) (rate(c_total[5m])) / sum by (job) (rate(c_total[30m] offset 10m))
delta(g[7m])
deriv(g[11m])
predict_linear(g[20m], 600)
quantile_over_time(0.9, g[13m])
stddev_over_time(g[5m])
avg_over_time(g[5m]) - min_over_time(g[5m]) + max_over_time(g[5m]) * sum_over_time(g[5m])
changes(g[10m]) + resets(g[10m]) + count_over_time(g[10m])
histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))
histogram_quantile(0.5, h_bucket)
max_over_time(rate(c_total[3m])[20m:97s])
topk(2, c_total)
quantile(0.3, c_total)
stdvar by (job) (c_total)
c_total > on (job) group_left g
g and on (job) c_total{instance="1"} > 10
c_total unless on (job, instance) c_total{job="a"}
g @ 1700003000 + on (job) group_right c_total
label_replace(g, "short", "$1-$2", "job", "(.)(.*)")
absent(nothing{job="a"})
clamp(g, -5, 5) % 3
timestamp(g) - time()
sort_desc(sum by (instance) (c_total))
hour(c_total) + day_of_week(c_total)
count_values("v", round(g, 10))
""".strip().splitlines()


def made() -> MemoryScan:
    """Two hours: counters with resets, gauges with gaps, a histogram."""
    random, scan = np.random.default_rng(7), MemoryScan()
    for job in ("a", "b"):
        for instance in "123":
            ts = T0 + int(random.integers(0, 15_000)) + np.arange(500) * 15_000
            values = random.poisson(4, 500).cumsum().astype(np.float64)
            for reset in random.integers(1, 500, 3):
                values[reset:] -= values[reset]
            scan.add({"__name__": "c_total", "job": job, "instance": instance}, ts, values)
        kept = random.random(500) < 0.7
        walk = np.round(random.normal(0, 3, 500).cumsum(), 2)
        scan.add({"__name__": "g", "job": job}, (T0 + 13 + np.arange(500) * 15_000)[kept], walk[kept])
        counts = random.poisson([[3], [5], [1], [1]], (4, 500)).cumsum(axis=1).cumsum(axis=0)
        for le, row in zip(("0.1", "0.5", "2.5", "+Inf"), counts, strict=True):
            scan.add({"__name__": "h_bucket", "job": job, "le": le}, T0 + 29 + np.arange(500) * 15_000, row)
    return scan


def open_metrics(scan: MemoryScan) -> str:
    lines: list[str] = []
    for labels, (ts, values) in sorted(scan.series.items()):
        inside = ",".join(f"{k}={lb.quote(v)}" for k, v in labels if k != lb.NAME)
        name = f"{lb.get(labels, lb.NAME)}{{{inside}}}"
        lines += [f"{name} {v!r} {t / 1000:.3f}" for t, v in zip(ts.tolist(), values.tolist(), strict=True)]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        pytest.skip("no Prometheus on this machine")
    home: Path = tmp_path_factory.mktemp("prometheus")
    (home / "data.om").write_text(open_metrics(made()))
    (home / "prometheus.yml").write_text("global: {}\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", home / "data.om", home / "tsdb"], check=True
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb",
         "--storage.tsdb.retention.time=90y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    if client.get("/-/ready").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert server.poll() is None, "Prometheus ended"
                time.sleep(0.1)
            else:
                pytest.fail("Prometheus was not ready after 60 s")
            yield client
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize("text", QUERIES)
def test_prometheus_gives_the_same(prometheus: httpx.Client, text: str) -> None:
    asked = {"query": text, "start": START / 1000, "end": END / 1000, "step": STEP / 1000}
    answer = prometheus.get("/api/v1/query_range", params=asked).json()
    assert answer["status"] == "success", answer
    theirs = {lb.make(series["metric"]): series["values"] for series in answer["data"]["result"]}
    ours = {lb.make(labels): list(zip(times.tolist(), values.tolist(), strict=True))
            for labels, times, values in evaluate(text, made(), START, END, STEP).series()}  # fmt: skip
    assert ours.keys() == theirs.keys()
    assert ours, "a query without any answer shows nothing"
    for labels, points in theirs.items():
        assert [t for t, _ in ours[labels]] == [round(t * 1000) for t, _ in points], labels
        wanted = [float(v) for _, v in points]
        np.testing.assert_allclose([v for _, v in ours[labels]], wanted, rtol=1e-9, atol=1e-10, err_msg=str(labels))
