"""Checked YAML documents -> the frozen values of `model.py`, with the checks that look beyond one key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.slo import schema
from pitchey_slo.slo.check import Problems, check, join, line_of, wall_time
from pitchey_slo.slo.model import (
    Duration,
    Indicator,
    MetricSource,
    Objective,
    Place,
    Ratio,
    Raw,
    Slo,
    Specs,
    Thing,
    Threshold,
    TimeWindow,
)
from pitchey_slo.tables import TABLES

#: More windows for an SLO than the one that OpenSLO v1 allows: `"7d, 1M Europe/London"`.
WINDOWS_ANNOTATION = "pitchey.com/windows"
#: What an SLO without timeWindow is judged over.
DEFAULT_WINDOW = TimeWindow(Duration(28, "d"))
#: A longer window than this needs more minutes than anyone keeps data for.
LONGEST_YEARS = 10


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


# ---- checks that look beyond one key -------------------------------------------------------------------------------


def check_meaning(document: Document, problems: Problems) -> None:
    """Note what the shape alone cannot tell: rules between keys, and the `spec` of our own metric sources."""
    spec = document.data.get("spec") or {}
    if document.kind == "SLI":
        _check_metrics(spec, "spec", problems)
    if document.kind != "SLO":
        return
    if spec.get("indicator"):
        _check_metrics(spec["indicator"]["spec"], "spec.indicator.spec", problems)
    for i, window in enumerate(spec.get("timeWindow") or []):
        _check_window(window, line_of(spec["timeWindow"], i), f"spec.timeWindow[{i}]", problems)
    _check_objectives(spec, problems)
    _check_annotation(document, problems)


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
        if objective.get("indicator"):
            _check_metrics(objective["indicator"]["spec"], join(path, "indicator.spec"), problems)


def _check_window(window: Any, line: int | None, path: str, problems: Problems) -> None:
    calendar, rolling = window.get("calendar"), window.get("isRolling")
    if calendar and rolling:
        problems.add(line_of(window, "isRolling"), path, "isRolling: true and calendar exclude each other")
    elif not calendar and not rolling:
        problems.add(line, path, "needs isRolling: true or a calendar", "calendar: {startTime: ..., timeZone: ...}")
    _check_longest(Duration.parse(window["duration"]), line_of(window, "duration"), join(path, "duration"), problems)


def _check_longest(length: Duration, line: int | None, path: str, problems: Problems) -> None:
    years = length.count * {"M": 1 / 12, "Q": 1 / 4, "Y": 1.0}.get(length.unit, (length.minutes or 0) / 527_040)
    if years > LONGEST_YEARS:
        problems.add(line, path, f"{length} is longer than {LONGEST_YEARS} years")


def _check_metrics(spec: Any, path: str, problems: Problems) -> None:
    for name, source, here in _metric_sources(spec, path):
        if source.get("type") is None and source.get("metricSourceRef") is None:
            problems.add(line_of(source, None), here, "needs type or metricSourceRef", "type: pitchey")
        if source.get("type") == "pitchey":
            _check_events(source, name, here, problems)


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


def _metric_sources(spec: Any, path: str) -> Iterable[tuple[str, Any, str]]:
    if spec.get("thresholdMetric"):
        yield "thresholdMetric", spec["thresholdMetric"]["metricSource"], join(path, "thresholdMetric.metricSource")
    for name in ("good", "bad", "total", "raw"):
        if (spec.get("ratioMetric") or {}).get(name):
            here = join(path, f"ratioMetric.{name}.metricSource")
            yield name, spec["ratioMetric"][name]["metricSource"], here


def _check_annotation(document: Document, problems: Problems) -> None:
    annotations = document.data["metadata"].get("annotations") or {}
    line = line_of(annotations, WINDOWS_ANNOTATION) if WINDOWS_ANNOTATION in annotations else None
    for text in _annotated(annotations):
        try:
            window = TimeWindow.parse(text)
        except ValueError as error:
            hint = 'like "7d, 1M Europe/London"'
            problems.add(line, f"metadata.annotations.{WINDOWS_ANNOTATION}", str(error), hint)
        else:
            _check_longest(window.duration, line, f"metadata.annotations.{WINDOWS_ANNOTATION}", problems)


def _annotated(annotations: Mapping[str, str]) -> list[str]:
    return [t.strip() for t in annotations.get(WINDOWS_ANNOTATION, "").split(",") if t.strip()]


def duplicate_names(documents: list[Document]) -> list[ConfigError]:
    """Two objects of one kind must not share a name, in one file or across files."""
    first: dict[tuple[str, str], Place] = {}
    found = []
    for document in documents:
        metadata = document.data["metadata"]
        place = document.place(metadata, "name", "metadata.name")
        before = first.setdefault((document.kind, document.name), place)
        if before is not place:
            message = f"{document.kind} {document.name!r} exists already"
            found.append(place.error(message, f"first in {before.file or 'this text'}:{before.line}"))
    return found


# ---- building ------------------------------------------------------------------------------------------------------


def link(documents: list[Document], found: list[ConfigError]) -> Specs:
    """Frozen values with references resolved; what cannot be resolved is added to `found`."""
    sources = {d.name: str(d.data["spec"]["type"]) for d in documents if d.kind == "DataSource"}
    builder = _Builder(sources, {}, found)
    for document in documents:
        if document.kind == "SLI":
            builder.indicators[document.name] = builder.indicator(document, document.data, "")
    slos = tuple(builder.slo(d) for d in documents if d.kind == "SLO")
    things = tuple(_thing(d) for d in documents if d.kind not in ("SLO", "SLI"))
    return Specs(slos, tuple(builder.indicators.values()), things)


def _thing(document: Document) -> Thing:
    metadata = document.data["metadata"]
    spec = frozen(document.data.get("spec") or {})
    place = document.place(metadata, "name", "metadata.name")
    return Thing(document.kind, document.name, spec, metadata.get("displayName") or "", place)


@dataclass
class _Builder:
    data_sources: dict[str, str]
    indicators: dict[str, Indicator]
    found: list[ConfigError]

    def slo(self, document: Document) -> Slo:
        metadata, spec = document.data["metadata"], document.data["spec"]
        indicator = self._chosen(document, spec, "spec")
        objectives = tuple(
            self._objective(document, spec["objectives"], i, indicator) for i in range(len(spec["objectives"]))
        )
        annotations = {str(k): str(v) for k, v in (metadata.get("annotations") or {}).items()}
        windows = [_window(w) for w in spec.get("timeWindow") or []] or [DEFAULT_WINDOW]
        windows += [TimeWindow.parse(t) for t in _annotated(annotations)]
        self._one_threshold(document, spec, indicator)
        labels = metadata.get("labels") or {}
        return Slo(
            name=str(metadata["name"]),
            service=str(spec["service"]),
            indicator=indicator,
            method=spec["budgetingMethod"],
            objectives=objectives,
            windows=tuple(dict.fromkeys(windows)),
            display_name=str(metadata.get("displayName") or metadata["name"]),
            description=str(spec.get("description") or "").strip(),
            labels=MappingProxyType({str(k): tuple(v if isinstance(v, list) else [v]) for k, v in labels.items()}),
            annotations=MappingProxyType(annotations),
            alert_policies=frozen(spec.get("alertPolicies") or []),
            place=document.place(metadata, "name", "metadata.name"),
        )

    def _one_threshold(self, document: Document, spec: Any, indicator: Indicator | None) -> None:
        many = indicator and isinstance(indicator.metric, Threshold) and len(spec["objectives"]) > 1
        if many:
            place = document.place(spec, "objectives", "spec.objectives")
            message = f"{len(spec['objectives'])} objectives; OpenSLO v1 allows one beside a thresholdMetric"
            self.found.append(place.error(message, "write one SLO for each threshold, with indicatorRef"))

    def _chosen(self, document: Document, spec: Any, path: str) -> Indicator | None:
        if spec.get("indicator"):
            return self.indicator(document, spec["indicator"], join(path, "indicator"))
        name = spec.get("indicatorRef")
        if name is None:
            return None
        if name not in self.indicators:
            known = list(self.indicators)
            hint = did_you_mean(name, known) or ("there are: " + ", ".join(known) if known else "none was read")
            place = document.place(spec, "indicatorRef", join(path, "indicatorRef"))
            self.found.append(place.error(f"no SLI named {name!r}", hint))
            return None
        return self.indicators[name]

    def indicator(self, document: Document, data: Any, path: str) -> Indicator:
        metadata, spec = data["metadata"], data["spec"]
        here = join(path, "spec") if path else "spec"
        sources = {n: self._source(document, s, p) for n, s, p in _metric_sources(spec, here)}
        metric: Ratio | Raw | Threshold
        if "thresholdMetric" in sources:
            metric = Threshold(sources["thresholdMetric"])
        elif "raw" in sources:
            metric = Raw(sources["raw"], spec["ratioMetric"]["rawType"])
        else:
            metric = Ratio(sources.get("good"), sources.get("bad"), sources["total"])
        return Indicator(
            name=str(metadata["name"]),
            metric=metric,
            display_name=str(metadata.get("displayName") or ""),
            description=str(spec.get("description") or "").strip(),
            place=document.place(metadata, "name", join(path, "metadata.name") if path else "metadata.name"),
        )

    def _source(self, document: Document, data: Any, path: str) -> MetricSource:
        ref, kind = data.get("metricSourceRef"), data.get("type")
        if kind is None and ref in self.data_sources:
            kind = self.data_sources[ref]
            if kind == "pitchey":
                problems = Problems(document.file, self.found)
                _check_events(data, path.split(".")[-2], path, problems)
        elif kind is None:
            hint = did_you_mean(ref, self.data_sources) or "give type beside it"
            place = document.place(data, "metricSourceRef", join(path, "metricSourceRef"))
            self.found.append(place.error(f"no DataSource named {ref!r}", hint))
        inner = data["spec"] if isinstance(data["spec"], Mapping) else {"spec": data["spec"]}
        key = "filter" if "filter" in inner else None
        place = document.place(inner, key, join(path, "spec.filter" if key else "spec"))
        return MetricSource(str(kind), str(ref) if ref is not None else None, frozen(inner), place)

    def _objective(self, document: Document, objectives: Any, i: int, indicator: Indicator | None) -> Objective:
        data, path = objectives[i], f"spec.objectives[{i}]"
        own = self._chosen(document, data, path)
        measured = own or indicator
        if measured and isinstance(measured.metric, Threshold):
            for key in ("op", "value"):
                if data.get(key) is None:
                    place = document.place(objectives, i, join(path, key))
                    self.found.append(
                        place.error("missing: a thresholdMetric needs op and value", "op: lte, value: 500")
                    )
        target = data.get("target")
        window = data.get("timeSliceWindow")
        return Objective(
            # 99.95 / 100 is not the double nearest to 0.9995 in every case: go through the decimal text
            target=float(target) if target is not None else _percent(data["targetPercent"]),
            display_name=str(data.get("displayName") or ""),
            op=data.get("op"),
            value=None if data.get("value") is None else float(data["value"]),
            slice_target=None if data.get("timeSliceTarget") is None else float(data["timeSliceTarget"]),
            slice_window=None if window is None else _slice(window),
            indicator=own,
            weight=float(data["compositeWeight"]) if data.get("compositeWeight") is not None else 1.0,
        )


def _percent(value: Any) -> float:
    from decimal import Decimal

    return float(Decimal(repr(float(value))) / 100)


def _slice(value: Any) -> Duration:
    return Duration(int(value), "m") if isinstance(value, int) else Duration.parse(value)


def _window(data: Any) -> TimeWindow:
    duration, calendar = Duration.parse(data["duration"]), data.get("calendar")
    if not calendar:
        return TimeWindow(duration)
    return TimeWindow(duration, str(calendar["timeZone"]), wall_time(calendar["startTime"]))


def frozen(value: Any) -> Any:
    """Plain immutable Python from YAML."""
    if isinstance(value, Mapping):
        return MappingProxyType({str(k): frozen(v) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return tuple(frozen(v) for v in value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)
