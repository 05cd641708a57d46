"""What somebody looks at: the time, what it is compared with, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pitchey_slo.board.model import ALL, Definition
from pitchey_slo.board.span import Span, last, seconds_of


@dataclass(frozen=True)
class View:
    """What somebody looks at: the time, how far back it is compared with (ms; 0: not), what was chosen."""

    span: Span
    now: datetime
    compare: int = 0
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absolute: bool = False

    @property
    def now_ms(self) -> int:
        return int(self.now.timestamp() * 1_000)


def view_of(
    definition: Definition,
    now: datetime,
    *,
    span: Span | None = None,
    length: str = "",
    compare: str = "",
    chosen: Mapping[str, Sequence[str]] | None = None,
) -> View:
    """What somebody looks at, from words: the last `length` (the definition's own range without it), or `span`.
    Raises RequestError."""
    shown = span or last(seconds_of(length or definition.range), int(now.timestamp() * 1_000))
    back = seconds_of(compare, "compare") * 1_000 if compare else 0
    picked = {name: tuple(values) for name, values in (chosen or {}).items()}
    # a comparison shifts by whole steps, so that its points stand where those of today do
    back = round(back / shown.step) * shown.step if back else 0
    return View(shown, now, back, picked, absolute=span is not None)


def with_choices(view: View, definition: Definition, found: Mapping[str, tuple[str, ...]]) -> View:
    """The view with a choice for every variable: what was chosen, else everything, else the first there is."""
    chosen = {}
    for variable in definition.variables:
        first = (ALL,) if variable.all else found[variable.name][:1]
        chosen[variable.name] = view.chosen.get(variable.name) or first
    return View(view.span, view.now, view.compare, chosen, view.absolute)
