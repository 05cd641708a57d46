"""Base64 in a text: found by what base64 of readable text looks like, and decoded once.

Of four characters that stand for three ASCII letters the first, second and third can only be some; four such groups in
a row are almost never anything else, so hex, identifiers and paths are not even tried."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 4_096
#: First, second and third character of a group that stands for bytes 0x20 to 0x7e.
_FIRST: Final = "[I-Za-f]"
_SECOND: Final = "[CDEFGHSTUVWXijklmnyz0123]"
_THIRD: Final = r"[ABEFIJMNQRUVYZcdghklopstwx014589]"
_GROUP: Final = rf"{_FIRST}{_SECOND}{_THIRD}[A-Za-z0-9+/_\-]"
GATES: Final = (rf"{_GROUP}{_GROUP}{_GROUP}{_GROUP}",)

_TOKEN: Final = re.compile(rf"(?:{_GROUP}){{4,1024}}(?:[A-Za-z0-9+/_\-]{{2,3}})?={{0,2}}")
_LEFT: Final = re.compile(r"[A-Za-z0-9+/_\-]{0,512}")
_RIGHT: Final = re.compile(r"[A-Za-z0-9+/_\-]{0,512}={0,2}")


def tokens(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and decoded text of everything that reads as base64; start and end take in the characters around that
    may belong to it."""
    at = 0
    while (match := _TOKEN.search(text, at)) is not None:
        left = len(_LEFT.match(text[max(0, match.start() - 512) : match.start()][::-1]).group())  # type: ignore[union-attr]
        right = _RIGHT.match(text, match.end())
        end = right.end() if right else match.end()
        at = end
        letters = match.group().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            decoded = base64.b64decode(letters + "=" * (-len(letters) % 4)).decode("utf-8", "ignore")
        except (binascii.Error, ValueError):
            continue
        yield match.start() - left, end, decoded
