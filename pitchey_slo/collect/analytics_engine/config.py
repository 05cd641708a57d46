"""`config/analytics_engine.yml`: what the columns of a dataset mean, and how it is pulled; strictly read, every problem
at once with line, column and a caret.

`ANALYTICS_ENGINE` in the environment or in `.env` wins over `dataset`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pitchey_slo.collect.analytics_engine.when import BLOBS, COLUMNS, DOUBLES, WhenError, read_when
from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.tables import BUSINESS_EVENTS, REQUESTS, TEXT, Column, Table
from pitchey_slo.yaml_source import Value, compose, raise_all

FILE: Final = "analytics_engine.yml"
#: Analytics Engine keeps three months (developers.cloudflare.com/analytics/analytics-engine/limits, "Data retention").
KEPT: Final = 90 * 86_400
TABLES: Final = {t.name: t for t in (REQUESTS, BUSINESS_EVENTS)}
#: Filled by the puller itself, not by a column of the dataset.
OWN: Final = ("ts", "source")

DATASET: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
DURATION: Final = r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"
_UNITS: Final = (86_400, 3_600, 60, 1)


@dataclass(frozen=True)
class Span:
    """A duration of the file: its default, least and most in seconds, and what it says."""

    usual: int
    least: int
    most: int
    doc: str


SPANS: Final = {
    "first": Span(7 * 86_400, 60, KEPT, "how far back the first pull goes; Analytics Engine keeps three months"),
    "lag": Span(120, 30, 3_600, "the last minutes, which are left alone because rows of them still arrive"),
    "overlap": Span(600, 0, 86_400, "how much before the last pull is read again, for rows that came late"),
    "window": Span(900, 60, 86_400, "the longest time one query asks for; it shrinks when an answer is too big"),
    "every": Span(60, 15, 3_600, "from pull to pull"),
}


@dataclass(frozen=True)
class Pulled:
    """One table: which data points (`when`, as SQL) become its rows, and column of the table -> column of the
    dataset."""

    table: Table
    when: str
    columns: dict[str, str]


@dataclass(frozen=True)
class PullConfig:
    """What is pulled and how; times in seconds."""

    dataset: str = "pitchey_metrics"
    source: str = "worker"
    tables: tuple[Pulled, ...] = ()
    first: int = SPANS["first"].usual
    lag: int = SPANS["lag"].usual
    overlap: int = SPANS["overlap"].usual
    window: int = SPANS["window"].usual
    every: int = SPANS["every"].usual
    file: str = field(default=FILE, compare=False)


def load(path: Path, dataset: str | None = None) -> PullConfig:
    """What the file says; `dataset` wins over its own. Raises ConfigError that lists every problem, FileNotFoundError
    when there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", file=path) from error
    config = read(text, str(path))
    if dataset is None:
        return config
    if not DATASET.fullmatch(dataset):
        raise ConfigError(f"{dataset!r} cannot be a dataset here", key="ANALYTICS_ENGINE", hint=_DATASET_HINT)
    return replace(config, dataset=dataset)


def read(text: str, file: str = FILE) -> PullConfig:
    """The same from a text."""
    root, source = compose(text, file)
    config = PullConfig(file=file)
    if root is None and not source.found:
        source.add(1, 1, "", "empty", f"{' and '.join(TABLES)} say what the columns mean")
    elif root is not None and root.wants("map", "a map"):
        config = _config(root, file)
    raise_all(source.found)
    return config


_DATASET_HINT: Final = "letters, digits and _; the name that the Worker's binding has in wrangler.toml"


def _config(root: Value, file: str) -> PullConfig:
    given = root.fields(("dataset", "source", *SPANS, *TABLES))
    config = PullConfig(file=file)
    if "dataset" in given and not DATASET.fullmatch(given["dataset"].text):
        given["dataset"].problem(f"{given['dataset'].text!r} cannot be a dataset here", _DATASET_HINT)
    source = given["source"].text if "source" in given else config.source
    if not source or len(source) > REQUESTS.column("source").longest:
        given["source"].problem("a source has a name", "the one that the Worker's own deliveries have: worker")
    tables = [_pulled(given[name], table) for name, table in TABLES.items() if name in given]
    if not tables:
        root.problem("nothing is pulled", f"one of {', '.join(TABLES)} is wanted")
    return PullConfig(
        given["dataset"].text if "dataset" in given else config.dataset,
        source,
        tuple(pulled for pulled in tables if pulled is not None),
        **{name: _span(given.get(name), span) for name, span in SPANS.items()},
        file=file,
    )


def _span(value: Value | None, span: Span) -> int:
    if value is None:
        return span.usual
    seconds = seconds_of(value.text)
    if seconds is None:
        value.problem(f"{value.text!r} is no duration", "such as 90s, 10m, 1h30m or 7d")
        return span.usual
    if not span.least <= seconds <= span.most:
        value.problem(f"{value.text} is outside of what works", f"{said(span.least)} to {said(span.most)}: {span.doc}")
        return span.usual
    return seconds


def seconds_of(text: str) -> int | None:
    """Seconds of 90s, 10m, 1h30m or 7d; None for anything else."""
    match = _DURATION.fullmatch(text) if text else None
    if match is None:
        return None
    return sum(int(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)


def said(seconds: int) -> str:
    """A duration as the file has it: 600 is 10m."""
    for letter, unit in zip("dhms", _UNITS, strict=True):
        if seconds and seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return "0s"


def _pulled(value: Value, table: Table) -> Pulled | None:
    if not value.wants("map", "a map with when and columns"):
        return None
    given = value.fields(("when", "columns"))
    for name in ("when", "columns"):
        if name not in given:
            value.problem(
                f"{name} is missing", "when: \"blob1 = 'request'\"" if name == "when" else "route: blob2, ..."
            )
    when = _when(given["when"]) if "when" in given else None
    columns = _columns(given["columns"], table) if "columns" in given else None
    return Pulled(table, when, columns) if when is not None and columns is not None else None


def _when(value: Value) -> str | None:
    if not value.wants("text", "a condition"):
        return None
    try:
        return read_when(value.text)
    except WhenError as error:
        value.problem(str(error), error.hint, at=min(error.at, max(len(value.text) - 1, 0)))
        return None


def _columns(value: Value, table: Table) -> dict[str, str] | None:
    if not value.wants("map", "a map of columns"):
        return None
    known = [name for name in table.names if name not in OWN]
    found: dict[str, str] = {}
    for name, given in value.fields(known).items():
        if given.wants("text", "a column of the dataset") and _fits(given, table.column(name)):
            found[name] = given.text
    for missing in (c.name for c in table.columns if c.required and c.name not in (*found, *OWN)):
        if not any(key.text == missing for key, _ in value.entries()):
            value.problem(f"{missing} is missing", table.column(missing).doc)
    return found


def _fits(value: Value, column: Column) -> bool:
    """Whether a column of the dataset can fill this column; notes a problem when not."""
    usable = ("index1", *BLOBS) if column.type == TEXT else DOUBLES
    if value.text in usable:
        return True
    if value.text in COLUMNS:
        kind = "text, which is index1 or a blob" if column.type == TEXT else "number, which is a double"
        value.problem(f"{column.name} is a {kind}")
    else:
        near = did_you_mean(value.text, COLUMNS) or "there are index1, blob1 to blob20 and double1 to double20"
        value.problem(f"a dataset has no column {value.text!r}", near)
    return False


def schema() -> dict[str, Any]:
    """The JSON Schema of the file; `config/schema/analytics_engine.schema.json` holds it, and a test keeps the two
    equal."""
    texts = {"enum": ["index1", *BLOBS]}
    spans = {
        name: {
            "type": "string",
            "pattern": DURATION,
            "description": f"{span.doc}; {said(span.least)} to {said(span.most)}, {said(span.usual)} when left out",
        }
        for name, span in SPANS.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pitchey-slo Analytics Engine puller",
        "type": "object",
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in TABLES],
        "properties": {
            "dataset": {
                "type": "string",
                "pattern": f"^{DATASET.pattern}$",
                "description": "Analytics Engine dataset; ANALYTICS_ENGINE wins over it",
            },
            "source": {
                "type": "string",
                "description": "`source` of the rows: what the Worker's own deliveries have, so that one is kept",
            },
            **spans,
            **{
                table.name: {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["when", "columns"],
                    "description": table.doc,
                    "properties": {
                        "when": {
                            "type": "string",
                            "maxLength": 2_000,
                            "description": "comparisons of columns with literals, AND, OR, NOT, brackets",
                        },
                        "columns": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": [c.name for c in table.columns if c.required and c.name not in OWN],
                            "properties": {
                                c.name: {**(texts if c.type == TEXT else {"enum": list(DOUBLES)}), "description": c.doc}
                                for c in table.columns
                                if c.name not in OWN
                            },
                        },
                    },
                }
                for table in TABLES.values()
            },
        },
    }


def counts_from_zero(column: Column) -> bool:
    """Whether -1 in a double means "not measured": the column has no negative values."""
    return column.type != TEXT and not pa.types.is_boolean(column.type) and column.low is not None and column.low >= 0
