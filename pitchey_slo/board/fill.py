"""Variables and intervals in a PromQL expression, put in so that no value can change what the expression is.

A `$name` may stand only inside the quoted value of a label matcher, and what is put there is escaped: as a text for `=`
and `!=`, as a pattern and a text for `=~` and `!~`. A choice of everything (or of nothing) is `.*`, so it needs a
pattern. `$__range`,
`$__interval` and `$__rate_interval` are durations of ours and may stand anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pitchey_slo.board.model import ALL
from pitchey_slo.errors import QueryError, did_you_mean

#: Durations that we put in.
BUILT_IN: Final = ("__range", "__interval", "__rate_interval")
_NAME: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
#: A quoted text and the operator before it (none: not the value of a matcher), or anything between two such.
_PARTS: Final = re.compile(r"""(=~|!~|!=|=)?(\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)""", re.DOTALL)
_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")

Chosen = Mapping[str, Sequence[str]]


def fill(expr: str, chosen: Chosen, durations: Mapping[str, str]) -> str:
    """The expression with the chosen values and durations. Raises QueryError for what `check` would have told.

    >>> fill('up{job=~"$job"}[$__range]', {"job": ['a.b"', "c"]}, {"__range": "1h"})
    'up{job=~"a\\\\\\\\.b\\\\"|c"}[1h]'
    """
    parts: list[str] = []
    at = 0
    for found in _PARTS.finditer(expr):
        parts.append(_durations(expr[at : found.start()], durations))
        parts.append(_quoted(found, chosen))
        at = found.end()
    return "".join([*parts, _durations(expr[at:], durations)])


def names_in(expr: str) -> list[str]:
    """Variables and durations that an expression asks for."""
    return [a or b for a, b in _NAME.findall(expr)]


def check(expr: str, variables: Mapping[str, bool]) -> tuple[int, str] | None:
    """(offset, problem) of the first `$` that means nothing or stands where no value may be put; None for none.
    `variables`: name -> whether everything may be chosen."""
    at = 0
    for found in [*_PARTS.finditer(expr), None]:
        for name in _NAME.finditer(expr, at, found.start() if found else len(expr)):
            known = name[1] or name[2]
            if known not in BUILT_IN:
                why = 'a variable stands inside the quotes of a label matcher, such as {route=~"$route"}'
                return name.start(), why if known in variables else _unknown(known, variables)
        if found is None:
            return None
        for name in _NAME.finditer(expr, found.start(), found.end()):
            known = name[1] or name[2]
            if known not in variables:
                return name.start(), _unknown(known, variables)
            if found[1] is None or found[3][0] == "`":
                return name.start(), "a variable stands in the value of a label matcher, in double quotes"
            if variables[known] and "~" not in found[1]:
                return name.start(), f"${known} may be everything, so it needs =~ or !~, not {found[1]}"
        at = found.end()
    return None


def _unknown(name: str, variables: Iterable[str]) -> str:
    known = [*variables, *BUILT_IN]
    return f"no variable ${name}; {did_you_mean(name, known) or 'there are: ' + ', '.join(f'${k}' for k in known)}"


def _quoted(found: re.Match[str], chosen: Chosen) -> str:
    operator, space, text = found[1] or "", found[2], found[3]
    pattern = "~" in operator

    def value(name: re.Match[str]) -> str:
        known = name[1] or name[2]
        if known not in chosen or not operator or text[0] == "`":
            raise QueryError(f"${known} cannot be put into {text}")
        return _escaped(chosen[known], pattern, text[0])

    return f"{operator}{space}{_NAME.sub(value, text)}"


def _escaped(values: Sequence[str], pattern: bool, quote: str) -> str:
    if ALL in values or (pattern and not values):
        if not pattern:
            raise QueryError("everything is chosen where one value is needed")
        return ".*"
    if not pattern and len(values) != 1:
        raise QueryError(f"{len(values)} values are chosen where one is needed")
    made = [_SPECIAL.sub(r"\\\1", value) if pattern else value for value in values]
    text = "|".join(made) if len(made) == 1 else f"(?:{'|'.join(made)})"
    for raw, written in (("\\", "\\\\"), (quote, "\\" + quote), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(raw, written)
    return text


def _durations(text: str, durations: Mapping[str, str]) -> str:
    def value(name: re.Match[str]) -> str:
        known = name[1] or name[2]
        if known not in durations:
            raise QueryError(f"${known} stands where no value may be put")
        return durations[known]

    return _NAME.sub(value, text)
