"""Runs Prometheus' own test format (`load`, `clear`, `eval`) against this engine and says how each `eval` went.

A case is `passed`, `failed`, or `not supported`: it reads native histogram samples, or uses experimental syntax. Each
instant case is asked a second time as a range query around its time, as Prometheus does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Result, evaluate, instant
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.parse import unquote

from .promqlformat import MINUTE, Eval, NotSupported, Storage, almost, duration, load, read_eval

RANGE = re.compile(r"range from (\S+) to (\S+) step (\S+) (.*)")


@dataclass
class Outcome:
    """How one `eval` went. `status`: passed, failed or not supported."""

    line: int
    text: str
    status: str
    reason: str = ""


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
            load(storage, line, body)
        elif line.startswith("clear"):
            storage, after = Storage(), at + 1
        elif line.startswith("eval"):
            outcomes.append(_judge(read_eval(at + 1, line, body), storage))
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
