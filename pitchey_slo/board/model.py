"""What a dashboard is: plain frozen values, as its file says it.

Definition -> Row -> Widget -> Query | named question
                          \\-> Threshold, Link
Definition -> Variable
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Role = Literal["public", "viewer", "operator", "admin"]
State = Literal["ok", "warning", "critical"]

#: Who may look, from the least: each may see what those before it may.
ROLES: Final[dict[str, str]] = {
    "public": "anybody, without a token",
    "viewer": "who may read (a token with the scope read)",
    "operator": "who may also act on alerts (scope alert)",
    "admin": "who may do everything (scope admin)",
}
#: What a threshold says, from the best; a screen also says it by a shape or a word, never by colour alone.
STATES: Final = ("ok", "warning", "critical")

#: Units: name -> what it means. Values keep theirs; a screen scales them.
UNITS: Final[dict[str, str]] = {
    "none": "a plain number",
    "short": "a plain number, shortened: 12.3 K",
    "percent": "0 to 100",
    "ratio": "0 to 1, shown as 0 to 100 %",
    "seconds": "a length of time",
    "milliseconds": "a length of time",
    "days": "a length of time",
    "bytes": "powers of 1,024",
    "per_second": "events per second",
    "per_minute": "events per minute",
    "money": "an amount in the currency that its label names",
    "time": "a moment, in ms since 1970",
    "burn": "how many times faster than allowed",
}


@dataclass(frozen=True)
class Query:
    """One PromQL expression. `legend` names its series (`{{route}}` is a label's value); `instant` asks at the end of
    the range alone; `unit` is that of its column in a table."""

    expr: str
    legend: str = ""
    instant: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Threshold:
    """From `value` on (of the widget's unit) the state is `state`; `text` says why."""

    value: float
    state: State
    text: str = ""


@dataclass(frozen=True)
class Link:
    """A way on: `to` is a dashboard's name, or a path of this server. `given` are values for it by name, where
    `{{label}}` stands for what was clicked, `$name` for a variable of this dashboard."""

    title: str
    to: str
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> bool:
        return self.to.startswith("/")


@dataclass(frozen=True)
class Widget:
    """One thing on the screen, `width` of 12 columns wide and `height` rows of 40 px high.

    It shows `queries`, or the question `named` (see `pitchey_slo.board.named`) with the arguments `given`, or `text`.
    `span` is a range of its own, such as 7d. `empty` is what it says when there is nothing, where that is no fault.
    `grafana` are queries that stand in for a named question in an exported dashboard.
    """

    id: str
    type: str
    title: str
    description: str = ""
    width: int = 6
    height: int = 6
    queries: tuple[Query, ...] = ()
    named: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    unit: str = "none"
    decimals: int | None = None
    stack: bool = False
    min: float | None = None
    max: float | None = None
    span: str = ""
    empty: str = ""
    thresholds: tuple[Threshold, ...] = ()
    links: tuple[Link, ...] = ()
    grafana: tuple[Query, ...] = ()


@dataclass(frozen=True)
class Row:
    title: str
    widgets: tuple[Widget, ...]
    collapsed: bool = False


@dataclass(frozen=True)
class Variable:
    """What people choose from: `values`, or those of `of_label` among the series that `metric` (a selector) chooses;
    or, with `text`, what they type, which is nothing at first. With `all` one may choose everything, which is then also
    the first choice."""

    name: str
    label: str
    metric: str = ""
    of_label: str = ""
    values: tuple[str, ...] = ()
    all: bool = False
    text: bool = False


#: The choice of everything.
ALL: Final = "$all"


@dataclass(frozen=True)
class Definition:
    """A dashboard. `role` is the least role that may look; `range` and `refresh` are durations such as 1h and 5s."""

    name: str
    title: str
    rows: tuple[Row, ...]
    description: str = ""
    order: int = 100
    role: Role = "viewer"
    range: str = "1h"
    refresh: str = "5s"
    variables: tuple[Variable, ...] = ()

    def widgets(self) -> Iterator[Widget]:
        for row in self.rows:
            yield from row.widgets

    def variable(self, name: str) -> Variable | None:
        return next((v for v in self.variables if v.name == name), None)
