"""Checks that look beyond one key: rules between keys, and the queries of metric sources that are evaluated here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.slo.model import PROMQL, Duration, Place, over_window, type_of
from pitchey_slo.slo.spec import extras, schema
from pitchey_slo.slo.spec.check import Problems, check, join, line_of
from pitchey_slo.tables import TABLES

#: Keys that may hold the PromQL of a source of `type: prometheus`.
QUERY_KEYS = ("query", "promql")
MOST_QUERY = 16_384


@dataclass(frozen=True)
class Document:
    """One checked document: its kind, the YAML map (which knows its lines) and the file it stands in."""

    kind: str
    data: Any
    file: str | None

    @property
    def name(self) -> str:
        return str(self.data["metadata"]["name"])

    def place(self, parent: Any, key: Any, path: str) -> Place:
        return Place(self.file, line_of(parent, key), path)


def check_meaning(document: Document, problems: Problems) -> None:
    """Note what the shape alone cannot tell: rules between keys, annotations, and the `spec` of metric sources."""
    spec = document.data.get("spec") or {}
    for metadata, kind, path in _metadata(document):
        extras.read(metadata, kind, path, problems)
    if document.kind == "SLI":
        _check_metrics(spec, "spec", problems)
    if document.kind != "SLO":
        return
    if spec.get("indicator"):
        _check_metrics(spec["indicator"]["spec"], "spec.indicator.spec", problems)
    for i, window in enumerate(spec.get("timeWindow") or []):
        _check_window(window, line_of(spec["timeWindow"], i), f"spec.timeWindow[{i}]", problems)
    _check_objectives(spec, problems)


def _metadata(document: Document) -> Iterable[tuple[Any, str, str]]:
    """Each `metadata` of a document with its kind and path: its own and those of what stands inline."""
    yield document.data["metadata"], document.kind, "metadata"
    spec = document.data.get("spec") or {}
    for parent, path in [
        (spec, "spec"),
        *((o, f"spec.objectives[{i}]") for i, o in enumerate(spec.get("objectives") or [])),
    ]:
        if parent.get("indicator"):
            yield parent["indicator"]["metadata"], "SLI", join(path, "indicator.metadata")
    yield from _inline(spec, "spec")


def _inline(spec: Any, path: str) -> Iterable[tuple[Any, str, str]]:
    for key in ("alertPolicies", "conditions", "notificationTargets"):
        for i, item in enumerate(spec.get(key) or []):
            if item.get("metadata"):
                here = f"{path}.{key}[{i}]"
                yield item["metadata"], item["kind"], join(here, "metadata")
                yield from _inline(item["spec"], join(here, "spec"))


def _check_objectives(spec: Any, problems: Problems) -> None:
    objectives, method = spec["objectives"], spec["budgetingMethod"]
    whole = bool(spec.get("indicator") or spec.get("indicatorRef"))
    for i, objective in enumerate(objectives):
        path, line = f"spec.objectives[{i}]", line_of(objectives, i)
        needed = {"Timeslices": ("timeSliceTarget", "timeSliceWindow"), "RatioTimeslices": ("timeSliceWindow",)}
        for key in needed.get(method, ()):
            if objective.get(key) is None:
                problems.add(line, join(path, key), f"missing: budgetingMethod {method} needs it", "like 0.95 or 5m")
        own = objective.get("indicator") or objective.get("indicatorRef")
        if not whole and not own:
            problems.add(line_of(spec, None), "spec", "needs indicator or indicatorRef")
            whole = True  # said once
        elif (spec.get("indicator") or spec.get("indicatorRef")) and own:
            problems.add(line, path, "indicator in the spec and in the objective exclude each other")
        if objective.get("compositeWeight") is not None and not own:
            hint = "give each objective its own indicator, or leave the weight out"
            problems.add(
                line_of(objective, "compositeWeight"),
                join(path, "compositeWeight"),
                "weighs the parts of a composite SLO; this is none",
                hint,
            )
        if objective.get("indicator"):
            _check_metrics(objective["indicator"]["spec"], join(path, "indicator.spec"), problems)


def _check_window(window: Any, line: int | None, path: str, problems: Problems) -> None:
    calendar, rolling = window.get("calendar"), window.get("isRolling")
    if calendar and rolling:
        problems.add(line_of(window, "isRolling"), path, "isRolling: true and calendar exclude each other")
    elif not calendar and not rolling:
        problems.add(line, path, "needs isRolling: true or a calendar", "calendar: {startTime: ..., timeZone: ...}")
    length = Duration.parse(window["duration"])
    if extras.too_long(length):
        message = f"{length} is longer than {extras.LONGEST_YEARS} years"
        problems.add(line_of(window, "duration"), join(path, "duration"), message)


def _check_metrics(spec: Any, path: str, problems: Problems) -> None:
    for name, source, here in metric_sources(spec, path):
        if source.get("type") is None and source.get("metricSourceRef") is None:
            problems.add(line_of(source, None), here, "needs type or metricSourceRef", "type: pitchey")
        check_query(source, source.get("type"), name, here, problems)


def check_query(source: Any, kind: Any, name: str, path: str, problems: Problems) -> None:
    """The `spec` of a metric source of a type that can be evaluated here; `name` is good, bad, total, raw or
    thresholdMetric."""
    if kind == "pitchey":
        _check_events(source, name, path, problems)
    elif type_of(kind) == PROMQL:
        _check_promql(source, path, problems)


def _check_promql(source: Any, path: str, problems: Problems) -> None:
    from pitchey_slo import promql

    spec, line, here = source["spec"], line_of(source, "spec"), join(path, "spec")
    given = spec if isinstance(spec, Mapping) else {}
    keys = [k for k in QUERY_KEYS if given.get(k) is not None]
    if len(keys) != 1:
        near = next((did_you_mean(k, QUERY_KEYS) for k in given if did_you_mean(str(k), QUERY_KEYS)), None)
        message = "query and promql exclude each other" if keys else "missing: the PromQL expression"
        problems.add(line, join(here, "query"), message, near or "query: sum(rate(http_requests_total[5m]))")
        return
    line, here = line_of(spec, keys[0]), join(here, keys[0])
    if not check(spec[keys[0]], schema.Text(longest=MOST_QUERY), problems, line=line, path=here):
        return
    try:
        promql.parse(over_window(spec[keys[0]], "1m"))
    except QueryError as error:
        problems.add(line, here, "no PromQL: " + ": ".join(part.strip() for part in error.message.splitlines()))


def _check_events(source: Any, name: str, path: str, problems: Problems) -> None:
    """Our own `spec`: table, filter, and for a threshold the column it is compared with."""
    spec, line, here = source["spec"], line_of(source, "spec"), join(path, "spec")
    if not check(spec, schema.EVENTS, problems, line=line, path=here):
        return
    table = TABLES[spec["table"]]
    if table.kind != "stream":
        streams = ", ".join(t.name for t in TABLES.values() if t.kind == "stream")
        problems.add(
            line_of(spec, "table"), join(here, "table"), f"{table.name} is no table of events", f"use {streams}"
        )
        return
    numbers = [c.name for c in table.columns if pa.types.is_integer(c.type) or pa.types.is_floating(c.type)]
    value = spec.get("value")
    if name == "thresholdMetric" and value is None:
        problems.add(line, join(here, "value"), "missing: the column a threshold is compared with", ", ".join(numbers))
    elif name != "thresholdMetric" and value is not None:
        problems.add(line_of(spec, "value"), join(here, "value"), "only a thresholdMetric has a value", "use filter")
    elif value is not None and value not in numbers:
        hint = did_you_mean(value, numbers) or "one of: " + ", ".join(numbers)
        problems.add(
            line_of(spec, "value"), join(here, "value"), f"{value!r} is no number column of {table.name}", hint
        )


def metric_sources(spec: Any, path: str) -> Iterable[tuple[str, Any, str]]:
    if spec.get("thresholdMetric"):
        yield "thresholdMetric", spec["thresholdMetric"]["metricSource"], join(path, "thresholdMetric.metricSource")
    for name in ("good", "bad", "total", "raw"):
        if (spec.get("ratioMetric") or {}).get(name):
            here = join(path, f"ratioMetric.{name}.metricSource")
            yield name, spec["ratioMetric"][name]["metricSource"], here
