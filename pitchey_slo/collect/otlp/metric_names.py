"""OpenTelemetry's names of metrics and attributes -> Prometheus' names of metrics and labels.

The rules of Prometheus' own OTLP receiver with its default strategy, underscores with suffixes: what a name may not
hold becomes `_`, the unit in words is appended unless the name has it, a counter ends in `_total`, a gauge of unit 1 in
`_ratio`. Source: OpenTelemetry specification, "Prometheus and OpenMetrics compatibility"; prometheus/otlptranslator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pitchey_slo.collect.otlp.keys import shown
from pitchey_slo.collect.otlp.records import Attributes
from pitchey_slo.collect.prometheus.expose import value_text

#: UCUM -> words (otlptranslator, unitMap)
UNITS: Final = {
    **{"d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds"},
    **{"ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes"},
    **{"TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes"},
    **{"m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius"},
    **{"Hz": "hertz", "1": "", "%": "percent"},
}
#: behind the slash (otlptranslator, perUnitMap)
PER: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}

_BAD: Final = re.compile(r"[^a-zA-Z0-9:]+")
_BAD_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")


def metric_name(name: str, unit: str, *, counter: bool, gauge: bool) -> str:
    """Empty when nothing of `name` can stand in a metric's name.

    >>> metric_name("http.server.request.duration", "s", counter=False, gauge=False)
    'http_server_request_duration_seconds'
    >>> metric_name("system.io", "By/s", counter=True, gauge=False)
    'system_io_bytes_per_second_total'
    """
    words = [word for word in _BAD.split(name) if word]
    main, per = units(unit)
    words += [word for word in (main, per) if word and word not in words]
    if counter:
        words = [*(w for w in words if w != "total"), "total"]
    if gauge and unit == "1":
        words = [*(w for w in words if w != "ratio"), "ratio"]
    found = "_".join(words)
    return f"_{found}" if found[:1].isdigit() else found


def units(unit: str) -> tuple[str, str]:
    """The unit in words, and what it is counted per; what stands in braces is a remark, no unit.

    >>> units("By/s"), units("{request}"), units("1/h")
    (('bytes', 'per_second'), ('', ''), ('', 'per_hour'))
    """
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if set("{}") & set(main) else UNITS.get(main, main)
    per = "" if set("{}") & set(per) else PER.get(per, per)
    return _word(main), _word(f"per_{per}") if per else ""


def _word(text: str) -> str:
    found = _BAD.sub("_", text).strip("_")
    return "" if found == "per" else found


def label_name(key: str) -> str:
    """
    >>> label_name("http.method"), label_name("9lives"), label_name("_secret")
    ('http_method', 'key_9lives', 'key_secret')
    """
    found = _BAD_LABEL.sub("_", key)
    if found[:1].isdigit():
        return f"key_{found}"
    return f"key{found}" if found.startswith("_") and not found.startswith("__") else found


def labels(attributes: Attributes) -> dict[str, str]:
    """Labels of attributes, in order of their keys; those that get the same name are joined by `;`."""
    found: dict[str, str] = {}
    for key in sorted(attributes):
        name, value = label_name(key), label_value(attributes[key])
        found[name] = f"{found[name]};{value}" if name in found else value
    found.pop("__name__", None)
    return found


def label_value(value: Any) -> str:
    return value_text(value) if isinstance(value, float) else shown(value)


def resource_labels(resource: Mapping[str, Any]) -> dict[str, str]:
    """`job` and `instance` of a resource, where it names itself."""
    found = {}
    if name := shown(resource.get("service.name")):
        space = shown(resource.get("service.namespace"))
        found["job"] = f"{space}/{name}" if space else name
    if instance := shown(resource.get("service.instance.id")):
        found["instance"] = instance
    return found
