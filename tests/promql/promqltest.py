"""Runs Prometheus' own test format (`load`, `clear`, `eval`) against this engine and says how each `eval` went.

A case is `passed`, `failed`, or `not supported`: it reads native histogram samples, or uses experimental syntax. Each
instant case is asked a second time as a range query around its time, as Prometheus does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import STALE, Matcher, MemoryScan, Result, SeriesBlock, evaluate, instant
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
RANGE = re.compile(r"range from (\S+) to (\S+) step (\S+) (.*)")
EVAL = re.compile(r"eval(?:_(fail|warn|info|ordered))?\s+(.*)")


@dataclass
class Outcome:
    """How one `eval` went. `status`: passed, failed or not supported."""

    line: int
    text: str
    status: str
    reason: str = ""


class NotSupported(Exception):
    """The case needs native histograms or experimental syntax."""


@dataclass
class Storage:
    """What was loaded: float samples, and the labels of series that have native histograms."""

    floats: MemoryScan = field(default_factory=MemoryScan)
    native: list[Labels] = field(default_factory=list)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> SeriesBlock:
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


def run_file(path: Path) -> list[Outcome]:
    """All cases of one file, in order."""
    return run_text(path.read_text())


def run_text(text: str) -> list[Outcome]:
    lines = [line.strip() for line in text.splitlines()]
    lines = ["" if line.startswith("#") else line for line in lines]
    storage, outcomes, at = Storage(), [], 0
    while at < len(lines):
        line = lines[at]
        body, after = _body(lines, at + 1)
        if line.startswith("load"):
            _load(storage, line, body)
        elif line.startswith("clear"):
            storage, after = Storage(), at + 1
        elif line.startswith("eval"):
            outcomes.append(_judge(_read_eval(at + 1, line, body), storage))
        else:
            after = at + 1
            if line:
                raise ValueError(f"line {at + 1}: {line!r} is no command")
        at = after
    return outcomes


def _body(lines: list[str], at: int) -> tuple[list[str], int]:
    first = at
    while at < len(lines) and lines[at]:
        at += 1
    return lines[first:at], at


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


def _load(storage: Storage, line: str, body: list[str]) -> None:
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
        storage.floats.add(labels, [t for t, _ in kept], _bits([v for _, v in kept]))


def _bits(values: list[float]) -> np.ndarray:
    return np.array(values, np.float64)


def _read_eval(number: int, line: str, body: list[str]) -> Eval:
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


def _judge(case: Eval, storage: Storage) -> Outcome:
    try:
        for ask, compare in _questions(case):
            problem = compare(ask(storage))
            if problem:
                return Outcome(case.line, case.text, "failed", problem)
    except NotSupported as reason:
        return Outcome(case.line, case.text, "not supported", str(reason))
    except QueryError as error:
        if "not supported" in error.message:
            return Outcome(case.line, case.text, "not supported", error.message.split("\n")[0])
        return _judge_failure(case, error)
    if _fails(case):
        return Outcome(case.line, case.text, "failed", "should have failed")
    return Outcome(case.line, case.text, "passed")


def _fails(case: Eval) -> bool:
    return case.old == "fail" or any(text.startswith("fail") for text in case.expects)


def _judge_failure(case: Eval, error: QueryError) -> Outcome:
    if not _fails(case):
        return Outcome(case.line, case.text, "failed", error.message)
    for text in case.expects:
        kind, _, wanted = text.partition(":")
        problem = error.detail["problem"]
        if kind == "fail msg" and wanted.strip() not in problem:
            return Outcome(case.line, case.text, "failed", f"{problem!r} instead of {wanted!r}")
        if kind == "fail regex" and not re.search(wanted.strip(), problem):
            return Outcome(case.line, case.text, "failed", f"{problem!r} instead of {wanted!r}")
    return Outcome(case.line, case.text, "passed")


Question = tuple[Callable[[Storage], Result], Callable[[Result], str]]


def _questions(case: Eval) -> Iterator[Question]:
    match = RANGE.match(case.text)
    if match:
        start, end, step = (duration(part) for part in match.groups()[:3])
        yield lambda s: evaluate(match[4], s, start, end, step, late_names=True), lambda r: _compare(case, r)
        return
    _, _, when, expr = case.text.split(None, 3)
    at = duration(when)
    kept: list[Result] = []

    def first(storage: Storage) -> Result:
        kept.append(instant(expr, storage, at, late_names=True))
        return kept[0]

    yield first, lambda r: _compare(case, r)
    if kept[0].kind in ("vector", "scalar"):
        around = (at - MINUTE, at + MINUTE, MINUTE)
        yield lambda s: evaluate(expr, s, *around, late_names=True), lambda r: _agrees(kept[0], r)


def _agrees(alone: Result, around: Result) -> str:
    """The middle of a range query is the instant query."""
    middle = {
        labels: float(v[1]) for labels, v, p in zip(around.labels, around.values, around.present, strict=True) if p[1]
    }
    single = {labels: float(v[0]) for labels, v in zip(alone.labels, alone.values, strict=True)}
    if middle.keys() != single.keys():
        return f"as a range query: {sorted(middle)} instead of {sorted(single)}"
    for labels, value in single.items():
        if not almost(middle[labels], value):
            return f"as a range query: {lb.show(labels)} {middle[labels]} instead of {value}"
    return ""


def _compare(case: Eval, result: Result) -> str:
    return _compare_notes(case, result) or _compare_values(case, result)


def _compare_notes(case: Eval, result: Result) -> str:
    notes = {"warn": result.warnings, "info": result.infos}
    if case.old in notes and not notes[case.old]:
        return f"no {case.old}"
    for text in case.expects:
        head, _, wanted = text.partition(":")
        kind, _, how = head.partition(" ")
        if kind.startswith("no_") and notes[kind.removeprefix("no_")]:
            return f"{kind} but {notes[kind.removeprefix('no_')]}"
        if kind not in notes:
            continue
        found, wanted = notes[kind], wanted.strip()
        if how == "regex":
            found = tuple(note for note in found if re.search(wanted, note))
        elif how == "msg":
            found = tuple(note for note in found if note == wanted)
        if not found:
            return f"no {text!r} among {notes[kind]}"
    return ""


def _compare_values(case: Eval, result: Result) -> str:
    for text in case.expects:
        if text.startswith("string"):
            wanted = text.removeprefix("string").strip()
            wanted = wanted[1:-1] if wanted[0] == "`" else unquote(wanted)
            return "" if result.text == wanted else f"{result.text!r} instead of {wanted!r}"
        if text.startswith("range vector"):
            return _compare_samples(case, result, text)
    if _fails(case):
        return ""
    if case.native:
        raise NotSupported("native histograms")
    if case.scalar is not None:
        value = float(result.values[0, 0])
        return "" if result.kind == "scalar" and almost(value, case.scalar) else f"{value} instead of {case.scalar}"
    found = {labels: (v, p) for labels, v, p in zip(result.labels, result.values, result.present, strict=True)}
    wanted_labels = [labels for labels, values in case.series if any(v is not None for v in values)]
    if ("ordered" in case.expects or case.old == "ordered") and result.labels != wanted_labels:
        return f"order {[lb.show(x) for x in result.labels]}"
    if set(found) != set(wanted_labels):
        return f"series {sorted(map(lb.show, found))} instead of {sorted(map(lb.show, wanted_labels))}"
    for labels, values in case.series:
        numbers, present = found.get(labels, (np.zeros(0), np.zeros(0, bool)))
        for i in range(max(len(values), len(numbers)) if labels in found else 0):
            wanted_value = values[i] if i < len(values) else None
            got = float(numbers[i]) if i < len(numbers) and present[i] else None
            if (got is None) != (wanted_value is None) or (got is not None and not almost(got, wanted_value or 0.0)):
                return f"{lb.show(labels)} step {i}: {got} instead of {wanted_value}"
    return ""


def _compare_samples(case: Eval, result: Result, text: str) -> str:
    match = re.match(r"range vector from (\S+) to (\S+) step (\S+)", text)
    assert match, text
    start, end, step = (duration(part) for part in match.groups())
    if result.times.tolist() != list(range(start, end + 1, step)):
        return f"times {result.times.tolist()}"
    found = {lb.make(labels): values.tolist() for labels, _, values in result.series()}
    return "" if found == dict(case.series) else f"samples {found}"


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
