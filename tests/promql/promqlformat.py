"""The pieces of Prometheus' test format: series, points, `load` and `eval`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pitchey_slo.promql import STALE, Matcher, MemoryScan, SeriesBlock
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.parse import unquote
from pitchey_slo.promql.scan import filter_labels

MINUTE = 60_000
UNITS = {"ms": 1, "s": 1000, "m": MINUTE, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
SERIES = re.compile(r"""^((?:[\w:]+)?\s*(?:\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'}])*\})?)(?:\s+(.*))?$""")
LABEL = re.compile(r"""([\w.:]+|"(?:\\.|[^"\\])*")\s*(?:=\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))?""")
NUMBER = r"[+-]?(?:inf|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
POINT = re.compile(rf"({NUMBER}|_|stale)(?:([+-](?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?))?(?:x(\d+))?", re.IGNORECASE)
HISTOGRAM = re.compile(r"\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x\d+)?")
EVAL = re.compile(r"eval(?:_(fail|warn|info|ordered))?\s+(.*)")


class NotSupported(Exception):
    """The case needs native histograms or experimental syntax."""


@dataclass
class Storage:
    """What was loaded: float samples, and the labels of series that have native histograms."""

    floats: MemoryScan = field(default_factory=MemoryScan)
    native: list[Labels] = field(default_factory=list)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs=None) -> SeriesBlock:
        if filter_labels(matchers, self.native):
            raise NotSupported("native histograms")
        return self.floats.select(matchers, start_ms, end_ms)


@dataclass
class Eval:
    """One `eval` with what it expects."""

    line: int
    text: str
    old: str | None
    expects: list[str] = field(default_factory=list)
    series: list[tuple[Labels, list[float | None]]] = field(default_factory=list)
    scalar: float | None = None
    native: bool = False


def duration(text: str) -> int:
    """`5m`, `1h30m`, `50ms` or plain seconds, in ms."""
    if re.fullmatch(r"-?[\d.]+", text):
        return round(float(text) * 1000)
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def series_labels(text: str) -> Labels:
    """`name{a="b"}` -> labels."""
    name, _, inside = text.partition("{")
    pairs = {lb.NAME: name.strip()} if name.strip() else {}
    for key, value in LABEL.findall(inside.rpartition("}")[0]):
        bare = unquote(key) if key.startswith('"') else key
        pairs[bare if value else lb.NAME] = unquote(value) if value else bare
    return lb.make(pairs)


def points(text: str) -> list[float | None]:
    """Prometheus' expanding notation: `1+2x3 _ stale 5x2`; None where there is no sample."""
    found: list[float | None] = []
    for value, step, times in POINT.findall(text):
        count = int(times) + 1 if times else 1
        if value == "_":
            found += [None] * (int(times) if times else 1)
            continue
        first = STALE if value == "stale" else float(value)
        found += [first + i * float(step) if step else first for i in range(count)]
    return found


def load(storage: Storage, line: str, body: list[str]) -> None:
    command, interval = line.split()[:2]
    step = duration(interval)
    for text in body:
        match = SERIES.match(text)
        assert match, text
        labels, values = series_labels(match[1]), match[2] or ""
        if "{{" in values:
            storage.native.append(labels)
            continue
        if command == "load_with_nhcb":
            base = re.sub(r"_(bucket|sum|count)$", "", lb.get(labels, lb.NAME))
            storage.native.append(lb.put(lb.without(labels, ("le",)), lb.NAME, base))
        numbers = points(values)
        kept = [(i * step, value) for i, value in enumerate(numbers) if value is not None]
        storage.floats.add(labels, [t for t, _ in kept], np.array([v for _, v in kept], np.float64))


def read_eval(number: int, line: str, body: list[str]) -> Eval:
    match = EVAL.match(line)
    assert match, line
    case = Eval(number, match[2], match[1])
    for text in body:
        if text.startswith("expect"):
            case.expects.append(text.removeprefix("expect").strip())
        elif re.fullmatch(NUMBER, text, re.IGNORECASE):
            case.scalar = float(text)
        else:
            found = SERIES.match(text)
            assert found, text
            case.native |= "{{" in (found[2] or "")
            case.series.append((series_labels(found[1]), points(HISTOGRAM.sub("_", found[2] or ""))))
    return case


def almost(a: float, b: float) -> bool:
    """Prometheus' comparison of test values: 1e-6 of their sum."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if a == b:
        return True
    if math.isinf(a) or math.isinf(b):
        return False
    total, tiny = abs(a) + abs(b), 2.2250738585072014e-308
    if a == 0 or b == 0 or total < tiny:
        return abs(a - b) < 1e-6 * tiny
    return abs(a - b) / min(total, 1.7976931348623157e308) < 1e-6
