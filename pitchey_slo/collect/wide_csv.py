"""CSV files with a column per metric -> samples, as a small YAML file says which column means what.

    time: Time                    # the column of the time
    prefix: shop_pod_             # before each metric's name
    labels: {pod: PodName}        # label: column
    constant: {shop: hipster}     # labels that all series have
    metrics:                      # column: name; without it every other column, named after its header
      CpuUsageRate(%): cpu_percent

or, where each column is one series of the same metric, its header a label (`without` lists columns that are none):

    time: time
    metric: shop_call_seconds
    column: edge
    without: [timestamp]

A time is ISO 8601, a number since 1970, or as Go prints one (`2022-08-22 03:51:19.6 +0000 UTC m=+0.1`). An empty cell,
`NaN`, `null` or `-` is no sample. A cell that is no number, a row without a time or with too few cells is counted and
left out.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from pitchey_slo.collect.prometheus.openmetrics_file import open_plain
from pitchey_slo.collect.prometheus.series_labels import check_labels
from pitchey_slo.collect.prometheus.yaml_node import Node, read_yaml
from pitchey_slo.collect.times import from_text
from pitchey_slo.errors import CollectError, did_you_mean
from pitchey_slo.series import Labels, SampleBatch

ROWS: Final = 20_000
_MISSING: Final = frozenset({"", "nan", "null", "none", "-", "n/a"})
#: What Go's time.String() has after the zone: its name, and the monotonic clock.
_GO_CLOCK: Final = r"( [A-Z]{3,5})?( m=[+-][\d.]+)?$"
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)


@dataclass(frozen=True)
class Wide:
    """What the columns of a file mean; see the module."""

    time: str
    labels: Mapping[str, str] = field(default_factory=dict)
    constant: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    metric: str | None = None
    column: str | None = None


@dataclass(frozen=True)
class Problem:
    """What was left out: `reason` is malformed_row, bad_time, bad_number or invalid_labels."""

    line: int
    reason: str
    message: str


@dataclass
class Part:
    """Some rows of a file as samples."""

    batch: SampleBatch
    rows: int
    problems: list[Problem] = field(default_factory=list)


def read_mapping(path: Path) -> Wide:
    """The YAML file. Raises ConfigError with file, line and key."""
    root = read_yaml(path)
    given = root.fields(["time", "prefix", "labels", "constant", "metrics", "metric", "column", "without"])
    if "time" not in given:
        root.fail("time is missing", hint="the name of the column with the time")
    if ("metric" in given) != ("column" in given):
        given.get("metric", given.get("column", root)).fail("metric and column come together")
    metrics = _texts(given.get("metrics"))
    for column, name in metrics.items():
        if not _NAME.fullmatch(name):
            given["metrics"].fail(f"{name!r} ({column}) is no metric name", hint="letters, digits, _ and :")
    without = {each.text(): "" for each in given["without"].items()} if "without" in given else {}
    return Wide(
        given["time"].text(),
        _texts(given.get("labels")),
        _texts(given.get("constant")),
        metrics | without,
        given["prefix"].text() if "prefix" in given else "",
        given["metric"].text() if "metric" in given else None,
        given["column"].text() if "column" in given else None,
    )


def _texts(node: Node | None) -> dict[str, str]:
    return {} if node is None else {name: each.text() for name, each in node.entries().items()}


def read_wide(path: Path, mapping: Wide) -> Iterator[Part]:
    """Parts of some thousand rows. Raises CollectError with the file, and the line or the column, when it is no such
    file."""
    try:
        with open_plain(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            header = [name.strip() for name in next(rows, [])]
            columns = _columns(header, mapping)
            while some := _some(rows):
                yield _part(some, header, columns, mapping)
    except CollectError as error:
        raise CollectError(f"{path}: {error.message}", detail=error.detail) from None
    except (OSError, EOFError, zlib.error, zstandard.ZstdError, UnicodeDecodeError, csv.Error) as error:
        raise CollectError(f"{path}: cannot be read: {error}") from None


def name_of(header: str) -> str:
    """A metric name made of a column's header.

    >>> name_of("CpuUsageRate(%)"), name_of("PodServerLatencyP90(s)"), name_of("2xx")
    ('cpu_usage_rate_percent', 'pod_server_latency_p90_s', '_2xx')
    """
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", header.replace("%", " percent "))
    text = re.sub(r"[^a-zA-Z0-9:]+", "_", text).strip("_").lower()
    return f"_{text}" if text[:1].isdigit() else text


def _columns(header: list[str], mapping: Wide) -> dict[int, Labels]:
    """The columns with values, and the labels that are known of each."""
    if not any(header):
        raise CollectError("line 1: no header; a CSV file begins with the names of its columns")
    for name in (mapping.time, *mapping.labels.values(), *mapping.metrics):
        if name not in header:
            hint = did_you_mean(name, header) or "columns: " + ", ".join(header)
            raise CollectError(f"no column {name!r}; {hint}")
    used = {mapping.time, *mapping.labels.values()}
    every = {i: name for i, name in enumerate(header) if name not in used}
    if mapping.metric is not None:
        return {
            i: (("__name__", mapping.prefix + mapping.metric), (str(mapping.column), name))
            for i, name in every.items()
            if mapping.metrics.get(name, "x")
        }
    if any(mapping.metrics.values()):
        every = {i: name for i, name in every.items() if name in mapping.metrics}
    return {
        i: (("__name__", mapping.prefix + (mapping.metrics.get(name) or name_of(name))),)
        for i, name in every.items()
        if mapping.metrics.get(name, "x") and name_of(name)
    }


def _some(rows: Any) -> list[tuple[int, list[str]]]:
    """The next rows, with their lines."""
    found = []
    for row in rows:
        if row:
            found.append((rows.line_num, row))
        if len(found) == ROWS:
            break
    return found


def _part(rows: list[tuple[int, list[str]]], header: list[str], columns: Mapping[int, Labels], mapping: Wide) -> Part:
    part = Part(SampleBatch([], *(np.empty(0, np.int64),) * 2, np.empty(0)), len(rows))
    whole = []
    for line, row in rows:
        if len(row) == len(header):
            whole.append((line, row))
        else:
            part.problems.append(Problem(line, "malformed_row", f"{len(row)} cells, the header has {len(header)}"))
    place = header.index(mapping.time)
    ms, timed = _times([row[place] for _, row in whole])
    for (line, row), good in zip(whole, timed, strict=True):
        if not good:
            part.problems.append(Problem(line, "bad_time", f"{row[place]!r} in column {mapping.time!r} is no time"))
    whole = [each for each, good in zip(whole, timed, strict=True) if good]
    ms = ms[timed]
    places = {label: header.index(name) for label, name in mapping.labels.items()}
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, (_, row) in enumerate(whole):
        groups.setdefault(tuple(row[p] for p in places.values()), []).append(i)
    pieces = []
    for found, members in groups.items():
        own = {**mapping.constant, **dict(zip(places, found, strict=True))}
        for column, known in columns.items():
            texts = [(whole[i][0], whole[i][1][column]) for i in members]
            numbers = _numbers(texts, header[column], part.problems)
            some = ~np.isnan(numbers)
            checked, why = check_labels([*own.items(), *known])
            if why:
                part.problems.append(Problem(texts[0][0], "invalid_labels", why))
            elif some.any():
                pieces.append((checked, ms[members][some], numbers[some]))
    if pieces:
        labels = [piece[0] for piece in pieces]
        series = np.repeat(np.arange(len(pieces)), [len(piece[1]) for piece in pieces])
        ts, values = (np.concatenate([piece[k] for piece in pieces]) for k in (1, 2))
        part.batch = SampleBatch(labels, series, ts, values)
    return part


def _times(texts: list[str]) -> tuple[Any, Any]:
    """Milliseconds, and which of them are times."""
    plain = pc.replace_substring_regex(pa.array(texts, pa.string()), _GO_CLOCK, "")
    stamps, _ = from_text(plain)
    good = stamps.is_valid().to_numpy(zero_copy_only=False)
    micros = stamps.fill_null(0).to_numpy(zero_copy_only=False)
    return np.floor_divide(micros, 1000).astype(np.int64), good


def _numbers(texts: list[tuple[int, str]], column: str, problems: list[Problem]) -> Any:
    """Numbers, NaN where there is none; texts that are neither go to `problems`."""
    try:
        return np.array([text for _, text in texts], np.float64)
    except ValueError:
        pass
    found = np.full(len(texts), np.nan)
    for i, (line, text) in enumerate(texts):
        if text.strip().lower() not in _MISSING:
            try:
                found[i] = float(text)
            except ValueError:
                problems.append(Problem(line, "bad_number", f"{text!r} in column {column!r} is no number"))
    return found
