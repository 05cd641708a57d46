"""Disguises taken off: the text as a reader would see it, and where each of its characters stands in the original.

Percent signs (also twice), HTML entities, backslash escapes, full-width and other digits, letters that look like Latin
ones, blanks that are not ASCII and characters that nobody sees. What a rule finds in the unfolded text is replaced in
the original."""

from __future__ import annotations

import html
import re
import unicodedata
from array import array
from dataclasses import dataclass
from typing import Final

from pitchey_slo.scrub.found import Found

#: RE2: what stands in every text that unfolding changes.
GATES: Final = (r"%[0-9A-Fa-f]{2}", r"&#?[0-9A-Za-z]+;", r"\\[\"'/\\ux]", r"[^\x00-\x7f]")
ROUNDS: Final = 5

_MARK: Final = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][0-9A-Za-z]{1,31});"
    r"|\\{1,32}(?:[\"'/@]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})|[^\x00-\x7f]"
)
#: Letters of other alphabets that look like Latin ones (Unicode Technical Standard 39, confusables.txt, the usual few).
_LOOK: Final = str.maketrans(
    "авеёкмнорстухіјѕԁԛԝһӏցАВЕКМНОРСТУХІЈЅԌ" "αεικνορτυχγωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" "ɑɡıʟᴄᴏᴜᴠᴡᴢ",
    "abeekmhopctyxijsdqwhlgABEKMHOPCTYXIJSG" "aeikvoptuxywABEZHIKMNOPTYX" "agilcouvwz",
)  # fmt: skip
_OTHER: Final = {
    "。": ".",
    "․": ".",
    "﹒": ".",
    "．": ".",
    "｡": ".",
    "‐": "-",
    "‑": "-",
    "‒": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "⁎": "*",
    "∶": ":",
    "⁄": "/",
    "∕": "/",
    "＠": "@",
    "﹫": "@",
}


@dataclass(frozen=True)
class View:
    """`text` as it reads; character i of it came from `starts[i]` to `ends[i]` of the original."""

    text: str
    starts: array[int]
    ends: array[int]

    def place(self, found: Found) -> Found:
        """The same find in the original."""
        return found._replace(start=self.starts[found.start], end=self.ends[found.end - 1])


def plain(text: str) -> str:
    """Look-alike letters as Latin ones, invisible characters gone; for names of fields.

    >>> plain("раss\u200bword")
    'password'
    """
    if text.isascii():
        return text
    return "".join(_letter(c) for c in text)


def unfold(text: str) -> View | None:
    """The text unfolded, up to five times over; None when there is nothing to unfold."""
    view: View | None = None
    for _ in range(ROUNDS):
        following = _once(view.text if view else text)
        if following is None:
            break
        view = following if view is None else View(
            following.text,
            array("l", (view.starts[i] for i in following.starts)),
            array("l", (view.ends[i - 1] for i in following.ends)),
        )  # fmt: skip
    return view


def _once(text: str) -> View | None:
    """None when nothing changes."""
    pieces: list[str] = []
    starts, ends = array("l"), array("l")
    at, changed = 0, False
    for mark in _MARK.finditer(text):
        begin, end = mark.span()
        found = list(_decoded(mark.group(), begin))
        if len(found) == 1 and found[0][0] == mark.group():
            continue
        changed = True
        pieces.append(text[at:begin])
        starts.extend(range(at, begin))
        ends.extend(range(at + 1, begin + 1))
        for letters, start, stop in found:
            pieces.append(letters)
            starts.extend([start] * len(letters))
            ends.extend([stop] * len(letters))
        at = end
    if not changed:
        return None
    pieces.append(text[at:])
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return View("".join(pieces), starts, ends)


def _decoded(mark: str, begin: int) -> list[tuple[str, int, int]]:
    """What a mark stands for: characters with their place in the original. Nothing for what nobody sees."""
    if mark[0] == "%":
        return _percent(mark, begin)
    end = begin + len(mark)
    if mark[0] == "&":
        letters = html.unescape(mark)
        return [(letters, begin, end)]
    if mark[0] == "\\":
        tail = mark.lstrip("\\")
        letters = chr(int(tail[1:], 16)) if tail[0] in "ux" and len(tail) > 1 else tail
        return [("\ufffd" if "\ud800" <= letters < "\ue000" else letters, begin, end)]  # half of a pair
    letters = _letter(mark)
    return [(letters, begin, end)] if letters else []


def _percent(mark: str, begin: int) -> list[tuple[str, int, int]]:
    """`%XX` by `%XX`, several where one character takes several bytes."""
    raw, found, i = bytes.fromhex(mark.replace("%", "")), [], 0
    while i < len(raw):
        length = 1 if raw[i] < 0x80 else 2 if raw[i] < 0xE0 else 3 if raw[i] < 0xF0 else 4
        try:
            letters = raw[i : i + length].decode()
        except UnicodeDecodeError:
            length, letters = 1, "\ufffd"
        found.append((letters, begin + 3 * i, begin + 3 * (i + length)))
        i += length
    return found


def _letter(c: str) -> str:
    """One character as a reader sees it: "" when it is not seen."""
    if c < "\x80":
        return c
    if c in _OTHER:
        return _OTHER[c]
    kind = unicodedata.category(c)
    if kind == "Nd":
        return str(unicodedata.digit(c))
    if kind == "Cf" or c in "\u034f\u115f\u1160\u3164\u180e\ufe00\ufe01\ufe0e\ufe0f":
        return ""
    if kind in ("Zs", "Zl", "Zp"):
        return " "
    return unicodedata.normalize("NFKC", c).translate(_LOOK)
