"""The alphabet of SMS, and how many messages ("segments") a text is.

GSM 7-bit (3GPP TS 23.038, sections 6.2.1 and 6.2.1.1): 160 characters fit into one segment, 153 into each of several;
ten characters of the extension table count two. One character outside the alphabet turns the whole text into UCS-2, 70
and 67 characters a segment, so such characters are spelled otherwise first: é stays, “ becomes ", Ж becomes Zh.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from anyascii import anyascii

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}
#: Spellings that are better than those of a general table.
_BETTER: Final = {
    "…": "...", "–": "-", "—": "-", "−": "-", "•": "-", "·": "-", "×": "x", "✓": "OK", "→": "->", "←": "<-", "≥": ">=",
    "≤": "<=", "≠": "!=", "°": " deg", "µ": "u", "μ": "u", "`": "'", "\u00a0": " ", "\u202f": " ", "\t": " ",
}  # fmt: skip
_CHARACTERS: Final = frozenset(BASIC) - {"\x1b"}  # ESC leads to the extension table


@dataclass(frozen=True)
class Size:
    """How a text is sent: its alphabet, its length in units of that alphabet, its segments."""

    alphabet: str
    units: int
    segments: int


def is_gsm7(text: str) -> bool:
    return all(c in _CHARACTERS or c in EXTENSION for c in text)


def transliterated(text: str) -> str:
    """`text` in the SMS alphabet; what nobody can spell becomes ?.

    >>> transliterated("“Жар” – 5 € 🔥")
    '"Zhar" - 5 € :fire:'
    """
    return "".join(_spelled(c) for c in unicodedata.normalize("NFC", text))


def size_of(text: str) -> Size:
    """What `text` costs.

    >>> size_of("a" * 160).segments, size_of("a" * 161).segments, size_of("ж" * 71).segments
    (1, 2, 2)
    """
    if is_gsm7(text):
        costs = [2 if c in EXTENSION else 1 for c in text]
        return Size("GSM-7", sum(costs), _segments(costs, 160, 153))
    costs = [2 if ord(c) > 0xFFFF else 1 for c in text]  # UTF-16: a surrogate pair is not torn apart
    return Size("UCS-2", sum(costs), _segments(costs, 70, 67))


def cut_to(text: str, segments: int) -> str:
    """`text`, shortened until it fits into so many segments; `...` says that it was."""
    if size_of(text).segments <= segments:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = size_of(text[:middle] + "...").segments <= segments
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + "..."


def _segments(costs: list[int], alone: int, joined: int) -> int:
    if sum(costs) <= alone:
        return 1
    count, used = 1, 0
    for cost in costs:  # a character of two units is not split over two segments
        if used + cost > joined:
            count, used = count + 1, 0
        used += cost
    return count


def _spelled(character: str) -> str:
    if character in _CHARACTERS or character in EXTENSION:
        return character
    if character in _BETTER:
        return _BETTER[character]
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return ""
    plain = unicodedata.normalize("NFKD", character)[0]
    if plain in _CHARACTERS:
        return plain
    spelled = "".join(c for c in anyascii(character) if c in _CHARACTERS or c in EXTENSION)
    return spelled or "?"
