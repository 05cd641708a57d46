"""Regular expressions that take linear time whatever a target answers: RE2, which pyarrow brings along.

Python's own `re` needs ten seconds for `a.*b` over 64 KiB of the letter a, and for ever for `(a+)+b`; RE2 has no
look-around and no back-references (github.com/google/re2/wiki/Syntax).
"""

from __future__ import annotations

from collections.abc import Iterator

LONGEST = 1_000


def problem_of(pattern: str, *, groups: bool = False) -> str | None:
    """What is wrong with a pattern; None when it works. `groups`: it is to take something out, by one group at most."""
    if len(pattern) > LONGEST:
        return f"a pattern of {len(pattern)} characters; {LONGEST} at most"
    if groups and len(list(_groups(pattern))) > 1:
        return "more than one group; write (?:...) for those that take nothing out"
    try:
        found(pattern, "")
        if groups:
            taken(pattern, "")
    except ValueError as error:
        return str(error)
    return None


def found(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the text. Raises ValueError."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return bool(pc.match_substring_regex(pa.scalar(text), pattern=pattern).as_py())
    except pa.ArrowInvalid as error:
        raise ValueError(_said(error)) from None


def taken(pattern: str, text: str) -> str | None:
    """What the only group of the first match holds, the whole match without a group; None without a match.

    >>> taken(r"token=(\\w+)", "a token=abc;"), taken("[0-9]+", "n 42"), taken("x", "y")
    ('abc', '42', None)
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    at = next(_groups(pattern), None)
    named = f"(?P<it>{pattern})" if at is None else f"{pattern[:at]}(?P<it>{pattern[at + 1 :]}"
    try:
        match = pc.extract_regex(pa.scalar(text), pattern=named).as_py()
    except pa.ArrowInvalid as error:
        raise ValueError(_said(error)) from None
    return match["it"] if match else None


def _groups(pattern: str) -> Iterator[int]:
    """Offsets of the brackets that open a capturing group."""
    inside, i = False, 0
    while i < len(pattern):
        if pattern[i] == "\\":
            i += 1
        elif inside:
            inside = pattern[i] != "]"
        elif pattern[i] == "[":
            inside = True
            i += (pattern[i + 1 : i + 3] == "^]" and 2) or pattern[i + 1 : i + 2] == "]"
        elif pattern[i] == "(" and pattern[i + 1 : i + 2] != "?":
            yield i
        i += 1


def _said(error: Exception) -> str:
    return f"no regular expression that RE2 knows: {str(error).removeprefix('Invalid regular expression: ')}"
