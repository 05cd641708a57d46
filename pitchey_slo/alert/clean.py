"""Hostile text made harmless: label values come from whoever sends requests, and end up on somebody's screen at night.

Here goes what is wrong everywhere: control characters, characters that turn the reading direction or cannot be seen,
lone surrogates, endless length. What only one channel takes for markup (`<!channel>`, `<img>`) is escaped there.
"""

from __future__ import annotations

import re
from typing import Final

#: Direction marks and overrides (CVE-2021-42574), invisible spaces, tag characters, separators, byte order mark.
#: ZWJ and ZWNJ stay: emoji and Persian need them.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BLANK: Final = re.compile(r"\s+")
#: Marks that pile up on one letter and cover the lines around it.
_PILED: Final = re.compile(
    "([\u0300-\u036f\u0489\u1ab0-\u1aff\u20d0-\u20ff]{3})[\u0300-\u036f\u0489\u1ab0-\u1aff\u20d0-\u20ff]+"
)


def clean(text: object, longest: int = 300) -> str:
    r"""One line of at most `longest` characters that shows what it holds.

    >>> clean("a\r\nBcc: you\x00\u202e")
    'a Bcc: you'
    """
    return cut(_BLANK.sub(" ", _harmless(text, longest)).strip(), longest)


def clean_lines(text: object, longest: int = 2_000) -> str:
    """As `clean`, and line ends stay (at most one empty line in a row)."""
    lines = [_BLANK.sub(" ", line).strip() for line in _harmless(text, longest).splitlines()]
    return cut(re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip(), longest)


def cut(text: str, longest: int) -> str:
    """`text`, ending in … when something was taken away.

    >>> cut("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= longest else text[: max(0, longest - 1)].rstrip() + "…"


def cut_bytes(text: str, longest: int) -> str:
    """As `cut`, counted in bytes of UTF-8."""
    raw = text.encode()
    return text if len(raw) <= longest else raw[: max(0, longest - 3)].decode(errors="ignore") + "…"


def _harmless(text: object, longest: int) -> str:
    short = str(text)[: 4 * longest + 100]  # a megabyte of blanks is not worth reading
    without = _UNSEEN.sub("", _SURROGATE.sub("\ufffd", short))
    return _PILED.sub(r"\1", _CONTROL.sub(" ", without))
