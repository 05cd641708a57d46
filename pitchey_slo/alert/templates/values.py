"""What templates see: maps, lists, texts, numbers, times, and the values here whose fields and methods are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pitchey_slo.alert.templates.go_format import go_date


class Struct:
    """Named fields, some of which may be functions (methods).

    >>> Struct(Name="x").field("Name")
    'x'
    """

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def field(self, name: str) -> Any:
        """Raises KeyError."""
        return self._fields[name]

    def names(self) -> list[str]:
        return list(self._fields)

    def values(self) -> list[Any]:
        return [v for v in self._fields.values() if not callable(v)]


class Pairs(dict[str, str]):
    """Alertmanager's KV: a map of labels with SortedPairs, Names, Values, Remove. Iterates sorted by name."""

    def sorted_pairs(self) -> PairList:
        """`alertname` first, the rest by name."""
        order = sorted(self, key=lambda name: (name != "alertname", name))
        return PairList(Struct(Name=name, Value=self[name]) for name in order)

    def remove(self, names: Iterable[str]) -> Pairs:
        gone = set(names)
        return Pairs({k: v for k, v in self.items() if k not in gone})


class PairList(list[Struct]):
    """Alertmanager's Pairs, with Names and Values."""


class Alerts(list[Any]):
    """Alertmanager's Alerts: Structs with a Status, with Firing and Resolved."""

    def with_status(self, status: str) -> Alerts:
        return Alerts(a for a in self if a.field("Status") == status)


@dataclass(frozen=True)
class SafeText:
    """A text that is not escaped where HTML is made; printed as it is."""

    text: str

    def __str__(self) -> str:
        return self.text


_METHODS: dict[type, dict[str, Callable[[Any], Any]]] = {
    Pairs: {
        "SortedPairs": lambda pairs: pairs.sorted_pairs(),
        "Names": lambda pairs: [p.field("Name") for p in pairs.sorted_pairs()],
        "Values": lambda pairs: [p.field("Value") for p in pairs.sorted_pairs()],
        "Remove": lambda pairs: pairs.remove,
    },
    PairList: {
        "Names": lambda pairs: [p.field("Name") for p in pairs],
        "Values": lambda pairs: [p.field("Value") for p in pairs],
    },
    Alerts: {
        "Firing": lambda alerts: alerts.with_status("firing"),
        "Resolved": lambda alerts: alerts.with_status("resolved"),
    },
    datetime: {
        "Format": lambda time: lambda layout: go_date(time, layout),
        "UTC": lambda time: time.astimezone(UTC),
        "Unix": lambda time: int(time.timestamp()),
        "Year": lambda time: time.year,
        "Day": lambda time: time.day,
        "Hour": lambda time: time.hour,
        "Minute": lambda time: time.minute,
        "IsZero": lambda time: time.year <= 1,
    },
}


def field(value: Any, name: str) -> Any:
    """A field of a value. A method without parameters is called at once. Raises KeyError when there is none."""
    if isinstance(value, Struct):
        return value.field(name)
    if isinstance(value, Mapping) and name in value:
        return value[name]
    for kind, methods in _METHODS.items():
        if isinstance(value, kind) and name in methods:
            return methods[name](value)
    if isinstance(value, Mapping):
        return ""
    raise KeyError(name)
