"""Checked YAML documents -> the frozen values of `model.py`, with the checks that look beyond one key."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pitchey_slo.errors import ConfigError, did_you_mean
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
    type_of,
)
from pitchey_slo.slo.spec import extras
from pitchey_slo.slo.spec.build_policies import PolicyBuilder, frozen, labels_of, reference
from pitchey_slo.slo.spec.check import Problems, join, wall_time
from pitchey_slo.slo.spec.meaning import QUERY_KEYS, Document, check_query, metric_sources

#: What an SLO without timeWindow is judged over.
DEFAULT_WINDOW = TimeWindow(Duration(28, "d"))


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


def link(documents: list[Document], found: list[ConfigError], broken: Set[tuple[str, str]] = frozenset()) -> Specs:
    """Frozen values with references resolved. What cannot be resolved is added to `found`, unless it leads to one of
    `broken` (kind, name), whose problems were told."""
    sources = {d.name: str(d.data["spec"]["type"]) for d in documents if d.kind == "DataSource"}
    builder = _Builder(sources, {}, PolicyBuilder(documents, found, broken), found, broken)
    for document in documents:
        if document.kind == "SLI":
            builder.indicators[document.name] = builder.indicator(document, document.data, "")
    slos = tuple(builder.slo(d) for d in documents if d.kind == "SLO")
    things = tuple(_thing(d) for d in documents if d.kind not in ("SLO", "SLI"))
    return Specs(slos, tuple(builder.indicators.values()), things, tuple(builder.policies.named.values()))


def _thing(document: Document) -> Thing:
    metadata = document.data["metadata"]
    spec = frozen(document.data.get("spec") or {})
    place = document.place(metadata, "name", "metadata.name")
    title = str(metadata.get("displayName") or "")
    return Thing(document.kind, document.name, spec, title, *labels_of(metadata), place)


@dataclass
class _Builder:
    data_sources: dict[str, str]
    indicators: dict[str, Indicator]
    policies: PolicyBuilder
    found: list[ConfigError]
    broken: Set[tuple[str, str]]

    def slo(self, document: Document) -> Slo:
        metadata, spec = document.data["metadata"], document.data["spec"]
        indicator = self._chosen(document, spec, "spec")
        objectives = tuple(
            self._objective(document, spec["objectives"], i, indicator) for i in range(len(spec["objectives"]))
        )
        said = extras.read(metadata, "SLO", "metadata", Problems(document.file))  # problems were told before
        windows = [_window(w) for w in spec.get("timeWindow") or []] or [DEFAULT_WINDOW]
        self._one_threshold(document, spec, indicator)
        labels, _ = labels_of(metadata)
        return Slo(
            name=str(metadata["name"]),
            service=str(spec["service"]),
            indicator=indicator,
            method=spec["budgetingMethod"],
            objectives=objectives,
            windows=tuple(dict.fromkeys([*windows, *said.windows])),
            display_name=str(metadata.get("displayName") or metadata["name"]),
            description=str(spec.get("description") or "").strip(),
            labels=labels,
            annotations=MappingProxyType(said.rest),
            alert_policies=self.policies.of_slo(document),
            burn_pairs=said.burn_pairs,
            minimum_bad=said.minimum_bad,
            corrections=said.corrections,
            late_data=said.late_data,
            late_after=said.late_after,
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
            if ("SLI", name) not in self.broken:
                self.found.append(reference(document, spec, "indicatorRef", path, "SLI", self.indicators))
            return None
        return self.indicators[name]

    def indicator(self, document: Document, data: Any, path: str) -> Indicator:
        metadata, spec = data["metadata"], data["spec"]
        here = join(path, "spec") if path else "spec"
        sources = {n: self._source(document, s, p) for n, s, p in metric_sources(spec, here)}
        metric: Ratio | Raw | Threshold
        if "thresholdMetric" in sources:
            metric = Threshold(sources["thresholdMetric"])
        elif "raw" in sources:
            metric = Raw(sources["raw"], spec["ratioMetric"]["rawType"])
        else:
            counter = bool(spec["ratioMetric"].get("counter"))
            metric = Ratio(sources.get("good"), sources.get("bad"), sources["total"], counter)
        return Indicator(
            name=str(metadata["name"]),
            metric=metric,
            display_name=str(metadata.get("displayName") or ""),
            description=str(spec.get("description") or "").strip(),
            labels=labels_of(metadata)[0],
            annotations=labels_of(metadata)[1],
            place=document.place(metadata, "name", join(path, "metadata.name")),
        )

    def _source(self, document: Document, data: Any, path: str) -> MetricSource:
        ref, kind = data.get("metricSourceRef"), data.get("type")
        if kind is None and ref in self.data_sources:
            kind = self.data_sources[ref]
            check_query(data, kind, path.split(".")[-2], path, Problems(document.file, self.found))
        elif kind is None and ("DataSource", ref) not in self.broken:
            hint = did_you_mean(ref, self.data_sources) or "give type beside it"
            place = document.place(data, "metricSourceRef", join(path, "metricSourceRef"))
            self.found.append(place.error(f"no DataSource named {ref!r}", hint))
        elif type_of(self.data_sources.get(ref, kind)) != type_of(kind):
            message = f"{kind!r}, but DataSource {ref!r} is of type {self.data_sources[ref]!r}"
            self.found.append(document.place(data, "type", join(path, "type")).error(message, "leave type out"))
        inner = data["spec"] if isinstance(data["spec"], Mapping) else {"spec": data["spec"]}
        key = next((k for k in ("filter", *QUERY_KEYS) if k in inner), None)
        place = document.place(inner, key, join(path, f"spec.{key}" if key else "spec"))
        return MetricSource(type_of(kind), str(ref) if ref is not None else None, frozen(inner), place)

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
