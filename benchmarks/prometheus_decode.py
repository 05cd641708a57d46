"""Samples per second of Prometheus' formats on this machine: text and OpenMetrics the first and the second time, remote
write 1.0 and 2.0, OpenMetrics files. `--series` and `--rounds` make it larger; the best round counts, by CPU time."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cramjam

from pitchey_slo.collect.prometheus import RemoteWrite, TextParser, expose, parse_text, read_openmetrics

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.collect.prometheus import protos


def best(rounds: int, work: Callable[[], int]) -> tuple[float, int]:
    """(seconds of CPU of the best round, samples of one round)."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        samples = work()
        seconds.append(time.process_time() - start)
    return min(seconds), samples


def row(name: str, seconds: float, samples: int, size: int) -> None:
    print(f"{name:34} {samples:>9,} {seconds * 1e3:>9.1f} ms {samples / seconds:>12,.0f}/s {size / samples:>7.1f} B")


def exposition(series: int) -> bytes:
    lines = []
    for i in range(series):
        if i % 50 == 0:
            lines += [f"# HELP metric_{i // 50} What it is", f"# TYPE metric_{i // 50} gauge"]
        labels = f'instance="host{i % 50}:9100",job="node",path="/api/v1/{i % 7}",code="200"'
        lines.append(f"metric_{i // 50}{{{labels}}} {random.random() * 1000}")
    return ("\n".join(lines) + "\n").encode()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--series", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    random.seed(1)
    print(f"{'':34} {'samples':>9} {'time':>12} {'':>14} {'size':>9}")

    body = exposition(given.series)
    row("text, new to us", *best(given.rounds, lambda: len(parse_text(body, now=0))), len(body))
    parser = TextParser()
    parser.parse(body, now=0)
    row("text, asked again", *best(given.rounds, lambda: len(parser.parse(body, now=1).batch)), len(body))
    batch = parser.parse(body, now=1_700_000_000_000).batch
    row("text, written", *best(given.rounds, lambda: len(batch) * bool(expose(batch))), len(body))

    series = [
        (
            sorted([("__name__", f"metric_{i % 200}"), *((f"label{k}", f"value_{i // 200}_{k}") for k in range(9))]),
            [(1_700_000_000_000 + i, random.random() if i % 5 else 0.0)],
        )
        for i in range(given.series)
    ]
    long = [
        (labels, [(1_700_000_000_000 + 15_000 * t, random.random()) for t in range(200)]) for labels, _ in series[:100]
    ]
    for name, rows in (("1 sample of 10 labels", series), ("200 samples of 10 labels", long)):
        for version, message, kind in (
            ("1.0", protos.v1(rows), protos.V1_TYPE),
            ("2.0", protos.v2(rows, (1, "help", "bytes")), protos.V2_TYPE),
        ):
            sent = bytes(cramjam.snappy.compress_raw(message))
            decoder = RemoteWrite()

            def write(decoder: RemoteWrite = decoder, sent: bytes = sent, kind: str = kind) -> int:
                return len(decoder.decode(sent, content_type=kind, content_encoding="snappy").batch)

            start = time.process_time()
            count = write()
            if version == "1.0" and rows is series:
                row("remote write 1.0, first time", time.process_time() - start, count, len(sent))
            row(f"remote write {version}, {name}", *best(given.rounds, write), len(sent))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump.om"
        lines = [
            f'm{{i="{i}",job="x"}} {t} {1_700_000_000 + t * 15}' for i in range(100) for t in range(given.series // 50)
        ]
        path.write_text("\n".join(lines) + "\n# EOF\n")
        row(
            "OpenMetrics file",
            *best(min(given.rounds, 2), lambda: sum(len(b) for b in read_openmetrics(path))),
            path.stat().st_size,
        )


if __name__ == "__main__":
    main()
