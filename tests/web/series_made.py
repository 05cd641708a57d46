"""Series for the tests of the HTTP API: senders of remote writes, and one small history everyone asks about."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from pitchey_slo.collect.prometheus.sample_rows import encode_samples
from pitchey_slo.series import SampleBatch, labels_of

_spec = importlib.util.spec_from_file_location(
    "protos", Path(__file__).parents[1] / "collect" / "prometheus" / "protos.py"
)
assert _spec and _spec.loader
protos: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(protos)

METRICS = "/api/monitoring/metrics"
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
#: 2026-01-05T10:00:00Z, in ms and s.
T0 = 1_767_607_200_000
S0 = T0 // 1000


def batch(*series: tuple[dict[str, str], Iterable[int], Iterable[float]]) -> SampleBatch:
    """(labels, times in ms, values) -> one batch."""
    labels, owner, ts, value = [], [], [], []
    for i, (pairs, times, values) in enumerate(series):
        labels.append(labels_of(pairs))
        ts += list(times)
        value += [float(v) for v in values]
        owner += [i] * (len(ts) - len(owner))
    return SampleBatch(labels, np.array(owner, np.int64), np.array(ts, np.int64), np.array(value, np.float64))


def history(count: int = 240, step: int = 15_000) -> SampleBatch:
    """An hour of a counter on two routes, one gauge, one histogram bucket."""
    times = [T0 + i * step for i in range(count)]
    return batch(
        ({"__name__": "http_requests_total", "route": "/a", "job": "api"}, times, range(0, 10 * count, 10)),
        ({"__name__": "http_requests_total", "route": "/b", "job": "api"}, times, range(0, 5 * count, 5)),
        ({"__name__": "queue", "job": "api"}, times, [i % 7 / 3 for i in range(count)]),
        ({"__name__": "up", "job": "api"}, times, [1] * count),
    )


def load(client: httpx.Client, samples: SampleBatch) -> dict[str, Any]:
    """Send history to a server."""
    answer = client.post(f"{METRICS}?backfill=true", content=bytes(encode_samples(samples)), headers=ARROW)
    assert answer.status_code == 200, answer.text
    return answer.json()


def write_v1(client: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    given = {"Content-Type": protos.V1_TYPE, "Content-Encoding": "snappy", **headers}
    return client.post("/api/v1/write", content=protos.snap(body), headers=given)


def write_v2(client: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    return write_v1(client, body, **{"Content-Type": protos.V2_TYPE, **headers})
