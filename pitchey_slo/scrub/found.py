"""What a rule finds: from where to where, by which rule, and the value as it is compared."""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """`start` and `end` are offsets into the text; `value` is written one way however the text wrote it (a card's
    digits, an address in small letters), so that its hash joins."""

    start: int
    end: int
    rule: str
    value: str
