"""Frozen specs -> plain maps in the shape of OpenSLO v1, the way back from `build.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pitchey_slo.errors import SloError
from pitchey_slo.slo.model import (
    CALENDAR_ANCHOR,
    AlertCondition,
    AlertPolicy,
    Duration,
    Indicator,
    MetricSource,
    NotificationTarget,
    Objective,
    Ratio,
    Raw,
    Slo,
    Specs,
    Thing,
    Threshold,
    TimeWindow,
)
from pitchey_slo.slo.spec.extras import PREFIX

VERSION = "openslo/v1"
_LATE_AFTER = Duration(5, "m")


def slo(value: Slo, specs: Specs | None = None) -> dict[str, Any]:
    """An SLO as a document. What `specs` has under its name is written as a reference, everything else in full.

    SloError for what OpenSLO v1 and the annotations have no words for.
    """
    spec: dict[str, Any] = {"description": value.description} if value.description else {}
    spec["service"] = value.service
    spec |= _measured(value.indicator, specs)
    first, *more = value.windows or _wrong(value, "it has no window")
    spec["timeWindow"] = [_window(first)]
    spec["budgetingMethod"] = value.method
    spec["objectives"] = [_objective(o, specs) for o in value.objectives]
    if value.alert_policies:
        spec["alertPolicies"] = [_policy_in(p, specs) for p in value.alert_policies]
    title = "" if value.display_name == value.name else value.display_name
    return _document("SLO", value.name, title, value.labels, {**value.annotations, **_extras(value, more)}, spec)


def indicator(value: Indicator) -> dict[str, Any]:
    return _document("SLI", value.name, value.display_name, value.labels, value.annotations, _metric(value))


def thing(value: Thing) -> dict[str, Any]:
    spec = _plain(value.spec)
    return _document(value.kind, value.name, value.display_name, value.labels, value.annotations, spec)


def _document(
    kind: str, name: str, title: str, labels: Mapping[str, Any], annotations: Mapping[str, str], spec: Any
) -> dict[str, Any]:
    found = {"apiVersion": VERSION, "kind": kind, "metadata": _metadata(name, title, labels, annotations)}
    return found | ({"spec": spec} if spec else {})


def _metadata(name: str, title: str, labels: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    if title:
        found["displayName"] = title
    if labels:
        found["labels"] = {k: v[0] if len(v) == 1 else list(v) for k, v in labels.items()}
    if annotations:
        found["annotations"] = dict(annotations)
    return found


def _measured(value: Indicator | None, specs: Specs | None) -> dict[str, Any]:
    if value is None:
        return {}
    if specs is not None and any(known is value for known in specs.indicators):
        return {"indicatorRef": value.name}
    metadata = _metadata(value.name, value.display_name, value.labels, value.annotations)
    return {"indicator": {"metadata": metadata, "spec": _metric(value)}}


def _metric(value: Indicator) -> dict[str, Any]:
    spec: dict[str, Any] = {"description": value.description} if value.description else {}
    match value.metric:
        case Threshold(source=source):
            spec["thresholdMetric"] = _source(source)
        case Raw(source=source, raw_type=kind):
            spec["ratioMetric"] = {"rawType": kind, "raw": _source(source)}
        case Ratio(good=good, bad=bad, total=total, counter=counter):
            parts = {"good": good, "bad": bad, "total": total}
            found = {k: _source(v) for k, v in parts.items() if v is not None}
            spec["ratioMetric"] = ({"counter": True} if counter else {}) | found
    return spec


def _source(value: MetricSource) -> dict[str, Any]:
    ref = {"metricSourceRef": value.ref} if value.ref is not None else {}
    return {"metricSource": {**ref, "type": value.type, "spec": _plain(value.spec)}}


def _window(value: TimeWindow) -> dict[str, Any]:
    if value.rolling:
        return {"duration": str(value.duration), "isRolling": True}
    calendar = {"startTime": value.anchor or CALENDAR_ANCHOR, "timeZone": value.zone}
    return {"duration": str(value.duration), "calendar": calendar}


def _objective(value: Objective, specs: Specs | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "displayName": value.display_name or None,
        "op": value.op,
        "value": value.value,
        "target": value.target,
        "timeSliceTarget": value.slice_target,
        "timeSliceWindow": None if value.slice_window is None else str(value.slice_window),
        **_measured(value.indicator, specs),
        "compositeWeight": value.weight if value.weight != 1.0 else None,
    }
    return {k: v for k, v in found.items() if v is not None}


# ---- alerts --------------------------------------------------------------------------------------------------------


def _policy_in(value: AlertPolicy, specs: Specs | None) -> dict[str, Any]:
    if _known(value, "AlertPolicy", specs):
        return {"alertPolicyRef": value.name}
    conditions = [
        {"conditionRef": c.name} if _known(c, "AlertCondition", specs) else _inline("AlertCondition", c, _condition(c))
        for c in value.conditions
    ]
    targets = [
        {"targetRef": t.name} if _known(t, "AlertNotificationTarget", specs) else _target(t) for t in value.targets
    ]
    spec = {
        **_described(value),
        "alertWhenBreaching": value.when_breaching,
        "alertWhenResolved": value.when_resolved,
        "alertWhenNoData": value.when_no_data,
        "conditions": conditions,
        "notificationTargets": targets,
    }
    return _inline("AlertPolicy", value, spec)


def _known(value: AlertPolicy | AlertCondition | NotificationTarget, kind: str, specs: Specs | None) -> bool:
    return value.by_ref and specs is not None and any(t.kind == kind and t.name == value.name for t in specs.things)


def _condition(value: AlertCondition) -> dict[str, Any]:
    condition = {
        "kind": "burnrate",
        "op": value.op,
        "threshold": value.threshold,
        "lookbackWindow": str(value.lookback),
    }
    after = {} if value.after is None else {"alertAfter": str(value.after)}
    return {**_described(value), "severity": value.severity, "condition": condition | after}


def _target(value: NotificationTarget) -> dict[str, Any]:
    return _inline("AlertNotificationTarget", value, {"target": value.target, **_described(value)})


def _described(value: AlertPolicy | AlertCondition | NotificationTarget) -> dict[str, str]:
    return {"description": value.description} if value.description else {}


def _inline(kind: str, value: AlertPolicy | AlertCondition | NotificationTarget, spec: Any) -> dict[str, Any]:
    metadata = _metadata(value.name, value.display_name, value.labels, value.annotations)
    return {"kind": kind, "metadata": metadata, "spec": spec}


# ---- annotations ---------------------------------------------------------------------------------------------------


def _extras(value: Slo, windows: list[TimeWindow]) -> dict[str, str]:
    """The annotations for what OpenSLO v1 has no key for."""
    from pitchey_slo.slo.spec.emit import flow

    found = {}
    for window in windows:
        if not window.rolling and window.anchor != CALENDAR_ANCHOR:
            _wrong(value, f"only its first window may count from {window.anchor}; others count from {CALENDAR_ANCHOR}")
    if windows:
        found["windows"] = ", ".join(w.text for w in windows)
    if value.burn_pairs is not None:
        lines = [
            {"long": str(p.long), "short": str(p.short), "factor": p.factor, "severity": p.severity}
            | ({} if p.hold is None else {"for": str(p.hold)})
            for p in value.burn_pairs
        ]
        found["burn-alerts"] = "".join(f"- {flow(line)}\n" for line in lines) or "none"
    if value.minimum_bad:
        found["minimum-bad-events"] = f"{value.minimum_bad:.17g}"
    if value.corrections:
        found["corrections"] = "".join(f"- {flow(_correction(value, i))}\n" for i in range(len(value.corrections)))
    if value.late_data != "ignore" or value.late_after != _LATE_AFTER:
        found["late-data"] = f"{value.late_data} after {value.late_after}"
    return {PREFIX + k: v for k, v in found.items()}


def _correction(value: Slo, i: int) -> dict[str, Any]:
    one = value.corrections[i]
    if one.slos not in ((), (value.name,)):
        _wrong(value, f"correction {one.id!r} is for other SLOs: {', '.join(one.slos)}")
    minutes = one.seconds / 60
    if minutes != int(minutes):
        _wrong(value, f"correction {one.id!r} lasts {one.seconds:g} seconds; a spec has whole minutes")
    row = {k: getattr(one, k) for k in ("id", "category", "reason", "approver")}
    row |= {"start": one.starts_at.isoformat(), "duration": f"{int(minutes)}m"}
    return row | ({"rrule": one.rrule} if one.rrule else {}) | ({"zone": one.zone} if one.zone != "UTC" else {})


def _wrong(value: Slo, message: str) -> Any:
    raise SloError(f"{value.name} cannot be written as OpenSLO v1: {message}", detail={"slo": value.name})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
