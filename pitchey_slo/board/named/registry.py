"""What a named question is, and the moment it is asked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from pitchey_slo.board.fill import names_in
from pitchey_slo.board.model import ALL, Widget
from pitchey_slo.board.source import Query, Source, at
from pitchey_slo.board.span import Span
from pitchey_slo.errors import did_you_mean

Data = dict[str, Any]


@dataclass(frozen=True)
class Argument:
    """One argument: `words` are all it may be; a text may be the choice of a variable (`$route`)."""

    doc: str
    type: Literal["text", "number"] = "text"
    default: str | float | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """A question with a name: what it gives (`shape`, as the kinds of widgets have it), the arguments it takes, and for
    how many seconds an answer is good enough to be given again."""

    name: str
    shape: str
    doc: str
    answer: Callable[[Asked], Data]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    keep: float = 15.0
    reports: bool = False


@dataclass(frozen=True)
class Asked:
    """A question as it is asked: over `span`, at `now`, with what was given for its arguments."""

    source: Source
    span: Span
    now: datetime
    widget: Widget
    given: Mapping[str, Any]

    @property
    def start(self) -> datetime:
        return at(self.span.start)

    @property
    def end(self) -> datetime:
        return at(self.span.end)

    def text(self, name: str) -> str:
        """A text argument; "" when nothing, or everything, was chosen."""
        value = self.given.get(name)
        first = value[0] if isinstance(value, tuple) and value else value
        return "" if first in (None, ALL, ()) else str(first)

    def number(self, name: str) -> float:
        return float(self.given[name])

    def texts(self, name: str) -> tuple[str, ...]:
        """All values chosen; none when everything is."""
        value = self.given.get(name)
        found = value if isinstance(value, tuple) else () if value in (None, "") else (str(value),)
        return () if ALL in found else tuple(text for text in found if text)

    @contextmanager
    def table(self, name: str, start_ms: int | None = None) -> Iterator[tuple[str, Query]]:
        """Rows of a stream within the span (from `start_ms` on), and who answers SQL over them."""
        with self.source.table(name, self.span.start if start_ms is None else start_ms, self.span.end - 1) as found:
            yield found

    def register(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        return self.source.register(sql, list(params))


def given_of(question: Named, widget: Widget, chosen: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The arguments as they hold: defaults, what the definition says, and what was chosen."""
    made: dict[str, Any] = {name: argument.default for name, argument in question.arguments.items()}
    for name, value in widget.given.items():
        made[name] = chosen[value[1:]] if isinstance(value, str) and value[:1] == "$" and value[1:] in chosen else value
    return made


def arguments_problem(question: Named, name: str, value: Any, variables: Mapping[str, bool]) -> str | None:
    """What is wrong with one argument of a definition; None for nothing."""
    argument = question.arguments.get(name)
    if argument is None:
        known = ", ".join(question.arguments) or "none"
        return (
            f"{question.name} has no argument {name!r}; {did_you_mean(name, question.arguments) or f'known: {known}'}"
        )
    if isinstance(value, str) and "$" in value:
        names = names_in(value)
        if names == [value.lstrip("$")] and names[0] in variables:
            return None
        return f"{value!r} is no variable; {did_you_mean(value.lstrip('$'), variables) or 'a lone $name works'}"
    if argument.type == "number" and (isinstance(value, bool | str)):
        return f"{value!r} where a number belongs"
    if argument.words and str(value) not in argument.words:
        return f"{value!r}; {did_you_mean(str(value), argument.words) or ', '.join(argument.words)}"
    return None
