"""What OpenSLO v1 has no key for, as annotations `pitchey.com/...`: docs/slos.md, "Annotations".

Annotations are texts. Where a list is needed the text is YAML again; its lines are counted in the file as long as it
stands there as a block (`|`), else its problems are told with the line of the annotation. Annotations with another
prefix belong to others and pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pitchey_slo.errors import SloError, did_you_mean
from pitchey_slo.slo.model import BurnPair, Correction, Duration, LateData, TimeWindow
from pitchey_slo.slo.spec import schema
from pitchey_slo.slo.spec.check import Problems, check, instant, line_of

PREFIX = "pitchey.com/"
#: A longer window than this needs more minutes than anyone keeps data for.
LONGEST_YEARS = 10
#: Where a correction says it comes from when it stands in a spec.
SOURCE = "spec"

PAIR = schema.record(
    {
        "!long": schema.Length(fixed=True),
        "!short": schema.Length(fixed=True),
        "!factor": schema.Number(low=0, low_open=True),
        "!severity": schema.Text(choices=("page", "ticket")),
        "for": schema.Length(fixed=True, zero=True),
    }
)
CORRECTION = schema.record(
    {
        "!id": schema.Text(),
        "!category": schema.Text(),
        "!reason": schema.Text(),
        "!approver": schema.Text(),
        "!start": schema.Instant(),
        "!duration": schema.Length(fixed=True),
        "rrule": schema.Text(),
        "zone": schema.Zone(),
    }
)


@dataclass
class Extras:
    """What the annotations of one SLO say; the names are those of `model.Slo`, `rest` is for everyone else."""

    windows: tuple[TimeWindow, ...] = ()
    burn_pairs: tuple[BurnPair, ...] | None = None
    minimum_bad: float = 0.0
    corrections: tuple[Correction, ...] = ()
    late_data: LateData = "ignore"
    late_after: Duration = Duration(5, "m")  # noqa: RUF009 - frozen
    rest: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Given:
    """One annotation and where its problems are noted."""

    text: str
    slo: str
    line: int | None
    path: str
    problems: Problems

    def wrong(self, message: str, hint: str | None = None, *, line: int | None = None, key: str = "") -> None:
        self.problems.add(line or self.line, self.path + key, message, hint)


def read(metadata: Any, kind: str, path: str, problems: Problems) -> Extras:
    """The annotations of `metadata`, which stands at `path`; what is wrong with them is noted in `problems`."""
    found = Extras()
    annotations = metadata.get("annotations") or {}
    for key, text in annotations.items():
        given = _Given(text, str(metadata["name"]), line_of(annotations, key), f"{path}.annotations.{key}", problems)
        if not str(key).startswith(PREFIX):
            found.rest[str(key)] = str(text)
        elif key not in READERS:
            given.wrong("unknown annotation", _known(str(key)))
        elif kind != "SLO":
            given.wrong(f"is read on an SLO; this is of kind {kind}", "move it to the metadata of the SLO")
        elif not given.text.strip():
            given.wrong("empty text", EXAMPLES[key])
        else:
            READERS[key](given, found)
    return found


def _known(key: str) -> str:
    # the common prefix would make every name look like every other
    near = did_you_mean(key.removeprefix(PREFIX), [k.removeprefix(PREFIX) for k in READERS])
    return near.replace('"', f'"{PREFIX}', 1) if near else "known here: " + ", ".join(READERS)


def _windows(given: _Given, found: Extras) -> None:
    windows = []
    for text in (t.strip() for t in given.text.split(",")):
        if not text:
            continue
        try:
            window = TimeWindow.parse(text)
        except ValueError as error:
            given.wrong(str(error), 'like "7d, 1M Europe/London"')
            continue
        if too_long(window.duration):
            given.wrong(f"{window.duration} is longer than {LONGEST_YEARS} years")
        windows.append(window)
    found.windows = tuple(windows)


def too_long(length: Duration) -> bool:
    """Whether a window is longer than anyone keeps data for."""
    years = length.count * {"M": 1 / 12, "Q": 1 / 4, "Y": 1.0}.get(length.unit, (length.minutes or 0) / 527_040)
    return years > LONGEST_YEARS


def _burn_pairs(given: _Given, found: Extras) -> None:
    if given.text.strip() == "none":
        found.burn_pairs = ()
        return
    pairs: list[BurnPair] = []
    for i, (item, line) in enumerate(_items(given, PAIR, f'{EXAMPLES[PREFIX + "burn-alerts"]}, or "none"')):
        pair = BurnPair(
            long=Duration.parse(item["long"]),
            short=Duration.parse(item["short"]),
            factor=float(item["factor"]),
            severity=str(item["severity"]),
            hold=None if item.get("for") in (None, "0m") else Duration.parse(item["for"]),
        )
        if (pair.short.minutes or 0) >= (pair.long.minutes or 0):
            hint, key = f"a twelfth of {pair.long} is usual: the alert ends soon after the burning", f"[{i}].short"
            given.wrong(f"short window {pair.short} is not shorter than {pair.long}", hint, line=line, key=key)
        pairs.append(pair)
    found.burn_pairs = tuple(pairs)


def _minimum_bad(given: _Given, found: Extras) -> None:
    try:
        number = float(given.text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        given.wrong(f"{given.text!r} is no number of events", 'a number from 0 on, in quotes: "5"')
        return
    found.minimum_bad = number


def _corrections(given: _Given, found: Extras) -> None:
    from pitchey_slo.slo import corrections

    corrected: list[Correction] = []
    for i, (item, line) in enumerate(_items(given, CORRECTION, EXAMPLES[PREFIX + "corrections"])):
        start = instant(item["start"])
        if start.tzinfo is None and item.get("zone") is None:
            given.wrong(
                f"{start.isoformat(' ')} has no time zone",
                f"write {start.isoformat()}Z, or give zone beside it",
                line=_line(given, item, "start"),
                key=f"[{i}].start",
            )
            continue
        row = {k: item.get(k) for k in ("id", "category", "reason", "approver", "rrule", "zone")}
        row |= {"starts_at": start, "seconds": 60.0 * (Duration.parse(item["duration"]).minutes or 0)}
        try:
            one = corrections.check(row | {"slos": [given.slo], "source": SOURCE})
        except SloError as error:
            found_name = re.match(r"(?:correction [^:]*: )?(\w+):", error.message)
            name = found_name[1] if found_name else ""
            name = {"length": "duration"}.get(name, name)
            place = f".{name}" if name in CORRECTION.fields else ""
            given.wrong(error.message, line=_line(given, item, name) or line, key=f"[{i}]{place}")
            continue
        if one.id in {c.id for c in corrected}:
            given.wrong(f"id {one.id!r} is given twice", line=_line(given, item, "id"), key=f"[{i}].id")
        corrected.append(one)
    found.corrections = tuple(corrected)


def _late_data(given: _Given, found: Extras) -> None:
    match = re.fullmatch(r"\s*(\S+)(?:\s+after\s+(\S+))?\s*", given.text)
    what, after = match.groups() if match else (given.text, None)
    if what not in ("ignore", "good", "bad"):
        near = did_you_mean(str(what), ("ignore", "good", "bad"))
        given.wrong(f"{given.text!r} is no way to treat late data", near or 'like "bad after 10m", or ignore or good')
        return
    found.late_data = what  # type: ignore[assignment]
    if after is None:
        return
    try:
        length = Duration.parse(after)
    except ValueError as error:
        given.wrong(str(error), 'like "bad after 10m"')
        return
    if length.minutes is None:
        given.wrong(f"{after}: a fixed length is needed", "use m, h, d or w")
        return
    found.late_after = length


def _text(key: str) -> Callable[[_Given, Extras], None]:
    def keep(given: _Given, found: Extras) -> None:
        found.rest[key] = given.text

    return keep


#: annotation -> what reads it
READERS: dict[str, Callable[[_Given, Extras], None]] = {
    PREFIX + "windows": _windows,
    PREFIX + "burn-alerts": _burn_pairs,
    PREFIX + "minimum-bad-events": _minimum_bad,
    PREFIX + "corrections": _corrections,
    PREFIX + "late-data": _late_data,
    **{PREFIX + name: _text(PREFIX + name) for name in ("noun", "verb", "runbook", "dashboard")},
}
EXAMPLES = {
    PREFIX + "windows": 'like "7d, 1M Europe/London"',
    PREFIX + "burn-alerts": "- {long: 1h, short: 5m, factor: 14.4, severity: page}",
    PREFIX + "minimum-bad-events": 'like "5"',
    PREFIX + "corrections": (
        "- {id: db-move, category: scheduled_maintenance, reason: database moved, approver: ana, "
        "start: 2026-03-01T02:00:00Z, duration: 2h}"
    ),
    PREFIX + "late-data": 'like "bad after 10m"',
    PREFIX + "noun": "like payments",
    PREFIX + "verb": "like were declined",
    PREFIX + "runbook": "an address",
    PREFIX + "dashboard": "an address",
}


def _items(given: _Given, shape: schema.Record, example: str) -> list[tuple[Any, int | None]]:
    """The maps of the list that the annotation holds, each with its line; only those that fit `shape`."""
    inner = Problems(given.problems.file)
    value = _yaml(given, inner)
    good = []
    if not isinstance(value, list):
        if not inner.found:
            given.wrong("a list is needed", example)
    else:
        for i, item in enumerate(value):
            line = _line(given, value, i)
            if check(item, shape, inner, line=line_of(value, i), path=f"{given.path}[{i}]"):
                good.append((item, line))
    for problem in inner.found:
        line = problem.line if _counted(given.text) else given.line
        given.problems.add(line, problem.key or given.path, problem.problem, problem.hint)
    return good


def _yaml(given: _Given, problems: Problems) -> Any:
    """The text as YAML, with lines as they are in the file."""
    from pitchey_slo.slo.spec.documents import load

    before = (given.line or 1) if _counted(given.text) else (given.line or 1) - 1
    values = load("\n" * before + given.text, problems)
    if len(values) > 1:
        problems.add(given.line, given.path, "more than one YAML document")
    return values[0] if values else None


def _counted(text: str) -> bool:
    """Whether lines inside the text are lines of the file: a literal block begins on the line after its key."""
    from ruamel.yaml.scalarstring import LiteralScalarString

    return isinstance(text, LiteralScalarString)


def _line(given: _Given, parent: Any, key: Any) -> int | None:
    if isinstance(parent, Mapping) and key not in parent:
        return None
    return line_of(parent, key) if _counted(given.text) else given.line
