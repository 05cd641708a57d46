"""Alert policies with what they refer to: policy -> condition and notification targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.slo.model import AlertCondition, AlertPolicy, Duration, Labels, NotificationTarget
from pitchey_slo.slo.spec.check import join
from pitchey_slo.slo.spec.meaning import Document


class PolicyBuilder:
    """The alert objects of all documents by name; references that lead nowhere are added to `found`."""

    def __init__(self, documents: list[Document], found: list[ConfigError], broken: Set[tuple[str, str]]) -> None:
        self.found, self.broken = found, broken
        self._conditions = {d.name: _condition(d, d.data, "") for d in documents if d.kind == "AlertCondition"}
        self._targets = {d.name: _target(d, d.data, "") for d in documents if d.kind == "AlertNotificationTarget"}
        self.named = {d.name: self._policy(d, d.data, "") for d in documents if d.kind == "AlertPolicy"}

    def of_slo(self, document: Document) -> tuple[AlertPolicy, ...]:
        """The policies of an SLO document; those that lead nowhere are left out."""
        policies = []
        for i, item in enumerate(document.data["spec"].get("alertPolicies") or []):
            path = f"spec.alertPolicies[{i}]"
            if "alertPolicyRef" not in item:
                policies.append(self._policy(document, item, path))
            elif self._known(document, item, "alertPolicyRef", path, "AlertPolicy", self.named):
                policies.append(replace(self.named[item["alertPolicyRef"]], by_ref=True))
        return tuple(policies)

    def _policy(self, document: Document, data: Any, path: str) -> AlertPolicy:
        spec, here = data["spec"], join(path, "spec") if path else "spec"
        conditions, targets = [], []
        for i, item in enumerate(spec["conditions"]):
            at = f"{here}.conditions[{i}]"
            if "conditionRef" not in item:
                conditions.append(_condition(document, item, at))
            elif self._known(document, item, "conditionRef", at, "AlertCondition", self._conditions):
                conditions.append(replace(self._conditions[item["conditionRef"]], by_ref=True))
        for i, item in enumerate(spec["notificationTargets"]):
            at = f"{here}.notificationTargets[{i}]"
            if "targetRef" not in item:
                targets.append(_target(document, item, at))
            elif self._known(document, item, "targetRef", at, "AlertNotificationTarget", self._targets):
                targets.append(replace(self._targets[item["targetRef"]], by_ref=True))
        breaching = spec.get("alertWhenBreaching")
        return AlertPolicy(
            conditions=tuple(conditions),
            targets=tuple(targets),
            when_breaching=True if breaching is None else breaching,
            when_resolved=bool(spec.get("alertWhenResolved")),
            when_no_data=bool(spec.get("alertWhenNoData")),
            **_common(document, data, path),
        )

    def _known(self, document: Document, item: Any, key: str, path: str, kind: str, known: Mapping[str, Any]) -> bool:
        if item[key] not in known and (kind, item[key]) not in self.broken:
            self.found.append(reference(document, item, key, path, kind, known))
        return item[key] in known


def _condition(document: Document, data: Any, path: str) -> AlertCondition:
    condition = data["spec"]["condition"]
    after = condition.get("alertAfter")
    return AlertCondition(
        severity=str(data["spec"]["severity"]),
        op=condition["op"],
        threshold=float(condition["threshold"]),
        lookback=Duration.parse(condition["lookbackWindow"]),
        after=None if after in (None, "0m") else Duration.parse(after),
        **_common(document, data, path),
    )


def _target(document: Document, data: Any, path: str) -> NotificationTarget:
    return NotificationTarget(target=str(data["spec"]["target"]), **_common(document, data, path))


def _common(document: Document, data: Any, path: str) -> dict[str, Any]:
    """What every object has."""
    metadata = data["metadata"]
    labels, annotations = labels_of(metadata)
    return {
        "name": str(metadata["name"]),
        "display_name": str(metadata.get("displayName") or ""),
        "description": str(data["spec"].get("description") or "").strip(),
        "labels": labels,
        "annotations": annotations,
        "place": document.place(metadata, "name", join(path, "metadata.name")),
    }


def reference(document: Document, parent: Any, key: str, path: str, kind: str, known: Iterable[str]) -> ConfigError:
    """The error for a reference that leads nowhere: `parent[key]`, where `parent` stands at `path`."""
    names = list(known)
    hint = did_you_mean(parent[key], names) or ("there are: " + ", ".join(names) if names else "none was read")
    return document.place(parent, key, join(path, key)).error(f"no {kind} named {parent[key]!r}", hint)


def labels_of(metadata: Any) -> tuple[Labels, Mapping[str, str]]:
    """Its labels and its annotations."""
    labels = {str(k): tuple(str(t) for t in (v if isinstance(v, list) else [v])) for k, v in _map(metadata, "labels")}
    return MappingProxyType(labels), MappingProxyType({str(k): str(v) for k, v in _map(metadata, "annotations")})


def _map(metadata: Any, key: str) -> Iterable[tuple[Any, Any]]:
    return (metadata.get(key) or {}).items()


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
