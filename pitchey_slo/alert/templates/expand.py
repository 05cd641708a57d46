"""Text, data and functions -> text: what the rest of the house calls."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pitchey_slo.alert.templates.go_format import go_text
from pitchey_slo.alert.templates.nodes import Template
from pitchey_slo.alert.templates.parse import TemplateError, parse
from pitchey_slo.alert.templates.run import Run
from pitchey_slo.alert.templates.values import SafeText

#: What Prometheus sets before an annotation or label runs.
RULE_VARIABLES: Final = ("$labels", "$value", "$externalLabels", "$externalURL")


def render(
    text: str,
    data: Any,
    functions: Mapping[str, Callable[..., Any]],
    *,
    definitions: Sequence[str] = (),
    variables: Mapping[str, Any] | None = None,
    as_html: bool = False,
) -> str:
    """The text a template makes of `data` (its dot). Raises TemplateError.

    definitions  texts with `{{ define "name" }}` that it may use
    variables    known from the start, by name with the $
    as_html      printed values are escaped, but for `safeHtml`
    """
    if "{{" not in text:
        return text
    names, known = frozenset(functions), tuple(variables or ())
    template = parsed(text, names, known)
    if definitions:
        defined = {name: body for more in definitions for name, body in parsed(more, names, ()).defined.items()}
        template = Template(template.text, template.body, {**defined, **template.defined})
    return Run(template, functions, _escaped if as_html else go_text).text(data, variables)


@functools.lru_cache(maxsize=4096)
def parsed(text: str, functions: frozenset[str], variables: tuple[str, ...]) -> Template:
    return parse(text, functions, variables)


def _escaped(value: Any) -> str:
    return value.text if isinstance(value, SafeText) else html.escape(go_text(value))


def expand(text: str, data: Any, functions: Mapping[str, Callable[..., Any]], **more: Any) -> str:
    """As `render`, but never fails: a template that does gives a text that says what was wrong."""
    try:
        return render(text, data, functions, **more)
    except TemplateError as error:
        return f"<error expanding template: {error.message}, at {_place(text, error.pos)}>"


def _place(text: str, pos: int) -> str:
    line = text.count("\n", 0, pos) + 1
    column = pos - (text.rfind("\n", 0, pos) + 1) + 1
    return f"{line}:{column} of {text[max(0, pos - 10) : pos + 30]!r}"
