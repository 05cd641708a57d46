"""Records per second that OTLP requests are turned into rows and samples, as protobuf and as JSON, on one core.
`--records` per request and `--rounds` make it larger; the best round counts, by CPU time."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from pitchey_slo.collect.otlp import JSON, PROTOBUF, decode_logs, decode_metrics, decode_traces
from tests.collect.otlp import messages as made


def requests(many: int) -> dict[str, tuple[Callable[..., Any], Any, int]]:
    """What a service of ten routes sends: (decode, request, records)."""
    shop = {"service.name": "shop", "service.instance.id": "a1", "cloud.region": "eu-west-1", "host.name": "h1"}
    ids = [(i + 1).to_bytes(16, "big") for i in range(many)]
    logs = [
        {
            "severity_number": 9 + 4 * (i % 10 == 0),
            "body": f"pitch {i} viewed",
            "trace_id": ids[i],
            "span_id": ids[i][8:],
            "attributes": {"http.route": f"/api/r{i % 10}/{{id}}", "thread.name": "worker-1", "code.lineno": i % 400},
        }
        for i in range(many)
    ]
    spans = [
        {
            "trace_id": ids[i],
            "kind": 2 if i % 4 == 0 else 3,
            "name": "GET",
            "attributes": {
                **{"http.request.method": "GET", "http.route": f"/api/r{i % 10}/{{id}}", "url.path": f"/api/r1/{i}"},
                **{"http.response.status_code": 200, "server.address": "pitchey.example", "url.scheme": "https"},
            },
        }
        for i in range(many)
    ]
    points = [{"as_int": i, "attributes": {"route": f"/r{i}", "method": "GET"}} for i in range(many)]
    bounds = [0.005 * 2**i for i in range(11)]
    timed = [
        {
            **{"count": 12, "sum": 1.5, "bucket_counts": [1] * 12, "explicit_bounds": bounds},
            "attributes": {"http.route": f"/r{i}", "http.request.method": "GET"},
        }
        for i in range(many // 10)
    ]
    return {
        "logs": (decode_logs, made.logs(*logs, resource=shop), many),
        "spans, one in four a server's": (decode_traces, made.spans(*spans, resource=shop), many),
        "gauge points": (decode_metrics, made.metrics({"name": "g", "gauge": {"points": points}}, resource=shop), many),
        "histogram points of 14 samples": (
            decode_metrics,
            made.metrics(
                {"name": "h", "unit": "s", "histogram": {"aggregation_temporality": 2, "points": timed}}, resource=shop
            ),
            many // 10,
        ),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=8_192)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    print(f"{'':42} {'records':>8} {'time':>12} {'':>14} {'size':>9}")
    for name, (decode, request, records) in requests(given.records).items():
        for media in (PROTOBUF, JSON):
            delivery = made.delivery(request, media)
            seconds = []
            for _ in range(given.rounds):
                start = time.process_time()
                decode(delivery)
                seconds.append(time.process_time() - start)
            best, size = min(seconds), len(delivery.body) / records
            kind = "JSON" if media == JSON else "protobuf"
            print(
                f"{name + ', ' + kind:42} {records:>8,} {best * 1e3:>9.1f} ms {records / best:>12,.0f}/s {size:>7.0f} B"
            )


if __name__ == "__main__":
    main()
