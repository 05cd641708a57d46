"""Payment cards: first digits of an issuer, a length it uses, Luhn's check digit, and groups as people write them.

Between the groups may stand a blank, a dot, a dash or a line end. Without the issuer and Luhn every 17-digit identifier
would be a card (facts part two 4.2)."""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pitchey_slo.scrub.found import Found

#: Thirteen digits, whatever the first: patterns that count from different digits make RE2's automaton explode.
GATES: Final = (
    r"[0-9](?:[ .\-]?[0-9]){12}",
    r"[0-9][ .\-\t]*(?:\r?\n|\\n|\\r|<br ?/?>)[ \t]*[0-9]",
)

#: The shapes that `_written` takes, for columns: each value that GATES let in costs 15 us, and numbered identifiers
#: such as `20261123-0000000746` are many. A second look of RE2 at those alone costs a tenth of one.
SHAPES: Final = (
    r"[0-9]{13}",
    r"[0-9]{4}[ .\-][0-9]{4}[ .\-][0-9]{4}",
    r"[0-9]{4}[ .\-][0-9]{6}[ .\-][0-9]{4}",
    r"[0-9]{8}[ .\-][0-9]{8}",
    r"(?:[0-9][ .\-]){12}",
    r"\n|\r|\\n|\\r|<br|[\x{2010}-\x{2015}]",
)

_LINE: Final = r"[ \t]{0,8}(?:\r?\n|(?:\\r)?\\n|<br ?/?>)[ \t]{0,8}"
_RUN: Final = re.compile(
    rf"[0-9](?<![0-9A-Za-z_].)[0-9]{{0,18}}(?:(?:[ .\-\u2010-\u2015]|{_LINE})[0-9]{{1,19}}){{0,24}}(?![0-9A-Za-z_])"
)
_GROUP: Final = re.compile(r"[0-9]+")
_LUHN: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_KNOWN: Final = {(4, 6, 5), (4, 6, 4), (4, 4, 5), (8, 8)}


def find(text: str) -> Iterator[Found]:
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= 13:
            yield from _in_run(text, run.start(), run.end())


def _in_run(text: str, begin: int, end: int) -> Iterator[Found]:
    groups = [(g.start(), g.end()) for g in _GROUP.finditer(text, begin, end)]
    first = 0
    while first < len(groups):
        last = _longest(text, groups, first)
        if last is not None:
            start, stop = groups[first][0], groups[last][1]
            yield Found(start, stop, "card", "".join(_GROUP.findall(text, start, stop)))
            first = last
        first += 1


def _longest(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card that begins with this one."""
    start, end = groups[first]
    best, digits = None, ""
    if text[start : start + 1] == "0" or (len(groups) == 1 and not is_card(text[start:end])):
        return None
    for last in range(first, len(groups)):
        start, end = groups[last]
        digits += text[start:end]
        if len(digits) > 19:
            break
        if len(digits) >= 13 and is_card(digits, alone=last == first) and _written(text, groups[first : last + 1]):
            best = last
    return best


def _written(text: str, groups: list[tuple[int, int]]) -> bool:
    """True when people write a card in such groups."""
    lengths = tuple(end - start for start, end in groups)
    if len(lengths) == 1:
        start = groups[0][0]
        return text[start - 1 : start] != "." or not text[start - 2 : start - 1].isdigit()  # a decimal fraction
    gaps = [text[a[1] : b[0]] for a, b in itertools.pairwise(groups)]
    if any("\n" in gap or "\\n" in gap or "<br" in gap for gap in gaps):
        return True
    return (
        lengths in _KNOWN
        or (all(n == 4 for n in lengths[:-1]) and lengths[-1] <= 4)
        or (len(lengths) > 12 and set(lengths) == {1})
    )


def luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1, annex B).

    >>> luhn("4012888888881881"), luhn("4012888888881882")
    (True, False)
    """
    odd = sum(map(int, digits[::-1][::2]))
    return (odd + sum(_LUHN[int(d)] for d in digits[::-1][1::2])) % 10 == 0


def is_card(digits: str, *, alone: bool = True) -> bool:
    """True for a number an issuer could have given; `alone`: written without gaps, where identifiers look alike."""
    lengths, long = _issuers().get(digits[:4], _NOBODY)
    return len(digits) in lengths and (long or not alone or len(digits) <= 16) and luhn(digits)


_NOBODY: Final[tuple[frozenset[int], bool]] = (frozenset(), False)


@functools.cache
def _issuers() -> dict[str, tuple[frozenset[int], bool]]:
    """Lengths by the first four digits, and whether long numbers count without gaps: cards.toml."""
    known = tomllib.loads((Path(__file__).parent.parent / "cards.toml").read_text(encoding="utf-8"))["network"]
    found: dict[str, tuple[frozenset[int], bool]] = {}
    for network in known:
        for low, high in network["ranges"]:
            for start in range(int(low.ljust(4, "0")), int(high.ljust(4, "9")) + 1):
                lengths, long = found.get(str(start), _NOBODY)
                found[str(start)] = lengths | frozenset(network["lengths"]), long or bool(network.get("long"))
    return found
