"""OpenSLO v1alpha, which sloth and older tools write, read as v1: its SLO becomes one v1 SLO for each objective.

In v1alpha every objective has its own `ratioMetrics` and is judged alone; in v1 that would be a composite SLO, which
means something else. As sloth does, an SLO of several objectives becomes name-0, name-1 and so on. A window that says
neither isRolling nor calendar is rolling, and a time slice, whose length v1alpha cannot say, is a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pitchey_slo.slo.spec import schema
from pitchey_slo.slo.spec.check import Problems, check, line_of, shown

VERSION = "openslo/v1alpha"
UNITS = {"Minute": "m", "Hour": "h", "Day": "d", "Week": "w", "Month": "M", "Quarter": "Q", "Year": "Y"}

_METRIC = schema.record(
    {"!source": schema.Text(), "!queryType": schema.Text(), "!query": schema.Text(), "metadata": schema.Anything()}
)
_WINDOW = schema.record(
    {
        "!count": schema.Number(low=1, high=999_999),
        "!unit": schema.Text(choices=tuple(UNITS)),
        "isRolling": schema.Flag(),
        "calendar": schema.WINDOW.fields["calendar"],
    }
)
_OBJECTIVE = schema.record(
    {
        **{k: schema.OBJECTIVE.fields[k] for k in ("displayName", "op", "value", "timeSliceTarget")},
        "!target": schema.OBJECTIVE.fields["target"],
        "ratioMetrics": schema.record(
            {"incremental": schema.Flag(), "counter": schema.Flag(), "!good": _METRIC, "!total": _METRIC},
            schema.most("incremental", "counter"),
        ),
    }
)
_SLO = schema.record(
    {
        "description": schema.DESCRIPTION,
        "!service": schema.Text(),
        "indicator": schema.record({"!thresholdMetric": _METRIC}),
        "timeWindows": schema.Items(_WINDOW, at_least=1, at_most=1),
        "!budgetingMethod": schema.Text(choices=("Occurrences", "Timeslices")),
        "!objectives": schema.Items(_OBJECTIVE, at_least=1),
    }
)
KINDS = {"SLO": _SLO, "Service": schema.KINDS["Service"]}


def as_v1(data: Any, problems: Problems) -> list[tuple[str, Any]]:
    """A v1alpha document as v1 documents with their kinds; none when it does not fit, which is noted.

    The maps made here know the lines of what they come from.
    """
    kind = data.get("kind")
    if kind not in KINDS:
        hint = f"one of: {', '.join(KINDS)}; the other kinds came with openslo/v1"
        line = line_of(data, "kind" if "kind" in data else None)
        problems.add(line, "kind", f"{shown(kind)} is no kind of {VERSION}", hint)
        return []
    shape = schema.record(
        {
            "!apiVersion": schema.Text(choices=(VERSION,)),
            "!kind": schema.Text(choices=tuple(KINDS)),
            "!metadata": schema.METADATA,
            ("spec" if kind == "Service" else "!spec"): KINDS[kind],
        }
    )
    if not check(data, shape, problems, line=line_of(data, None)):
        return []
    if kind == "Service":
        return [(kind, data)]
    objectives = data["spec"]["objectives"]
    before = len(problems.found)
    found = [("SLO", _slo(data, i, problems)) for i in range(len(objectives))]
    return found if len(problems.found) == before else []


def key_in_alpha(key: str, objective: int) -> str:
    """A key path of the v1 document made of this objective as it stands in the v1alpha file."""
    for new, old in (
        ("spec.indicator.spec.ratioMetric.", f"spec.objectives[{objective}].ratioMetrics."),
        ("spec.indicator.spec.thresholdMetric", "spec.indicator.thresholdMetric"),
        (".metricSource.spec", ""),
        ("spec.timeWindow[0].duration", "spec.timeWindows[0].count"),
        ("spec.timeWindow[", "spec.timeWindows["),
    ):
        key = key.replace(new, old)
    return key


def _slo(data: Any, i: int, problems: Problems) -> Any:
    spec, metadata = data["spec"], data["metadata"]
    objective = spec["objectives"][i]
    line = line_of(spec["objectives"], i)
    name = metadata["name"] if len(spec["objectives"]) == 1 else f"{metadata['name']}-{i}"
    threshold, ratio = (spec.get("indicator") or {}).get("thresholdMetric"), objective.get("ratioMetrics")
    if bool(threshold) == bool(ratio):
        message = "exclude each other" if ratio else "needs one of"
        problems.add(line, f"spec.objectives[{i}]", f"{message}: ratioMetrics here, thresholdMetric in spec.indicator")
        return None
    if threshold:
        metric = _like(spec["indicator"], {"thresholdMetric": (_source(threshold), "thresholdMetric")})
    else:
        parts: dict[str, tuple[Any, str | None]] = {k: (_source(ratio[k]), k) for k in ("good", "total")}
        counted = next((k for k in ("incremental", "counter") if k in ratio), None)
        parts |= {"counter": (ratio[counted], counted)} if counted else {}
        metric = _like(objective, {"ratioMetric": (_like(ratio, parts), "ratioMetrics")})
    kept: dict[str, tuple[Any, str | None]] = {k: (v, k) for k, v in objective.items() if k != "ratioMetrics"}
    if spec["budgetingMethod"] == "Timeslices":
        kept["timeSliceWindow"] = ("1m", "timeSliceTarget")
    indicator = _like(spec, {"metadata": (_like(metadata, {"name": (name, "name")}), None), "spec": (metric, None)})
    made: dict[str, tuple[Any, str | None]] = {
        k: (spec[k], k) for k in ("description", "service", "budgetingMethod") if k in spec
    }
    made |= {"indicator": (indicator, "indicator"), "objectives": (_list(_like(objective, kept), line), "objectives")}
    if spec.get("timeWindows"):
        window = _window(spec["timeWindows"][0], problems)
        made["timeWindow"] = (_list(window, line_of(spec["timeWindows"], 0)), "timeWindows")
    named = _like(metadata, {**{k: (v, k) for k, v in metadata.items()}, "name": (name, "name")})
    return _like(data, {"metadata": (named, "metadata"), "spec": (_like(spec, made), "spec")})


def _source(metric: Any) -> Any:
    kept = {k: (v, k) for k, v in metric.items() if k != "source"}
    kind = "prometheus" if str(metric["queryType"]).lower() == "promql" else metric["source"]
    source = _like(metric, {"type": (kind, "source"), "spec": (_like(metric, kept), "query")})
    return _like(metric, {"metricSource": (source, "source")})


def _window(window: Any, problems: Problems) -> Any:
    count = window["count"]
    if count != int(count):
        problems.add(line_of(window, "count"), "spec.timeWindows[0].count", f"{count} is no whole number")
    made = {"duration": (f"{int(count)}{UNITS[window['unit']]}", "count")}
    if window.get("calendar"):
        made["calendar"] = (window["calendar"], "calendar")
    if "isRolling" in window or not window.get("calendar"):
        made["isRolling"] = (window.get("isRolling", True), "isRolling")
    return _like(window, made)


def _like(origin: Any, pairs: Mapping[str, tuple[Any, str | None]]) -> Any:
    """A map that stands where `origin` stands: key -> (value, the key of `origin` whose line it has)."""
    from ruamel.yaml.comments import CommentedMap

    made = CommentedMap()
    made._yaml_set_line_col((line_of(origin, None) or 1) - 1, 0)
    for key, (value, like) in pairs.items():
        made[key] = value
        line = (line_of(origin, like) or 1) - 1
        made._yaml_set_kv_line_col(key, [line, 0, line, 0])
    return made


def _list(item: Any, line: int | None) -> Any:
    from ruamel.yaml.comments import CommentedSeq

    made = CommentedSeq([item])
    made._yaml_set_line_col((line or 1) - 1, 0)
    made._yaml_set_idx_line_col(0, [(line or 1) - 1, 0])
    return made
