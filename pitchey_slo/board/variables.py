"""What people may choose for the variables of a dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pitchey_slo.board.model import ALL, Definition, Variable
from pitchey_slo.board.source import Source
from pitchey_slo.errors import RequestError, did_you_mean
from pitchey_slo.promql import parse, tree

if TYPE_CHECKING:
    from pitchey_slo.board.kept import Kept
    from pitchey_slo.board.view import View

#: Values of one variable that are offered, values that may be chosen, characters of one.
MOST_OFFERED: Final = 500
MOST_CHOSEN: Final = 50
LONGEST: Final = 300
KEEP_SECONDS: Final = 60.0


def options(definition: Definition, source: Source, view: View, kept: Kept) -> dict[str, tuple[str, ...]]:
    """The values of each variable; those of a query are looked up once a minute."""
    return {
        v.name: v.values or (() if v.text else _values(definition.name, v, source, view, kept))
        for v in definition.variables
    }


def checked(definition: Definition, given: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """What was chosen, as far as it can be meant. Raises RequestError for a variable that is none."""
    chosen = {}
    for name, values in given.items():
        variable = definition.variable(name)
        if variable is None:
            known = [v.name for v in definition.variables]
            near = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
            raise RequestError(f"var-{name[:40]}: {definition.name} has no such variable; {near}")
        if len(values) > MOST_CHOSEN or any(len(value) > LONGEST for value in values):
            raise RequestError(f"var-{name}: at most {MOST_CHOSEN} values of {LONGEST} characters")
        if ALL in values and not variable.all:
            raise RequestError(f"var-{name}: not everything can be chosen; give one value")
        chosen[name] = (ALL,) if ALL in values else tuple(dict.fromkeys(v for v in values if v))
    return {name: values for name, values in chosen.items() if values}


def _values(dashboard: str, variable: Variable, source: Source, view: View, kept: Kept) -> tuple[str, ...]:
    key = (dashboard, "variable", variable, view.span.length)
    found = kept.get(key)
    if found is None:
        selector = parse(variable.metric)
        assert isinstance(selector, tree.Selector)
        span = view.span
        known = {
            value
            for matchers in selector.alternatives
            for labels in source.scan.series(matchers, span.start, span.end)
            for name, value in labels
            if name == variable.of_label and value
        }
        found = tuple(sorted(known)[:MOST_OFFERED])
        kept.put(key, found, KEEP_SECONDS)
    chosen: tuple[str, ...] = found
    return chosen
