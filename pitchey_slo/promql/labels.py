"""Labels of a series: a sorted tuple of (name, value) pairs, so that two equal label sets are one dictionary key.

A label with an empty value is the same as no label (Prometheus' rule), so empty values are never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

Labels = tuple[tuple[str, str], ...]
Key = Callable[[Labels], Labels]

NAME = "__name__"
NONE: Labels = ()


def make(labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Sorted pairs without the empty ones.

    >>> make({"job": "api", "__name__": "up", "zone": ""})
    (('__name__', 'up'), ('job', 'api'))
    """
    pairs = labels.items() if isinstance(labels, Mapping) else labels
    return tuple(sorted((name, value) for name, value in pairs if value))


def get(labels: Labels, name: str) -> str:
    """Value of one label; the empty string when there is none."""
    for key, value in labels:
        if key == name:
            return value
    return ""


def only(labels: Labels, names: Collection[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] in names)


def without(labels: Labels, names: Collection[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in names)


def nameless(labels: Labels) -> Labels:
    if labels and labels[0][0] == NAME:  # where it nearly always is
        return labels[1:]
    return tuple(pair for pair in labels if pair[0] != NAME)


def put(labels: Labels, name: str, value: str) -> Labels:
    """`labels` with one of them set, or removed when `value` is empty."""
    rest = [pair for pair in labels if pair[0] != name]
    return make([*rest, (name, value)])


def show(labels: Labels) -> str:
    """`name{label="value"}`, as Prometheus prints a series.

    >>> show((("__name__", "up"), ("job", "api")))
    'up{job="api"}'
    """
    inside = ", ".join(f"{name}={quote(value)}" for name, value in labels if name != NAME)
    name = get(labels, NAME)
    return name if name and not inside else f"{name}{{{inside}}}"


def quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def valid_name(name: str) -> bool:
    """Prometheus 3: any text that is valid UTF-8 and not empty (a lone surrogate stands for a byte that is not)."""
    return bool(name) and not any(0xD800 <= ord(char) <= 0xDFFF for char in name)


def braces(labels: Labels) -> str:
    """All labels inside braces, the metric name included, as Prometheus' errors print them."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels) + "}"
